"""Topics are made as the catalog says, and a broker that keeps one otherwise is refused by name."""

from types import SimpleNamespace

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from runtime import kafka, topics
from runtime.exits import CheckFailed, Exit, Unavailable
from runtime.process import free_port
from runtime.settings import Settings
from schemas import topics as catalog


@pytest.fixture
def tiny(settings: Settings) -> Settings:
    return settings.model_copy(update={"partitions": 2})


@pytest.fixture
def wanted(unique) -> list[catalog.Topic]:
    """One topic of each kind, under names of one's own."""
    return [
        msgspec.structs.replace(topic, name=unique(topic.name))
        for topic in (catalog.ORDER_COMMANDS, catalog.ORDERS_CHANGELOG, catalog.ORDER_EVENTS)
    ]


def test_every_topic_of_the_catalog_is_created_and_then_found_as_wanted(fresh_broker, tmp_path):
    settings = Settings(bootstrap_servers=fresh_broker.bootstrap, var=tmp_path, partitions=3)
    assert topics.main(settings) == Exit.OK
    assert topics.main(settings) == Exit.OK, "a second start finds nothing to do"
    wanted = {topic.name for topic in catalog.every(("simulated",))}
    found = topics.find(settings, wanted)
    assert set(found) == wanted
    assert {topic.partitions for topic in found.values()} == {3}
    changelog = found["fillstream-orders-changelog"].config
    assert changelog["cleanup.policy"] == "compact"
    assert found["order-commands"].config["message.timestamp.type"] == "LogAppendTime"


def test_new_topics_are_waited_for_until_each_partition_has_a_leader(tiny, monkeypatch):
    def partition(leader: int, error: str | None = None) -> SimpleNamespace:
        return SimpleNamespace(leader=leader, error=error)

    looks = [
        {"new": [partition(1), partition(-1)]},
        {"new": [partition(1), partition(1, "no listener")]},
        {"new": [partition(1), partition(2)]},
    ]

    def look(*_: object) -> SimpleNamespace:
        found = looks.pop(0).items()
        return SimpleNamespace(topics={n: SimpleNamespace(partitions=dict(enumerate(p))) for n, p in found})

    monkeypatch.setattr(topics, "_metadata", look)
    topics._await_visible(None, tiny, {"new"})
    assert looks == []


def test_a_topic_with_other_partitions_is_refused(tiny, wanted):
    topics.create(tiny, wanted)
    four = tiny.model_copy(update={"partitions": 4})
    lines = [str(difference) for difference in topics.check(four, wanted)]
    assert len(lines) == len(wanted)
    assert "2 partitions instead of 4" in lines[0]
    assert "FILLSTREAM_PARTITIONS=2" in lines[0]


@pytest.mark.parametrize(
    ("index", "name", "value"),
    [
        (0, "message.timestamp.type", "CreateTime"),
        (0, "retention.ms", "1000"),
        (1, "cleanup.policy", "compact,delete"),
        (1, "segment.bytes", "1073741824"),
        (2, "cleanup.policy", "compact"),
    ],
)
def test_each_differing_setting_is_named_and_mended(tiny, wanted, index, name, value):
    bad = wanted[index]
    config = bad.config() | {name: value}
    admin = AdminClient(kafka.client(tiny))
    admin.create_topics([NewTopic(bad.name, 2, 1, config=config)])[bad.name].result(20)
    topics.create(tiny, wanted)
    (difference,) = topics.check(tiny, wanted)
    assert difference.topic == bad.name
    assert difference.what == f"{name}={value} instead of {bad.config()[name]}"
    assert difference.mend == "fillstream topics --repair"
    topics.repair(tiny, wanted)
    assert list(topics.check(tiny, wanted)) == []


def test_a_missing_topic_and_too_few_replicas_are_differences():
    settings = Settings(replication_factor=3)
    topic = catalog.ORDER_EVENTS
    (missing,) = topics.differences(topic, None, settings)
    assert missing.what == "doesn't exist"
    found = topics.Found(partitions=settings.partitions, replicas=1, config=topic.config())
    (few,) = topics.differences(topic, found, settings)
    assert few.what == "1 replicas instead of 3"


def test_ensure_refuses_with_a_line_for_each_difference(tiny, wanted, monkeypatch):
    monkeypatch.setattr(catalog, "every", lambda _venues: iter(wanted))
    topics.ensure(tiny, ["simulated"])
    with pytest.raises(CheckFailed) as refusal:
        topics.ensure(tiny.model_copy(update={"partitions": 4}), ["simulated"])
    assert len(str(refusal.value).splitlines()) == len(wanted)


def test_three_replicas_mean_two_must_have_an_acknowledged_record():
    config = topics._creation_config(catalog.ORDER_EVENTS, Settings(replication_factor=3))
    assert config["min.insync.replicas"] == "2"


def test_an_unreachable_broker_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(topics, "_TIMEOUT_S", 1)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=f"no answer from Kafka at {address}.*fillstream broker"):
        topics.ensure(Settings(bootstrap_servers=address), ["simulated"])
