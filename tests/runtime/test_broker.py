"""The embedded broker keeps its data and dies with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from runtime import broker as broker_module
from runtime import jars
from runtime.broker import EmbeddedBroker
from runtime.exits import Unavailable
from tests.processes import runs

ROOT = Path(__file__).parent.parent.parent
JAR_CACHE = ROOT / "var" / "kafka"


def produce(bootstrap: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(topic, value)
    assert producer.flush(20) == 0


def read_one(bootstrap: str, topic: str) -> bytes:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                return message.value()
        raise AssertionError("nothing to read")
    finally:
        consumer.close()


def create(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)


def test_records_survive_a_stop_and_a_kill(fresh_broker):
    create(fresh_broker.bootstrap, "kept")
    produce(fresh_broker.bootstrap, "kept", b"before the stop")
    fresh_broker.stop()
    fresh_broker.start()
    assert read_one(fresh_broker.bootstrap, "kept") == b"before the stop"
    os.kill(fresh_broker.pid, signal.SIGKILL)
    fresh_broker.stop()
    fresh_broker.start()
    assert read_one(fresh_broker.bootstrap, "kept") == b"before the stop"


def test_a_misspelled_topic_is_an_error_and_not_a_new_topic(broker):
    admin = AdminClient({"bootstrap.servers": broker})
    (node,) = admin.list_topics(timeout=30).brokers
    resource = ConfigResource(ResourceType.BROKER, str(node))
    assert admin.describe_configs([resource])[resource].result(10)["auto.create.topics.enable"].value == "false"


def test_transactions_work_on_one_node(broker, unique):
    topic = unique("transacted")
    create(broker, topic)
    producer = Producer({"bootstrap.servers": broker, "transactional.id": topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"committed")
    producer.commit_transaction(20)
    assert read_one(broker, topic) == b"committed"


def test_the_broker_dies_when_its_parent_is_killed(tmp_path):
    script = (
        "import sys, threading, time; from pathlib import Path; from runtime.broker import EmbeddedBroker\n"
        "b = EmbeddedBroker(Path(sys.argv[1]), jar_cache=Path(sys.argv[2]))\n"
        "t = threading.Thread(target=b.start); t.start(); t.join()\n"  # the thread that starts it is long gone
        "time.sleep(0.2); assert b.alive; print(b.pid, file=sys.stderr, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(JAR_CACHE)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT) as parent:
        pid = int(parent.stderr.readline() or b"0")
        assert pid, "the broker never started"
        parent.kill()
    deadline = time.monotonic() + 5
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(pid)


def test_two_brokers_can_not_share_a_folder(fresh_broker):
    second = EmbeddedBroker(fresh_broker._folder, jar_cache=JAR_CACHE)
    with pytest.raises(Unavailable, match="another broker runs on"):
        second.start()
    assert broker_module.cluster_at(fresh_broker.bootstrap) == fresh_broker._identity()


def test_a_start_takes_another_port_if_the_first_was_taken_meanwhile(tmp_path, broker, monkeypatch):
    taken = int(broker.rpartition(":")[2])
    ports = iter([taken, broker_module.process.free_port()])
    free_port = broker_module.process.free_port
    monkeypatch.setattr(broker_module.process, "free_port", lambda: next(ports, None) or free_port())
    with EmbeddedBroker(tmp_path / "kafka", jar_cache=JAR_CACHE) as second:
        assert second.bootstrap != broker


def test_nobody_answers_where_nobody_listens():
    assert broker_module.cluster_at(f"127.0.0.1:{broker_module.process.free_port()}") is None


def test_missing_java_and_missing_maven_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no java on PATH: install"):
        jars.java()
    with pytest.raises(Unavailable, match="no mvn on PATH: install Apache Maven"):
        jars.resolve(tmp_path / "cache")


def test_an_old_java_is_refused(tmp_path, monkeypatch):
    executable(tmp_path / "bin" / "java", "echo 'openjdk version \"11.0.2\" 2019' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=r"needs Java 17 or later, and .* is 11"):
        jars.java()


def test_a_failing_maven_is_quoted_and_leaves_no_half_filled_folder(tmp_path, monkeypatch):
    executable(tmp_path / "bin" / "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="Could not transfer artifact"):
        jars.resolve(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["maven.log"]


def executable(path: Path, line: str) -> None:
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
