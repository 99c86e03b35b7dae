"""A partition decided anew: its input once more through the agents' own code, into tables in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from agents import app
from agents.audit import history
from agents.audit.history import Cause, Feed, Input, Step
from agents.desk import Books
from runtime import reading
from runtime.reading import Span
from runtime.settings import Settings
from schemas import topics
from streaming.chunk import Chunk
from streaming.restore import digest
from streaming.table import Rows


class Lost(Exception):  # noqa: N818  # it names what is gone
    """Input that is needed is no longer there; the message says which, and what to do."""


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """A partition's tables after the chunk *last*, as an audit has proved them: where the next one may start.

    *tables* are their rows by changelog. It holds for one *cluster*: a topic that was made anew has other records under
    the same offsets.
    """

    cluster: str
    positions: Mapping[str, int]
    tables: Mapping[str, dict[bytes, bytes]]
    last: Step


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that was decided anew. *reproduced* says whether it left the digest that the worker stored, *share* how
    much of the input is done.
    """

    step: Step
    records: int
    reproduced: bool
    share: float


class Refold:
    """One partition's tables as its input makes them, from the first record or from where an audit has proved them."""

    def __init__(self, settings: Settings, books: Books, partition: int, start: Proven | None) -> None:
        self.last = None if start is None else start.last
        self.positions: dict[str, int] = {} if start is None else dict(start.positions)
        self._settings = settings
        self._partition = partition
        self._take = app.takers(books, settings.partitions)
        for table in books.tables:
            table.attach(partition, table.load({} if start is None else start.tables[table.changelog]))
        self.rows: Sequence[Rows[Any]] = [table.partition(partition) for table in books.tables]

    def catch_up(self) -> Iterator[Taken]:
        """Takes every chunk that is committed by now. Raises Lost, and Unavailable."""
        chunks = self.chunks()
        inputs = [self._span(topic.name, self.positions.get(topic.name, 0)) for topic in topics.INPUTS]
        feeds = {span.topic: Feed(history.inputs(self._settings, span)) for span in inputs}
        causes = Feed(history.causes(self._settings, self._span(topics.ORDER_EVENTS.name, 0)))
        to_do = sum(span.end for span in inputs) or 1
        for step in history.steps(self._settings, chunks):
            self._refuse_lost(step, inputs)
            records = self._take_step(step, feeds, causes)
            reproduced = digest(self.rows, self.positions) == step.digest
            self.last = step
            share = sum(self.positions.values()) / to_do
            yield Taken(step=step, records=records, reproduced=reproduced, share=share)

    def chunks(self) -> Span:
        """Of the positions changelog, what is beyond the last chunk that was taken."""
        return self._span(topics.POSITIONS_CHANGELOG.name, 0 if self.last is None else self.last.offset + 1)

    def _span(self, topic: str, first: int) -> Span:
        """What there is of *topic* from the offset *first* on; it begins later if retention has taken that."""
        (span,) = reading.spans(self._settings, topic, self._partition)
        return msgspec.structs.replace(span, first=max(first, span.first))

    def _refuse_lost(self, step: Step, inputs: Sequence[Span]) -> None:
        for span in inputs:
            wanted = self.positions.get(span.topic, 0)
            if span.topic in step.ends and span.first > wanted:
                raise Lost(
                    f"{span.topic}[{span.partition}] begins at offset {span.first}, and {wanted} is needed: what was "
                    "before is gone by retention. An audit goes on where the last one ended: run it more often"
                )

    def _take_step(self, step: Step, feeds: Mapping[str, Feed[Input]], causes: Feed[Cause]) -> int:
        """Decides the records of a chunk; returns how many they were."""
        records = {topic: feeds[topic].take_while(_before(end)) for topic, end in step.ends.items()}
        self.positions |= step.ends
        order = causes.take_while(lambda cause: cause[1] < self.positions.get(cause[0], 0))
        for topic, turn in history.turns(records, order):
            self._take[topic](Chunk(topic, self._partition, turn, _nowhere))
        for rows in self.rows:
            rows.changes()
        return sum(map(len, records.values()))


def _before(end: int) -> Callable[[Input], bool]:
    return lambda record: record.offset < end


def _nowhere(topic: str, value: bytes | None, key: bytes | None) -> None:  # an Emit
    """Its events and requests were sent long ago."""
