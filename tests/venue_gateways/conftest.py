"""A venue and its gateways, as processes."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.venue_gateways.harness import Rig


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
