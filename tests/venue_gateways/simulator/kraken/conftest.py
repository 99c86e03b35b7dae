"""A venue as Kraken runs it, by hand."""

import pytest

from runtime import instruments
from tests.venue_gateways.simulator.kraken.client import KNOWN, Desk
from venue_gateways.simulator.kraken.front import Kraken
from venue_gateways.simulator.venue import Venue


def opened(dialect):
    traded = instruments.load().of("simulated")
    names = dialect.names(instrument.symbol for instrument in traded)
    return Desk(dialect.open(Venue(traded, fees=dialect.fees, rules=dialect.rules), names, KNOWN))


@pytest.fixture
def desk():
    return opened(Kraken())
