"""An instrument that could not be traded exactly is refused when it is read, with the fault in words."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import money
from domain.instruments import Instrument, Rulebook

BITCOIN = Instrument(
    venue="simulated",
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    tick_size=money.parse("0.01"),
    lot_size=money.parse("0.00001"),
    quantity_min=money.parse("0.00001"),
    quantity_max=money.parse("1000"),
    price_max=money.parse("10000000"),
    notional_min=money.parse("5"),
    fee_rate_max=money.parse("0.002"),
)

FAULTS = {
    "a symbol is base-quote": [{"symbol": "BTCUSD"}, {"base": "ETH"}, {"quote": "EUR"}],
    "must be two assets": [
        {"symbol": "-USD", "base": ""},
        {"symbol": "BTC-", "quote": ""},
        {"symbol": "USD-USD", "base": "USD"},
    ],
    "tick and lot must be positive": [{"tick_size": 0}, {"lot_size": 0}, {"tick_size": -1}, {"lot_size": -1}],
    "the bounds must be positive": [{"quantity_min": 0}, {"price_max": 0}, {"price_max": -1}, {"quantity_min": -1}],
    "smallest quantity is larger": [{"quantity_max": 0}, {"quantity_min": money.parse("1001")}],
    "minimum notional must not be negative": [{"notional_min": -1}],
    "fraction from 0 to 1": [{"fee_rate_max": -1}, {"fee_rate_max": money.ONE + 1}],
    "not exact on the grid": [{"tick_size": 1, "lot_size": 1}, {"tick_size": money.parse("1e-14")}],
    "do not fit": [
        {"price_max": money.AMOUNT_MAX, "quantity_max": money.ONE},
        {"price_max": money.parse("1e17"), "quantity_max": money.parse("1e3")},
        {"price_max": 1, "quantity_max": money.AMOUNT_MAX},
        {"price_max": money.AMOUNT_MAX, "quantity_max": money.parse("0.00001")},
    ],
}


@pytest.mark.parametrize(("words", "change"), [(words, change) for words, rows in FAULTS.items() for change in rows])
def test_a_fault_is_named(words, change):
    with pytest.raises(ValueError, match=words) as caught:
        msgspec.structs.replace(BITCOIN, **change)
    assert str(caught.value).startswith("simulated ")


@pytest.mark.parametrize(
    "change",
    [
        {"notional_min": 0, "fee_rate_max": 0},
        {"fee_rate_max": money.ONE},
        {"quantity_min": BITCOIN.quantity_max},
        {"tick_size": 1, "lot_size": money.ONE, "quantity_min": money.ONE},
        {"price_max": money.AMOUNT_MAX // 2, "quantity_max": money.parse("0.00001")},
        {"symbol": "A-B-C", "base": "A", "quote": "B-C"},
    ],
)
def test_the_edges_are_allowed(change):
    assert msgspec.structs.replace(BITCOIN, **change).venue == "simulated"


@given(st.data())
def test_any_order_within_the_rules_costs_an_exact_amount_that_fits(data):
    price = data.draw(st.integers(1, BITCOIN.price_max // BITCOIN.tick_size)) * BITCOIN.tick_size
    quantity = data.draw(st.integers(1, BITCOIN.quantity_max // BITCOIN.lot_size)) * BITCOIN.lot_size
    cost = money.multiply(price, quantity)
    assert cost * money.ONE == price * quantity
    assert money.multiply_up(cost, money.ONE + BITCOIN.fee_rate_max) <= money.AMOUNT_MAX


def test_a_rulebook_finds_by_venue_and_symbol():
    ether = msgspec.structs.replace(BITCOIN, symbol="ETH-USD", base="ETH")
    elsewhere = msgspec.structs.replace(BITCOIN, venue="binance")
    rules = Rulebook(iter([BITCOIN, ether, elsewhere]))
    assert rules.find("simulated", "BTC-USD") is BITCOIN
    assert rules.find("binance", "BTC-USD") is elsewhere
    assert rules.find("binance", "ETH-USD") is None
    assert rules.find("nowhere", "BTC-USD") is None
    assert rules.of("simulated") == (BITCOIN, ether)
    assert rules.of("nowhere") == ()
    assert rules.venues == {"simulated", "binance"}


def test_two_rules_for_one_symbol_are_refused():
    other = msgspec.structs.replace(BITCOIN, notional_min=0)
    with pytest.raises(ValueError, match="simulated has two rules for BTC-USD"):
        Rulebook([BITCOIN, other])
    with pytest.raises(ValueError, match="two rules"):
        Rulebook([BITCOIN, msgspec.structs.replace(BITCOIN)])


def test_a_rulebook_may_be_empty():
    assert Rulebook([]).venues == frozenset()
