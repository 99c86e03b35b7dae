"""One ClickHouse service and one broker for all tests of analytics; a database and a group for each."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.migrate import migrate
from runtime import topics
from runtime.broker import EmbeddedBroker
from runtime.settings import Settings
from tests.analytics.base import Base
from tests.analytics.stage import PARTITIONS, Service, Stage, unique_database
from tests.analytics.story import Story
from tests.conftest import JAR_CACHE


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("clickhouse"))
    running.start()
    yield running
    assert running.child.stop() == 0, running.child.log()


@pytest.fixture(scope="session")
def log_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker with fillstream's own topics, apart from the one that all other tests share."""
    with EmbeddedBroker(tmp_path_factory.mktemp("kafka"), jar_cache=JAR_CACHE) as broker:
        topics.ensure(Settings(bootstrap_servers=broker.bootstrap, partitions=PARTITIONS), ["simulated"])
        yield broker.bootstrap


@pytest.fixture
def stage(service: Service, log_broker: str, tmp_path: Path) -> Iterator[Stage]:
    built = Stage(service, log_broker, unique_database(), tmp_path)
    built.skip_the_past()
    yield built
    built.close()


@pytest.fixture
def base(service: Service) -> Iterator[Base]:
    name = unique_database()
    writer = service.client(writer=True)
    migrate(writer, name)
    client = service.client(writer=True, database=name)
    yield Base(client)
    client.close()
    writer.command(f"DROP DATABASE {name} SYNC")
    writer.close()


@pytest.fixture
def told(base: Base) -> Story:
    """A story of 400 orders, stored."""
    story = Story(seed=11, orders=400)
    for topic, messages in story.records().items():
        base.store(topic, messages, shuffled_by=random.Random(5))
    return story
