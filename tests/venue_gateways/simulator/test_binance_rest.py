from fractions import Fraction

import pytest

from domain import money
from tests.venue_gateways.simulator.client import CREDENTIAL, NOON, Desk, make_venue, sign, ticket, units
from venue_gateways.simulator.binance.endpoints import ENDPOINTS
from venue_gateways.simulator.binance.exchange import Exchange, Lies
from venue_gateways.simulator.binance.limits import Limit, LimitType
from venue_gateways.simulator.orders import Status
from venue_gateways.simulator.venue import UNLIMITED, Rules


def quote(desk, side, price, quantity="1", symbol="BTC-USD"):
    """Somebody else's order on the book."""
    return desk.exchange.venue.place("other", ticket(side, price, quantity, symbol=symbol), desk.now)


# ── placing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_answer_has_every_fill(desk):
    quote(desk, "SELL", "60000", "0.3")
    quote(desk, "SELL", "60000.5", "1")
    status, body, headers = desk.place(price="61000", quantity="0.5", newClientOrderId="mine")
    assert status == 200
    assert body == {
        "symbol": "BTCUSD",
        "orderId": 3,
        "orderListId": -1,
        "clientOrderId": "mine",
        "transactTime": NOON // 1_000,
        "price": "61000.00000000",
        "origQty": "0.50000000",
        "executedQty": "0.50000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "30000.10000000",
        "status": "FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": NOON // 1_000,
        "selfTradePreventionMode": "NONE",
        "fills": [
            {
                "price": "60000.00000000",
                "qty": "0.30000000",
                "commission": "0.00030000",
                "commissionAsset": "BTC",
                "tradeId": 1,
            },
            {
                "price": "60000.50000000",
                "qty": "0.20000000",
                "commission": "0.00020000",
                "commissionAsset": "BTC",
                "tradeId": 2,
            },
        ],
    }
    assert headers["x-mbx-used-weight-1m"] == "1"
    assert headers["x-mbx-order-count-10s"] == "1"


@pytest.mark.parametrize(
    ("parameters", "shape"),
    [
        ({}, "fills"),
        ({"newOrderRespType": "RESULT"}, "status"),
        ({"newOrderRespType": "ACK"}, "transactTime"),
        ({"type": "LIMIT_MAKER", "price": "50000"}, "transactTime"),
        ({"type": "LIMIT_MAKER", "price": "50000", "newOrderRespType": "FULL"}, "fills"),
        ({"type": "STOP_LOSS", "stopPrice": "70000"}, "transactTime"),
    ],
)
def test_an_answer_is_as_long_as_was_asked_for(desk, parameters, shape):
    _, body, _ = desk.place(**parameters)
    longest = [name for name in ("transactTime", "status", "fills") if name in body]
    assert longest[-1] == shape


def test_an_impossible_kind_of_answer_is_refused_before_anything_happens(desk):
    status, body, _ = desk.place(newOrderRespType="SHORT")
    assert (status, body["code"]) == (400, -1130)
    assert desk.exchange.venue.order_id == 0


def test_amounts_have_eight_decimals_or_as_many_as_they_need(desk):
    quote(desk, "SELL", "0.05001", "1", "ETH-BTC")
    _, body, _ = desk.place(symbol="ETHBTC", price="0.05001", quantity="0.0021")
    assert body["cummulativeQuoteQty"] == "0.000105021"
    assert body["price"] == "0.05001000"


def test_every_type_of_order_is_accepted_and_shown_under_its_name(desk):
    quote(desk, "SELL", 60_000)
    quote(desk, "BUY", 59_000)
    desk.place(type="MARKET", quantity="0.001")
    prices = {"price": "58000", "timeInForce": "GTC"}
    for type_, more in {
        "LIMIT": prices,
        "LIMIT_MAKER": {"price": "58000"},
        "MARKET": {},
        "STOP_LOSS": {"stopPrice": "65000"},
        "STOP_LOSS_LIMIT": {"stopPrice": "65000", **prices},
        "TAKE_PROFIT": {"stopPrice": "55000"},
        "TAKE_PROFIT_LIMIT": {"stopPrice": "55000", **prices},
    }.items():
        status, body, _ = desk.place(type=type_, newOrderRespType="RESULT", **more)
        assert (status, body["type"]) == (200, type_), body
        assert ("stopPrice" in body) == ("stopPrice" in more)


def test_a_market_order_may_name_what_it_spends(desk):
    quote(desk, "SELL", 60_000)
    _, body, _ = desk.ask("POST", "order", symbol="BTCUSD", side="BUY", type="MARKET", quoteOrderQty="100")
    assert (body["executedQty"], body["origQuoteOrderQty"]) == ("0.00166000", "100.00000000")


def test_expiry_is_told_with_its_reason(desk):
    quote(desk, "SELL", 60_000, "0.01")
    for tif, executed, reason in (
        ("FOK", "0.00000000", "UNFILLED_FOK_ORDER_EXPIRED"),
        ("IOC", "0.01000000", "UNFILLED_IOC_QUANTITY_EXPIRED"),
    ):
        _, body, _ = desk.place(price="60000", quantity="0.02", timeInForce=tif)
        assert (body["status"], body["executedQty"], body["expiryReason"]) == ("EXPIRED", executed, reason)
    _, body, _ = desk.place(type="MARKET")
    assert (body["status"], body["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")


def test_self_trade_prevention_is_the_takers(desk):
    desk.place(side="SELL", price="60000", newClientOrderId="ask")
    _, body, _ = desk.place(price="60000", selfTradePreventionMode="EXPIRE_MAKER")
    assert body["status"] == "NEW"
    _, ask, _ = desk.ask("GET", "order", symbol="BTCUSD", origClientOrderId="ask")
    assert (ask["status"], ask["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "0.01000000")


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"symbol": "BTCEUR"}, -1121, "Invalid symbol."),
        ({"side": "LONG"}, -1117, "Invalid side."),
        ({"type": "ICEBERG"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTD"}, -1115, "Invalid timeInForce."),
        ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        ({"price": ""}, -1105, "Parameter 'price' was empty."),
        ({"price": "1e4"}, -1100, "Illegal characters found in parameter 'price'"),
        ({"price": "-1"}, -1100, "Illegal characters found in parameter 'price'"),
        ({"price": "NaN"}, -1100, "Illegal characters found in parameter 'price'"),
        ({"price": "0." + "1" * 19}, -1111, "Parameter 'price' has too much precision."),
        ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "1000.00001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"type": "MARKET", "price": "1"}, -1106, "Parameter 'price' sent when not required."),
        ({"type": "MARKET", "quoteOrderQty": "10"}, -1106, "Parameter 'quantity' sent when not required."),
        ({"type": "STOP_LOSS"}, -1102, "Mandatory parameter 'stopPrice' was not sent"),
        ({"newClientOrderId": "x" * 37}, -1100, "Illegal characters found in parameter 'newClientOrderId'"),
        ({"newClientOrderId": "a b"}, -1100, "Illegal characters found in parameter 'newClientOrderId'"),
        ({"icebergQty": "1"}, -2010, "Iceberg orders are not supported for this symbol."),
        ({"selfTradePreventionMode": "ASK"}, -1013, "This symbol does not allow the specified self-trade"),
        ({"strategyType": "999999"}, -1134, "strategyType was less than 1000000."),
        ({"cheap": "1"}, -1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."),
        ({"timestamp": ""}, -1105, "Parameter 'timestamp' was empty."),
        ({"timestamp": "soon"}, -1100, "Illegal characters found in parameter 'timestamp'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_own_code(desk, parameters, code, message):
    status, body, _ = desk.place(**parameters)
    assert (status, body["code"]) == (400, code), body
    assert body["msg"].startswith(message)
    assert desk.exchange.venue.drain() == []


def test_a_placement_without_what_its_type_needs_is_refused(desk):
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "1", "timeInForce": "GTC"}
    for name in order:
        _, body, _ = desk.ask("POST", "order", **{k: v for k, v in order.items() if k != name})
        assert (body["code"], name in body["msg"]) == (-1102, True), (name, body)


@pytest.mark.parametrize(
    ("setup", "parameters", "message"),
    [
        ({"newClientOrderId": "x"}, {"newClientOrderId": "x"}, "Duplicate order sent."),
        ({"side": "SELL", "price": "60000"}, {"type": "LIMIT_MAKER", "price": "60000"}, "Order would immediately"),
    ],
)
def test_the_engine_refuses_in_its_own_words(desk, setup, parameters, message):
    assert desk.place(**setup)[0] == 200
    status, body, _ = desk.place(**parameters)
    assert (status, body["code"]) == (400, -2010)
    assert body["msg"].startswith(message)


def test_a_client_order_id_is_free_again_after_the_fill(desk):
    quote(desk, "SELL", 50_000, "0.01")
    first, second = (desk.place(newClientOrderId="x")[1] for _ in range(2))
    assert (first["status"], second["status"]) == ("FILLED", "NEW")
    assert desk.place(newClientOrderId="x")[1]["msg"] == "Duplicate order sent."
    assert desk.ask("GET", "order", symbol="BTCUSD", origClientOrderId="x")[1]["orderId"] == second["orderId"]


def test_poor_accounts_are_refused():
    desk = Desk(Exchange(make_venue(opening={"USD": units(400)}), {CREDENTIAL.key: CREDENTIAL}))
    status, body, _ = desk.place()
    assert (status, body["code"]) == (400, -2010)
    assert body["msg"] == "Account has insufficient balance for requested action."


def test_a_test_order_is_checked_and_not_placed(desk):
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert desk.ask("POST", "order/test", **order)[:2] == (200, {})
    assert desk.ask("POST", "order/test", **(order | {"quantity": "0.000001"}))[1]["code"] == -1013
    assert desk.exchange.venue.order_id == 0


# ── canceling, replacing, amending ──────────────────────────────────────────────────────────────────────────────────


def test_a_cancel_has_an_id_of_its_own(desk):
    order_id = desk.place(newClientOrderId="x")[1]["orderId"]
    status, body, _ = desk.ask("DELETE", "order", symbol="BTCUSD", origClientOrderId="x", newClientOrderId="c")
    assert (status, body["status"], body["orderId"]) == (200, "CANCELED", order_id)
    assert (body["origClientOrderId"], body["clientOrderId"]) == ("x", "c")
    status, body, _ = desk.ask("DELETE", "order", symbol="BTCUSD", origClientOrderId="x")
    assert (status, body) == (400, {"code": -2011, "msg": "Unknown order sent."})


def test_a_cancel_names_one_order(desk):
    order_id = desk.place(newClientOrderId="x")[1]["orderId"]
    assert desk.ask("DELETE", "order", symbol="BTCUSD")[1]["code"] == -1102
    assert desk.ask("DELETE", "order", symbol="BTCUSD", orderId=order_id, origClientOrderId="y")[1]["code"] == -2011
    assert desk.ask("DELETE", "order", symbol="BTCUSD", orderId=order_id, origClientOrderId="x")[0] == 200


@pytest.mark.parametrize(
    ("restriction", "filled", "done"),
    [
        ("ONLY_NEW", False, True),
        ("ONLY_NEW", True, False),
        ("ONLY_PARTIALLY_FILLED", False, False),
        ("ONLY_PARTIALLY_FILLED", True, True),
    ],
)
def test_a_cancel_may_depend_on_whether_something_has_traded(desk, restriction, filled, done):
    desk.place(newClientOrderId="x")
    if filled:
        quote(desk, "SELL", 50_000, "0.005")
    status, body, _ = desk.ask(
        "DELETE", "order", symbol="BTCUSD", origClientOrderId="x", cancelRestrictions=restriction
    )
    assert (status == 200) is done
    assert done or body["code"] == -2011


def test_an_unknown_cancel_restriction_is_refused(desk):
    desk.place(newClientOrderId="x")
    _, body, _ = desk.ask("DELETE", "order", symbol="BTCUSD", origClientOrderId="x", cancelRestrictions="NEVER")
    assert body["code"] == -1145


def test_all_orders_of_a_symbol_are_canceled_at_once(desk):
    for price in ("50000", "50001"):
        desk.place(price=price)
    desk.place(symbol="ETHUSD", price="2000")
    _, body, _ = desk.ask("DELETE", "openOrders", symbol="BTCUSD")
    assert [order["status"] for order in body] == ["CANCELED", "CANCELED"]
    assert desk.ask("DELETE", "openOrders", symbol="BTCUSD")[1]["code"] == -2011
    assert len(desk.ask("GET", "openOrders")[1]) == 1


NEW = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.02", "price": "51000"}


@pytest.mark.parametrize(
    ("mode", "exists", "price", "status", "results", "code"),
    [
        ("STOP_ON_FAILURE", True, "51000", 200, ("SUCCESS", "SUCCESS"), None),
        ("STOP_ON_FAILURE", False, "51000", 400, ("FAILURE", "NOT_ATTEMPTED"), -2022),
        ("STOP_ON_FAILURE", True, "60000", 409, ("SUCCESS", "FAILURE"), -2021),
        ("ALLOW_FAILURE", False, "51000", 409, ("FAILURE", "SUCCESS"), -2021),
        ("ALLOW_FAILURE", False, "60000", 400, ("FAILURE", "FAILURE"), -2022),
    ],
)
def test_a_replacement_may_succeed_by_half(desk, mode, exists, price, status, results, code):
    quote(desk, "SELL", 60_000)
    if exists:
        desk.place(newClientOrderId="old")
    new = {k: v for k, v in NEW.items() if k != "timeInForce"} | {"type": "LIMIT_MAKER", "price": price}
    got, body, _ = desk.ask("POST", "order/cancelReplace", **new, cancelReplaceMode=mode, cancelOrigClientOrderId="old")
    data = body.get("data", body)
    assert (got, data["cancelResult"], data["newOrderResult"], body.get("code")) == (status, *results, code)
    assert (data["newOrderResponse"] is None) == (results[1] == "NOT_ATTEMPTED")


def test_a_replacement_that_was_not_attempted_counts_as_an_order(desk):
    desk.ask("POST", "order/cancelReplace", **NEW, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=7)
    assert desk.ask("GET", "rateLimit/order")[1][0]["count"] == 1


def test_a_replacement_that_breaks_a_filter_cancels_nothing(desk):
    desk.place(newClientOrderId="old")
    _, body, _ = desk.ask(
        "POST",
        "order/cancelReplace",
        **(NEW | {"price": "0.001"}),
        cancelReplaceMode="ALLOW_FAILURE",
        cancelOrigClientOrderId="old",
    )
    assert body["code"] == -1013
    assert desk.ask("GET", "order", symbol="BTCUSD", origClientOrderId="old")[1]["status"] == "NEW"


def test_an_order_is_made_smaller_in_its_place(desk):
    desk.place(newClientOrderId="x", quantity="0.03")
    status, body, _ = desk.ask(
        "PUT", "order/amend/keepPriority", symbol="BTCUSD", origClientOrderId="x", newQty="0.02", newClientOrderId="y"
    )
    assert status == 200
    amended = body["amendedOrder"]
    assert (amended["origClientOrderId"], amended["clientOrderId"], amended["qty"]) == ("x", "y", "0.02000000")
    for quantity, code in (("0.03", -2038), ("0.02", -2038), ("0.000001", -1013)):
        _, body, _ = desk.ask(
            "PUT", "order/amend/keepPriority", symbol="BTCUSD", origClientOrderId="y", newQty=quantity
        )
        assert body["code"] == code
    assert desk.ask("PUT", "order/amend/keepPriority", symbol="BTCUSD", orderId=99, newQty="1")[1]["code"] == -2038


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
    from venue_gateways.simulator.binance import rest

    request = rest.Request(
        verb="GET", path="/api/v3/time", query=b"", body=b"", address="a", arrived=NOON, microseconds=True
    )
    assert rest.answer(desk.exchange, request, NOON).body == b'{"serverTime":%d}' % NOON


def test_what_is_not_there_is_404(desk):
    from venue_gateways.simulator.binance import rest

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
