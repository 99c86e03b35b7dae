"""A venue as Kraken runs it, by hand."""

import pytest

from tests.venue_gateways.simulator.client import open_front
from tests.venue_gateways.simulator.kraken.client import KNOWN, Desk
from venue_gateways.simulator.kraken.front import Kraken


@pytest.fixture
def desk():
    return Desk(open_front(Kraken(), KNOWN))
