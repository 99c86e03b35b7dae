"""An adapter that has read the rules."""

import pytest

from tests.venue_gateways.binance.examples import RULES, answer
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.venue import (
    ReadRules,
)


@pytest.fixture
def adapter() -> Binance:
    made = Binance("binance", "key", HmacSigner("secret"))
    rules = made.parse(ReadRules(), answer(200, RULES)).rules
    assert rules is not None
    made.learn(rules)
    return made
