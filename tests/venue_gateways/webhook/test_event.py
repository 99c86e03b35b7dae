"""A pushed event is read exactly, or refused as a whole."""

import pytest

from domain import money
from domain.messages import Liquidity
from tests.venue_gateways.webhook.events import NOW_US, OURS, TRADE, body
from venue_gateways.venue import OrderSeen, OrderState, TradeSeen, Unparsable
from venue_gateways.webhook.event import TRADES_MAX, parse
from venue_gateways.webhook.signature import WINDOW_US


def test_an_event_is_an_order_and_its_trades_in_exact_amounts():
    event = parse(body(), "binance", NOW_US)
    half = money.parse("0.5")
    assert event.event_id == "e-1"
    assert event.order == OrderSeen(OURS, "BTC-USD", OrderState.OPEN, half, "7", None, NOW_US)
    price, fee = money.parse("20000.01"), money.parse("-0.1")
    assert event.trades == (TradeSeen("11", "7", "BTC-USD", half, price, fee, "USD", Liquidity.MAKER, NOW_US - 1),)


def test_an_end_without_trades_may_say_why():
    event = parse(
        body(state="CANCELED", filled_quantity="0", trades=[], reason="by hand", updated_at=...), "binance", 1
    )
    assert (event.order.state, event.order.reason, event.trades) == (OrderState.CANCELED, "by hand", ())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "truncated"),
        (body()[:-1], "truncated"),
        (b"\xff" + body(), "malformed"),
        (b"[]", "object"),
        (body(trades=...), "trades"),
        (body(event_id=...), "event_id"),
        (body(fills=[]), "fills"),
        (body(event_id=""), "event_id"),
        (body(event_id="a\nb"), "event_id"),
        (body(client_order_id="x" * 129), "client_order_id"),
        (body(symbol="BTCUSD"), "symbol"),
        (body(symbol="BTC/USD"), "symbol"),
        (body(venue="another"), "gateway of binance"),
        (body(state="PARTIALLY_FILLED"), "state"),
        (body(state="FILLED", filled_quantity="0", trades=[]), "FILLED with nothing"),
        (body(filled_quantity=0.5), "filled_quantity"),
        (body(filled_quantity="-1"), "out of range"),
        (body(filled_quantity="NaN"), "decimal"),
        (body(filled_quantity="0.4"), "more than filled_quantity"),
        (body(filled_quantity="1" + "0" * 20), "out of range"),
        (body(filled_quantity="1", trades=[TRADE, TRADE]), "twice"),
        (body(trades=[TRADE | {"quantity": "0"}]), "out of range"),
        (body(trades=[TRADE | {"price": "-1"}]), "out of range"),
        (body(trades=[TRADE | {"price": "0.0000000000000000001"}]), "decimals"),
        (body(trades=[TRADE | {"fee": 1}]), "fee"),
        (body(trades=[TRADE | {"liquidity": "BOTH"}]), "liquidity"),
        (body(trades=[TRADE | {"traded_at": 0}]), "traded_at"),
        (body(trades=[TRADE | {"traded_at": NOW_US + WINDOW_US + 1}]), "ahead"),
        (body(updated_at=NOW_US * 1000), "ahead"),
        (body(trades=[TRADE] * (TRADES_MAX + 1)), "trades"),
    ],
)
def test_what_is_not_as_it_is_defined_is_refused_and_the_reason_names_it(content, why):
    with pytest.raises(Unparsable, match=why):
        parse(content, "binance", NOW_US)
