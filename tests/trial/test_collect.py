"""Producing and reading back on a real broker: what was acknowledged, and what was committed."""

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.trial import collect, wire
from runtime.trial.plan import Expect, Planned
from runtime.trial.publish import Publisher, digest


@pytest.fixture
def topic(broker, unique, monkeypatch):
    name = unique("ticks")
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(name, 4, 1)])[name].result(20)
    monkeypatch.setattr(collect, "MESSAGES", {name: "tick"})
    monkeypatch.setattr(collect, "INPUTS", (name,))
    return name


def planned(topic, value, *, key=b"21", at_ms=0, partition=None):
    return Planned(at_ms, topic, "tick", Expect.ANSWER, "21", key, value, "c-1", None, partition)


def publish(broker, log, *records):
    publisher = Publisher(broker, records, log)
    publisher.start()
    publisher.join(20)
    assert publisher.refused == []
    return sorted(publisher.sent, key=lambda sent: sent.sent_us)  # partitions acknowledge in any order


def test_the_log_of_sent_records_matches_what_is_in_the_topic(broker, topic, tmp_path):
    values = [wire.encode("tick", {"at": n}) for n in range(3)]
    keys = (b"21", b"foobar", b"21")
    sent = publish(
        broker, tmp_path / "log.jsonl", *(planned(topic, v, key=k) for v, k in zip(values, keys, strict=True))
    )
    records = collect.records(broker, 4, [topic])[topic]
    assert {record.at: digest(record.key, record.value) for record in records} == {
        (topic, one.partition, one.offset): one.digest for one in sent
    }
    assert sorted(record.fields["at"] for record in records) == [0, 1, 2]
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 3


def test_keys_find_the_partition_that_murmur2_names_unless_told_otherwise(broker, topic, tmp_path):
    keys = [f"user-{number}".encode() for number in range(12)]
    records = [planned(topic, b"x", key=key) for key in keys]
    told = [planned(topic, b"x", partition=3), planned(topic, b"x", key=None, partition=2)]
    sent = publish(broker, tmp_path / "log", *records, *told)
    assert [one.partition for one in sent] == [*(wire.murmur2(key) % 4 for key in keys), 3, 2]


def test_records_go_out_at_their_time(broker, topic, tmp_path):
    first, second = publish(broker, tmp_path / "log", planned(topic, b"x"), planned(topic, b"y", at_ms=400))
    assert 380_000 < second.sent_us - first.sent_us < 1_500_000


def test_what_can_not_be_read_has_no_fields_and_null_is_not_empty(broker, topic, tmp_path):
    odd = [
        None,
        b"",
        b"\0\0\0\0\x03\x02\x00",
        wire.encode(
            "transfer",
            dict.fromkeys(("transfer_id", "user_id", "asset"), "x")
            | {"direction": "CREDIT", "amount": b"", "issued_at": 0},
        ),
    ]
    publish(broker, tmp_path / "log", *(planned(topic, value) for value in odd))
    records = collect.records(broker, 4, [topic])[topic]
    assert [record.value for record in records] == odd
    assert [record.fields for record in records] == [None] * 4
    assert len({digest(record.key, record.value) for record in records}) == 4


def test_an_aborted_transaction_leaves_no_evidence(broker, topic, unique):
    producer = confluent_kafka.Producer({"bootstrap.servers": broker, "transactional.id": unique("tx")})
    producer.init_transactions(20)
    for at, commit in ((1, True), (2, False), (3, True)):
        producer.begin_transaction()
        producer.produce(topic, wire.encode("tick", {"at": at}), b"k")
        producer.flush(10)  # or what is aborted would never have been written
        (producer.commit_transaction if commit else producer.abort_transaction)(20)
    assert [record.fields["at"] for record in collect.records(broker, 4, [topic])[topic]] == [1, 3]


def test_table_balances_are_the_last_rows_added_up_over_partitions(broker, topic, monkeypatch):
    for name in ("BALANCES", "ORDERS", "POSITIONS"):
        monkeypatch.setattr(collect, name, topic)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker})
    for partition, available in ((0, 5), (0, 7), (1, 30)):
        row = {"owner": "treasury", "asset": "USD", "available": wire.amount(available), "reserved": wire.amount(1)}
        producer.produce(topic, wire.encode("balance", row), b"treasury\x1fUSD", partition)
    producer.produce(topic, None, b"gone", 1)
    producer.flush(10)
    assert collect.tables(broker, 4).balances == {("treasury", "USD"): (37 * 10**18, 2 * 10**18)}


def test_a_topic_that_never_ends_is_given_up_with_a_word_on_where(broker, topic, monkeypatch):
    monkeypatch.setattr(collect, "READ_S", 0.0)
    with pytest.raises(collect.UnreadableError, match="not read to their ends"):
        collect.records(broker, 4, [topic])
