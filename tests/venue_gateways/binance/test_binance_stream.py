"""What each message of Binance's private stream means."""

import msgspec
import pytest

from domain import money
from domain.messages import Liquidity
from tests.venue_gateways.binance.examples import OURS
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.venue import (
    OrderState,
    StreamSignal,
    Unparsable,
)

EXECUTION = {
    "e": "executionReport",
    "E": 1499405658658,
    "s": "BTCUSD",
    "c": OURS,
    "S": "BUY",
    "o": "LIMIT",
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": 1499405658657,
    "t": -1,
    "m": False,
    "M": False,
}


def event(adapter: Binance, **changes: object):
    (found,) = events(adapter, msgspec.json.encode({"subscriptionId": 0, "event": EXECUTION | changes}))
    return found


def events(adapter: Binance, message: str | bytes):
    return adapter.stream_session(None).events(message)


def test_a_new_order_on_the_stream_is_open(adapter):
    found = event(adapter)
    assert found.signal is StreamSignal.UPDATE
    assert (found.order.client_order_id, found.order.state, found.trade) == (OURS, OrderState.OPEN, None)


def test_a_trade_on_the_stream_has_all_a_fill_needs(adapter):
    found = event(adapter, x="TRADE", X="FILLED", l="0.5", z="2", L="100.25", n="-0.1", N="BNB", t=77, m=True)
    assert found.order.filled_quantity == 2 * money.ONE
    trade = found.trade
    assert (trade.trade_id, trade.venue_order_id) == ("77", "4293153")
    assert (trade.quantity, trade.price) == (money.parse("0.5"), money.parse("100.25"))
    assert (trade.fee, trade.fee_asset, trade.liquidity) == (money.parse("-0.1"), "BNB", Liquidity.MAKER)


def test_a_cancel_on_the_stream_names_the_order_by_its_own_id(adapter):
    found = event(adapter, c="cancel-1", C=OURS, x="CANCELED", X="CANCELED", z="0.5")
    assert (found.order.client_order_id, found.order.state) == (OURS, OrderState.CANCELED)


def test_an_expiry_on_the_stream_has_its_reason(adapter):
    found = event(adapter, x="EXPIRED", X="EXPIRED", eR="UNFILLED_IOC_QUANTITY_EXPIRED")
    assert (found.order.state, found.order.reason) == (OrderState.EXPIRED, "UNFILLED_IOC_QUANTITY_EXPIRED")
    refused = event(adapter, x="REJECTED", X="REJECTED", r="INSUFFICIENT_BALANCES")
    assert (refused.order.state, refused.order.reason) == (OrderState.REJECTED, "INSUFFICIENT_BALANCES")


@pytest.mark.parametrize(
    ("message", "signal"),
    [
        ({"id": "1", "status": 200, "result": {"subscriptionId": 0}}, StreamSignal.SUBSCRIBED),
        ({"id": "1", "status": 401, "error": {"code": -2015, "msg": "no"}}, StreamSignal.REFUSED),
        ({"event": {"e": "serverShutdown", "E": 1}}, StreamSignal.ENDING),
        ({"e": "serverShutdown", "E": 1}, StreamSignal.ENDING),
        ({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}, StreamSignal.ENDING),
        ({"subscriptionId": 0, "event": {"e": "outboundAccountPosition"}}, StreamSignal.OTHER),
        ({"subscriptionId": 0, "event": {"e": "something new"}}, StreamSignal.OTHER),
    ],
)
def test_every_message_of_the_stream_has_its_signal(adapter, message, signal):
    assert [found.signal for found in events(adapter, msgspec.json.encode(message).decode())] == [signal]


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b'"x"', b'{"event":{"e":"executionReport"}}', b"\xff"])
def test_a_message_that_can_t_be_understood_is_said_to_be(adapter, message):
    with pytest.raises(Unparsable):
        events(adapter, message)


def test_a_trade_of_an_unknown_status_is_not_guessed_at(adapter):
    with pytest.raises(Unparsable):
        event(adapter, X="HALF_FILLED")
    with pytest.raises(Unparsable):
        event(adapter, s="DOGEUSD")


def test_the_subscription_is_signed_for_any_kind_of_key(adapter):
    (sent,) = adapter.stream_session(None).subscriptions(1_747_385_641_636_000)
    message = msgspec.json.decode(sent)
    assert message["method"] == "userDataStream.subscribe.signature"
    expected = HmacSigner("secret").sign(b"apiKey=key&timestamp=1747385641636")
    assert message["params"] == {"apiKey": "key", "timestamp": 1747385641636, "signature": expected}
