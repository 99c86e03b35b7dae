"""What each call asks of Binance, and what each answer means."""

import msgspec
import pytest

from domain import money
from domain.messages import Liquidity, Operation, OrderType, TimeInForce
from domain.throttle import Charge
from tests.venue_gateways.binance.examples import (
    AMENDED,
    FILL,
    ORDER,
    OURS,
    RULES,
    TRADE,
    answer,
    error,
    order,
    parameters,
)
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.venue import (
    Amend,
    Answer,
    Cancel,
    Finding,
    FindOrder,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    OrderState,
    Outcome,
    Place,
    ReadClock,
    ReadRules,
    ReadUsage,
    Remedy,
    priority,
)

# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

COMMON = {
    "symbol": "BTCUSD",
    "side": "SELL",
    "quantity": "0.00001",
    "newClientOrderId": OURS,
    "newOrderRespType": "FULL",
    "selfTradePreventionMode": "EXPIRE_TAKER",
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GTC", "price": "60000.5"}),
        ({"time_in_force": TimeInForce.IOC}, {"type": "LIMIT", "timeInForce": "IOC", "price": "60000.5"}),
        ({"time_in_force": TimeInForce.FOK}, {"type": "LIMIT", "timeInForce": "FOK", "price": "60000.5"}),
        ({"time_in_force": TimeInForce.GTD}, {"type": "LIMIT", "timeInForce": "GTC", "price": "60000.5"}),
        ({"post_only": True}, {"type": "LIMIT_MAKER", "price": "60000.5"}),
        ({"order_type": OrderType.MARKET, "price": None}, {"type": "MARKET"}),
        (
            {"order_type": OrderType.STOP, "price": None, "stop_price": 55_000 * money.ONE},
            {"type": "STOP_LOSS", "stopPrice": "55000"},
        ),
        (
            {"order_type": OrderType.STOP_LIMIT, "stop_price": 55_000 * money.ONE},
            {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": "60000.5", "stopPrice": "55000"},
        ),
    ],
)
def test_each_order_type_has_exactly_the_parameters_it_may_have(adapter, fields, expected):
    assert parameters(adapter, Place(order(**fields))) == COMMON | expected


@pytest.mark.parametrize(
    ("call", "method", "path", "expected"),
    [
        (Cancel(order()), "DELETE", "order", {"symbol": "BTCUSD", "origClientOrderId": OURS}),
        (FindOrder("BTC-USD", OURS), "GET", "order", {"symbol": "BTCUSD", "origClientOrderId": OURS}),
        (FindOrder("BTC-USDT", venue_order_id="7"), "GET", "order", {"symbol": "XBTUSDT", "orderId": "7"}),
        (ListTrades("BTC-USD", "7"), "GET", "myTrades", {"symbol": "BTCUSD", "orderId": "7", "limit": "1000"}),
        (
            ListTrades("BTC-USD", position="9", since_us=5_000),
            "GET",
            "myTrades",
            {"symbol": "BTCUSD", "fromId": "9", "limit": "1000"},
        ),
        (
            ListOrders("BTC-USD", since_us=5_000),
            "GET",
            "allOrders",
            {"symbol": "BTCUSD", "startTime": "5", "limit": "1000"},
        ),
        (
            Amend(order(Operation.AMEND, quantity=money.parse("5"))),
            "PUT",
            "order/amend/keepPriority",
            {"symbol": "BTCUSD", "origClientOrderId": OURS, "newClientOrderId": OURS, "newQty": "5"},
        ),
        (ListOpenOrders("BTC-USD"), "GET", "openOrders", {"symbol": "BTCUSD"}),
        (ReadUsage(), "GET", "rateLimit/order", {}),
    ],
)
def test_each_call_is_the_request_that_the_documents_say(adapter, call, method, path, expected):
    request = adapter.build(call, 0)
    assert (request.method, request.target.partition("?")[0]) == (method, f"/api/v3/{path}")
    assert parameters(adapter, call) == expected


@pytest.mark.parametrize(("call", "target"), [(ReadClock(), "/api/v3/time"), (ReadRules(), "/api/v3/exchangeInfo")])
def test_public_calls_carry_no_key(adapter, call, target):
    request = adapter.build(call, 0)
    assert (request.method, request.target, request.headers) == ("GET", target, ())


def test_a_symbol_that_the_venue_does_not_list_goes_by_the_name_it_would_have(adapter):
    assert parameters(adapter, ListOpenOrders("DOGE-USD")) == {"symbol": "DOGEUSD"}
    assert adapter.scopes(["DOGE-USD", "BTC-USDT", "BTC-USD"]) == ("BTC-USD", "BTC-USDT")


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_limits_are_those_that_exchangeinfo_publishes(adapter):
    assert {limit.name: (limit.published, limit.window_us, limit.kept_back) for limit in adapter.limits} == {
        "request_weight_1m": (6000, 60_000_000, True),
        "orders_10s": (50, 10_000_000, False),
        "orders_1d": (160_000, 86_400_000_000, False),
        "raw_requests_5m": (61_000, 300_000_000, True),
    }


def test_each_call_is_charged_its_documented_weight(adapter):
    def weights(call) -> dict[str, int]:
        return {charge.limit: charge.tokens for charge in adapter.charges(call, 0)}

    assert weights(Place(order())) == {
        "request_weight_1m": 1,
        "orders_10s": 1,
        "orders_1d": 1,
        "raw_requests_5m": 1,
    }
    assert weights(Cancel(order())) == {"request_weight_1m": 1, "raw_requests_5m": 1}
    assert weights(Amend(order())) == {"request_weight_1m": 4, "raw_requests_5m": 1}
    assert weights(FindOrder("BTC-USD", OURS))["request_weight_1m"] == 4
    assert weights(ListTrades("BTC-USD"))["request_weight_1m"] == 20
    assert weights(ListTrades("BTC-USD", "7"))["request_weight_1m"] == 5
    assert adapter.charges(ReadClock(), 0) == (Charge("request_weight_1m", 1), Charge("raw_requests_5m", 1))
    assert [priority(call) for call in (Cancel(order()), Place(order()), ReadClock())] == [0, 1, 2]
    assert priority(Amend(order())) is priority(Cancel(order()))


def test_the_headers_tell_what_is_used(adapter):
    response = answer(
        200, {}, x_mbx_used_weight_1m="37", x_mbx_order_count_10s="2", x_mbx_order_count_1d="x", date="12"
    )
    assert adapter.usage(response) == (("request_weight_1m", 37), ("orders_10s", 2))


def test_the_order_count_can_be_asked_for(adapter):
    body = [{"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160000, "count": 7}]
    assert adapter.parse(ReadUsage(), answer(200, body)).usage == (("orders_1d", 7),)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_placement_is_answered_with_its_fills(adapter):
    body = ORDER | {"status": "PARTIALLY_FILLED", "executedQty": "1.25", "fills": [FILL]}
    found = adapter.parse(Place(order()), answer(200, body))
    assert found.outcome is Outcome.ACCEPTED
    assert found.order.state is OrderState.OPEN
    assert (found.order.venue_order_id, found.order.filled_quantity) == ("28", money.parse("1.25"))
    (trade,) = found.trades
    assert (trade.trade_id, trade.symbol, trade.fee, trade.fee_asset) == ("56", "BTC-USD", money.parse("0.004"), "BNB")
    assert (trade.quantity, trade.price) == (money.parse("1.25"), money.parse("4000.5"))
    assert (trade.liquidity, trade.traded_at) == (Liquidity.TAKER, 1_507_725_176_595_000)


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("NEW", OrderState.OPEN, None),
        ("PENDING_NEW", OrderState.OPEN, None),
        ("PARTIALLY_FILLED", OrderState.OPEN, None),
        ("PENDING_CANCEL", OrderState.OPEN, None),
        ("FILLED", OrderState.FILLED, None),
        ("CANCELED", OrderState.CANCELED, None),
        ("REJECTED", OrderState.REJECTED, None),
        ("EXPIRED", OrderState.EXPIRED, None),
        ("EXPIRED_IN_MATCH", OrderState.EXPIRED, "SELF_TRADE_PREVENTED"),
    ],
)
def test_every_documented_status_has_its_state(adapter, status, state, reason):
    found = adapter.parse(FindOrder("BTC-USD", OURS), answer(200, ORDER | {"status": status}))
    assert (found.order.state, found.order.reason) == (state, reason)


def test_a_placement_that_comes_back_rejected_is_rejected(adapter):
    found = adapter.parse(Place(order()), answer(200, ORDER | {"status": "REJECTED"}))
    assert (found.outcome, found.reason) == (Outcome.REJECTED, "VENUE_REFUSED")


def test_a_cancel_is_answered_about_the_order_not_about_the_cancel(adapter):
    body = ORDER | {"clientOrderId": "cancel-1", "origClientOrderId": OURS, "status": "CANCELED", "executedQty": "0.5"}
    found = adapter.parse(Cancel(order()), answer(200, body))
    assert found.order.client_order_id == OURS
    assert (found.order.state, found.order.filled_quantity) == (OrderState.CANCELED, money.parse("0.5"))


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>502 Bad Gateway</body></html>",
        b"",
        b'{"symbol":"BTCUSD","orderId":28,"clientOr',
        b"[]",
        b"\xff\xfe",
        msgspec.json.encode(ORDER | {"status": "ON_THE_MOON"}),
        msgspec.json.encode(ORDER | {"symbol": "DOGEUSD"}),
        msgspec.json.encode(ORDER | {"executedQty": 0.1}),
        msgspec.json.encode(ORDER | {"executedQty": "NaN"}),
        msgspec.json.encode(ORDER | {"executedQty": "-1"}),
        msgspec.json.encode(ORDER | {"executedQty": "0.0000000000000000001"}),
        msgspec.json.encode(ORDER | {"clientOrderId": "somebody-else"}),
        msgspec.json.encode(ORDER | {"fills": [FILL | {"tradeId": "x"}]}),
        msgspec.json.encode(ORDER | {"fills": [FILL | {"commission": "x"}]}),
    ],
)
def test_a_success_that_can_t_be_understood_is_unknown(adapter, body):
    found = adapter.parse(Place(order()), answer(200, body))
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason.startswith("UNPARSABLE")


@pytest.mark.parametrize("body", [b'{"rateLimits":[{}]}', b"{}", b"null"])
def test_rules_that_can_t_be_understood_are_no_rules(adapter, body):
    assert adapter.parse(ReadRules(), answer(200, body)).rules is None


@pytest.mark.parametrize("change", [{"interval": "FORTNIGHT"}, {"limit": 0}, {"intervalNum": 0}])
def test_a_limit_that_makes_no_sense_makes_the_rules_unusable(adapter, change):
    body = RULES | {"rateLimits": [RULES["rateLimits"][0] | change]}
    assert adapter.parse(ReadRules(), answer(200, body)).rules is None


#: The classes of errors, as the documents and the safe reading have them.
CLASSES = [
    (answer(500, b"oops"), Outcome.UNKNOWN, Remedy.NONE),
    (answer(503, {"code": -1008, "msg": "busy"}), Outcome.UNKNOWN, Remedy.NONE),
    (error(-1000), Outcome.UNKNOWN, Remedy.NONE),
    (error(-1001), Outcome.UNKNOWN, Remedy.NONE),
    (error(-1006), Outcome.UNKNOWN, Remedy.NONE),
    (error(-1007, status=408), Outcome.UNKNOWN, Remedy.NONE),
    (error(-1008, status=429), Outcome.RETRY_SAFE, Remedy.NONE),
    (error(-1008), Outcome.RETRY_SAFE, Remedy.BACK_OFF),
    (error(-1016), Outcome.RETRY_SAFE, Remedy.BACK_OFF),
    (error(-1003, status=429), Outcome.RETRY_SAFE, Remedy.NONE),
    (error(-1015, status=429), Outcome.RETRY_SAFE, Remedy.NONE),
    (answer(418, b"<html>"), Outcome.RETRY_SAFE, Remedy.BLOCK),
    (answer(403, b"<html>"), Outcome.RETRY_SAFE, Remedy.BLOCK),
    (error(-1021), Outcome.RETRY_SAFE, Remedy.SET_CLOCK),
    (error(-1002, status=401), Outcome.REJECTED, Remedy.BLOCK),
    (error(-1022), Outcome.REJECTED, Remedy.BLOCK),
    (error(-2014, status=401), Outcome.REJECTED, Remedy.BLOCK),
    (error(-2015, status=401), Outcome.REJECTED, Remedy.BLOCK),
    (error(-1013, "Filter failure: LOT_SIZE"), Outcome.REJECTED, Remedy.NONE),
    (error(-1014), Outcome.REJECTED, Remedy.NONE),
    (error(-1020), Outcome.REJECTED, Remedy.NONE),
    (error(-1102), Outcome.REJECTED, Remedy.NONE),
    (error(-1210), Outcome.REJECTED, Remedy.NONE),
    (error(-2010, "Account has insufficient balance for requested action."), Outcome.REJECTED, Remedy.NONE),
    (error(-2010, "a message of tomorrow"), Outcome.REJECTED, Remedy.NONE),
    (error(-2010, "Duplicate order sent."), Outcome.UNKNOWN, Remedy.LOOK_UP),
    (error(-1010, "Market is closed."), Outcome.REJECTED, Remedy.NONE),
    (error(-9999), Outcome.UNKNOWN, Remedy.NONE),
    (answer(400, b"<html>"), Outcome.UNKNOWN, Remedy.NONE),
    (answer(404, b"<html>"), Outcome.UNKNOWN, Remedy.NONE),
    (answer(302, b""), Outcome.UNKNOWN, Remedy.NONE),
    (answer(101, b""), Outcome.UNKNOWN, Remedy.NONE),
]


@pytest.mark.parametrize(("response", "outcome", "remedy"), CLASSES)
def test_a_refused_placement_is_classed_by_what_it_proves(adapter, response, outcome, remedy):
    found = adapter.parse(Place(order()), response)
    assert (found.outcome, found.remedy) == (outcome, remedy)
    assert found.reason
    assert len(found.reason) <= 60


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (error(-1013, "Filter failure: LOT_SIZE"), "FILTER_LOT_SIZE"),
        (error(-2010, "Account has insufficient balance for requested action."), "INSUFFICIENT_FUNDS"),
        (error(-2010, "Order would immediately match and take."), "POST_ONLY_WOULD_TAKE"),
        (error(-2010, "anything"), "VENUE_REFUSED"),
        (error(-1121, "Invalid symbol."), "UNKNOWN_SYMBOL"),
        (error(-1111, "Too much precision."), "INVALID_REQUEST"),
    ],
)
def test_a_rejection_has_a_reason_of_its_own(adapter, response, reason):
    assert adapter.parse(Place(order()), response).reason == reason


@pytest.mark.parametrize(
    ("response", "wait_s", "limit"),
    [
        (error(-1003, status=429, retry_after="7"), 7, None),
        (error(-1003, status=429), 10, None),
        (error(-1015, status=429), 10, "orders"),
        (error(-1003, status=418, retry_after="120"), 120, None),
        (error(-1003, status=418, retry_after="soon"), 120, None),
        (error(-1003, status=418, retry_after="9" * 11), 604_800, None),
        (error(-2010, "no", retry_after="7"), 0, None),
    ],
)
def test_who_is_asked_to_wait_waits_as_long_as_asked(adapter, response, wait_s, limit):
    found = adapter.parse(Place(order()), response)
    assert (found.wait_us, found.limit) == (wait_s * 1_000_000, limit)


def test_a_cancel_of_an_order_that_is_not_open_has_to_be_looked_up(adapter):
    found = adapter.parse(Cancel(order()), error(-2011, "Unknown order sent."))
    assert (found.outcome, found.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)


def test_an_amendment_is_answered_with_the_order_as_it_is_now(adapter):
    found = adapter.parse(Amend(order()), answer(200, AMENDED))
    assert (found.outcome, found.order.client_order_id, found.order.state) == (Outcome.ACCEPTED, OURS, OrderState.OPEN)
    assert (found.order.quantity, found.order.filled_quantity) == (money.parse("5"), 0)


@pytest.mark.parametrize("change", [{"clientOrderId": "another"}, {"qty": 5.0}, {"qty": None}, {"symbol": "DOGEUSD"}])
def test_an_amendment_whose_answer_can_t_be_understood_is_unknown(adapter, change):
    body = AMENDED | {"amendedOrder": AMENDED["amendedOrder"] | change}
    assert adapter.parse(Amend(order()), answer(200, body)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("code", [-2038, -2011, -2013])
def test_a_refused_amendment_has_to_be_looked_up(adapter, code):
    found = adapter.parse(Amend(order()), error(code, "whatever for"))
    assert (found.outcome, found.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)


# ── look-ups ────────────────────────────────────────────────────────────────────────────────────────────────────────


def look_up(adapter: Binance, *answers: Answer) -> Finding:
    plan = adapter.look_up("BTC-USD", OURS)
    next(plan)
    try:
        for one in answers:
            plan.send(one)
    except StopIteration as found:
        return found.value
    raise AssertionError("it wants more")


def found_order(**changes: object) -> Answer:
    adapter = Binance("binance", "key", HmacSigner("secret"))
    adapter.learn(adapter.parse(ReadRules(), answer(200, RULES)).rules)
    return adapter.parse(FindOrder("BTC-USD", OURS), answer(200, ORDER | changes))


def test_an_order_that_has_not_traded_is_found_in_one_call(adapter):
    finding = look_up(adapter, found_order())
    assert finding.usable
    assert finding.order.state is OrderState.OPEN


def test_an_order_that_has_traded_is_found_with_all_pages_of_its_trades(adapter):
    call = ListTrades("BTC-USD", "28")
    full = [TRADE | {"id": number} for number in range(1000)]
    first = adapter.parse(call, answer(200, full))
    assert (first.position, first.more) == ("1000", True)
    last = adapter.parse(call, answer(200, [TRADE | {"id": 1000}]))
    finding = look_up(adapter, found_order(status="FILLED", executedQty="12012"), first, last)
    assert len(finding.trades) == 1001
    assert finding.trades[0].liquidity is Liquidity.MAKER


def test_an_order_whose_trades_can_t_be_read_is_not_told_half(adapter):
    lost = adapter.parse(ListTrades("BTC-USD", "28"), answer(503, b""))
    assert look_up(adapter, found_order(status="FILLED", executedQty="1"), lost) == Finding(usable=False)


def test_not_found_is_an_answer_and_no_answer_is_none(adapter):
    call = FindOrder("BTC-USD", OURS)
    absent = adapter.parse(call, error(-2013, "Order does not exist."))
    assert look_up(adapter, absent) == Finding(usable=True)
    assert look_up(adapter, adapter.parse(call, answer(500, b""))) == Finding(usable=False)
    assert look_up(adapter, adapter.parse(call, error(-2015, status=401))) == Finding(usable=False)


def test_an_archived_order_ended_long_ago_with_nothing_executed(adapter):
    finding = look_up(adapter, adapter.parse(FindOrder("BTC-USD", OURS), error(-2026, "archived")))
    assert (finding.order.state, finding.order.filled_quantity) == (OrderState.CANCELED, 0)
    assert adapter.parse(Cancel(order()), error(-2026)).outcome is Outcome.UNKNOWN


def test_an_empty_page_does_not_move_the_position(adapter):
    assert adapter.parse(ListTrades("BTC-USD", position="9"), answer(200, [])).position == "9"
    assert adapter.parse(ListOrders("BTC-USD"), answer(200, [])).position is None
    page = adapter.parse(ListOrders("BTC-USD"), answer(200, [ORDER]))
    assert (page.position, page.more, len(page.orders)) == ("29", False, 1)


def test_the_clock_is_read(adapter):
    assert adapter.parse(ReadClock(), answer(200, {"serverTime": 1499827319559})).venue_time_us == 1499827319559000


def test_a_5xx_that_says_that_there_is_no_such_order_proves_nothing(adapter):
    call = FindOrder("BTC-USD", OURS)
    assert not adapter.parse(call, error(-2013, "Order does not exist.", status=503)).absent
    assert look_up(adapter, adapter.parse(call, error(-2013, status=503))) == Finding(usable=False)
