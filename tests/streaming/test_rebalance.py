"""What was fetched while a rebalance came and went is taken or fetched again: nobody else would miss it."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streaming.chunk import Admission, Stretch
from streaming.transport import Consumer, ConsumerThread


def a_stretch(partition, weight=0.25):
    admission = Admission("first", partition, 7)
    admission.reached, admission.fetched = 9, weight
    return Stretch(start=7, end=9, records=[], weight=weight, highwater=9, admission=admission)


class Thread:
    """Fetches two stretches; *meanwhile* happens before they are there."""

    def __init__(self, meanwhile):
        self.fetched = [(TP("first", number), a_stretch(number)) for number in range(2)]
        self.again = []
        self._meanwhile = meanwhile

    async def stretches(self, _timeout):
        self._meanwhile()
        return self.fetched

    def fetch_again(self, stretch):
        self.again.append(stretch)


@pytest.fixture
def consumer():
    consumer = SimpleNamespace(flow_active=True, should_stop=False, app=SimpleNamespace(consumer_generation_id=1))
    consumer._message = lambda tp, _stretch, generation: (tp.partition, generation)
    consumer._thread = Thread(lambda: None)
    return consumer


async def test_what_comes_after_a_rebalance_that_was_waited_through_is_of_its_generation(consumer):
    def rebalance():
        consumer.app.consumer_generation_id = 2

    consumer._thread = Thread(rebalance)
    assert [message async for _, message in Consumer.getmany(consumer, 1)] == [(0, 2), (1, 2)]
    assert consumer._thread.again == []


@pytest.mark.parametrize("change", ["generation", "flow"])
async def test_what_a_rebalance_keeps_from_being_taken_is_fetched_again(consumer, change):
    taken = []
    async for _, message in Consumer.getmany(consumer, 1):
        taken.append(message)
        if change == "generation":
            consumer.app.consumer_generation_id = 2
        else:
            consumer.flow_active = False
    assert taken == [(0, 1)]
    assert [stretch.admission.partition for stretch in consumer._thread.again] == [1]


class Kafka:
    """What a consumer thread asks of aiokafka's consumer."""

    def __init__(self):
        self.calls = []
        self._closed = False
        self._coordinator = SimpleNamespace(check_errors=lambda: None)
        self._subscription = SimpleNamespace(fetch_context=contextlib.nullcontext)
        self._fetcher = SimpleNamespace(fetched_records=self.fetch)
        self.asked = None

    async def fetch(self, partitions, _timeout):
        self.asked = partitions
        await asyncio.sleep(3_600)

    def pause(self, *tps):
        self.calls += [("pause", tp.partition) for tp in sorted(tps)]

    def seek(self, tp, offset):
        self.calls.append(("seek", tp.partition, offset))

    def resume(self, tp):
        self.calls.append(("resume", tp.partition))


@pytest.mark.parametrize("held", [False, True])
def test_to_fetch_again_is_to_go_back_to_where_the_stretch_began(held):
    kafka, stretch = Kafka(), a_stretch(3)
    stretch.admission.held = held
    thread = SimpleNamespace(
        _admissions={TopicPartition("first", 3): stretch.admission}, _ensure_consumer=lambda: kafka
    )
    thread._go_on = lambda admission: ConsumerThread._go_on(thread, admission)
    ConsumerThread._fetch_again(thread, stretch)
    assert kafka.calls == [("seek", 3, 7)] + [("resume", 3)] * held
    assert (stretch.admission.reached, stretch.admission.waiting, stretch.admission.held) == (7, 0.0, False)


def test_an_input_that_was_admitted_anew_needs_nothing_again():
    kafka, stretch = Kafka(), a_stretch(3)
    newer = Admission("first", 3, 8)
    thread = SimpleNamespace(_admissions={TopicPartition("first", 3): newer}, _ensure_consumer=lambda: kafka)
    ConsumerThread._fetch_again(thread, stretch)
    assert kafka.calls == []


@pytest.fixture
def thread(monkeypatch):
    """A consumer thread before its first rebalance, on a consumer that records what it is asked."""
    kafka = Kafka()

    async def nothing(*_):
        pass

    for name in ("on_partitions_assigned", "on_partitions_revoked"):
        monkeypatch.setattr(driver.AIOKafkaConsumerThread, name, nothing)
    thread = object.__new__(ConsumerThread)
    thread._admissions, thread._admitted = {}, asyncio.Event()
    thread.kafka, thread._ensure_consumer, thread.consumer = kafka, lambda: kafka, SimpleNamespace(flow_active=True)
    return thread


async def test_an_assigned_partition_has_a_position_before_anyone_asks_the_group_for_one(thread):
    await thread.on_partitions_assigned({TP("first", 3)})
    assert thread.kafka.calls == [("pause", 3), ("seek", 3, 0)]


@pytest.mark.parametrize("event", ["on_partitions_revoked", "on_partitions_assigned"])
async def test_a_fetch_that_waits_through_a_rebalance_never_comes_to_mean_every_partition(thread, event):
    admitted = TopicPartition("first", 3)
    thread._admissions = {admitted: Admission("first", 3, 0)}
    fetch = asyncio.create_task(thread._stretches(1))
    await asyncio.sleep(0)
    await getattr(thread, event)(set())
    assert set(thread.kafka.asked) == {admitted}  # aiokafka takes an empty one for all of them
    assert thread._admissions == {}
    fetch.cancel()
