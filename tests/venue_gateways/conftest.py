"""A venue and its gateways, as processes."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.venue_gateways.harness import Rig, Simulator


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The venue of all tests that don't break it: each has a name of its own for it, and so topics and orders."""
    started = Simulator(tmp_path_factory.mktemp("simulator"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def shared(broker: str, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One gateway, for tests that leave it as it was."""
    made = Rig(broker, tmp_path_factory.mktemp("shared") / "var", simulator)
    made.start_gateway()
    made.wait_for_log("venue_ready")
    yield made
    made.close()


@pytest.fixture
def rig(broker: str, simulator: Simulator, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs; with options, one with a venue of its own."""
    rigs: list[Rig] = []
    venues: list[Simulator] = []
    numbers = itertools.count()

    def make(*, own: bool = False, **options: int) -> Rig:
        var = tmp_path / str(next(numbers))
        if own or options:
            venues.append(Simulator(var, **options))
        rigs.append(Rig(broker, var, venues[-1] if own or options else simulator))
        return rigs[-1]

    yield make
    for made in rigs:
        made.close()
    for venue in venues:
        venue.stop()
    if rigs and not venues:
        rigs[0].lie()
