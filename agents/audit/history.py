"""What a partition's topics tell of how its input was taken: how far each chunk read, and in which order.

A chunk's records lie together in the positions changelog: how far it read each input, and the digest it left. Within a
chunk, the order in which the inputs took turns is that of the events they caused. What caused none has its place by the
broker's timestamps: most often the right one, and where not, it seldom matters. The digests tell.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Final, Generic, TypeAlias, TypeVar

import msgspec

from domain.messages import OrderEvent
from domain.state import Position
from runtime import reading
from runtime.reading import Span
from runtime.settings import Settings
from schemas import codec

ItemT = TypeVar("ItemT")

Cause: TypeAlias = tuple[str, int]
"""Topic and offset of an input record."""


class Input(msgspec.Struct, frozen=True):
    """A record of an input, as agents take it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A committed chunk: where each input that it read goes on, and the digest of tables and positions after it.

    *offset* is that of its last record in the positions changelog, *at_ms* when the worker wrote that.
    """

    ends: Mapping[str, int]
    digest: bytes
    offset: int
    at_ms: int


class Feed(Generic[ItemT]):
    """Items that are taken as long as they pass a test; the first that doesn't waits for the next time."""

    def __init__(self, items: Iterable[ItemT]) -> None:
        self._items: Final = iter(items)
        self._ahead = next(self._items, None)

    def take_while(self, passes: Callable[[ItemT], bool]) -> list[ItemT]:
        taken = []
        while self._ahead is not None and passes(self._ahead):
            taken.append(self._ahead)
            self._ahead = next(self._items, None)
        return taken


def steps(settings: Settings, positions: Span) -> Iterator[Step]:
    """The chunks that *positions*, a span of the positions changelog, tells of, oldest first.

    Where compaction has taken records, several chunks look like one.
    """
    records = ((codec.decode(each.value(), Position), each) for each in reading.read(settings, positions))
    for digest, of_chunk in groupby(records, lambda record: record[0].digest):
        chunk = list(of_chunk)
        _, last = chunk[-1]
        ends = {position.topic: position.next_offset for position, _ in chunk}
        yield Step(ends=ends, digest=digest, offset=last.offset(), at_ms=last.timestamp()[1])


def inputs(settings: Settings, span: Span) -> Iterator[Input]:
    """The records of an input."""
    for record in reading.read(settings, span):
        yield Input(record.offset(), record.timestamp()[1], record.key(), record.value())


def causes(settings: Settings, events: Span) -> Iterator[Cause]:
    """What caused each of *events*, a span of the order events, in their order."""
    for record in reading.read(settings, events):
        event = codec.decode(record.value(), OrderEvent)
        yield event.source_topic, event.source_offset


def turns(records: Mapping[str, Sequence[Input]], order: Iterable[Cause]) -> Iterator[tuple[str, list[Input]]]:
    """A chunk's *records* by topic as the agents took them: topic after topic, each with what it had in its turn.

    Those in *order* are taken so. Another stands after its topic's earlier ones, before its topic's next in *order*,
    and in between before whatever the broker got later.
    """
    ranks = {cause: rank for rank, cause in enumerate(dict.fromkeys(order))}
    stamps = {(topic, record.offset): record.timestamp for topic, each in records.items() for record in each}
    latest = list(accumulate((stamps.get(cause, 0) for cause in ranks), max))
    taken = [place for topic, each in records.items() for place in _places(topic, each, ranks, latest)]
    taken.sort(key=lambda place: place[0])
    for topic, turn in groupby(taken, lambda place: place[1]):
        yield topic, [record for _, _, record in turn]


def _places(
    topic: str, records: Sequence[Input], ranks: Mapping[Cause, int], latest: Sequence[int]
) -> Iterator[tuple[tuple[int, bool, int, str, int], str, Input]]:
    """Each of one topic's *records* with what it is sorted by: its rank, or the one that it stands before."""
    known = [ranks.get((topic, record.offset)) for record in records]
    upper = [len(latest)] * len(records)  # the rank of the next known one, read from the end
    for index in range(len(records) - 2, -1, -1):
        following = known[index + 1]
        upper[index] = upper[index + 1] if following is None else following
    lower = stamp = 0
    for index, (record, rank) in enumerate(zip(records, known, strict=True)):
        stamp = max(stamp, record.timestamp)
        before = min(max(lower, bisect_right(latest, stamp)), upper[index]) if rank is None else rank
        yield (before, rank is not None, stamp, topic, record.offset), topic, record
        if rank is not None:
            lower = rank + 1
