"""A venue and its gateways, as processes."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.venue_gateways.harness import Rig


@pytest.fixture(scope="module")
def shared(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One venue with one gateway, for tests that leave both as they were."""
    made = Rig(broker, tmp_path_factory.mktemp("shared") / "var", f"sim-{uuid.uuid4().hex[:8]}")
    made.start_gateway()
    made.wait_for_log("venue_ready")
    yield made
    made.close()


@pytest.fixture
def rig(broker: str, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs, each under a venue name of its own."""
    made: list[Rig] = []
    numbers = itertools.count()

    def make(**limits: int) -> Rig:
        name = f"sim-{uuid.uuid4().hex[:8]}"
        made.append(Rig(broker, tmp_path / str(next(numbers)), name, **limits))
        return made[-1]

    yield make
    for one in made:
        one.close()
