"""What every test may ask for: a real broker, settings that point to it, and names that no other test uses."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from runtime.broker import EmbeddedBroker
from runtime.settings import FILE_VARIABLE, PREFIX, Settings

ROOT = Path(__file__).parent.parent
JAR_CACHE = ROOT / "var" / "kafka"  # shared with `fillstream up`: Maven runs once

#: Tests that start the whole system, or measure: never two of them at a time, and first, as they take longest.
WHOLE_SYSTEM: Final = (
    "tests/demo/",
    "tests/faults/",
    "tests/soak/",
    "tests/benchmarks/",
    "tests/mutants/",
    "tests/observation/doctor/test_broken_setups.py",
    "tests/runtime/test_supervisor.py",
    "tests/test_readme.py",
)


class ByFile(LoadScopeScheduling):
    """Gives each process of ``make test`` one file after the other, so that a file's fixtures are made once."""

    def _split_scope(self, nodeid: str) -> str:
        return "the whole system" if nodeid.startswith(WHOLE_SYSTEM) else nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Share tests out by files, unlike any of the ways that pytest-xdist has."""
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a broker, so that ``-m "not broker"`` runs the rest in seconds; put what takes longest first."""
    for item in items:
        if {"broker", "fresh_broker"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.broker)
    items.sort(key=lambda item: not item.nodeid.startswith(WHOLE_SYSTEM))


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the settings of whoever runs it."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(FILE_VARIABLE, os.devnull)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of the one broker that all tests share: use names from `unique`."""
    with EmbeddedBroker(tmp_path_factory.mktemp("kafka"), jar_cache=JAR_CACHE) as running:
        yield running.bootstrap


@pytest.fixture
def fresh_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of one's own (2 s), for tests that need the real topic names, or that kill or restart it."""
    with EmbeddedBroker(tmp_path / "kafka", jar_cache=JAR_CACHE) as running:
        yield running


@pytest.fixture
def settings(broker: str, tmp_path: Path) -> Settings:
    """Settings on the shared broker, with a ``var`` of one's own."""
    return Settings(bootstrap_servers=broker, var=tmp_path / "var")


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes a name for a topic or group that no other test uses."""
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}-{suffix}"
