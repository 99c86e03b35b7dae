"""An adapter that has read the rules."""

import pytest

from tests.venue_gateways.coinbase import examples
from venue_gateways.coinbase import Coinbase


@pytest.fixture
def adapter() -> Coinbase:
    return examples.adapter()
