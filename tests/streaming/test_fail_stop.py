"""What can't go on exactly ends the process, with Exit.INTERNAL and a line that says why."""

import collections
import os
import signal

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from domain.state import Balance
from runtime import kafka, topics
from runtime.exits import Exit
from runtime.settings import Settings
from schemas import codec
from streaming.writer import Abandoned, Fenced, Writer
from tests.streaming.fleet import Fleet, until


@pytest.fixture
def fleet(broker, unique, tmp_path):
    with Fleet(broker, unique("stop"), tmp_path, partitions=2) as running:
        yield running


def test_an_exception_in_a_chunk_ends_the_process_and_leaves_nothing_half_done(fleet):
    fleet.produce(300)
    topic = fleet.plan.topic("first").name
    worker = fleet.start(fail_at=f"{topic}:60")  # in each partition; rows before it in the chunk have changed by then
    assert worker.exit_code() == Exit.INTERNAL
    (failed,) = worker.events("chunk_failed")
    assert "told to fail" in failed["exception"]
    fleet.start()
    fleet.verify()


def test_a_worker_that_slept_over_its_session_in_the_middle_of_a_chunk_is_fenced(fleet):
    fleet.produce(10)
    zombie = fleet.start("worker-0", session_timeout_ms=1_500, slow_s=0.8)
    fleet.answers(20)
    before = len(zombie.events("deciding"))
    fleet.produce(10)
    until(lambda: len(zombie.events("deciding")) > before)
    zombie.signal(signal.SIGSTOP)
    successor = fleet.start("worker-1", session_timeout_ms=1_500)
    until(lambda: len(successor.events("partition_restored")) == fleet.plan.partitions)
    fleet.produce(100)
    fleet.answers(240)
    zombie.signal(signal.SIGCONT)
    assert zombie.exit_code() == Exit.INTERNAL
    assert zombie.events("partition_fenced")
    fleet.produce(100)
    fleet.verify()


def test_a_changelog_that_was_tampered_with_is_refused(fleet):
    fleet.produce(100, users=4)
    worker = fleet.start()
    fleet.verify()
    worker.stop()
    forger = Producer(kafka.producer(fleet.settings))
    forged = codec.encode(Balance("user-1", "records", 1_000_000, 0))
    forger.produce(fleet.plan.counts.name, forged, b"user-1", partition=0)
    forger.flush()
    worker = fleet.start()
    assert worker.exit_code() == Exit.INTERNAL
    (refused,) = worker.events("partition_not_restored")
    assert refused["partition"] == 0
    assert "digest" in refused["reason"]
    assert f"{fleet.plan.name}-positions-changelog" in refused["reason"]


def test_a_position_beyond_the_end_of_its_input_is_refused(fleet):
    fleet.produce(100)
    worker = fleet.start()
    fleet.verify()
    worker.stop()
    topic = fleet.plan.topic("first").name
    admin = AdminClient(kafka.client(fleet.settings))
    admin.delete_topics([topic])[topic].result()
    until(lambda: topic not in admin.list_topics(timeout=30).topics)
    topics.create(fleet.settings, fleet.plan.topics)
    worker = fleet.start()
    assert worker.exit_code() == Exit.INTERNAL
    assert "made anew" in worker.events("partition_not_restored")[0]["reason"]


def test_one_transactional_id_has_one_writer(fleet):
    def write(writer):
        writer.emit(fleet.plan.topic("out").name, b"first:0:1:", b"user")
        writer.commit()

    former = Writer(fleet.settings, fleet.plan.name, 0, lambda: True)
    write(former)
    former.emit(fleet.plan.topic("out").name, b"first:1:1:", b"user")  # sent, perhaps, and never committed
    latter = Writer(fleet.settings, fleet.plan.name, 0, lambda: True)
    with pytest.raises(Fenced):
        write(former)
    write(latter)
    assert [source for source, _, _ in fleet.answers(2, settle_s=0.5)] == ["first:0:0", "first:0:0"]


def test_a_record_that_the_broker_refuses_fails_its_whole_transaction(fleet):
    name = fleet.plan.topic("out").name
    writer = Writer(fleet.settings, fleet.plan.name, 0, lambda: True)
    writer.emit(name, b"first:0:1:", b"user")
    writer.emit(name, os.urandom(3_000_000), b"user")
    with pytest.raises(KafkaException):
        writer.commit()
    assert fleet.answers(0, settle_s=0.5) == []


def test_a_record_that_librdkafka_refuses_fails_its_whole_transaction(fleet):
    name = fleet.plan.topic("out").name
    writer = Writer(fleet.settings, fleet.plan.name, 0, lambda: True)
    writer.emit(name, b"first:0:1:", b"user")
    writer.emit(name, os.urandom(9_000_000), b"user")
    with pytest.raises(KafkaException):
        writer.commit()
    assert fleet.answers(0, settle_s=0.5) == []


def test_fencing_stops_when_the_partition_is_no_longer_wanted(tmp_path):
    nobody = Settings(bootstrap_servers="127.0.0.1:1", var=tmp_path)
    with pytest.raises(Abandoned):
        Writer(nobody, "id", 0, lambda: False)


class Full:
    """A producer with room for *room* records, and for as many more whenever it is polled."""

    def __init__(self, room):
        self.room, self.free, self.calls = room, room, []

    def poll(self, _seconds):
        self.free = self.room

    def begin_transaction(self):
        self.calls.append("begin")

    def produce_batch(self, _topic, records, partition):
        assert partition == 3
        taken, self.free = records[: self.free], max(0, self.free - len(records))
        self.calls += [record["value"] for record in taken]
        for record in records[len(taken) :]:
            record["_error"] = KafkaError(KafkaError._QUEUE_FULL)
        return len(taken)

    def commit_transaction(self, _seconds):
        self.calls.append("commit")


def a_writer(producer):
    writer = object.__new__(Writer)
    writer._producer, writer._partition, writer._waiting = producer, 3, collections.defaultdict(list)
    writer._stuck, writer._refused = False, None
    return writer


@pytest.mark.parametrize("room", [1, 499, 500, 700, 5_000])
def test_what_does_not_fit_the_queue_is_waited_for_in_its_order(room):
    producer = Full(room)
    writer = a_writer(producer)
    for number in range(1_700):
        writer.emit("topic", number, b"")
    writer.commit()
    assert producer.calls == [*range(1_700), "commit", "begin"]


def test_a_record_that_would_be_overtaken_fails_its_transaction():
    class Overtaking(Full):
        def produce_batch(self, _topic, records, **_):
            records[0]["_error"] = KafkaError(KafkaError._QUEUE_FULL)
            return len(records) - 1

        def abort_transaction(self, _seconds):
            self.calls.append("abort")

    producer = Overtaking(10)
    writer = a_writer(producer)
    writer.emit("topic", b"first", b"")
    writer.emit("topic", b"second", b"")
    with pytest.raises(KafkaException):
        writer.commit()
    assert producer.calls == ["abort"]
