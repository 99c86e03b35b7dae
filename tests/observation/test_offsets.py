"""On a real broker: what waits behind a committed offset, past marks, aborted records and open transactions."""

import threading
import time
from concurrent.futures import Future

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from observation.lag import Head, Place
from observation.offsets import Offsets, _answers
from runtime import kafka
from runtime.settings import Settings


@pytest.fixture
def topic(settings, unique):
    name = unique("looked-at")
    admin = AdminClient(kafka.client(settings))
    config = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete", "retention.ms": "3600000"}
    admin.create_topics([NewTopic(name, 2, 1, config=config)])[name].result(20)
    return name


@pytest.fixture
def producer(settings, unique):
    made = Producer(kafka.producer(settings, transactional_id=unique("writer")))
    made.init_transactions(20)
    return made


@pytest.fixture
def offsets(settings):
    looking = Offsets(settings, "looking")
    yield looking
    looking.close()


def write(producer, topic, count, *, end="commit"):
    producer.begin_transaction()
    for _ in range(count):
        producer.produce(topic, b"x", partition=0)
    producer.flush(20)
    if end == "commit":
        producer.commit_transaction(20)
    elif end == "abort":
        producer.abort_transaction(20)


def await_end(offsets, place, end):
    """The mark of a transaction is written a moment after its producer is told that it is done."""
    deadline = time.monotonic() + 60
    while (found := offsets.bounds([place])[place]) != (0, end):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_the_head_is_the_next_record_that_a_reader_gets(offsets, producer, topic):
    place = Place(topic, 0)
    write(producer, topic, 3)
    before_ms = time.time_ns() // 1_000_000
    await_end(offsets, place, 4)  # three records and the mark of their transaction
    assert offsets.heads({place: 3}) == {place: Head(None, 4)}
    write(producer, topic, 2, end="abort")
    await_end(offsets, place, 7)
    assert offsets.heads({place: 3}) == {place: Head(None, 7)}
    write(producer, topic, 1)
    await_end(offsets, place, 9)
    head = offsets.heads({place: 3})[place]
    assert head.end == 7
    assert before_ms <= head.timestamp_ms <= time.time_ns() // 1_000_000
    write(producer, topic, 4, end="later")
    await_end(offsets, place, 13)
    assert offsets.heads({place: 8}) == {place: Head(None, 9)}
    producer.abort_transaction(20)


def test_a_group_is_seen_without_being_in_it(settings, offsets, producer, topic, unique):
    group = unique("readers")
    places = [Place(topic, 0), Place(topic, 1)]
    assert offsets.committed(group, places) == {}
    assert offsets.members([group])[group].names == ()
    write(producer, topic, 2)
    reader = Consumer(kafka.consumer(settings, group, client_id="reader-1"))
    reader.subscribe([topic])
    deadline = time.monotonic() + 60
    while not reader.assignment():
        reader.poll(0.1)
        assert time.monotonic() < deadline
    reader.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    assert offsets.committed(group, places) == {places[0]: 1}
    members = offsets.members([group])[group]
    assert members.names == ("reader-1",)
    assert members.owners == dict.fromkeys(places, "reader-1")
    reader.close()
    assert offsets.members([group])[group].names == ()
    assert offsets.committed(group, places) == {places[0]: 1}


def test_a_broker_that_coordinates_no_group_yet_is_asked_again(fresh_broker):
    """An AdminClient that asks it is killed by the answer: librdkafka's issue 5040."""
    looking = Offsets(Settings(bootstrap_servers=fresh_broker.bootstrap), "looking")
    for number in range(10):
        assert looking.committed(f"unseen-{number}", [Place("never-made", 0)]) == {}
    looking.close()


def test_retention_is_told_of_topics_that_forget(offsets, topic):
    assert offsets.partitions()[topic] == 2
    assert offsets.retention_s([topic]) == {topic: 3_600.0}


def test_nobody_goes_on_before_all_requests_have_ended_though_one_has_failed():
    failed: Future[int] = Future()
    slow: Future[int] = Future()
    failed.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    ending = threading.Timer(0.2, slow.set_result, [1])
    ending.start()
    with pytest.raises(KafkaException):
        _answers({"failed": failed, "slow": slow})
    assert slow.done()
    ending.join()
