"""Faust's transport, with chunks instead of messages: the classes that Faust lets an application replace.

Each overrides as little as can be; ``tests/streaming`` pins what they rely on in Faust 0.15.3 and aiokafka 0.14.
"""

import asyncio
import contextlib
import itertools
import operator
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import aiokafka
import faust
import structlog
from aiokafka.consumer import fetcher
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.events import Event
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.tables.recovery import Recovery as FaustRecovery
from faust.transport.consumer import TransactionManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from typing_extensions import override

from streaming import failure
from streaming.chunk import Admission, Record, Stretch

log = structlog.get_logger()

#: How long the broker may hold a fetch that has nothing: the longest an input waits that was full a moment ago.
_FETCH_WAIT_MS: Final = 100

_VALUE: Final = operator.attrgetter("value")

#: In full chunks: an input is held when so much of it waits, and goes on before it runs dry. The next chunk is there
#: when the last has been decided, however long a fetch takes.
_HOLD_AT: Final = 2.0
_GO_ON_BELOW: Final = 1.0


class ChunkSchema(faust.Schema):  # type: ignore[misc]  # Faust is not typed for us
    """Hands a stretch to the stream as it is: the agent decodes its records itself, all in one go."""

    @override
    def compile(self, app: faust.App, **_: Any) -> Any:
        async def decode(message: ConsumerMessage, *, propagate: bool = False) -> Event:  # noqa: ARG001  # Faust's
            return Event(app, None, message.value, None, message)

        return decode


class BareRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is not typed for us
    """Hands over records as aiokafka's compiled parser makes them, batch by batch.

    To look at each and dress it up as a ConsumerRecord takes three times as long as to parse it, and says nothing
    that a Record needs.
    """

    next_fetch_offset: int

    @override
    def __iter__(self) -> Iterator[Record]:
        return itertools.chain.from_iterable(self._records_iterator)

    @override
    def _unpack_records(self) -> Iterator[list[Record]]:
        """What is committed, from *next_fetch_offset* on: what aiokafka's own yields, but a batch at a time."""
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"{self._tp}: the batch at offset {batch.base_offset} is damaged")
            if not self._is_passed_over(batch):
                records = list(batch)
                if records and records[0].offset < self.next_fetch_offset:  # a batch comes whole, wherever we stand
                    records = [record for record in records if record.offset >= self.next_fetch_offset]
                yield records
            self.next_fetch_offset = batch.next_offset

    def _is_passed_over(self, batch: Any) -> bool:
        """Whether *batch* marks a transaction's end, or is of one that was aborted."""
        self._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch:
            if self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            return True
        return bool(batch.is_transactional) and batch.producer_id in self._aborted_producers


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is not typed for us
    """Fetches, in a thread and event loop of its own; what isn't marked otherwise runs there.

    Every assigned partition is paused until it is admitted, and whenever two full chunks of it wait. So what is fetched
    is always wanted, and aiokafka, which holds back a broker's next fetch until the last one is consumed, never waits.
    """

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self._admissions: dict[TopicPartition, Admission] = {}
        self._admitted = asyncio.Event()

    def admit(self, admission: Admission) -> None:
        """From any thread: fetch an input from an offset on, in place of what was admitted before."""
        self.thread_loop.call_soon_threadsafe(self._admit, admission)

    def go_on(self, admission: Admission) -> None:
        """From any thread: fetch more of an input that was held because too much of it waited."""
        self.thread_loop.call_soon_threadsafe(self._go_on, admission)

    def fetch_again(self, unused: Stretch) -> None:
        """From any thread: nobody took *unused*. Nothing happens if its input has been admitted anew since."""
        self.thread_loop.call_soon_threadsafe(self._fetch_again, unused)

    async def stretches(self, timeout: float) -> list[tuple[TP, Stretch]]:  # noqa: ASYNC109  # Faust's way
        """From the main thread: what was fetched of admitted inputs; waits at most *timeout* seconds for some."""
        fetched: list[tuple[TP, Stretch]] = await self.call_thread(self._stretches, timeout)
        return fetched

    async def publish(self, next_offsets: Mapping[TP, int]) -> None:
        """From the main thread: commit the group's offsets, which nothing here reads: they are for lag tools."""
        await self.call_thread(self._publish, next_offsets)

    def _admit_none(self) -> None:
        self._admissions = {}  # a new one: a fetch that waits with the old one, emptied, would take it for "everything"
        self._admitted.clear()

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._admit_none()
        with failure.stops("rebalance_failed"):  # aiokafka would log it and go on
            await super().on_partitions_revoked(revoked)

    @override
    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._admit_none()
        with failure.stops("rebalance_failed"):  # aiokafka would log it and go on
            partitions, consumer = driver.ensure_aiokafka_TPset(assigned), self._ensure_consumer()
            consumer.pause(*partitions)
            for partition in partitions:  # anywhere: without a position, aiokafka asks the group for one
                consumer.seek(partition, 0)
            await super().on_partitions_assigned(assigned, generation_id)

    def _admit(self, admission: Admission) -> None:
        tp, consumer = TopicPartition(admission.topic, admission.partition), self._ensure_consumer()
        if tp in consumer.assignment():  # else it was revoked meanwhile
            consumer.seek(tp, admission.offset)
            consumer.resume(tp)
            self._admissions[tp] = admission
            self._admitted.set()

    def _go_on(self, admission: Admission) -> None:
        tp = TopicPartition(admission.topic, admission.partition)
        if admission.held and self._admissions.get(tp) is admission:
            admission.held = False
            self._ensure_consumer().resume(tp)

    def _fetch_again(self, unused: Stretch) -> None:
        admission = unused.admission
        tp = TopicPartition(admission.topic, admission.partition)
        if self._admissions.get(tp) is admission:
            self._ensure_consumer().seek(tp, unused.start)
            admission.reached = unused.start
            admission.fetched -= unused.weight
            self._go_on(admission)

    async def _stretches(self, timeout: float) -> list[tuple[TP, Stretch]]:  # noqa: ASYNC109
        if not self.consumer.flow_active:
            return []
        consumer = self._ensure_consumer()
        if consumer._closed:  # noqa: SLF001  # as Faust does
            raise ConsumerStoppedError
        consumer._coordinator.check_errors()  # noqa: SLF001  # as aiokafka does: it waits until its errors are noticed
        with consumer._subscription.fetch_context():  # noqa: SLF001  # as Faust does: it shows that we are not idle
            if not self._admissions:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._admitted.wait(), timeout)
                return []
            fetched = await consumer._fetcher.fetched_records(self._admissions, timeout)  # noqa: SLF001  # as Faust does
            return [(TP(*tp), self._stretch(tp, records)) for tp, records in fetched.items() if tp in self._admissions]

    def _stretch(self, tp: TopicPartition, records: list[Any]) -> Stretch:
        """Accounts for what was fetched of an input just now; holds the input if enough of it waits."""
        consumer, admission = self._ensure_consumer(), self._admissions[tp]
        state = consumer._subscription.subscription.assignment.state_value(tp)  # noqa: SLF001  # no await since the fetch
        start, end = admission.reached, state.position
        admission.reached = end
        weight = self.consumer.weigh(records)
        admission.fetched += weight
        if admission.waiting >= _HOLD_AT:
            consumer.pause(tp)
            admission.held = True
            if admission.waiting <= _GO_ON_BELOW:  # it was taken while we held it, and nobody else would notice
                self._go_on(admission)
        return Stretch(start=start, end=end, records=records, weight=weight, highwater=state.lso, admission=admission)

    async def _publish(self, next_offsets: Mapping[TP, int]) -> None:
        offsets = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in next_offsets.items()}
        try:
            await self._ensure_consumer().commit(offsets)
        except KafkaError as error:
            log.info("group_offsets_not_published", reason=repr(error))

    @override
    def _create_worker_consumer(self, transport: "Transport") -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        fetcher.PartitionRecords = BareRecords  # the fetcher makes them by this name, and offers no other way in
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self.app.assignor],  # Faust's: keeps equal numbers of all inputs together
            enable_auto_commit=False,
            auto_offset_reset="none",  # positions are ours; one that the broker doesn't have must not be passed over
            isolation_level="read_committed",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1_000),
            request_timeout_ms=int(conf.broker_request_timeout * 1_000),
            session_timeout_ms=int(conf.broker_session_timeout * 1_000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1_000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1_000),
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )


class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust is not typed for us
    """Gives Faust one message for each stretch."""

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self._sequence = itertools.count()

    @override
    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @override
    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """What Faust's own does, without its sleep of a second when all buffers are full."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        try:
            stretches = await self._thread.stretches(timeout)
        except ConsumerStoppedError:
            raise  # Faust knows what it means
        except KafkaError as error:
            failure.stop("fetch_failed", error)
        generation = self.app.consumer_generation_id  # of now: a rebalance may have come and gone while we waited
        for place, (tp, stretch) in enumerate(stretches):
            if self.should_stop or not self.flow_active or self.app.consumer_generation_id != generation:
                # A rebalance. Whoever owns the partition after it seeks to where it stands; but if that has been done
                # already, this is from after it, and nobody would miss it before the input's next record comes.
                for _, unused in stretches[place:]:
                    self._thread.fetch_again(unused)
                return
            yield tp, self._message(tp, stretch, generation)

    def _message(self, tp: TP, stretch: Stretch, generation: int) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            next(self._sequence),  # not an offset: Faust drops what is below the last, and after a seek all would be
            stretch.records[-1].timestamp / 1_000,
            0,
            (),
            None,
            stretch,
            None,
            0,
            0,
            tp,
            generation_id=generation,
        )

    @override
    async def perform_seek(self) -> None:
        """Nothing: each partition is admitted at its own position."""

    def weigh(self, records: Sequence[Record]) -> float:
        """The share of a full chunk that *records* make."""
        settings = self.app.settings
        size = sum(map(len, filter(None, map(_VALUE, records))))
        weight: float = max(len(records) / settings.chunk_records_max, size / settings.chunk_bytes_max)
        return weight

    def admit(self, topic: str, partition: int, offset: int) -> Admission:
        admission = Admission(topic, partition, offset)
        self._thread.admit(admission)
        return admission

    def taken(self, stretch: Stretch) -> None:
        admission = stretch.admission
        admission.taken += stretch.weight
        if admission.held and admission.waiting <= _GO_ON_BELOW:
            self._thread.go_on(admission)

    async def publish(self, next_offsets: Mapping[TP, int]) -> None:
        await self._thread.publish(next_offsets)


class Transactions(TransactionManager):  # type: ignore[misc]  # Faust is not typed for us
    """Tells the lane what the group decides. The lane's transactions are its own; Faust begins and commits none."""

    @override
    async def flush(self) -> None:
        """Nothing: Faust's producer has nothing of ours."""

    @override
    async def commit(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Nothing: offsets are committed with the chunks they belong to."""
        return True

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        with failure.stops("rebalance_failed"):
            await self.app.lane.rest()

    @override
    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP]) -> None:
        with failure.stops("rebalance_failed"):
            self.app.lane.assign(assigned)


class Recovery(FaustRecovery):  # type: ignore[misc]  # Faust is not typed for us
    """Only lets streams flow after a rebalance. What Faust would restore, the lane restores."""

    @override
    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        self.add_future(self._resume(generation_id))

    async def _resume(self, generation_id: int) -> None:
        with contextlib.suppress(RebalanceAgain, ServiceStopped):  # then there is nothing to resume
            await self._resume_streams(generation_id)


class TableManager(FaustTableManager):  # type: ignore[misc]  # Faust is not typed for us
    """Faust's list of tables, without a subscription to their changelogs."""

    @override
    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()

    @override
    async def _update_channels(self) -> None:
        self._tables_finalized.set()
        self._tables_registered.set()

    _recovery: Recovery | None = None

    @property
    @override
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class Transport(driver.Transport):  # type: ignore[misc]  # Faust is not typed for us
    Consumer: ClassVar[type[Consumer]] = Consumer
    TransactionManager: ClassVar[type[Transactions]] = Transactions
