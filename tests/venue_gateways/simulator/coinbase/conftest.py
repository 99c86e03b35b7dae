"""A venue as Coinbase runs it, by hand."""

import pytest

from runtime import instruments
from tests.venue_gateways.simulator.coinbase.client import KNOWN, Desk
from venue_gateways.simulator.coinbase.front import Coinbase
from venue_gateways.simulator.venue import Venue


@pytest.fixture
def desk():
    dialect, traded = Coinbase(), instruments.load().of("simulated")
    names = dialect.names(instrument.symbol for instrument in traded)
    return Desk(dialect.open(Venue(traded, fees=dialect.fees, rules=dialect.rules), names, KNOWN))
