import pytest

from tests.venue_gateways.simulator.client import CREDENTIAL, NEW, NOON, Desk, make_venue, quote, units
from venue_gateways.simulator.binance.exchange import Exchange

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
