"""A partition takes what waits, skips what it had, fetches again what is missing, and merges what piles up."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from domain.state import Balance, Position
from schemas import codec
from streaming import failure
from streaming.chunk import Admission, Stretch
from streaming.partition import Pace, Partition
from streaming.restore import Restored, digest
from streaming.table import Fingerprint, Rows
from streaming.writer import Fenced


class Emitted(NamedTuple):
    topic: str
    value: bytes | None
    key: bytes | None


class Stopped(BaseException):
    """Stands for the end of the process."""


class Bench:
    """A partition with a writer that remembers and an intake that obeys."""

    def __init__(self, monkeypatch, next_offset=0, records_max=100):
        self.admitted, self.taken, self.open, self.written, self.stops = [], [], [], [], []
        self.rows = Rows(Balance, Fingerprint("counts"), {})
        self.fault = None
        self.committing = threading.Event()
        self.committing.set()
        restored = Restored(rows=[self.rows], stored_offsets={}, next_offsets={"in": next_offset, "other": 0})
        self.partition = Partition(
            3,
            SimpleNamespace(emit=self.emit, emit_all=self.emit_all, commit=self.commit, abort=self.abort),
            restored,
            [SimpleNamespace(changelog="counts-changelog")],
            "positions",
            SimpleNamespace(admit=self.admit, taken=self.taken.append),
            Pace(10.0, records_max),
            ThreadPoolExecutor(1),
        )
        monkeypatch.setattr(failure, "stop", self.stop)
        self.partition.resume()
        self.admission = self.admitted[0]

    def emit(self, topic, value, key):
        self.open.append(Emitted(topic, value, key))

    def emit_all(self, topic, records):
        for record in records:
            self.emit(topic, record["value"], record["key"])

    def commit(self):
        assert self.committing.wait(5)
        if self.fault is not None:
            raise self.fault
        self.written.append(self.open)
        self.open = []

    def abort(self):
        self.open = None

    def admit(self, topic, partition, offset):
        self.admitted.append(Admission(topic, partition, offset))
        return self.admitted[-1]

    def stop(self, event, error=None, **_facts):
        self.stops.append((event, error))
        raise Stopped

    def process(self, chunk):
        for record in chunk.records:
            self.rows.put(b"user", Balance("user", "records", record.offset + 1, 0))
            chunk.emit("out", str(record.offset).encode(), b"user")

    def offer(self, start, end, *, topic="in", offsets=None, admission=None, process=None):
        offsets = range(start, end) if offsets is None else offsets
        records = [SimpleNamespace(offset=offset) for offset in offsets]
        stretch = Stretch(
            start=start,
            end=end,
            records=records,
            weight=len(records) / 100,
            highwater=end,
            admission=admission or self.admission,
        )
        self.partition.offer(topic, stretch, process or self.process)

    async def settle(self):
        while self.partition._turn is not None:
            await asyncio.wait([self.partition._turn])

    def outputs(self):
        return [[int(each.value) for each in outgoing if each.topic == "out"] for outgoing in self.written]

    def positions(self, transaction=-1):
        rows = [codec.decode(each.value, Position) for each in self.written[transaction] if each.topic == "positions"]
        return {row.topic: row.next_offset for row in rows}


@pytest.fixture
async def bench(monkeypatch):
    return Bench(monkeypatch)


async def test_one_transaction_holds_outputs_changed_rows_and_position(bench):
    bench.offer(0, 3)
    await bench.settle()
    (transaction,) = bench.written
    *others, first, second = transaction
    assert [each.topic for each in others] == ["out", "out", "out", "counts-changelog"]
    now = digest([bench.rows], {"in": 3, "other": 0})
    assert codec.decode(first.value, Position) == Position("in", 3, now)
    assert codec.decode(second.value, Position) == Position("other", 0, now)
    assert [first.key, second.key] == [b"in", b"other"]


async def test_a_position_that_has_not_moved_is_not_written_again(bench):
    bench.offer(0, 3)
    await bench.settle()
    bench.offer(3, 4)
    await bench.settle()
    assert bench.positions() == {"in": 4}
    stored = codec.decode(bench.written[-1][-1].value, Position)
    assert stored.digest == digest([bench.rows], {"in": 4, "other": 0})


async def test_what_piles_up_during_a_commit_becomes_one_transaction_of_all_inputs(bench):
    bench.offer(0, 2)
    await asyncio.sleep(0)
    bench.offer(2, 4)
    bench.offer(0, 1, topic="other", admission=bench.admitted[1])
    bench.offer(4, 6)
    await bench.settle()
    assert bench.outputs() == [[0, 1], [2, 3, 0, 4, 5]]
    assert bench.positions() == {"in": 6, "other": 1}


async def test_what_was_taken_before_is_skipped(bench):
    bench.offer(0, 4)
    bench.offer(2, 6)
    bench.offer(0, 6)
    await bench.settle()
    assert bench.outputs() == [[0, 1, 2, 3, 4, 5]]


async def test_nothing_new_is_no_transaction(bench):
    bench.offer(0, 4)
    await bench.settle()
    bench.offer(1, 4)
    await bench.settle()
    assert len(bench.written) == 1


async def test_holes_within_and_after_a_stretch_are_no_gap(bench):
    bench.offer(0, 10, offsets=[2, 3, 7])
    bench.offer(10, 12)
    await bench.settle()
    assert bench.outputs() == [[2, 3, 7, 10, 11]]
    assert bench.positions() == {"in": 12, "other": 0}
    assert len(bench.admitted) == 2


async def test_a_gap_is_fetched_again_once_and_what_lies_beyond_it_is_not_taken(bench):
    bench.offer(0, 2)
    bench.offer(5, 7)
    bench.offer(7, 9)
    await bench.settle()
    assert bench.outputs() == [[0, 1]]
    assert [(each.topic, each.offset) for each in bench.admitted[2:]] == [("in", 2)]
    bench.offer(2, 9, admission=bench.admitted[2])
    await bench.settle()
    assert bench.outputs() == [[0, 1], [2, 3, 4, 5, 6, 7, 8]]


async def test_a_gap_that_stays_stops_the_process(bench):
    for _ in range(10):
        bench.offer(5, 7)
        await bench.settle()
        bench.admission = bench.admitted[-1]
    assert bench.stops == []
    bench.offer(5, 7)
    with pytest.raises(Stopped):
        await bench.partition._turn
    assert bench.stops[0][0] == "chunk_failed"


async def test_holes_beyond_what_was_taken_before_are_stepped_over(bench):
    bench.offer(0, 4)
    await bench.settle()
    bench.offer(2, 9, offsets=[2, 3])
    bench.offer(9, 10)
    await bench.settle()
    assert bench.outputs() == [[0, 1, 2, 3], [9]]
    assert len(bench.admitted) == 2


async def test_a_burst_is_split_at_the_bound_and_loses_nothing(monkeypatch):
    bench = Bench(monkeypatch, records_max=60)
    bench.offer(0, 150)
    bench.offer(0, 10, topic="other", admission=bench.admitted[1])
    await bench.settle()
    assert [len(each) for each in bench.outputs()] == [60, 60, 40]
    assert bench.positions(0) == {"in": 60, "other": 0}
    assert bench.positions() == {"in": 150, "other": 10}
    assert sum(each.weight for each in bench.taken) == pytest.approx(1.6)


async def test_a_resting_partition_finishes_and_takes_nothing_more(bench):
    bench.offer(0, 2)
    await asyncio.sleep(0)
    bench.offer(2, 4)
    await bench.partition.rest()
    bench.offer(2, 4)
    await bench.settle()
    assert bench.outputs() == [[0, 1]]
    bench.partition.resume()
    assert [(each.topic, each.offset) for each in bench.admitted[2:]] == [("in", 2), ("other", 0)]


async def test_rest_is_over_when_the_open_transaction_is(bench):
    bench.committing.clear()
    bench.offer(0, 2)
    await asyncio.sleep(0)
    rest = asyncio.create_task(bench.partition.rest())
    _, pending = await asyncio.wait([rest], timeout=0.05)
    assert pending
    bench.committing.set()
    await rest
    assert bench.outputs() == [[0, 1]]


@pytest.mark.parametrize(("fault", "event"), [(Fenced(), "partition_fenced"), (RuntimeError("broken"), "chunk_failed")])
async def test_a_failed_commit_stops_the_process(bench, fault, event):
    bench.fault = fault
    bench.offer(0, 1)
    with pytest.raises(Stopped):
        await bench.partition._turn
    assert bench.stops[0][0] == event


async def test_an_exception_while_deciding_aborts_the_transaction_and_stops_the_process(bench):
    def fail(chunk):
        bench.process(chunk)
        raise ValueError("a fault in the agents")

    bench.offer(0, 1, process=fail)
    with pytest.raises(Stopped):
        await bench.partition._turn
    assert (bench.open, bench.written) == (None, [])
    assert isinstance(bench.stops[0][1], ValueError)


def test_the_pace_follows_what_records_cost():
    pace = Pace(budget_s=0.05, records_max=5_000)
    assert pace.records_max == 5_000
    for _ in range(30):
        pace.note(1_000, 0.1)  # 100 µs each
    assert 480 <= pace.records_max <= 520
    for _ in range(30):
        pace.note(100, 1.0)
    assert pace.records_max == 50
    for _ in range(60):
        pace.note(1_000, 0.001)
    assert pace.records_max == 5_000
