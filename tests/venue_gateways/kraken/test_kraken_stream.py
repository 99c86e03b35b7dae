"""What each message of Kraken's executions channel means."""

import msgspec
import pytest

from domain import money
from domain.messages import Liquidity
from domain.throttle import Charge
from tests.venue_gateways.kraken.examples import OURS
from venue_gateways.venue import OrderState, StreamSignal, Unparsable

ORDER_ID = "OK4GJX-KSTLS-7DZZO5"
#: Recorded: what comes first of an order, and has what the rest doesn't repeat.
PENDING = {
    "order_id": ORDER_ID,
    "symbol": "BTC/USD",
    "order_qty": 0.005,
    "cum_cost": 0.0,
    "time_in_force": "GTC",
    "exec_type": "pending_new",
    "side": "sell",
    "order_type": "limit",
    "cl_ord_id": OURS,
    "limit_price_type": "static",
    "limit_price": 26500.0,
    "order_status": "pending_new",
    "fee_ccy_pref": "fciq",
    "timestamp": "2023-09-22T10:33:05.709950Z",
}
NEW = {
    "timestamp": "2023-09-22T10:33:05.709982Z",
    "order_status": "new",
    "exec_type": "new",
    "order_userref": 3,
    "order_id": ORDER_ID,
}
TRADE = {
    "order_id": ORDER_ID,
    "exec_id": "TGBB7L-HT5LX-J3BZ4A",
    "exec_type": "trade",
    "trade_id": 62887576,
    "symbol": "BTC/USD",
    "side": "sell",
    "last_qty": 0.005,
    "last_price": 26599.9,
    "liquidity_ind": "t",
    "cost": 132.9995,
    "order_type": "limit",
    "timestamp": "2023-09-22T10:33:05.709993Z",
    "order_status": "partially_filled",
    "cum_qty": 0.005,
    "avg_price": 26599.9,
    "fee_usd_equiv": 0.3458,
    "fees": [{"asset": "USD", "qty": 0.3458}],
}
#: Recorded, of another order.
AMENDED = {
    "timestamp": "2023-09-22T10:43:05.709950Z",
    "exec_type": "amended",
    "order_status": "new",
    "cum_qty": 0.0,
    "reason": "User requested",
    "amended": True,
    "order_qty": 0.0025,
    "limit_price": 26500.0,
    "limit_price_type": "static",
    "order_userref": 0,
    "order_id": ORDER_ID,
}
CANCELED = {
    "timestamp": "2023-09-22T10:33:06Z",
    "order_status": "canceled",
    "exec_type": "canceled",
    "cum_qty": 0.005,
    "reason": "User requested",
    "order_id": ORDER_ID,
}


class Feed:
    """A connection, and messages in their order."""

    def __init__(self, adapter) -> None:
        self.session = adapter.stream_session("token")
        self.sequence = 0

    def take(self, *rows: object, sequence: int | None = None, kind: str = "update"):
        self.sequence = self.sequence + 1 if sequence is None else sequence
        message = {"channel": "executions", "type": kind, "data": rows, "sequence": self.sequence}
        return self.session.events(msgspec.json.encode(message))

    def one(self, **changes: object):
        (event,) = self.take(changes)
        return event


@pytest.fixture
def feed(adapter) -> Feed:
    return Feed(adapter)


def test_the_subscription_carries_the_token_and_asks_for_open_orders_and_the_counter(feed):
    (message,) = feed.session.subscriptions(0)
    asked = msgspec.json.decode(message)
    assert asked["method"] == "subscribe"
    assert asked["params"]["token"] == "token"
    assert asked["params"]["channel"] == "executions"
    assert asked["params"]["snap_orders"]
    assert asked["params"]["ratecounter"]
    assert not asked["params"]["snap_trades"]


def test_an_order_s_later_events_are_told_by_what_its_first_has_said(feed):
    first, second = feed.one(**PENDING), feed.one(**NEW)
    assert first.order == second.order or first.order.updated_at < second.order.updated_at
    for event in (first, second):
        assert event.signal is StreamSignal.UPDATE
        assert (event.order.client_order_id, event.order.symbol, event.order.state) == (
            OURS,
            "BTC-USD",
            OrderState.OPEN,
        )
        assert event.order.venue_order_id == ORDER_ID
    assert second.order.updated_at == 1_695_378_785_709_982


def test_a_trade_on_the_stream_has_all_a_fill_needs(feed):
    feed.one(**PENDING)
    event = feed.one(**TRADE)
    trade = event.trade
    assert (trade.trade_id, trade.venue_order_id, trade.symbol) == ("TGBB7L-HT5LX-J3BZ4A", ORDER_ID, "BTC-USD")
    assert (trade.quantity, trade.price) == (money.parse("0.005"), money.parse("26599.9"))
    assert (trade.fee, trade.fee_asset, trade.liquidity) == (money.parse("0.3458"), "USD", Liquidity.TAKER)
    assert (event.order.state, event.order.filled_quantity) == (OrderState.OPEN, money.parse("0.005"))


def test_numbers_are_read_to_the_last_digit_they_are_written_with(feed):
    row = msgspec.json.encode(PENDING | TRADE | {"last_qty": 0}).replace(
        b'"last_qty":0', b'"last_qty":105.020148890000000001'
    )
    message = b'{"channel":"executions","type":"update","sequence":1,"data":[%b]}' % row
    (event,) = feed.session.events(message)
    assert event.trade.quantity == money.parse("105.020148890000000001")


def test_what_trades_do_not_say_of_their_order_is_added_up(feed):
    feed.one(**PENDING)
    uncounted = {key: value for key, value in TRADE.items() if key != "cum_qty"}
    quantities = [feed.one(**uncounted, exec_id_=1).order.filled_quantity for _ in range(2)]
    assert quantities == [money.parse("0.005"), money.parse("0.01")]
    ended = feed.one(**CANCELED | {"cum_qty": 0.01})
    assert (ended.order.state, ended.order.filled_quantity) == (OrderState.CANCELED, money.parse("0.01"))
    assert ended.order.reason == "User requested"


@pytest.mark.parametrize("exec_type", ["amended", "restated"])
def test_what_an_order_is_for_is_told_where_the_venue_tells_it(feed, exec_type):
    assert feed.one(**PENDING).order.quantity == money.parse("0.005")
    assert feed.one(**NEW).order.quantity is None
    amended = feed.one(**AMENDED | {"exec_type": exec_type})
    assert (amended.signal, amended.trade) == (StreamSignal.UPDATE, None)
    assert (amended.order.client_order_id, amended.order.symbol, amended.order.state) == (
        OURS,
        "BTC-USD",
        OrderState.OPEN,
    )
    assert (amended.order.quantity, amended.order.filled_quantity) == (money.parse("0.0025"), 0)
    assert amended.order.reason is None  # the amendment was requested, and no end
    untold = {key: value for key, value in AMENDED.items() if key != "order_qty"}
    assert feed.one(**untold).order.quantity is None
    assert feed.one(**TRADE).order.quantity is None


@pytest.mark.parametrize("quantity", [-1, "NaN", "x", []])
def test_an_amendment_to_what_is_no_amount_is_unclear(feed, quantity):
    feed.one(**PENDING)
    amended = feed.one(**AMENDED | {"order_qty": quantity})
    assert (amended.signal, amended.order) == (StreamSignal.UNCLEAR, None)


def test_an_amended_order_keeps_what_has_traded(feed):
    feed.one(**PENDING)
    feed.one(**TRADE | {"last_qty": 0.001, "cum_qty": 0.001})
    assert feed.one(**AMENDED).order.filled_quantity == money.parse("0.001")  # the row says less than is known
    counted = feed.one(**AMENDED | {"cum_qty": 0.002, "order_status": "partially_filled"})
    assert (counted.order.state, counted.order.filled_quantity) == (OrderState.OPEN, money.parse("0.002"))


@pytest.mark.parametrize("status", ["canceled", "expired", "filled"])
def test_an_end_that_does_not_say_how_much_was_filled_is_not_believed(feed, status):
    feed.one(**PENDING)
    uncounted = {key: value for key, value in CANCELED.items() if key != "cum_qty"}
    ended = feed.one(**uncounted | {"order_status": status, "exec_type": status})
    assert (ended.signal, ended.order) == (StreamSignal.UNCLEAR, None)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending_new", OrderState.OPEN),
        ("new", OrderState.OPEN),
        ("partially_filled", OrderState.OPEN),
        ("filled", OrderState.FILLED),
        ("canceled", OrderState.CANCELED),
        ("expired", OrderState.EXPIRED),
    ],
)
def test_every_documented_status_has_its_state(feed, status, state):
    row = PENDING | {"order_status": status, "exec_type": "status", "cum_qty": 0}
    assert feed.one(**row).order.state is state


def test_an_order_that_this_connection_has_not_introduced_is_looked_for_in_the_history(feed):
    for row in (NEW, TRADE, AMENDED, CANCELED):
        (event,) = feed.take(row)
        assert (event.order, event.trade, event.trades_due) == (None, None, True)


@pytest.mark.parametrize(
    "change",
    [
        {"order_status": "half_filled"},
        {"exec_id": None},
        {"last_qty": None},
        {"last_price": None},
        {"fees": []},
        {"fees": [{"asset": "USD", "qty": 1}, {"asset": "BTC", "qty": 1}]},
        {"last_qty": -1},
        {"last_qty": "NaN"},
        {"timestamp": "yesterday"},
        {"order_id": 7},
    ],
)
def test_a_row_that_can_t_be_understood_is_said_to_be_unclear_and_the_others_are_told(feed, change):
    feed.one(**PENDING)
    bad, good = feed.take(TRADE | change, CANCELED)
    assert (bad.signal, bad.order, bad.trade) == (StreamSignal.UNCLEAR, None, None)
    assert bad.detail
    assert good.order.state is OrderState.CANCELED


def test_the_venue_s_own_counter_is_passed_on(feed):
    assert feed.one(**PENDING, ratecount=7.25).counted == (Charge("trading_counter", 7, "BTC-USD"),)
    assert feed.one(**NEW).counted == ()


def test_an_order_s_age_is_known_from_the_stream(adapter):
    Feed(adapter).one(**PENDING)
    assert adapter._ages.cancel_cost(OURS, 1_695_378_785_709_950 + 5_000_000) == 6


@pytest.mark.parametrize("exec_type", ["amended", "restated"])
def test_an_order_that_is_amended_is_young_again(adapter, exec_type):
    feed, amended_us = Feed(adapter), 1_695_378_785_709_950 + 600_000_000
    feed.one(**PENDING)
    assert adapter._ages.cancel_cost(OURS, amended_us) == 0
    feed.one(**AMENDED | {"exec_type": exec_type})
    assert adapter._ages.cancel_cost(OURS, amended_us + 4_999_999) == 8
    assert adapter._ages.cancel_cost(OURS, amended_us + 5_000_000) == 6
    assert adapter._ages.amend_cost(OURS, amended_us + 5_000_000) == 3


def test_a_message_that_is_missing_is_a_gap(feed):
    feed.take(PENDING, sequence=8, kind="snapshot")  # the first may have any number
    feed.take(NEW)
    (event,) = feed.take(TRADE, sequence=11)
    assert (event.signal, event.detail) == (StreamSignal.GAP, "11 after 9")


def test_a_message_that_comes_twice_is_told_once(feed):
    feed.take(PENDING)
    feed.take(TRADE)
    (event,) = feed.take(TRADE, sequence=2)
    assert (event.signal, event.order) == (StreamSignal.OTHER, None)
    (event,) = feed.take(CANCELED, sequence=3)
    assert event.order.state is OrderState.CANCELED


def test_each_connection_counts_for_itself(adapter):
    first, second = Feed(adapter), Feed(adapter)
    first.take(PENDING, sequence=5)
    assert second.take(PENDING, sequence=1)[0].signal is StreamSignal.UPDATE


@pytest.mark.parametrize(
    ("message", "signal"),
    [
        ({"method": "subscribe", "success": True, "result": {"channel": "executions"}}, StreamSignal.SUBSCRIBED),
        ({"method": "subscribe", "success": False, "error": "EAPI:Invalid token"}, StreamSignal.REFUSED),
        ({"method": "subscribe", "error": "ESession:Invalid session"}, StreamSignal.REFUSED),
        ({"channel": "heartbeat"}, StreamSignal.OTHER),
        ({"channel": "status", "type": "update", "data": [{"system": "online"}]}, StreamSignal.OTHER),
        ({"method": "pong"}, StreamSignal.OTHER),
        ({"something": "new"}, StreamSignal.OTHER),
    ],
)
def test_every_message_of_the_stream_has_its_signal(feed, message, signal):
    assert [event.signal for event in feed.session.events(msgspec.json.encode(message).decode())] == [signal]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b"<html>",
        b'{"channel":"executions","data":[]}',
        b'{"channel":"executions","sequence":1}',
        b'{"channel":"executions","sequence":1.5,"data":[]}',
        b'{"channel":"executions","sequence":1,"data":{}}',
    ],
)
def test_a_message_that_can_t_be_understood_is_said_to_be(feed, message):
    with pytest.raises(Unparsable):
        feed.session.events(message)
