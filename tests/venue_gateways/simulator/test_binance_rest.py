from fractions import Fraction

import pytest

from domain import money
from tests.venue_gateways.simulator.client import CREDENTIAL, NEW, NOON, Desk, make_venue, quote, sign, units
from venue_gateways.simulator.binance import rest
from venue_gateways.simulator.binance.endpoints import ENDPOINTS
from venue_gateways.simulator.binance.exchange import Exchange
from venue_gateways.simulator.binance.limits import Limit, LimitType
from venue_gateways.simulator.dialect import Lies, Request
from venue_gateways.simulator.orders import Status
from venue_gateways.simulator.venue import UNLIMITED, Rules

# ── looking up ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_looked_up_by_either_id(desk):
    order_id = desk.place(newClientOrderId="x")[1]["orderId"]
    by_id = desk.ask("GET", "order", symbol="BTCUSD", orderId=order_id)
    assert by_id[:2] == desk.ask("GET", "order", symbol="BTCUSD", origClientOrderId="x")[:2]
    assert (by_id[1]["isWorking"], by_id[1]["status"]) == (True, "NEW")
    assert desk.ask("GET", "order", symbol="BTCUSD", orderId=99)[1] == {"code": -2013, "msg": "Order does not exist."}
    assert desk.ask("GET", "order", symbol="ETHUSD", orderId=order_id)[1]["code"] == -2013


def test_a_hidden_order_is_found_nowhere_until_it_is(desk):
    quote(desk, "SELL", 50_000, "0.004")
    status, body, _ = desk.ask("POST", "order", lies=Lies(hide_us=2_000_000), **(NEW | {"newClientOrderId": "x"}))
    assert (status, body["status"]) == (200, "PARTIALLY_FILLED")
    looks = (
        ("order", {"symbol": "BTCUSD", "origClientOrderId": "x"}),
        ("openOrders", {"symbol": "BTCUSD"}),
        ("allOrders", {"symbol": "BTCUSD"}),
        ("myTrades", {"symbol": "BTCUSD"}),
        ("myTrades", {"symbol": "BTCUSD", "orderId": body["orderId"]}),
    )
    desk.now += 1_999_999
    assert [desk.ask("GET", path, **names)[1] for path, names in looks[1:]] == [[]] * 4
    assert desk.ask("GET", looks[0][0], **looks[0][1])[1]["code"] == -2013
    desk.now += 1
    assert all(len(desk.ask("GET", path, **names)[1]) == 1 for path, names in looks[1:])
    assert desk.ask("GET", looks[0][0], **looks[0][1])[0] == 200


def test_open_orders_may_be_kept_back(desk):
    desk.place()
    assert desk.ask("GET", "openOrders", lies=Lies(no_open_orders=True))[1] == []
    assert len(desk.ask("GET", "openOrders")[1]) == 1


def test_my_trades_are_paged_without_gaps(desk):
    for number in range(7):
        quote(desk, "SELL", 50_000, "0.01")
        desk.now += 1_000_000
        desk.place(newClientOrderId=f"x{number}")
    read, from_id = [], 1
    while page := desk.ask("GET", "myTrades", symbol="BTCUSD", fromId=from_id, limit=3)[1]:
        assert len(page) <= 3
        read += [trade["id"] for trade in page]
        from_id = read[-1] + 1
    assert read == list(range(1, 8))
    newest = desk.ask("GET", "myTrades", symbol="BTCUSD", limit=2)[1]
    assert [trade["id"] for trade in newest] == [6, 7]
    since = desk.ask("GET", "myTrades", symbol="BTCUSD", startTime=NOON // 1_000 + 5_000, limit=2)[1]
    assert [trade["id"] for trade in since] == [5, 6]
    one = desk.ask("GET", "myTrades", symbol="BTCUSD", orderId=4)[1]
    assert [(trade["id"], trade["isBuyer"], trade["isMaker"]) for trade in one] == [(2, True, False)]
    assert desk.ask("GET", "myTrades", symbol="BTCUSD", orderId=4, fromId=3)[1] == []
    assert desk.ask("GET", "myTrades", symbol="BTCUSD", orderId=999)[1] == []


def test_trades_say_what_they_cost(desk):
    quote(desk, "BUY", 50_000, "1")
    desk.place(side="SELL", quantity="0.1")
    [trade] = desk.ask("GET", "myTrades", symbol="BTCUSD")[1]
    assert (trade["quoteQty"], trade["commission"], trade["commissionAsset"]) == (
        "5000.00000000",
        "5.00000000",
        "USD",
    )


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"startTime": 1, "orderId": 1}, -1128),
        ({"endTime": 1, "fromId": 1}, -1128),
        ({"startTime": 1_700_000_000_000, "endTime": 1_700_086_400_001}, -1127),
    ],
)
def test_impossible_ranges_of_trades_are_refused(desk, parameters, code):
    assert desk.ask("GET", "myTrades", symbol="BTCUSD", **parameters)[1]["code"] == code


def test_all_orders_are_paged(desk):
    for number in range(5):
        desk.now += 1_000_000
        desk.place(newClientOrderId=f"x{number}")
    ids = [order["orderId"] for order in desk.ask("GET", "allOrders", symbol="BTCUSD", orderId=2, limit=3)[1]]
    assert ids == [2, 3, 4]
    assert [order["orderId"] for order in desk.ask("GET", "allOrders", symbol="BTCUSD", limit=2)[1]] == [4, 5]
    since = desk.ask("GET", "allOrders", symbol="BTCUSD", startTime=NOON // 1_000 + 4_000)[1]
    assert [order["orderId"] for order in since] == [4, 5]


def test_balances_follow_orders(desk):
    quote(desk, "SELL", 50_000, "0.004")
    desk.place()
    assets = {row["asset"]: row for row in desk.ask("GET", "account")[1]["balances"]}
    assert Fraction(assets["USD"]["locked"]) == 300
    assert Fraction(assets["USD"]["free"]) == Fraction(UNLIMITED, money.ONE) - 500
    assert Fraction(assets["BTC"]["free"]) == Fraction(UNLIMITED, money.ONE) + Fraction("0.003996")
    assert set(assets) == {"BTC", "ETH", "SOL", "USD", "XRP"}


def test_zero_balances_may_be_left_out():
    desk = Desk(Exchange(make_venue(opening={"USD": units(400)}), {CREDENTIAL.key: CREDENTIAL}))
    assert [row["asset"] for row in desk.ask("GET", "account", omitZeroBalances="true")[1]["balances"]] == ["USD"]


# ── the venue itself ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_venue_publishes_what_it_checks(venue):
    rules = Rules(open_orders_max=7, trigger_orders_max=3)
    exchange = Exchange(make_venue(rules=rules), {})
    _, body, _ = Desk(exchange).send("GET", "exchangeInfo", "", key=None)
    assert [limit["rateLimitType"] for limit in body["rateLimits"]] == ["REQUEST_WEIGHT", "ORDERS"]
    assert {symbol["symbol"] for symbol in body["symbols"]} == {"BTCUSD", "ETHUSD", "SOLUSD", "XRPUSD", "ETHBTC"}
    for symbol in body["symbols"]:
        filters = {row["filterType"]: row for row in symbol["filters"]}
        instrument = venue.instruments[f"{symbol['baseAsset']}-{symbol['quoteAsset']}"]
        assert units(filters["PRICE_FILTER"]["tickSize"]) == instrument.tick_size
        assert units(filters["PRICE_FILTER"]["maxPrice"]) == instrument.price_max
        assert units(filters["LOT_SIZE"]["stepSize"]) == instrument.lot_size
        assert units(filters["LOT_SIZE"]["minQty"]) == instrument.quantity_min
        assert units(filters["LOT_SIZE"]["maxQty"]) == instrument.quantity_max
        assert units(filters["NOTIONAL"]["minNotional"]) == instrument.notional_min
        assert filters["MAX_NUM_ORDERS"]["maxNumOrders"] == 7
        assert filters["MAX_NUM_ALGO_ORDERS"]["maxNumAlgoOrders"] == 3
    _, one, _ = Desk(exchange).send("GET", "exchangeInfo", "symbol=ETHBTC", key=None)
    assert [symbol["symbol"] for symbol in one["symbols"]] == ["ETHBTC"]
    _, two, _ = Desk(exchange).send("GET", "exchangeInfo", "symbols=%5B%22XRPUSD%22,%22BTCUSD%22%5D", key=None)
    assert [symbol["symbol"] for symbol in two["symbols"]] == ["XRPUSD", "BTCUSD"]
    for query, code in (("symbol=NONE", -1121), ("symbols=%5B%22NONE%22%5D", -1121), ("symbols=BTCUSD", -1100)):
        assert Desk(exchange).send("GET", "exchangeInfo", query, key=None)[1]["code"] == code


def test_depth_shows_the_best_levels_first(desk):
    for price, quantity in (("60001", "1"), ("60000", "0.5"), ("60000", "0.25")):
        quote(desk, "SELL", price, quantity)
    quote(desk, "BUY", "59999", "2")
    _, body, _ = desk.send("GET", "depth", "symbol=BTCUSD&limit=1", key=None)
    assert body["asks"] == [["60000.00000000", "0.75000000"]]
    assert body["bids"] == [["59999.00000000", "2.00000000"]]
    assert body["lastUpdateId"] == 4


def test_ping_and_time_need_no_key(desk):
    assert desk.send("GET", "ping", "", key=None)[:2] == (200, {})
    assert desk.send("GET", "time", "", key=None)[1] == {"serverTime": NOON // 1_000}


def test_instants_are_in_microseconds_where_asked_for(desk):
    unit = {b"x-mbx-time-unit": b"MICROSECOND"}
    request = Request(verb="GET", path="/api/v3/time", address="a", arrived=NOON, headers=unit)
    assert rest.answer(desk.exchange, request, NOON).body == b'{"serverTime":%d}' % NOON


def test_what_is_not_there_is_404(desk):
    for verb, path in (("GET", "/api/v3/nothing"), ("POST", "/api/v3/ping")):
        request = rest.Request(verb=verb, path=path, query=b"", body=b"", address="a", arrived=NOON)
        assert rest.answer(desk.exchange, request, NOON).status == 404


# ── who may ask, and how often ──────────────────────────────────────────────────────────────────────────────────────


def test_a_key_must_be_known_and_its_signature_right(desk):
    query = sign({"timestamp": NOON // 1_000})
    assert desk.send("GET", "account", query)[0] == 200
    for key, status, code in ((None, 401, -2014), ("", 401, -2014), ("stranger", 401, -2015)):
        assert desk.send("GET", "account", query, key=key)[:2][0] == status
        assert desk.send("GET", "account", query, key=key)[1]["code"] == code
    assert desk.send("GET", "account", query[:-1] + "!")[1]["code"] == -1022
    assert desk.send("GET", "account", query.replace("timestamp=", "timestamp=0"))[1]["code"] == -1022
    assert desk.send("GET", "account", f"timestamp={NOON // 1_000}")[1]["code"] == -1102


def test_parameters_may_come_in_the_body(desk):
    order = sign(NEW | {"timestamp": NOON // 1_000})
    assert desk.send("POST", "order", "", body=order.encode())[0] == 200


def test_an_old_request_never_reaches_the_engine(desk):
    assert desk.place(timestamp=NOON // 1_000 - 5_001)[1]["code"] == -1021
    desk.now += 6_000_000
    assert desk.place(timestamp=NOON // 1_000, arrived=NOON)[1]["code"] == -1021
    assert desk.exchange.venue.order_id == 0


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.method)
def test_every_request_costs_its_weight(desk, endpoint):
    weights = {
        "ping": 1, "time": 1, "exchangeInfo": 20, "depth": 5, "order.place": 1, "order.test": 1, "order.cancel": 1,
        "order.status": 4, "openOrders.cancelAll": 1, "openOrders.status": 80, "allOrders": 20, "myTrades": 20,
        "account.status": 20, "account.rateLimits.orders": 40, "order.cancelReplace": 1, "order.amend.keepPriority": 4,
        "ticker.book": 4,
    }  # fmt: skip
    verb, path = endpoint.path
    _, _, headers = desk.send(verb, path.removeprefix("/api/v3/"), "")
    assert headers["x-mbx-used-weight-1m"] == str(weights[endpoint.method])


@pytest.mark.parametrize(
    ("path", "query", "weight"),
    [
        ("openOrders", "symbol=BTCUSD", 6),
        ("myTrades", "symbol=BTCUSD&orderId=1", 5),
        ("depth", "symbol=BTCUSD&limit=500", 25),
        ("depth", "symbol=BTCUSD&limit=1000", 50),
        ("depth", "symbol=BTCUSD&limit=5000", 250),
    ],
)
def test_weight_depends_on_what_is_asked_for(desk, path, query, weight):
    assert desk.send("GET", path, query)[2]["x-mbx-used-weight-1m"] == str(weight)


def small(orders=3, weight=100):
    limits = (
        Limit(LimitType.REQUEST_WEIGHT, "MINUTE", 1, weight),
        Limit(LimitType.ORDERS, "SECOND", 10, orders),
    )
    return Desk(Exchange(make_venue(), {CREDENTIAL.key: CREDENTIAL}, published=limits))


def test_more_orders_than_published_are_refused_until_the_window_ends():
    desk = small()
    assert [desk.place()[0] for _ in range(3)] == [200] * 3
    desk.now += 4_500_000
    status, body, headers = desk.place()
    assert (status, body["code"], headers["retry-after"]) == (429, -1015, "6")
    assert "current limit is 3 orders per 10 SECOND" in body["msg"]
    desk.now += 5_500_000
    assert desk.place()[0] == 200
    lines = desk.exchange.drain_refusals()
    assert [(line["account"], line["status"], line["code"]) for line in lines] == [("main", 429, -1015)]


def test_orders_that_trade_leave_room_for_more():
    desk = small()
    quote(desk, "SELL", 50_000, "10")
    assert [desk.place()[0] for _ in range(20)] == [200] * 20
    assert desk.ask("GET", "rateLimit/order")[1][0]["count"] == 0


def test_a_refused_order_does_not_count():
    desk = small()
    for _ in range(5):
        desk.place(price="0.001")
    assert [desk.place()[0] for _ in range(3)] == [200] * 3


def test_more_weight_than_published_is_refused_and_insisting_is_banned():
    desk = small(weight=3)
    assert [desk.send("GET", "ping", "")[0] for _ in range(3)] == [200] * 3
    status, body, headers = desk.send("GET", "ping", "")
    assert (status, body["code"]) == (429, -1003)
    assert 0 < int(headers["retry-after"]) <= 60
    desk.now += 1_000_001
    statuses = [desk.send("GET", "ping", "")[0] for _ in range(12)]
    assert statuses == [429] * 10 + [418] * 2
    _, body, headers = desk.send("GET", "ping", "")
    assert (body["code"], headers["retry-after"]) == (-1003, "120")
    assert "banned until" in body["msg"]
    assert desk.send("GET", "ping", "", address="5.6.7.8")[0] == 200
    assert [line["status"] for line in desk.exchange.drain_refusals()].count(418) == 3


def test_insisting_on_orders_is_banned_too():
    desk = small(orders=1)
    desk.place()
    desk.place()
    desk.now += 1_000_001
    assert [desk.place()[0] for _ in range(12)] == [429] * 10 + [418] * 2


def test_a_stop_order_shows_that_it_does_not_work_yet(desk):
    _, body, _ = desk.place(type="STOP_LOSS", stopPrice="70000", newClientOrderId="x")
    _, seen, _ = desk.ask("GET", "order", symbol="BTCUSD", origClientOrderId="x")
    assert (seen["isWorking"], seen["workingTime"], seen["status"]) == (False, -1, "NEW")
    assert desk.exchange.venue.find("main", "BTC-USD", body["orderId"], None).status is Status.NEW
