"""The lane opens what it is assigned, once at a time, and lets go of the rest."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException
from faust.types import TP

from domain.state import Balance
from runtime.settings import Settings
from schemas.topics import Topic
from streaming import failure, lane
from streaming.app import application
from streaming.restore import Restored, RestoreError
from streaming.table import Table
from streaming.writer import Abandoned

INPUTS = ("commands", "reports")


class Stopped(BaseException):
    """Stands for the end of the process."""


class World:
    """A lane whose partitions open when a test lets them, and a broker that is not there."""

    def __init__(self, tmp_path, monkeypatch):
        settings = Settings(var=tmp_path, partitions=4)
        self.app = application(settings, "shop")
        self.table = Table(self.app, Topic(name="shop-counts-changelog", value=Balance, key="user", compacted=True))
        self.lane = lane.Lane(self.app, settings, [self.table])
        self.may_open = threading.Semaphore(0)
        self.opened, self.admitted, self.stops, self.fault = [], [], [], None
        monkeypatch.setattr(self.app, "_consumer", SimpleNamespace(admit=lambda *where: self.admitted.append(where)))
        monkeypatch.setattr(lane, "Writer", lambda _settings, name, *_: self.opened.append(name))
        monkeypatch.setattr(lane, "restore", self.restore)
        monkeypatch.setattr(failure, "stop", self.stop)

    def restore(self, _settings, tables, _positions, _partition, inputs, wanted):
        assert self.may_open.acquire(timeout=60)
        if self.fault is not None:
            raise self.fault
        if not wanted():
            raise Abandoned
        rows = [table.load({}) for table in tables]
        return Restored(rows=rows, stored_offsets={}, next_offsets=dict.fromkeys(inputs, 7))

    def stop(self, event, error=None, **facts):
        self.stops.append((event, error, facts))
        raise Stopped

    def assign(self, *numbers):
        self.lane.assign({TP(topic, number) for topic in INPUTS for number in numbers})

    def release(self, count):
        for _ in range(count):
            self.may_open.release()

    async def until_live(self, *numbers):
        await eventually(lambda: self.lane.partitions == set(numbers))


async def eventually(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # it comes about in a thread
            await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


async def test_a_partition_is_live_and_flows_once_it_is_restored(world):
    world.assign(0, 1)
    assert world.lane.partitions == frozenset()
    world.release(2)
    await world.until_live(0, 1)
    assert sorted(world.admitted) == [(topic, number, 7) for topic in INPUTS for number in (0, 1)]
    assert world.table.partition(1) is not world.table.partition(0)
    assert world.lane.next_offsets[TP("commands", 1)] == 7


async def test_what_is_lost_is_let_go_and_what_stays_is_not_opened_again(world):
    world.assign(0, 1)
    world.release(2)
    await world.until_live(0, 1)
    world.assign(1, 2)
    with pytest.raises(KeyError):
        world.table.partition(0)
    world.release(1)
    await world.until_live(1, 2)
    assert sorted(world.opened) == ["shop-0", "shop-1", "shop-2"]


async def test_a_partition_restored_during_a_rebalance_flows_only_when_that_is_over(world):
    world.assign(0)
    await eventually(lambda: world.lane._opening[0].fenced)
    await world.lane.rest()
    world.release(1)
    await world.until_live(0)
    assert world.admitted == []
    world.assign(0)
    assert len(world.admitted) == len(INPUTS)


async def test_nobody_is_fenced_once_a_rebalance_has_begun(world, monkeypatch):
    """The next owner may be at work by the time a late fence came, and would be stopped by it."""
    fencing, opened = threading.Event(), lane.Writer

    def slow(_settings, _name, _number, wanted):
        fencing.set()
        while wanted():
            time.sleep(0.01)
        raise Abandoned

    monkeypatch.setattr(lane, "Writer", slow)
    world.assign(0)
    await eventually(fencing.is_set)
    await world.lane.rest()
    assert world.lane._opening[0].task.done()
    monkeypatch.setattr(lane, "Writer", opened)
    world.assign(0)
    world.release(1)
    await world.until_live(0)


async def test_a_partition_that_left_and_came_back_while_being_opened_is_opened_anew(world):
    """Another worker may have had it in between: what was read for the first stay is out of date."""
    world.assign(0)
    await eventually(lambda: world.opened)
    world.assign()
    world.assign(0)
    await asyncio.sleep(0.05)
    assert world.opened == ["shop-0"]  # the second fences only when the first has ended
    world.release(2)
    await world.until_live(0)
    assert world.opened == ["shop-0", "shop-0"]


async def test_a_partition_that_left_while_being_opened_is_not_taken(world):
    world.assign(0, 1)
    world.assign(1)
    world.release(2)
    await world.until_live(1)
    await asyncio.sleep(0.05)
    assert world.lane.partitions == {1}


@pytest.mark.parametrize("fault", [RestoreError("digest"), KafkaException(KafkaError(1)), ValueError("anything")])
async def test_a_partition_that_cannot_be_restored_stops_the_process(world, fault):
    world.fault = fault
    world.assign(0)
    task = world.lane._opening[0].task
    world.release(1)
    with pytest.raises(Stopped):
        await task
    ((event, _, facts),) = world.stops
    assert event == "partition_not_restored"
    assert facts["partition"] == 0


async def test_inputs_that_are_not_copartitioned_stop_the_process(world):
    with pytest.raises(Stopped):
        world.lane.assign({TP("commands", 0), TP("reports", 0), TP("commands", 1)})
    assert world.stops[0][0] == "inputs_not_copartitioned"


async def test_an_agent_that_fails_outside_of_a_chunk_stops_the_process(world):
    async def broken():
        raise RuntimeError("in the stream")
        yield

    with pytest.raises(Stopped):
        await world.lane.run(SimpleNamespace(events=broken), print)
    assert world.stops[0][0] == "agent_failed"
