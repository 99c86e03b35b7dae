"""Stand-ins for confluent_kafka's Producer and Consumer over the model of the log, for the process that makes them.

They have the methods that the product calls, and fail as the real ones do. Calls of a dead process end it at once.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from tests.simulation.broker import FencedError, Transaction
from tests.simulation.loop import PROCESS, Killed, Process
from tests.simulation.points import Point

_BATCH_MAX: Final = 8


def current() -> Process:
    """The process that runs now. Raises Killed in a dead one's last breath."""
    process = PROCESS.get()
    if process is None or not process.alive:
        raise Killed
    return process


def kafka_exception(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


class Producer:
    """Transactional if its configuration names an ID, else idempotent."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.waiting = 0
        self.transaction: Transaction | None = None
        self._process = current()
        self._world = self._process.world
        self._broker = self._world.broker
        self._identity: str | None = config.get("transactional.id")
        self._epoch = 0
        self._decided: list[tuple[str, int]] = []
        self._unsent: list[tuple[str, int, bytes | None, bytes | None]] = []
        self._arrives_s = 0.0

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────────────

    def init_transactions(self, _timeout: float) -> None:
        self._world.reach(Point.WORKER_FENCING)
        self._epoch = self._broker.fence(self._identity)
        self._world.reach(Point.WORKER_FENCED)

    def begin_transaction(self) -> None:
        self.transaction = None
        self._decided.clear()
        self._unsent.clear()

    def note(self, topic: str, offsets: Sequence[int]) -> None:
        """These inputs are decided in the open transaction: for the refold, which needs their order."""
        self._decided += [(topic, offset) for offset in offsets]

    def _send(self) -> None:
        """The broker gets what it doesn't have yet. Raises FencedError if another has taken over."""
        if self.transaction is None:
            self.transaction = self._broker.begin(self._identity, self._epoch)
        self._broker.write(self.transaction, self._unsent)
        self._unsent.clear()

    def commit_transaction(self, _timeout: float) -> None:
        try:
            self._send()
            self._world.reach(Point.WORKER_COMMITTING)
            self.transaction.decided += self._decided
            self._broker.commit(self.transaction)
        except FencedError as error:
            raise kafka_exception(KafkaError._FENCED) from error
        self._world.trace(f"commits {len(self._decided)} records of {self._identity}")
        self._world.reach(Point.WORKER_COMMITTED)

    def abort_transaction(self, _timeout: float) -> None:
        current()
        if self.transaction is not None:
            try:
                self._broker.abort(self.transaction)
            except FencedError as error:
                raise kafka_exception(KafkaError._FENCED) from error

    def produce_batch(self, topic: str, records: list[dict[str, Any]], partition: int) -> int:
        """Takes *records* into the open transaction, not always all at once; sends them now or when it commits."""
        current()
        taken = len(records)
        if self._world.happens(0.05):
            taken = self._world.dice.randint(0, taken)
            for record in records[taken:]:
                record["_error"] = KafkaError(KafkaError._QUEUE_FULL)
        self._unsent += [(topic, partition, record["key"], record["value"]) for record in records[:taken]]
        if self._world.dice.random() < 0.5:
            try:
                self._send()
            except FencedError:
                for record in records:
                    record["_error"] = KafkaError(KafkaError._FENCED)
                return 0
        return taken

    # ── records ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = 0,
        on_delivery: Callable[[Any, Any], None] | None = None,
    ) -> None:
        """It arrives after all before it; what a process had not sent when it died may or may not have left it."""
        record, world = (topic, partition, key, value), self._world
        world.reach(Point.GATEWAY_REPORTING)
        now_s = world.loop.time()
        self._arrives_s = max(self._arrives_s, now_s + world.network_s())
        self.waiting += 1
        world.later(self._arrives_s - now_s, self._arrive, record, on_delivery)

    def _arrive(self, record: tuple[str, int, bytes | None, bytes | None], on_delivery: Any) -> None:
        process, world = self._process, self._world
        if not process.alive and world.dice.random() < 0.5:
            return
        topic, partition, key, value = record
        self._broker.append(topic, partition, key, value)
        if process.alive and world.survives(Point.GATEWAY_REPORTED, process):
            process.call(0.001, self._acknowledged, on_delivery)

    def _acknowledged(self, on_delivery: Any) -> None:
        self.waiting -= 1
        if on_delivery is not None:
            on_delivery(None, None)

    def poll(self, _timeout: float) -> int:
        return 0


class Message:
    """A consumed record, or (*code*) what came in place of one."""

    def __init__(self, topic: str, partition: int, offset: int, entry: Any, code: int | None = None) -> None:
        self._place = topic, partition, offset
        self._entry = entry
        self._code = code

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def key(self) -> bytes | None:
        return self._entry.key

    def value(self) -> bytes | None:
        return self._entry.value

    def timestamp(self) -> tuple[int, int]:
        return 2, self._entry.timestamp

    def error(self) -> KafkaError | None:
        return None if self._code is None else KafkaError(self._code)


class Consumer:
    """Reads what is committed. The group of a gateway is minded by whoever holds it: see gateways.py."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.member: Any = None
        self.positions: dict[tuple[str, int], int] = {}
        self._process = current()
        self._world = self._process.world
        self._broker = self._world.broker
        self._tells_end = bool(config.get("enable.partition.eof"))
        self._told_end: set[tuple[str, int]] = set()

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:  # noqa: ARG002
        return 0, self._broker.logs[place.topic, place.partition].stable_end

    def assign(self, places: Sequence[TopicPartition]) -> None:
        for place in places:
            start = 0 if place.offset == OFFSET_BEGINNING else place.offset
            self.positions[place.topic, place.partition] = start

    def consume(self, most: int, _timeout: float) -> list[Message]:
        """What a fetch of one partition brings."""
        if self._tells_end:
            self._world.reach(Point.WORKER_RESTORING)
        for (topic, partition), start in self.positions.items():
            batch = min(most, self._world.dice.randint(1, _BATCH_MAX) * (25 if self._tells_end else 1))
            found, end = self._broker.logs[topic, partition].read(start, batch)
            self.positions[topic, partition] = end
            if found:
                return [Message(topic, partition, entry.offset, entry) for entry in found]
            if self._tells_end and (topic, partition) not in self._told_end:
                self._told_end.add((topic, partition))
                return [Message(topic, partition, end, None, KafkaError._PARTITION_EOF)]
        return []

    def poll(self, _timeout: float) -> Message | None:
        found = self.consume(1, 0)
        return found[0] if found else None

    def committed(self, places: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:  # noqa: ARG002
        found = []
        for place in places:
            offset, metadata = self.member.group.offsets.get(place.partition, (OFFSET_INVALID, ""))
            found.append(TopicPartition(place.topic, place.partition, offset, metadata))
        return found

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool) -> list[TopicPartition]:  # noqa: ARG002
        states = {place.partition: (place.offset, place.metadata) for place in offsets}
        intends = any("a" in json.loads(metadata)["runs"] for _, metadata in states.values() if '"runs"' in metadata)
        self._world.reach(Point.GATEWAY_INTENDING if intends else Point.GATEWAY_COMMITTING)
        if self._world.happens(0.01):
            raise kafka_exception(KafkaError.NOT_COORDINATOR)
        self.member.group.commit(self.member, states)
        if self._world.happens(0.005):
            raise kafka_exception(KafkaError.REQUEST_TIMED_OUT)  # and yet it is there
        self._world.reach(Point.GATEWAY_INTENDED if intends else Point.GATEWAY_COMMITTED)
        return list(offsets)

    def close(self) -> None:
        self.positions.clear()
        if self._tells_end:
            self._world.reach(Point.WORKER_RESTORED)
