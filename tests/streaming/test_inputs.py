"""Inputs as Kafka really has them: with holes, with what no transaction committed, with what is gone."""

import pytest
from confluent_kafka import Producer

from runtime import kafka
from tests.streaming.fleet import Fleet


@pytest.fixture
def fleet(broker, unique, tmp_path):
    with Fleet(broker, unique("input"), tmp_path, partitions=1) as running:
        yield running


def test_holes_that_transactions_leave_are_no_loss(fleet):
    """Markers, aborted records and a batch of nothing else are stepped over, before, between and after records."""
    topic = fleet.plan.topic("first").name
    upstream = Producer(kafka.producer(fleet.settings, transactional_id=fleet.plan.name))
    upstream.init_transactions()

    def transaction(records, *, commit):
        upstream.begin_transaction()
        for _ in range(records):
            upstream.produce(topic, b"", b"user", 0)
        upstream.flush()
        upstream.commit_transaction() if commit else upstream.abort_transaction()

    transaction(5, commit=False)
    for _ in range(10):
        transaction(3, commit=True)
        transaction(700, commit=False)  # more than a chunk
    worker = fleet.start()
    assert [number for _, number, _ in fleet.answers(30)] == list(range(1, 31))
    transaction(2, commit=True)
    fleet.answers(32)
    transaction(1, commit=False)
    assert worker.stop() == 0
    transaction(1, commit=True)
    worker = fleet.start()
    answers = fleet.answers(33)
    assert [number for _, number, _ in answers] == list(range(1, 34))
    assert len({source for source, _, _ in answers}) == 33
    assert not worker.events("input_gap")
