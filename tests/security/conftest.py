"""One guarded broker, and one installation on it that has traded, for all tests of security in whatever order."""

from collections.abc import Iterator

import pytest

from tests.security.guarded import Guarded
from tests.security.installation import Installation, Trade


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with Guarded(tmp_path_factory.mktemp("guarded")) as running:
        yield running


@pytest.fixture(scope="session")
def installation(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(guarded, tmp_path_factory.mktemp("installation")) as running:
        yield running


@pytest.fixture(scope="session")
def trade(installation: Installation) -> Trade:
    """What one order has left behind, before anything is broken on purpose."""
    return installation.trade()
