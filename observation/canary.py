"""Canaries: commands that harm nobody, sent through the whole system to see that it is alive, and how fast.

A canary asks to cancel an order that there isn't, for a user that there isn't, and is answered REJECTED. It goes the
way of every command: order-commands, worker, order-events, sink, ClickHouse. Its user begins with ``canary:``, by which
analysts' views leave it out, and is one for each partition.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from agents.routing import partition_of
from domain.messages import CancelOrder, OrderCommand, OrderEvent
from observation.metrics import ProbeMetrics
from runtime import kafka
from runtime.settings import Settings
from schemas import codec, topics

PREFIX: Final = "canary:"
_ORDER: Final = "canary"
_GROUP: Final = "fillstream-probe"  # librdkafka wants a name; nothing joins or commits under it
_POLL_S: Final = 0.2
_BATCH_RECORDS: Final = 1_000
#: A canary that couldn't be written for so long isn't written any more: the next one tells as much.
_WRITE_WITHIN_MS: Final = 10_000
#: Who hasn't come through by then is forgotten; the age tells that none has.
_PENDING_PER_PARTITION: Final = 60


def user_of(partition: int, partitions: int) -> str:
    """The canary user whose records murmur2 sends to *partition*: ``canary:<partition>``, with a number if need be."""
    names = (f"{PREFIX}{partition}{'.' + str(number) if number else ''}" for number in count())
    return next(name for name in names if partition_of(name.encode(), partitions) == partition)


def command_id(partition: int, at_ms: int) -> str:
    return f"{PREFIX}{partition}:{at_ms}"


def written_ms(identifier: str) -> int | None:
    """When the canary with that command ID was written, or None if it isn't one's."""
    _, _, at = identifier.rpartition(":")
    return int(at) if identifier.startswith(PREFIX) and at.isdecimal() else None


class Flock:
    """Which canaries are on their way, and which have come through; times are arguments, in ms since the epoch.

    Those of a partition can't pass each other, so the newest that is stored stands for all before it. Threads may share
    a flock.
    """

    def __init__(self, partitions: int) -> None:
        self._lock = threading.Lock()
        self._first_ms: int | None = None
        self._newest_ms: dict[int, int] = {}
        self._unanswered: dict[int, list[int]] = {number: [] for number in range(partitions)}
        self._unstored: dict[int, list[int]] = {number: [] for number in range(partitions)}

    @property
    def waiting(self) -> bool:
        """Whether there is one to look for in ClickHouse."""
        return any(self._unstored.values())

    def sent(self, partition: int, at_ms: int) -> None:
        with self._lock:
            self._first_ms = self._first_ms or at_ms
            for pending in (self._unanswered[partition], self._unstored[partition]):
                pending.append(at_ms)
                del pending[:-_PENDING_PER_PARTITION]

    def answered(self, partition: int, at_ms: int) -> bool:
        """Whether this was waited for: not if it was answered before, or sent by another probe."""
        with self._lock:
            pending = self._unanswered[partition]
            known = at_ms in pending
            pending[:] = [other for other in pending if other > at_ms]
        return known

    def stored(self, partition: int, newest_ms: int) -> list[int]:
        """The newest one found in ClickHouse; returns those that were waited for and are now there."""
        with self._lock:
            self._newest_ms[partition] = max(newest_ms, self._newest_ms.get(partition, 0))
            pending = self._unstored[partition]
            there = [at_ms for at_ms in pending if at_ms <= newest_ms]
            pending[:] = [at_ms for at_ms in pending if at_ms > newest_ms]
        return there

    def newest_s(self) -> Mapping[int, float]:
        """When the newest stored canary of each partition was written; where there is none, when the first was sent."""
        if self._first_ms is None:
            return {}
        return {number: self._newest_ms.get(number, self._first_ms) / 1_000 for number in self._unstored}


class Canaries:
    """Sends them, and reads their answers. All methods but those of *flock* belong to one thread."""

    def __init__(self, settings: Settings, flock: Flock, metrics: ProbeMetrics) -> None:
        self._flock = flock
        self._metrics = metrics
        self._every_s = settings.probe_canary_interval_s
        self._due_s = 0.0
        self.users = {user_of(number, settings.partitions): number for number in range(settings.partitions)}
        self._keys = frozenset(user.encode() for user in self.users)
        quiet = {"log_level": 0}
        timeout = {"message.timeout.ms": _WRITE_WITHIN_MS}
        self._producer = Producer(kafka.producer(settings, client_id="fillstream-probe") | timeout | quiet)
        self._consumer = Consumer(kafka.consumer(settings, _GROUP, client_id="fillstream-probe") | quiet)
        self._consumer.assign(
            [TopicPartition(topics.ORDER_EVENTS.name, number, OFFSET_END) for number in range(settings.partitions)]
        )
        self._consumer.consume(1, _POLL_S)  # it has to know where the end is before the first one is sent
        self._decode = codec.decoder(OrderEvent)

    def turn(self) -> None:
        """Send those that are due, and read what has come. Raises KafkaException."""
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + self._every_s
            self._send()
        self._producer.poll(0)
        for message in self._consumer.consume(_BATCH_RECORDS, _POLL_S):
            self._take(message)

    def close(self) -> None:
        self._producer.purge()
        self._producer.flush(1)
        self._consumer.close()

    def _send(self) -> None:
        for user, partition in self.users.items():
            at_ms = time.time_ns() // 1_000_000
            command = OrderCommand(command_id(partition, at_ms), user, at_ms * 1_000, CancelOrder(_ORDER))
            self._flock.sent(partition, at_ms)
            self._producer.produce(topics.ORDER_COMMANDS.name, codec.encode(command), user.encode(), partition)

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() not in _WHILE_AWAY:
                raise KafkaException(error)
            return
        if message.key() not in self._keys:
            return
        event = self._decode(message.value())
        at_ms = written_ms(event.command_id or "")
        if at_ms is not None and self._flock.answered(self.users[event.user_id], at_ms):
            self._metrics.canary_answer_seconds.observe(max(0.0, time.time() - at_ms / 1_000))


_WHILE_AWAY: Final = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE})  # noqa: SLF001  # it connects again


class Reader:
    """Finds canaries in ClickHouse."""

    def __init__(self, flock: Flock, users: Mapping[str, int], metrics: ProbeMetrics) -> None:
        self._flock = flock
        self._users = dict(users)
        self._metrics = metrics

    def look(self, ask: Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]) -> None:
        """See which have arrived, if one is on its way. *ask* is for the rows of a query with its parameters."""
        if self._flock.waiting:
            found = ask(_NEWEST, {"users": list(self._users)})
            now_ms = time.time_ns() // 1_000_000
            for user, newest in found:
                self._note(self._users[user], written_ms(newest), now_ms)
        self._metrics.canary_age.observe(self._flock.newest_s())

    def _note(self, partition: int, newest_ms: int | None, now_ms: int) -> None:
        for sent_ms in [] if newest_ms is None else self._flock.stored(partition, newest_ms):
            self._metrics.canary_stored_seconds.observe(max(0, now_ms - sent_ms) / 1_000)


#: Command IDs of one user differ in their times alone, which have as many digits each for the next 260 years.
_NEWEST: Final = """
SELECT user_id, max(command_id)
FROM order_events
WHERE user_id IN {users:Array(String)} AND _timestamp > now() - INTERVAL 1 DAY
GROUP BY user_id
"""
