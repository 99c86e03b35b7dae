"""What can't go on exactly ends the process, with Exit.INTERNAL and a line that says why."""

import signal

import pytest
from confluent_kafka import Producer

from domain.state import Balance
from runtime import kafka
from runtime.exits import Exit
from schemas import codec
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


def test_a_worker_that_was_stopped_for_longer_than_its_session_finds_itself_fenced(fleet):
    fleet.produce(300)
    zombie = fleet.start("worker-0", session_timeout_ms=1_500)
    until(lambda: zombie.events("partition_restored"))
    fleet.answers(600)
    zombie.signal(signal.SIGSTOP)
    successor = fleet.start("worker-1", session_timeout_ms=1_500)
    until(lambda: len(successor.events("partition_restored")) == fleet.plan.partitions)
    fleet.produce(300)
    fleet.answers(1_200)
    zombie.signal(signal.SIGCONT)
    fleet.produce(300)
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


def test_a_position_beyond_the_end_of_its_input_is_refused(fleet, broker):
    fleet.produce(100)
    worker = fleet.start()
    fleet.verify()
    worker.stop()
