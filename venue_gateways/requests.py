"""A gateway's part of the request topic: a Kafka consumer in a thread of its own, which does the commits too.

The event loop never waits for Kafka, and Kafka's heartbeats never wait for the event loop. A commit from another thread
would starve: the consumer's lock is held while it polls, and is not fair.
"""

import asyncio
import queue
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, Final, Protocol

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from domain.messages import Message
from runtime import kafka
from runtime.settings import Settings
from schemas import topics
from venue_gateways import metrics
from venue_gateways.clock import steady_us
from venue_gateways.progress import Inherited, inherit

#: How many records are handed to the event loop at once.
BATCH_MAX: Final = 500
#: Reading pauses above this many requests in hand, and goes on below half of it.
IN_HAND_MAX: Final = 50_000
#: How long the thread waits for something to commit before it looks for records again, and so a record for it.
_LOOK_S: Final = 0.002
_BROKER_TIMEOUT_S: Final = 10.0
#: How long a partition's release may take: calls under way end, their reports and the last commit are written.
RELEASE_TIMEOUT_S: Final = 20.0
_JOIN_S: Final = RELEASE_TIMEOUT_S + 10

log = structlog.get_logger()


class CommitRefused(Exception):  # noqa: N818  # it says what is known
    """The group's coordinator did not accept a commit: what it says must not be acted on."""


States = Mapping[int, tuple[int, str]]
"""Offset and metadata to commit, by partition."""


class Record(Message, frozen=True):
    """One record as it came."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Owner(Protocol):
    """Who is told. All are called in the event loop, in the order in which things happened."""

    def gained(self, partition: int, first: int, inherited: Inherited) -> None: ...

    def received(self, records: list[Record]) -> None: ...

    async def released(self, partitions: list[int]) -> States:
        """Somebody else is about to own *partitions*: after what is returned has been committed."""

    async def lost(self, partitions: list[int]) -> None:
        """Somebody else may own *partitions* already."""

    def failed(self, error: BaseException) -> None: ...


class Requests:
    """Start it, stop it, commit."""

    def __init__(self, settings: Settings, venue: str, owner: Owner) -> None:
        self._topic = topics.venue_requests(venue).name
        self._venue = venue
        self._owner = owner
        self._config = kafka.consumer(
            settings,
            f"{topics.APPLICATION}-gateway-{venue}",
            group_instance_id=settings.gateway_id,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=min(3_000, settings.session_timeout_ms // 3),
            partition_assignment_strategy="cooperative-sticky",  # those that stay are not interrupted
            fetch_wait_max_ms=100,
        )
        self._loop: asyncio.AbstractEventLoop
        self._consumer: Any = None
        self._thread = threading.Thread(target=self._run, name="requests", daemon=True)
        self._commits: queue.SimpleQueue[tuple[States, asyncio.Future[int]]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._gains: list[tuple[int, int, Inherited]] = []
        self._paused = False
        self._abandoned = False
        self.in_hand = 0
        """How many requests have not been answered, as the owner counts them."""

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._consumer = Consumer(self._config)
        self._thread.start()

    async def stop(self, *, release: bool) -> None:
        """Leave; *release* the partitions before that, in good order, or abandon them.

        A static member's partitions wait for it until its session ends.
        """
        self._abandoned = not release
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, _JOIN_S)

    async def commit(self, states: States) -> int:
        """Commit *states*; returns when that was sent (steady clock, µs).

        Raises CommitRefused unless the group's coordinator has accepted all of it.
        """
        done: asyncio.Future[int] = self._loop.create_future()
        self._commits.put((states, done))
        return await done

    # ── the consumer's thread ──────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            self._consumer.subscribe(
                [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            idle = True
            while not self._stopping.is_set():
                self._mind_backlog()
                self._serve_commits(_LOOK_S if idle else 0)
                idle = not self._read()
        except Exception as error:  # noqa: BLE001  # whatever it is, the process can't go on
            self._abandoned = True
            self._tell(self._owner.failed, error)
        self._consumer.close()
        self._refuse_commits("the consumer is closed")

    def _serve_commits(self, wait_s: float) -> None:
        """Make all commits that wait. It is for those that the thread sleeps, not for records: a placement that is to
        be sent waits for its commit, and the consumer can't be woken from its poll.
        """
        try:
            states, done = self._commits.get(wait_s > 0, wait_s)
            while True:
                try:
                    self._tell(_resolve, done, self._commit(states), None)
                except CommitRefused as refused:
                    self._tell(_resolve, done, 0, refused)
                states, done = self._commits.get_nowait()
        except queue.Empty:
            return

    def _refuse_commits(self, why: str) -> None:
        """Whatever waits to be committed was written before something changed."""
        while not self._commits.empty():
            _, done = self._commits.get()
            self._tell(_resolve, done, 0, CommitRefused(why))

    def _commit(self, states: States) -> int:
        offsets = [TopicPartition(self._topic, p, offset, metadata) for p, (offset, metadata) in states.items()]
        sent = steady_us()
        try:
            results = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise CommitRefused(str(error)) from error
        finally:
            metrics.COMMIT_SECONDS.labels(self._venue).observe((steady_us() - sent) / 1_000_000)
        refused = [result for result in results if result.error is not None]
        if refused:
            raise CommitRefused(str(refused[0].error))
        return sent

    def _read(self) -> bool:
        """Take what is there already; whether anything was."""
        first = self._consumer.poll(0)
        for gained in self._gains:
            self._tell(self._owner.gained, *gained)
        self._gains.clear()
        if first is None:
            return False
        messages = [first, *self._consumer.consume(BATCH_MAX - 1, 0)]
        records = [self._record(message) for message in messages if self._is_record(message)]
        if records:
            self._tell(self._owner.received, records)
        return True

    def _is_record(self, message: Any) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001  # its public name for it
            raise KafkaException(error)
        log.warning("requests_read_error", error=str(error))
        return False

    def _record(self, message: Any) -> Record:
        _, timestamp_ms = message.timestamp()
        return Record(message.partition(), message.offset(), timestamp_ms * 1000, message.key(), message.value())

    def _mind_backlog(self) -> None:
        """Stop reading while too much is in hand. Polling goes on, so the membership does."""
        if not self._paused and self.in_hand > IN_HAND_MAX:
            self._consumer.pause(self._consumer.assignment())
            self._paused = True
        elif self._paused and self.in_hand < IN_HAND_MAX // 2:
            self._consumer.resume(self._consumer.assignment())
            self._paused = False

    def _on_assign(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        """What former owners left is read before a record of theirs can come.

        The owner is told after this callback has returned: a commit that begins inside of it never comes back.
        """
        if not partitions:
            return
        for found in kafka.committed(consumer, partitions, _BROKER_TIMEOUT_S):
            low, end = kafka.watermarks(consumer, found, _BROKER_TIMEOUT_S)
            committed = None if found.offset == OFFSET_INVALID else found.offset
            first = low if committed is None else committed
            self._gains.append((found.partition, first, inherit(committed, found.metadata, end)))

    def _on_revoke(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        if self._abandoned:
            return
        states = self._wait_for(self._owner.released([found.partition for found in partitions]))
        self._refuse_commits("partitions were released")
        if states:
            try:
                self._commit(states)
            except CommitRefused as refused:
                log.warning("last_commit_refused", error=str(refused), partitions=sorted(states))

    def _on_lost(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        if not self._abandoned:
            self._wait_for(self._owner.lost([found.partition for found in partitions]))
            self._refuse_commits("partitions were lost")

    def _wait_for(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(RELEASE_TIMEOUT_S)

    def _tell(self, what: Any, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(what, *arguments)


def _resolve(done: "asyncio.Future[int]", sent_us: int, error: CommitRefused | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(sent_us)
    else:
        done.set_exception(error)
