"""An adapter that has read the rules."""

import pytest

from tests.venue_gateways.kraken.examples import learned
from venue_gateways.kraken import Kraken


@pytest.fixture
def adapter() -> Kraken:
    return learned()
