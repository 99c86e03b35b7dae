import orjson
import pytest

from tests.venue_gateways.simulator.coinbase.client import EDWARDS, MARKET, token


class Wire:
    """One session, and all that it was sent."""

    def __init__(self, desk):
        self.desk = desk
        self.messages = []
        self.session = desk.front.session("1.2.3.4", "", self.hear, desk.now)
        desk.front.sessions[self.session] = None

    def hear(self, text):
        self.messages.append(orjson.loads(text))

    def ask(self, channel, kind="subscribe", **more):
        text = orjson.dumps({"type": kind, "channel": channel, **more})
        return [orjson.loads(said) for said in self.session.answer(text, self.desk.now, self.desk.now)]

    def subscribe(self, **more):
        return self.ask("user", jwt=token(self.desk.now), **more)

    def beat(self):
        said = self.session.beat(self.desk.now)
        return said if said is None else [orjson.loads(text) for text in said]

    def orders(self):
        return [order for message in self.messages for event in message["events"] for order in event["orders"]]


@pytest.fixture
def wire(desk):
    return Wire(desk)


def test_a_subscription_begins_with_the_open_orders(wire):
    order_id = wire.desk.place(client_order_id="mine")
    snapshot, subscriptions = wire.subscribe()
    assert (snapshot["channel"], snapshot["events"][0]["type"]) == ("user", "snapshot")
    (order,) = snapshot["events"][0]["orders"]
    assert (order["order_id"], order["client_order_id"], order["leaves_quantity"]) == (order_id, "mine", "0.01")
    assert subscriptions["events"][0]["subscriptions"].keys() == {"user"}
    assert [snapshot["sequence_num"], subscriptions["sequence_num"]] == [0, 1]


def test_a_long_snapshot_comes_in_parts(wire):
    for _ in range(51):
        wire.desk.place()
    assert [len(m["events"][0].get("orders", ())) for m in wire.subscribe()] == [50, 1, 0]


def test_an_update_has_all_that_was_filled_and_no_trade(wire):
    wire.subscribe()
    wire.desk.quote("SELL", 60_000, "0.004")
    wire.desk.quote("SELL", 60_001, "1")
    wire.desk.place(MARKET)
    pending, filled = wire.orders()
    assert (pending["status"], filled["status"]) == ("PENDING", "FILLED")
    assert (filled["cumulative_quantity"], filled["leaves_quantity"], filled["number_of_fills"]) == ("0.01", "0", "2")
    assert (filled["avg_price"], filled["total_fees"], "trade_id" in filled) == ("60000.6", "0.600006", False)


def test_a_cancel_is_queued_first(wire):
    wire.subscribe()
    wire.desk.cancel(wire.desk.place())
    assert [order["status"] for order in wire.orders()] == ["PENDING", "OPEN", "CANCEL_QUEUED", "CANCELLED"]


def test_an_edit_is_queued_first_and_what_is_left_is_less(wire):
    wire.subscribe()
    wire.desk.edit(wire.desk.place(), "0.004")
    assert [(order["status"], order["leaves_quantity"]) for order in wire.orders()] == [
        ("PENDING", "0.01"),
        ("OPEN", "0.01"),
        ("EDIT_QUEUED", "0.004"),
        ("OPEN", "0.004"),
    ]


def test_all_messages_of_a_connection_are_numbered(wire):
    wire.ask("heartbeats")
    wire.subscribe()
    (beat,) = wire.beat()
    wire.desk.place()
    assert (beat["channel"], beat["sequence_num"], beat["events"][0]["heartbeat_counter"]) == ("heartbeats", 3, 1)
    assert [message["sequence_num"] for message in wire.messages] == [4, 5]


def test_a_token_for_the_stream_is_for_no_request_and_belongs_to_an_account(wire):
    for bad in (token(wire.desk.now, "GET api.coinbase.com/"), "", token(wire.desk.now - 121_000_000)):
        assert wire.ask("user", jwt=bad) == [{"type": "error", "message": "authentication failure"}]
    wire.ask("user", jwt=token(wire.desk.now, private=EDWARDS))
    wire.desk.place()
    assert wire.messages == [], "nobody hears of others"


def test_who_asks_for_products_hears_of_no_others(wire):
    wire.subscribe(product_ids=["ETH-USD"])
    wire.desk.place()
    assert wire.messages == []


def test_who_does_not_subscribe_in_time_or_hears_nothing_for_a_minute_is_disconnected(wire):
    assert wire.beat() == []
    wire.desk.later(5)
    assert wire.beat() is None
    wire.subscribe()
    wire.desk.later(59)
    assert wire.beat() == []
    wire.desk.later(1)
    assert wire.beat() is None
    wire.ask("heartbeats")
    wire.desk.later(100)
    assert len(wire.beat()) == 1


def test_what_it_does_not_know_is_an_error(wire):
    assert wire.ask("level2")[0]["type"] == "error"
    assert orjson.loads(wire.session.answer(b"{", 0, 0)[0])["type"] == "error"
    wire.subscribe()
    wire.ask("user", "unsubscribe")
    wire.desk.place()
    assert wire.messages == []
