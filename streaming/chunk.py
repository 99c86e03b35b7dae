"""What travels from a fetch to an agent: a stretch of one partition of an input topic."""

from collections.abc import Sequence
from typing import Protocol, TypedDict

import msgspec


class Record(Protocol):
    """A consumed record, as aiokafka parses it (``aiokafka.record.default_records.DefaultRecord``)."""

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int:
        """When the broker (or, for CreateTime topics, the producer) stamped it, in milliseconds since the epoch."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Outgoing(TypedDict):
    """A record to produce, as ``confluent_kafka.Producer.produce_batch`` takes it; None as its value deletes a row."""

    key: bytes | None
    value: bytes | None


class Emit(Protocol):
    """Adds a record to the transaction that is open; None as its value deletes a row."""

    def __call__(self, topic: str, value: bytes | None, key: bytes | None) -> None: ...


class Admission:
    """Leave to fetch an input partition from an offset on, and the account of what came of it.

    Shared by two threads without a lock: the consumer's alone writes *fetched*, *reached* and *held*, the agents' alone
    writes *taken*. Fetched and taken are counted in full chunks (see Stretch.weight).
    """

    __slots__ = ("fetched", "held", "offset", "partition", "reached", "taken", "topic")

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.reached = offset
        self.fetched = 0.0
        self.taken = 0.0
        self.held = False

    @property
    def waiting(self) -> float:
        """How many full chunks have been fetched and not yet been taken."""
        return self.fetched - self.taken


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one input partition between the offsets *start* (included) and *end* (excluded).

    It may hold fewer records than offsets: transaction markers, aborted records and compaction leave holes, which are
    no loss. Only a distance between one stretch's end and the next one's start is. *weight* is the share of a full
    chunk that the records make, by their number or by their bytes; *highwater* is the input's end when it was fetched.
    """

    start: int
    end: int
    records: Sequence[Record]
    weight: float
    highwater: int
    admission: Admission

    def after(self, offset: int) -> "Stretch":
        """The part from *offset* on."""
        kept = [record for record in self.records if record.offset >= offset]
        return self._part(kept, start=offset, end=self.end)

    def split(self, count: int) -> tuple["Stretch", "Stretch"]:
        """The first *count* records, and the others; *count* is less than there are."""
        border = self.records[count].offset
        return (
            self._part(self.records[:count], start=self.start, end=border),
            self._part(self.records[count:], start=border, end=self.end),
        )

    def _part(self, records: Sequence[Record], *, start: int, end: int) -> "Stretch":
        weight = self.weight * len(records) / len(self.records)
        return msgspec.structs.replace(self, start=start, end=end, records=records, weight=weight)


class Chunk:
    """Consecutive records of one input topic's partition, and the way into the transaction that will hold its effects.

    Everything that is emitted, every row that is put or deleted, and the position after the last record are committed
    together or not at all.
    """

    __slots__ = ("emit", "partition", "records", "topic")

    def __init__(self, topic: str, partition: int, records: Sequence[Record], emit: Emit) -> None:
        self.topic = topic
        self.partition = partition
        self.records = records
        #: Sends a value to a topic with this chunk's transaction, to the partition of this chunk's number.
        self.emit = emit
