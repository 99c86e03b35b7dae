"""The venue's own rules on a symbol, before anything is signed."""

import pytest

from domain import money
from domain.messages import OrderType
from tests.venue_gateways.binance.examples import RULES, answer, order
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.grid import Grid, violation
from venue_gateways.venue import ReadRules

ONE = money.ONE
GRID = Grid(
    tick_size=ONE // 100,
    lot_size=ONE // 1_000,
    price_min=ONE,
    price_max=100_000 * ONE,
    quantity_min=ONE // 100,
    quantity_max=1_000 * ONE,
    notional_min=10 * ONE,
)


def wanted(quantity: str = "1", price: str | None = "100", **fields: object):
    return order(quantity=money.parse(quantity), price=None if price is None else money.parse(price), **fields)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (wanted(), None),
        (wanted("0.1"), None),
        (wanted("1000", "99999.99"), None),
        (wanted(price="100.001"), "TICK_SIZE 0.01"),
        (wanted(stop_price=money.parse("99.995"), order_type=OrderType.STOP_LIMIT), "TICK_SIZE 0.01"),
        (wanted("1.0001"), "LOT_SIZE 0.001"),
        (wanted("20", "0.99"), "PRICE_MIN 1"),
        (wanted(price="100000.01"), "PRICE_MAX 100000"),
        (wanted("0.009"), "QUANTITY_MIN 0.01"),
        (wanted("1000.001"), "QUANTITY_MAX 1000"),
        (wanted("0.099"), "NOTIONAL_MIN 10"),
        (wanted("0.011", None, order_type=OrderType.MARKET), None),
    ],
)
def test_what_breaks_a_rule_is_refused_with_the_rule_s_own_figure(request_, reason):
    assert violation(GRID, request_) == reason


def test_a_rule_that_there_is_not_is_not_broken():
    assert violation(Grid(), wanted("0.000000000000000001", "0.000000000000000001")) is None
    assert violation(Grid(closed=True), wanted()) == "MARKET_CLOSED"


FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
    {"filterType": "ICEBERG_PARTS", "limit": 10},
    {"filterType": "NOTIONAL", "minNotional": "5.00", "applyMinToMarket": True, "maxNotional": "9000000.00"},
]


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [
        ({"filters": FILTERS}, "NOTIONAL_MIN 5"),
        ({"filters": [*FILTERS[:3], {"filterType": "MIN_NOTIONAL", "minNotional": "7.00"}]}, "NOTIONAL_MIN 7"),
        ({"filters": [{"filterType": "LOT_SIZE", "stepSize": "0.0001"}]}, "LOT_SIZE 0.0001"),
        ({"filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.00", "maxPrice": "0.00"}]}, None),
        ({"status": "HALT"}, "MARKET_CLOSED"),
        ({"status": "TRADING"}, None),
    ],
)
def test_binance_s_filters_are_its_rules(symbol, reason):
    adapter = Binance("binance", "key", HmacSigner("secret"))
    body = RULES | {"symbols": [RULES["symbols"][0] | symbol]}
    adapter.learn(adapter.parse(ReadRules(), answer(200, body)).rules)
    assert adapter.refusal(order(quantity=money.parse("0.00001"))) == reason


@pytest.mark.parametrize("bad", [{"tickSize": "-1"}, {"tickSize": 0.01}, {"maxPrice": "x"}])
def test_a_filter_that_makes_no_sense_makes_the_rules_unusable(bad):
    adapter = Binance("binance", "key", HmacSigner("secret"))
    body = RULES | {"symbols": [RULES["symbols"][0] | {"filters": [FILTERS[0] | bad]}]}
    assert adapter.parse(ReadRules(), answer(200, body)).rules is None
