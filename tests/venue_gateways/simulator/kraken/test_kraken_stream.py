import orjson
import pytest

from tests.venue_gateways.simulator.kraken.client import MARKET, OTHER, REST
from venue_gateways.simulator.faults import Outcome


class Wire:
    """One session, and all that it was sent."""

    def __init__(self, desk):
        self.desk = desk
        self.messages = []
        self.session = desk.front.session(
            "1.2.3.4", "", lambda text: self.messages.append(orjson.loads(text)), desk.now
        )
        desk.front.sessions[self.session] = None

    def hear(self, text):
        self.messages.append(orjson.loads(text))

    def ask(self, **message):
        return [orjson.loads(text) for text in self.session.answer(orjson.dumps(message), self.desk.now, self.desk.now)]

    def subscribe(self, **parameters):
        token = parameters.pop("token", None) or self.desk.ask("GetWebSocketsToken")["token"]
        wanted = {"channel": "executions", "token": token, "snap_trades": True, **parameters}
        return self.ask(method="subscribe", params=wanted, req_id=7)

    def rows(self):
        return [row for message in self.messages for row in message["data"]]


@pytest.fixture
def wire(desk):
    return Wire(desk)


def test_a_subscription_is_acknowledged_and_begins_with_a_snapshot(wire):
    desk = wire.desk
    desk.quote("SELL", 60_000)
    txid = desk.place(cl_ord_id="mine")
    desk.ask("AddOrder", **MARKET)
    said, snapshot = wire.subscribe()
    assert (said["success"], said["req_id"], said["result"]["maxratecount"]) == (True, 7, 180)
    assert (snapshot["channel"], snapshot["type"], snapshot["sequence"]) == ("executions", "snapshot", 1)
    order, trade = snapshot["data"]
    assert (order["order_id"], order["cl_ord_id"], order["order_status"]) == (txid, "mine", "new")
    assert (order["limit_price"], order["order_qty"], order["cum_qty"]) == (50_000, 0.01, 0)
    assert trade["exec_id"] in desk.ask("TradesHistory")["trades"]


def test_a_trade_leaves_its_order_open_until_another_row_says_that_it_is_filled(wire):
    wire.subscribe()
    wire.desk.quote("SELL", 60_000)
    wire.desk.ask("AddOrder", **MARKET, cl_ord_id="mine")
    pending, new, trade, filled = wire.rows()
    assert (pending["exec_type"], pending["symbol"], pending["order_type"]) == ("pending_new", "BTC/USD", "market")
    assert (new["exec_type"], "symbol" in new) == ("new", False)
    assert (trade["exec_type"], trade["order_status"], trade["last_qty"]) == ("trade", "partially_filled", 0.01)
    assert (trade["fees"], trade["liquidity_ind"], "cum_qty" in trade) == ([{"asset": "USD", "qty": 0.6}], "t", False)
    assert (filled["exec_type"], filled["cum_qty"], filled["avg_price"]) == ("filled", 0.01, 60_000)
    assert {row["cl_ord_id"] for row in wire.rows()} == {"mine"}


def test_an_end_has_its_reason_and_messages_are_numbered(wire):
    wire.subscribe()
    wire.desk.place(cl_ord_id="a")
    wire.desk.ask("CancelOrder", cl_ord_id="a")
    wire.desk.quote("SELL", 50_000)
    wire.desk.place(oflags="post")
    ends = [(row["exec_type"], row["reason"]) for row in wire.rows() if "reason" in row]
    assert ends == [("canceled", "User requested"), ("canceled", "Post only order")]
    assert [message["sequence"] for message in wire.messages] == [2, 3, 4]


def test_an_amendment_tells_what_the_order_is_for_now(wire):
    wire.subscribe()
    untouched, touched = wire.desk.place(cl_ord_id="untouched", price="49000"), wire.desk.place(cl_ord_id="touched")
    wire.desk.quote("SELL", 50_000, "0.004")
    for name, quantity in (("untouched", "0.005"), ("touched", "0.006")):
        wire.desk.ask("AmendOrder", cl_ord_id=name, order_qty=quantity)
    first, second = (row for row in wire.rows() if row["exec_type"] == "amended")
    assert (first["order_id"], first["cl_ord_id"], first["order_status"]) == (untouched, "untouched", "new")
    assert (first["order_qty"], first["cum_qty"], first["limit_price"]) == (0.005, 0, 49_000)
    assert (first["amended"], first["reason"], "symbol" in first) == (True, "User requested", False)
    assert (second["order_id"], second["order_status"]) == (touched, "partially_filled")
    assert (second["order_qty"], second["cum_qty"]) == (0.006, 0.004)
    snapshot = Wire(wire.desk).subscribe()[1]["data"]
    assert {row["order_id"]: row["order_qty"] for row in snapshot if "order_qty" in row} == {
        untouched: 0.005,
        touched: 0.006,
    }


def test_an_amendment_to_what_has_traded_tells_that_the_order_is_canceled(wire):
    wire.subscribe()
    txid = wire.desk.place()
    wire.desk.quote("SELL", 50_000, "0.004")
    wire.desk.ask("AmendOrder", txid=txid, order_qty="0.004")
    last = wire.rows()[-1]
    assert (last["exec_type"], last["cum_qty"], "amended" in last) == ("canceled", 0.004, False)


def test_without_order_status_only_beginnings_and_ends_are_told(wire):
    wire.subscribe(order_status=False)
    txid = wire.desk.place()
    wire.desk.ask("AmendOrder", txid=txid, order_qty="0.005")
    wire.desk.ask("CancelOrder", txid=txid)
    assert [row["exec_type"] for row in wire.rows()] == ["new", "canceled"]


def test_nobody_hears_of_others(wire):
    wire.subscribe()
    wire.desk.ask("AddOrder", credential=OTHER, **REST)
    assert wire.messages == []


def test_the_counter_of_the_pair_comes_with_each_row_if_wanted(wire):
    wire.subscribe(ratecounter=True)
    wire.desk.place()
    wire.desk.place()
    assert [row["ratecount"] for row in wire.rows()] == [1, 1, 2, 2]


def test_a_token_is_good_for_fifteen_minutes_and_a_subscription_for_longer(wire):
    desk = wire.desk
    assert wire.subscribe(token="made-up")[0]["error"] == "EAPI:Invalid token"
    token = desk.ask("GetWebSocketsToken")["token"]
    desk.later(901)
    assert wire.subscribe(token=token)[0]["error"] == "ESession:Invalid session"
    wire.subscribe()
    desk.later(2_000)
    desk.place()
    assert len(wire.messages) == 1


def test_it_greets_answers_pings_and_beats_once_subscribed(wire):
    assert orjson.loads(wire.session.welcome(0)[0])["data"][0]["system"] == "online"
    assert wire.ask(method="ping", req_id=3)[0]["method"] == "pong"
    assert wire.session.beat(0) == ()
    wire.subscribe()
    assert [orjson.loads(text) for text in wire.session.beat(0)] == [{"channel": "heartbeat"}]


def test_what_it_does_not_know_is_an_error(wire):
    for message in ({"method": "add_order"}, {"method": "subscribe", "params": {"channel": "level3"}}):
        assert wire.ask(**message)[0]["success"] is False
    assert orjson.loads(wire.session.answer(b"{", 0, 0)[0])["success"] is False
    assert wire.session.instead(b"{}", Outcome.RESPONSE_LOST) is None
