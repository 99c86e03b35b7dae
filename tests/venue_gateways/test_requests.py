"""The consumer in its thread, against a real broker: what it is asked to commit, and what it hands on."""

import asyncio
import uuid

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from runtime import kafka
from runtime import topics as broker_topics
from runtime.settings import Settings
from schemas import topics
from tests.venue_gateways.harness import PARTITIONS
from venue_gateways.clock import steady_us
from venue_gateways.progress import Progress
from venue_gateways.requests import CommitRefused, Requests


class Owner:
    """Notes what it is told."""

    def __init__(self):
        self.progress = {}
        self.offsets = {}
        self.all_gained = asyncio.Event()
        self.errors = []

    def gained(self, partition, first, inherited):
        self.progress[partition] = Progress(first, inherited)
        if len(self.progress) == PARTITIONS:
            self.all_gained.set()

    def received(self, records):
        for record in records:
            self.offsets.setdefault(record.partition, []).append(record.offset)

    async def released(self, _partitions):
        return {}

    async def lost(self, _partitions):
        pass

    def failed(self, error):
        self.errors.append(error)


@pytest.fixture
def settings(broker):
    return Settings(bootstrap_servers=broker, partitions=PARTITIONS)


@pytest.fixture
def venue(settings):
    name = f"sim-{uuid.uuid4().hex[:8]}"
    broker_topics.create(settings, [topics.venue_requests(name)])
    return name


@pytest.fixture
async def owned(settings, venue):
    """Requests of all partitions, and their owner."""
    owner = Owner()
    requests = Requests(settings, venue, owner)
    requests.start()
    async with asyncio.timeout(60):
        await owner.all_gained.wait()
    yield requests, owner
    await requests.stop(release=True)
    assert owner.errors == []


async def test_partitions_are_gained_though_the_groups_coordinator_is_on_its_way(settings, venue, monkeypatch):
    class Moving(Consumer):
        asked = 0

        def committed(self, *args, **kwargs):
            Moving.asked += 1
            if Moving.asked == 1:
                raise KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))
            return super().committed(*args, **kwargs)

    monkeypatch.setattr("venue_gateways.requests.Consumer", Moving)
    owner = Owner()
    requests = Requests(settings, venue, owner)
    requests.start()
    async with asyncio.timeout(60):
        await owner.all_gained.wait()
    await requests.stop(release=True)
    assert owner.errors == []
    assert Moving.asked == 2


async def test_a_commit_that_the_broker_refuses_is_said_to_be_and_the_next_goes_through(owned):
    requests, owner = owned
    before = steady_us()
    async with asyncio.timeout(60):
        with pytest.raises(CommitRefused):
            await requests.commit({PARTITIONS + 5: (0, "")})
        sent = await requests.commit({0: owner.progress[0].encode()})
    assert before <= sent <= steady_us()


async def test_commits_are_made_in_the_order_in_which_they_were_asked_for(owned, settings, venue):
    requests, _owner = owned
    async with asyncio.timeout(60):
        sent = await asyncio.gather(*(requests.commit({1: (0, f"mark {number}")}) for number in range(20)))
    assert sent == sorted(sent)
    group = Consumer(kafka.consumer(settings, f"{topics.APPLICATION}-gateway-{venue}"))
    (found,) = group.committed([TopicPartition(topics.venue_requests(venue).name, 1)], timeout=30)
    group.close()
    assert found.metadata == "mark 19"


async def test_records_come_while_commits_do(owned, settings, venue):
    requests, owner = owned
    producer = Producer(kafka.producer(settings))
    for number in range(200):
        producer.produce(topics.venue_requests(venue).name, b"x", partition=number % PARTITIONS)
    producer.flush()
    async with asyncio.timeout(60):
        while sum(len(offsets) for offsets in owner.offsets.values()) < 200:
            await requests.commit({0: (0, "")})
    assert owner.offsets == {partition: list(range(50)) for partition in range(PARTITIONS)}
