import base64
import hmac
from hashlib import sha256

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.venue_gateways.simulator.client import CREDENTIAL, NOON, make_venue, ticket, units
from venue_gateways.simulator.binance.exchange import Exchange
from venue_gateways.simulator.binance.front import Front
from venue_gateways.simulator.binance.limits import Limit, LimitType
from venue_gateways.simulator.binance.security import Credential
from venue_gateways.simulator.binance.stream import Session, instead, operation, signed
from venue_gateways.simulator.orders import SelfTrade

PRIVATE = Ed25519PrivateKey.generate()
SIGNER = Credential("main", "ed25519", public_key=PRIVATE.public_key())
OTHER = Credential("other", "o" * 64, b"other")


class Wire:
    """One session of a venue, and all that it was sent."""

    def __init__(self, exchange=None, front=None, query=""):
        known = {found.key: found for found in (CREDENTIAL, SIGNER, OTHER)}
        self.exchange = exchange or Exchange(make_venue(), known)
        self.front = front or Front(self.exchange)
        self.events = []
        self.session = Session(
            self.exchange, "1.2.3.4", lambda event: self.events.append(orjson.loads(event)), NOON, query
        )
        self.front.sessions[self.session] = None
        self.now = NOON

    def ask(self, method, **parameters):
        text = orjson.dumps({"id": 7, "method": method, "params": parameters})
        answer = orjson.loads(self.session.answer(text, self.now, self.now)[0])
        assert answer["id"] == 7
        self.publish()
        return answer

    def signed(self, method, credential=CREDENTIAL, **parameters):
        parameters |= {"apiKey": credential.key, "timestamp": self.now // 1_000}
        payload = signed({name: str(value) for name, value in parameters.items()})
        if credential.public_key is not None:
            signature = base64.b64encode(PRIVATE.sign(payload)).decode()
        else:
            signature = hmac.digest(credential.secret, payload, sha256).hex()
        return self.ask(method, **parameters, signature=signature)

    def subscribe(self, credential=CREDENTIAL):
        return self.signed("userDataStream.subscribe.signature", credential)

    def publish(self):
        self.front.publish(self.exchange.venue.drain(), self.now)

    def place(self, account, *args, **more):
        order = self.exchange.venue.place(account, ticket(*args, **more), self.now)
        self.publish()
        return order

    def reports(self):
        return [e["event"] for e in self.events if e.get("event", {}).get("e") == "executionReport"]


@pytest.fixture
def wire():
    return Wire()


def test_a_subscription_by_signature_tells_of_that_account_alone(wire):
    assert wire.subscribe()["result"] == {"subscriptionId": 0}
    wire.place("other", "SELL", 100)
    assert wire.events == []
    wire.place("main", "BUY", 100, client_order_id="mine")
    new, trade = wire.reports()
    assert (new["x"], new["X"], new["c"], new["t"]) == ("NEW", "NEW", "mine", -1)
    assert (trade["x"], trade["X"], trade["l"], trade["z"], trade["L"], trade["t"]) == (
        "TRADE",
        "FILLED",
        "0.10000000",
        "0.10000000",
        "100.00000000",
        1,
    )
    assert (trade["n"], trade["N"], trade["m"], trade["Y"], trade["w"]) == (
        "0.00010000",
        "BTC",
        False,
        "10.00000000",
        False,
    )
    position = wire.events[-1]["event"]
    assert position["e"] == "outboundAccountPosition"
    assert {row["a"] for row in position["B"]} == {"BTC", "USD"}
    assert {event["subscriptionId"] for event in wire.events} == {0}


def test_cumulative_figures_are_those_of_the_moment(wire):
    wire.subscribe()
    for price in (100, 101, 102):
        wire.place("other", "SELL", price, "1")
    wire.place("main", "BUY", 103, "4")
    assert [(r["x"], r["X"], r["z"], r["Z"]) for r in wire.reports()] == [
        ("NEW", "NEW", "0.00000000", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "1.00000000", "100.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "2.00000000", "201.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "3.00000000", "303.00000000"),
    ]


def test_execution_ids_rise_by_one(wire):
    wire.subscribe()
    for _ in range(3):
        wire.place("other", "SELL", 100)
        wire.place("main", "BUY", 100)
    assert [r["I"] for r in wire.reports()] == [2, 3, 6, 7, 10, 11]


def test_a_cancel_names_itself_and_the_order(wire):
    wire.subscribe()
    order = wire.place("main", "BUY", 100, client_order_id="mine")
    wire.exchange.venue.cancel(order, NOON, "the-cancel")
    wire.publish()
    report = wire.reports()[-1]
    assert (report["x"], report["c"], report["C"], report["w"]) == ("CANCELED", "the-cancel", "mine", False)


def test_an_amendment_names_the_new_id_and_the_old(wire):
    wire.subscribe()
    order = wire.place("main", "BUY", 1_000, "0.2", client_order_id="old")
    wire.exchange.venue.reduce(order, units("0.1"), NOON, "new")
    wire.publish()
    report = wire.reports()[-1]
    assert (report["x"], report["c"], report["C"], report["q"]) == ("REPLACED", "new", "old", "0.10000000")


def test_an_expiry_says_why(wire):
    wire.subscribe()
    wire.place("main", "BUY", 100, time_in_force="IOC")
    assert (wire.reports()[-1]["x"], wire.reports()[-1]["eR"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")


def test_a_prevented_trade_says_how_much_was_prevented(wire):
    wire.subscribe()
    wire.place("main", "SELL", 100, "0.3")
    wire.place("main", "BUY", 100, "0.1", self_trade=SelfTrade.DECREMENT)
    maker, taker = wire.reports()[-2:]
    assert (maker["x"], maker["X"], maker["A"], maker["B"]) == ("TRADE_PREVENTION", "NEW", "0.10000000", "0.10000000")
    assert (taker["x"], taker["X"]) == ("TRADE_PREVENTION", "EXPIRED_IN_MATCH")


def test_a_stop_order_is_new_twice_the_second_time_on_the_book(wire):
    wire.subscribe()
    wire.place("main", "BUY", kind="STOP_LIMIT", stop_price=100, price=100)
    wire.place("other", "SELL", 100)
    wire.place("third", "BUY", 100)
    assert [(r["x"], r["w"]) for r in wire.reports()] == [("NEW", False), ("NEW", True)]


def test_two_accounts_can_be_heard_on_one_connection(wire):
    wire.subscribe()
    assert wire.subscribe(OTHER)["result"] == {"subscriptionId": 1}
    wire.place("other", "SELL", 100)
    wire.place("main", "BUY", 100)
    assert {(e["subscriptionId"], e["event"]["i"]) for e in wire.events if "i" in e["event"]} == {(0, 2), (1, 1)}


def test_two_connections_hear_the_same(wire):
    second = Wire(wire.exchange, wire.front)
    wire.subscribe()
    second.subscribe()
    wire.place("main", "BUY", 100)
    assert wire.events == second.events != []


def test_an_account_is_subscribed_to_once(wire):
    wire.subscribe()
    assert wire.subscribe()["error"]["code"] == -2035


def test_a_session_logs_on_with_ed25519_only(wire):
    refusal = wire.signed("session.logon")
    assert (refusal["status"], refusal["error"]["code"]) == (400, -4056)
    status = wire.signed("session.logon", SIGNER)["result"]
    assert (status["apiKey"], status["userDataStream"]) == (SIGNER.key, False)
    assert wire.ask("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert wire.ask("session.status")["result"]["userDataStream"] is True
    placed = wire.ask(
        "order.place", symbol="BTCUSD", side="BUY", type="LIMIT", timeInForce="GTC", price="100", quantity="1",
        timestamp=NOON // 1_000,
    )  # fmt: skip
    assert placed["result"]["status"] == "NEW"
    assert wire.reports()[0]["x"] == "NEW"


def test_logging_out_ends_the_logons_subscription_and_no_other(wire):
    wire.signed("session.logon", SIGNER)
    wire.ask("userDataStream.subscribe")
    wire.subscribe(OTHER)
    assert wire.ask("session.logout")["result"]["apiKey"] is None
    assert wire.events[-1] == {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": NOON // 1_000}}
    assert wire.ask("session.subscriptions")["result"] == [{"subscriptionId": 1}]
    assert wire.ask("order.status", symbol="BTCUSD", orderId=1, timestamp=NOON // 1_000)["status"] != 200


def test_subscribing_without_a_logon_is_refused(wire):
    assert wire.ask("userDataStream.subscribe")["status"] == 401


def test_a_subscription_can_be_ended(wire):
    wire.subscribe()
    assert wire.ask("userDataStream.unsubscribe", subscriptionId=5)["error"]["code"] == -2036
    assert wire.ask("userDataStream.unsubscribe", subscriptionId=0)["result"] == {}
    wire.events.clear()
    wire.place("main", "BUY", 100)
    assert wire.events == []
    assert wire.subscribe()["result"] == {"subscriptionId": 1}


def test_a_wrong_signature_or_age_subscribes_nobody(wire):
    now = NOON // 1_000
    bad = wire.ask("userDataStream.subscribe.signature", apiKey=CREDENTIAL.key, timestamp=now, signature="00")
    assert bad["error"]["code"] == -1022
    wire.now = NOON - 6_000_000
    text = {"apiKey": CREDENTIAL.key, "timestamp": wire.now // 1_000}
    payload = signed({name: str(value) for name, value in text.items()})
    wire.now = NOON
    old = wire.ask(
        "userDataStream.subscribe.signature", **text, signature=hmac.digest(CREDENTIAL.secret, payload, sha256).hex()
    )
    assert old["error"]["code"] == -1021
    assert wire.session.subscriptions == {}


def test_orders_can_be_placed_queried_and_canceled(wire):
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "quantity": "1"}
    placed = wire.signed("order.place", **order, newClientOrderId="x")
    assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
    assert [row["rateLimitType"] for row in placed["rateLimits"]] == ["ORDERS", "REQUEST_WEIGHT"]
    assert wire.signed("order.status", symbol="BTCUSD", origClientOrderId="x")["result"]["status"] == "NEW"
    assert wire.signed("order.cancel", symbol="BTCUSD", origClientOrderId="x")["result"]["status"] == "CANCELED"
    again = wire.signed("order.cancel", symbol="BTCUSD", origClientOrderId="x")
    assert (again["status"], again["error"]) == (400, {"code": -2011, "msg": "Unknown order sent."})
    assert wire.signed("myTrades", symbol="BTCUSD", limit=5)["result"] == []


def test_limits_are_shown_unless_hidden(wire):
    assert wire.ask("ping")["rateLimits"][0]["count"] == 1
    assert "rateLimits" not in wire.ask("ping", returnRateLimits=False)
    quiet = Wire(wire.exchange, wire.front, "returnRateLimits=false")
    assert "rateLimits" not in quiet.ask("ping")
    assert quiet.ask("ping", returnRateLimits=True)["rateLimits"][0]["count"] == 4


def test_limits_are_shared_with_every_other_way_in():
    limits = (Limit(LimitType.REQUEST_WEIGHT, "MINUTE", 1, 3),)
    wire = Wire(Exchange(make_venue(), {}, published=limits))
    for _ in range(3):
        assert wire.ask("ping")["status"] == 200
    refusal = wire.ask("ping")
    assert (refusal["status"], refusal["error"]["code"]) == (429, -1003)
    assert refusal["error"]["data"]["retryAfter"] > NOON // 1_000


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', '{"id": {}, "method": "ping"}', b"\xff"])
def test_what_is_no_request_gets_an_error(wire, text):
    answer = orjson.loads(wire.session.answer(text, NOON, NOON)[0])
    assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 400, -1135)


def test_an_unknown_method_gets_an_error(wire):
    assert wire.ask("order.guess")["error"]["code"] == -1020


def test_instants_are_in_microseconds_where_asked_for():
    wire = Wire(query="timeUnit=MICROSECOND")
    wire.subscribe()
    wire.place("main", "BUY", 100)
    assert wire.reports()[0]["T"] == NOON
    assert wire.ask("time")["result"] == {"serverTime": NOON}


def test_the_shutdown_is_announced(wire):
    wire.front.announce_shutdown(NOON)
    assert wire.events == [{"event": {"e": "serverShutdown", "E": NOON // 1_000}}]


def test_operations_have_the_names_of_their_rest_twins():
    assert operation('{"id": 1, "method": "order.place"}') == "place"
    assert operation('{"id": 1, "method": "session.logon"}') == "session"
    assert operation("{") == "unknown"


def test_an_answer_that_says_nothing_still_names_the_request():
    assert orjson.loads(instead('{"id": 5, "method": "ping"}', 504, -1007, "Timeout"))["id"] == 5
    assert orjson.loads(instead("{", 504, -1007, "Timeout"))["id"] is None
