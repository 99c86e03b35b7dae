"""A venue as Coinbase runs it, by hand."""

import pytest

from tests.venue_gateways.simulator.client import open_front
from tests.venue_gateways.simulator.coinbase.client import KNOWN, Desk
from venue_gateways.simulator.coinbase.front import Coinbase


@pytest.fixture
def desk():
    return Desk(open_front(Coinbase(), KNOWN))
