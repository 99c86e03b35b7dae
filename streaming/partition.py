"""One partition number as its worker has it: what waits to be taken, where each input stands, and chunk after chunk."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final, Protocol

import msgspec
import structlog

from domain.state import Position
from schemas import codec
from streaming import failure, metrics
from streaming.chunk import Admission, Chunk, Record, Stretch
from streaming.restore import Restored, digest
from streaming.table import Table
from streaming.writer import Fenced, Writer

log = structlog.get_logger()

Process = Callable[[Chunk], None]

#: Reading again what was missing must succeed; so often without getting further means that it never will.
_SEEKS_BACK_MAX: Final = 10


class Intake(Protocol):
    """Where stretches come from."""

    def admit(self, topic: str, partition: int, offset: int) -> Admission:
        """Fetch this input from *offset* on; what an earlier admission still delivers is out of date."""

    def taken(self, stretch: Stretch) -> None:
        """*stretch* no longer takes up room: more may be fetched."""


class Pace:
    """How many records one transaction may take: as many as are decided in *budget_s*, within bounds.

    It follows what records cost lately, so a partition with a burst keeps the others waiting no longer than that.
    """

    _SMOOTHING: Final = 0.2
    _FLOOR: Final = 50

    def __init__(self, budget_s: float, records_max: int) -> None:
        self._budget_s = budget_s
        self._records_max = records_max
        self._record_s = budget_s / records_max

    @property
    def records_max(self) -> int:
        return max(self._FLOOR, min(self._records_max, int(self._budget_s / self._record_s)))

    def note(self, records: int, seconds: float) -> None:
        """*records* were decided in *seconds*."""
        self._record_s += self._SMOOTHING * (seconds / records - self._record_s)


class _Waiting(msgspec.Struct):
    topic: str
    stretch: Stretch
    process: Process


class Partition:
    """Takes what waits, of all inputs together, in one transaction after another."""

    def __init__(
        self,
        number: int,
        writer: Writer,
        restored: Restored,
        tables: Sequence[Table],
        positions: str,
        intake: Intake,
        pace: Pace,
        executor: Executor,
    ) -> None:
        self.number = number
        self._writer = writer
        self._rows = [(table.changelog, rows) for table, rows in zip(tables, restored.rows, strict=True)]
        self._next_offsets = dict(restored.next_offsets)
        self._stored_offsets = dict(restored.stored_offsets)
        self._positions = positions
        self._intake = intake
        self._pace = pace
        self._executor = executor
        self._waiting: deque[_Waiting] = deque()
        self._admissions: dict[str, Admission] = {}
        self._seeks_back = 0
        self._meters = {topic: metrics.Meter(topic, number) for topic in self._next_offsets}
        self._turn: asyncio.Task[None] | None = None
        self._resting = True

    @property
    def next_offsets(self) -> Mapping[str, int]:
        """Where each input goes on, as of the last commit or the chunk now being committed."""
        return self._next_offsets

    def resume(self) -> None:
        """Lets every input flow from where it stands."""
        self._resting = False
        for topic, offset in self._next_offsets.items():
            self._admissions[topic] = self._intake.admit(topic, self.number, offset)

    async def rest(self) -> None:
        """Drops what waits, and returns when no transaction is open. Nothing is taken until resume."""
        self._resting = True
        self._waiting.clear()
        if self._turn is not None:
            await asyncio.wait([self._turn])

    def close(self) -> None:
        """Its metrics end with it. The transactional producer needs no farewell: the next owner fences it."""
        for meter in self._meters.values():
            meter.close()

    def offer(self, topic: str, stretch: Stretch, process: Process) -> None:
        """Have *stretch* taken when its turn comes, at once if nothing else waits."""
        if self._resting:
            return  # a late one: resume fetches it again
        self._waiting.append(_Waiting(topic, stretch, process))
        if self._turn is None:
            self._turn = asyncio.create_task(self._take_turns())

    async def _take_turns(self) -> None:
        try:
            while self._waiting:
                await self._transact()
        except Fenced:
            failure.stop(
                "partition_fenced", partition=self.number, meaning="another worker has taken it over; this one was away"
            )
        except Exception as error:  # noqa: BLE001  # whatever it was: rows have changed that were never committed
            self._writer.abort()
            failure.stop("chunk_failed", error, partition=self.number, next_offsets=self._next_offsets)
        finally:
            self._turn = None

    async def _transact(self) -> None:
        """One transaction: decides what waits, up to a full chunk, and commits all that comes of it."""
        began = time.perf_counter()
        taken: dict[str, int] = {}
        for topic, process, records in self._accepted():
            process(Chunk(topic, self.number, records, self._writer.emit))
            taken[topic] = taken.get(topic, 0) + len(records)
        if not taken:
            return
        self._emit_rows()
        self._emit_positions()
        decided = time.perf_counter()
        self._pace.note(sum(taken.values()), decided - began)
        await asyncio.get_running_loop().run_in_executor(self._executor, self._writer.commit)
        self._seeks_back = 0
        self._measure(taken, decided - began, time.perf_counter() - decided)

    def _accepted(self) -> Iterator[tuple[str, Process, Sequence[Record]]]:
        """What waits, up to a full chunk, without what was taken before; notes how far each input is read by it."""
        room, weight = self._pace.records_max, 1.0
        while self._waiting and room > 0 and weight > 0:
            first = self._waiting.popleft()
            stretch = first.stretch
            if len(stretch.records) > room:
                stretch, rest = stretch.split(room)
                self._waiting.appendleft(msgspec.structs.replace(first, stretch=rest))
            room -= len(stretch.records)
            weight -= stretch.weight
            self._intake.taken(stretch)
            fresh = self._fresh(first.topic, stretch)
            if fresh is not None:
                self._next_offsets[first.topic] = fresh.end
                self._meters[first.topic].lag = max(0, fresh.highwater - fresh.end)
                yield first.topic, first.process, fresh.records

    def _fresh(self, topic: str, stretch: Stretch) -> Stretch | None:
        """The part of *stretch* that goes on where the input stands, if any."""
        expected = self._next_offsets[topic]
        if stretch.start > expected:
            self._seek_back(topic, stretch)
            return None
        if stretch.start < expected:  # Faust may deliver twice around a rebalance
            stretch = stretch.after(expected)
        if stretch.records:
            return stretch
        self._next_offsets[topic] = max(expected, stretch.end)  # holes may lie beyond what was taken before
        return None

    def _seek_back(self, topic: str, stretch: Stretch) -> None:
        """Reads again what is missing before *stretch*: Faust may drop what it has while it rebalances."""
        if stretch.admission is not self._admissions[topic]:
            return  # from before the last seek
        self._seeks_back += 1
        expected = self._next_offsets[topic]
        if self._seeks_back > _SEEKS_BACK_MAX:
            raise RuntimeError(f"{topic}[{self.number}]: offsets {expected} to {stretch.start} are not delivered")
        log.warning("input_gap", topic=topic, partition=self.number, expected=expected, got=stretch.start)
        metrics.SEEKS_BACK.inc()
        self._admissions[topic] = self._intake.admit(topic, self.number, expected)

    def _emit_rows(self) -> None:
        for changelog, rows in self._rows:
            self._writer.emit_all(changelog, rows.changes())

    def _emit_positions(self) -> None:
        """Emits every position that the changelog doesn't have so, under a digest of exactly what it will have."""
        moved = {
            topic: offset for topic, offset in self._next_offsets.items() if self._stored_offsets.get(topic) != offset
        }
        self._stored_offsets |= moved
        now = digest([rows for _, rows in self._rows], self._stored_offsets)
        for topic, offset in moved.items():
            self._writer.emit(self._positions, codec.encode(Position(topic, offset, now)), topic.encode())

    def _measure(self, taken: Mapping[str, int], process_s: float, commit_s: float) -> None:
        metrics.TRANSACTIONS.inc()
        metrics.PROCESS_SECONDS.observe(process_s)
        metrics.COMMIT_SECONDS.observe(commit_s)
        for topic, count in taken.items():
            self._meters[topic].show(count, self._next_offsets[topic])
