"""The application's settings: each closes a way to lose or to repeat something."""

import pytest

from runtime.settings import Settings
from schemas import topics
from streaming.app import application, input_topic
from streaming.transport import ChunkSchema, TableManager, Transport


@pytest.fixture
def app(tmp_path):
    return application(Settings(var=tmp_path, worker_id="worker-7", bootstrap_servers="127.0.0.1:1,127.0.0.1:2"))


def test_it_is_named_like_its_changelogs(app):
    assert app.conf.id == topics.APPLICATION
    assert all(each.name.startswith(f"{app.conf.id}-") for each in topics.CHANGELOGS)


def test_it_runs_on_the_chunked_transport_with_all_brokers(app):
    assert isinstance(app.transport, Transport)
    assert [(url.host, url.port) for url in app.transport.url] == [("127.0.0.1", 1), ("127.0.0.1", 2)]
    assert isinstance(app.tables, TableManager)


def test_faust_neither_replicates_nor_creates_nor_serves_nor_commits(app):
    conf = app.conf
    assert conf.table_standby_replicas == 0
    assert conf.topic_allow_declare is False
    assert conf.topic_disable_leader is True
    assert conf.web_enabled is False
    assert conf.consumer_auto_offset_reset == "earliest"
    assert conf.broker_commit_interval >= 3_600


def test_a_worker_keeps_its_place_in_the_group(app):
    assert app.conf.consumer_group_instance_id == "worker-7"
    assert app.conf.broker_heartbeat_interval * 3 <= app.conf.broker_session_timeout <= app.conf.broker_request_timeout


def test_credentials_reach_faust_as_they_reach_librdkafka(tmp_path):
    secured = Settings(
        var=tmp_path,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="worker",
        sasl_password="hidden",
    )
    credentials = application(secured).conf.broker_credentials
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert (credentials.username, credentials.password) == ("worker", "hidden")


def test_an_input_is_not_acknowledged_by_faust(app):
    topic = input_topic(app, topics.TICKS)
    assert topic.get_topic_name() == "ticks"
    assert topic.acks is False
    assert isinstance(topic.schema, ChunkSchema)
