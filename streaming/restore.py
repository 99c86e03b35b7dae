"""Restoring a partition: reads its changelogs to their end and checks what was read against the stored digest."""

import itertools
import operator
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from domain.state import Position
from runtime import kafka
from runtime.settings import Settings
from schemas import codec
from streaming import metrics
from streaming.table import DIGEST_BYTES, Fingerprint, Rows, Table, total
from streaming.writer import QUIET, Abandoned

log = structlog.get_logger()

_BATCH_RECORDS: Final = 10_000
_POLL_S: Final = 0.1
_REQUEST_TIMEOUT_S: Final = 20.0
_STALLED_AFTER_S: Final = 30.0
_PROGRESS_EVERY_S: Final = 2.0


class RestoreError(Exception):
    """The tables of a partition can't be had as they were; the message says which, where, and what to do."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A partition's tables as of its last committed chunk, and where each input goes on.

    *stored_offsets* are the positions as the changelog has them: none yet for an input that was never read, and an
    older one for an input whose first records are gone by retention.
    """

    rows: Sequence[Rows[Any]]  # one a table, each of its own class
    next_offsets: Mapping[str, int]
    stored_offsets: Mapping[str, int]


class _Changelog:
    """What has been read so far of one changelog's partition, up to *end*, its end when reading began."""

    __slots__ = ("_rows", "end", "last_key", "last_offset", "next_offset", "topic")

    def __init__(self, topic: str, end: int) -> None:
        self.topic = topic
        self.end = end
        self.next_offset = 0
        self.last_offset = -1
        self.last_key = b""
        self._rows: dict[bytes, bytes | None] = {}

    @property
    def complete(self) -> bool:
        return self.next_offset >= self.end

    def take(self, messages: Iterable[Message]) -> None:
        """The next of its records. Raises KafkaException for an error that came in place of one.

        Without a step of Python's for each record: millions of them stand between a crash and the first commit.
        """
        records = [message for message in messages if message.error() is None or self._ended(message)]
        if records:
            self._rows.update(zip(map(_KEY, records), map(_VALUE, records), strict=True))
            self.last_key, self.last_offset = records[-1].key(), records[-1].offset()
            self.next_offset = max(self.next_offset, self.last_offset + 1)

    def _ended(self, message: Message) -> bool:
        """Notes that there is nothing more now; what ends a transaction is no record and yet has an offset."""
        if message.error().code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for it
            raise KafkaException(message.error())
        self.next_offset = max(self.next_offset, message.offset())
        return False

    def rows(self) -> dict[bytes, bytes]:
        """The rows that are left of what was read."""
        return {key: value for key, value in self._rows.items() if value is not None}


_TOPIC, _KEY, _VALUE = map(operator.methodcaller, ("topic", "key", "value"))


def restore(
    settings: Settings,
    tables: Sequence[Table],
    positions: str,
    partition: int,
    inputs: Sequence[str],
    wanted: Callable[[], bool],
) -> Restored:
    """The rows of *partition* and the offset at which each of *inputs* goes on. Blocks: call it in a thread.

    To be called after the previous owner was fenced: only then is the end that is read to the end. Raises RestoreError,
    KafkaException, and Abandoned as soon as *wanted* says no.
    """
    started = time.monotonic()
    reader = Consumer(
        kafka.consumer(
            settings,
            f"{settings.worker_id}-restore",  # librdkafka wants a name; nothing joins or commits under it
            enable_partition_eof=True,
            auto_offset_reset="error",
            queued_max_messages_kbytes=16_384,
            fetch_wait_max_ms=10,  # the end of a changelog is told after one fetch of nothing
        )
        | QUIET
    )
    try:
        names = [table.changelog for table in tables] + [positions]
        changelogs = {name: _Changelog(name, _bounds(reader, name, partition)[1]) for name in names}
        reader.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for name in names])
        _read(reader, partition, changelogs, wanted)
        loaded = [table.load(changelogs[table.changelog].rows()) for table in tables]
        found = _positions(changelogs[positions])
        _check_digest(partition, changelogs[positions], loaded, found)
        next_offsets = {topic: _next_offset(reader, topic, partition, found) for topic in inputs}
    finally:
        reader.close()
    count, elapsed = sum(map(len, loaded)), time.monotonic() - started
    metrics.RESTORED_ROWS.inc(count)
    metrics.RESTORE_SECONDS.observe(elapsed)
    log.info(
        "partition_restored", partition=partition, rows=count, seconds=round(elapsed, 2), next_offsets=next_offsets
    )
    stored_offsets = {topic: position.next_offset for topic, position in found.items()}
    return Restored(rows=loaded, next_offsets=next_offsets, stored_offsets=stored_offsets)


def _read(reader: Consumer, partition: int, changelogs: dict[str, _Changelog], wanted: Callable[[], bool]) -> None:
    """Reads on until every one of *changelogs* is complete."""
    progress = _Progress(partition)
    while not all(changelog.complete for changelog in changelogs.values()):
        if not wanted():
            raise Abandoned
        batch = reader.consume(_BATCH_RECORDS, _POLL_S)
        for topic, messages in itertools.groupby(batch, _TOPIC):
            changelogs[topic].take(messages)
        progress.note(len(batch), changelogs.values())


class _Progress:
    """Tells the log how a long restore goes on, and notices when it doesn't."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._started = self._told = self._moved = time.monotonic()
        self._records = 0

    def note(self, records: int, changelogs: Iterable[_Changelog]) -> None:
        """Raises RestoreError if nothing has come for too long."""
        now = time.monotonic()
        self._records += records
        if records:
            self._moved = now
        elif now - self._moved > _STALLED_AFTER_S:
            behind = {each.topic: f"{each.next_offset} of {each.end}" for each in changelogs if not each.complete}
            raise RestoreError(
                f"partition {self._partition}: nothing read for {_STALLED_AFTER_S:.0f} s, offsets reached: {behind}. "
                "Does the broker answer, and is no transaction of another program open on these topics?"
            )
        if now - self._told > _PROGRESS_EVERY_S:
            self._told = now
            rate = round(self._records / (now - self._started))
            log.info("partition_restoring", partition=self._partition, records=self._records, records_per_second=rate)


def _bounds(reader: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """The first offset and the end of a partition."""
    return kafka.watermarks(reader, TopicPartition(topic, partition), _REQUEST_TIMEOUT_S)


def _positions(changelog: _Changelog) -> dict[str, Position]:
    return {key.decode(): codec.decode(value, Position) for key, value in changelog.rows().items()}


def _check_digest(
    partition: int, changelog: _Changelog, rows: Sequence[Rows[Any]], found: Mapping[str, Position]
) -> None:
    """Raises RestoreError unless rows and positions are those that the last committed chunk left."""
    computed = digest(rows, {topic: position.next_offset for topic, position in found.items()})
    stored = found[changelog.last_key.decode()].digest if found else digest((), {})
    if stored != computed:
        raise RestoreError(
            f"partition {partition}: the tables read from the changelogs have the digest {computed.hex()}, but the "
            f"last committed chunk left {stored.hex()} (offset {changelog.last_offset} of {changelog.topic}). Records "
            "of a changelog were lost or altered; fillstream audit names the rows. Bring the changelogs back from a "
            "replica or a backup, then start again"
        )


def digest(rows: Iterable[Rows[Any]], next_offsets: Mapping[str, int]) -> bytes:
    """The digest of a partition's tables and positions: the same whatever way they came about."""
    positions = (_POSITION(topic.encode(), offset.to_bytes(8, "big")) for topic, offset in next_offsets.items())
    return total(sum(each.digest for each in rows) + sum(positions)).to_bytes(DIGEST_BYTES, "big")


_POSITION: Final = Fingerprint("positions")


def _next_offset(reader: Consumer, topic: str, partition: int, found: Mapping[str, Position]) -> int:
    """Where the input goes on: at its stored position, or at its first record."""
    low, high = _bounds(reader, topic, partition)
    if topic not in found:
        return low
    position = found[topic].next_offset
    if position > high:
        raise RestoreError(
            f"{topic}[{partition}] ends at {high}, but was read up to {position} already: the topic was truncated or "
            "made anew. Its records can't be told from those already taken; restore the topic, or remove its position"
        )
    if position < low:
        metrics.LOST_RECORDS.labels(topic).inc(low - position)
        log.error("input_lost_to_retention", topic=topic, partition=partition, first_lost=position, goes_on_at=low)
    return max(low, position)
