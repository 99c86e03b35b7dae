import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.venue_gateways.simulator.coinbase.client import EDWARDS, MARKET, OTHER, PRIVATE, token
from venue_gateways.simulator.coinbase import security
from venue_gateways.simulator.coinbase.parameters import moment
from venue_gateways.simulator.dialect import Lies, Request

ACCOUNTS = "GET api.coinbase.com/api/v3/brokerage/accounts"


# ── who may come in ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("private", [PRIVATE, EDWARDS])
def test_a_token_of_either_kind_of_key_is_verified(desk, private):
    assert desk.send("GET", "accounts", private=private)[0] == 200


@pytest.mark.parametrize(
    ("uri", "changes"),
    [
        ("GET api.coinbase.com/api/v3/brokerage/orders", {}),
        ("POST api.coinbase.com/api/v3/brokerage/accounts", {}),
        ("GET localhost/api/v3/brokerage/accounts", {}),
        (ACCOUNTS + "?limit=5", {}),
        (None, {}),
        (ACCOUNTS, {"iss": "coinbase-cloud"}),
        (ACCOUNTS, {"sub": OTHER.key}),
        (ACCOUNTS, {"header": {"kid": OTHER.key}}),
        (ACCOUNTS, {"header": {"kid": "unknown"}}),
        (ACCOUNTS, {"header": {"alg": "none"}}),
        (ACCOUNTS, {"exp": 1_800_000_000}),
        (ACCOUNTS, {"exp": 1_800_000_121}),
        (ACCOUNTS, {"nbf": 1_800_000_006}),
    ],
)
def test_a_token_is_good_for_one_request_of_its_key_and_for_two_minutes(desk, uri, changes):
    status, body, _ = desk.send("GET", "accounts", bearer=token(desk.now, uri, **changes))
    assert (status, body["message"]) == (401, "Unauthorized")


def test_a_token_that_is_not_the_keys_or_no_token_is_refused(desk):
    good = token(desk.now, ACCOUNTS)
    head, body, signature = good.split(".")
    for bad in (f"{head}.{body}.{'A' * 86}", f"{head}.{body}", f"{head}.{signature}.{signature}", "x.y.z"):
        assert desk.send("GET", "accounts", bearer=bad)[0] == 401
    assert desk.send("GET", "accounts", bearer=good, query="limit=5")[0] == 200, "the query is not in the token"


def test_thirty_requests_a_second_are_answered_and_the_others_refused_and_journaled(desk):
    seen = [desk.send("GET", "accounts") for _ in range(32)]
    assert [status for status, _, _ in seen] == [200] * 30 + [429] * 2
    assert seen[0][2].items() >= {b"x-ratelimit-limit": b"30", b"x-ratelimit-remaining": b"29"}.items()
    assert (seen[31][1]["errors"][0]["id"], seen[31][2][b"x-ratelimit-remaining"]) == ("rate_limit_exceeded", b"0")
    assert [(line["account"], line["status"], line["code"]) for line in desk.journal] == [
        ("main", 429, "rate_limit_exceeded")
    ] * 2
    assert desk.send("GET", "accounts", private=EDWARDS)[0] == 200
    assert [desk.send("GET", "time")[0] for _ in range(11)] == [200] * 10 + [429], "of an address, without a token"
    desk.later(1)
    assert desk.send("GET", "accounts")[0] == 200


def test_a_key_is_on_p_256_or_ed25519s_in_pem_or_base64():
    name, pem = security.new_key()
    assert security.credential("main", name, pem).algorithm == "ES256"
    assert security.credential("main", name, "A" * 43 + "=").algorithm == "EdDSA"
    other = generate_private_key(SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for bad in ("???", "AAAA", other.decode()):
        with pytest.raises(ValueError, match=r"kind|key|base64"):
            security.credential("main", name, bad)


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_pending_for_a_moment_in_which_a_list_of_open_ones_lacks_it(desk):
    order_id = desk.place()
    assert desk.order(order_id, after_s=0.05)["status"] == "PENDING"
    assert desk.orders("order_status=OPEN", after_s=0)["orders"] == []
    assert len(desk.orders("order_status=QUEUED&order_status=PENDING", after_s=0)["orders"]) == 1
    assert desk.send("GET", "orders/historical/batch", query="order_status=OPEN&order_status=PENDING")[0] == 400
    assert desk.order(order_id, after_s=0.05)["status"] == "OPEN"


def test_a_repeated_id_of_the_clients_is_the_order_that_has_it_whatever_is_asked_for(desk):
    desk.quote("SELL", 60_000)
    first = desk.create(MARKET, client_order_id="x")["success_response"]
    again = desk.create(client_order_id="x", product_id="ETH-USD", side="SELL")
    assert again["success_response"] == first
    assert "market_market_ioc" in again["order_configuration"]
    assert len(desk.orders()["orders"]) == 1
    assert len([line for line in desk.journal if line["event"] == "order_accepted"]) == 1


@pytest.mark.parametrize(
    ("configuration", "changes", "reason"),
    [
        ({"limit_limit_gtc": {"base_size": "0.01", "limit_price": "50000.001"}}, {}, "INVALID_PRICE_PRECISION"),
        ({"limit_limit_gtc": {"base_size": "0.0100001", "limit_price": "50000"}}, {}, "INVALID_SIZE_PRECISION"),
        ({"limit_limit_gtc": {"base_size": 0.01, "limit_price": "50000"}}, {}, "INVALID_SIZE_PRECISION"),
        ({"limit_limit_gtc": {"limit_price": "50000"}}, {}, "INVALID_REQUEST"),
        ({"stop_market": {"base_size": "1"}}, {}, "UNSUPPORTED_ORDER_CONFIGURATION"),
        ({"market_market_ioc": {"base_size": "1", "quote_size": "1"}}, {}, "INVALID_REQUEST"),
        (None, {"side": "HOLD"}, "INVALID_SIDE"),
        (None, {"product_id": "BTC-EUR"}, "INVALID_PRODUCT_ID"),
    ],
)
def test_a_refused_order_has_status_200_and_a_reason(desk, configuration, changes, reason):
    said = desk.create(configuration, **changes)
    assert (said["success"], said["error_response"]["error"]) == (False, reason)
    assert desk.orders()["orders"] == []


def test_a_body_that_is_no_order_is_a_bad_request(desk):
    status, said, _ = desk.send("POST", "orders", {"product_id": "BTC-USD"})
    assert (status, said["error"]) == (400, "INVALID_ARGUMENT")
    assert desk.send("POST", "orders/batch_cancel", {"order_ids": []})[0] == 400
    assert desk.send("GET", "nothing")[0] == 404


def test_some_refusals_say_why_only_as_a_preview_would(desk):
    said = desk.create({"limit_limit_gtc": {"base_size": "0.00001", "limit_price": "10"}})["error_response"]
    assert (said["error"], said["preview_failure_reason"]) == (
        "UNKNOWN_FAILURE_REASON",
        "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL",
    )


def test_post_only_orders_that_would_take_are_refused(desk):
    desk.quote("SELL", 50_000)
    post_only = {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "50000", "post_only": True}}
    assert desk.create(post_only)["error_response"]["error"] == "INVALID_LIMIT_PRICE_POST_ONLY"


def test_what_cannot_rest_is_canceled_and_only_time_expires_an_order(desk):
    desk.quote("SELL", 50_000, "0.004")
    immediate = desk.place({"sor_limit_ioc": {"base_size": "0.01", "limit_price": "50000"}})
    timed = {"base_size": "0.01", "limit_price": "40000", "end_time": moment(desk.now + 10_000_000)}
    later = desk.place({"limit_limit_gtd": timed})
    desk.later(10)
    desk.venue.expire_due(desk.now)
    assert (desk.order(immediate)["status"], desk.order(immediate)["filled_size"]) == ("CANCELLED", "0.004")
    assert (desk.order(later)["status"], desk.order(later)["settled"]) == ("EXPIRED", True)


def test_a_stop_limit_order_waits_for_its_price_from_the_side_that_it_says(desk):
    desk.quote("SELL", 60_000)
    desk.place(MARKET)
    stop = {"base_size": "0.01", "limit_price": "61500", "stop_price": "61000"}
    up = stop | {"stop_direction": "STOP_DIRECTION_STOP_UP"}
    order = desk.order(desk.place({"stop_limit_stop_limit_gtc": up}))
    assert (order["trigger_status"], order["order_configuration"]) == (
        "STOP_PENDING",
        {"stop_limit_stop_limit_gtc": up},
    )
    down = stop | {"stop_direction": "STOP_DIRECTION_STOP_DOWN"}
    assert desk.create({"stop_limit_stop_limit_gtc": down})["success"] is False


def test_a_cancel_says_only_that_it_was_submitted(desk):
    order_id = desk.place()
    assert desk.cancel(order_id, "unknown") == [
        (True, "UNKNOWN_CANCEL_FAILURE_REASON"),
        (False, "UNKNOWN_CANCEL_ORDER"),
    ]
    queued, canceled = desk.order(order_id, after_s=0.05), desk.order(order_id, after_s=0.05)
    assert (queued["status"], queued["pending_cancel"]) == ("CANCEL_QUEUED", True)
    assert (canceled["status"], canceled["pending_cancel"]) == ("CANCELLED", False)
    assert desk.cancel(order_id) == [(False, "DUPLICATE_CANCEL_REQUEST")]
    unlucky = desk.place()
    assert desk.cancel(unlucky, lies=Lies(filled_first=True)) == [(True, "UNKNOWN_CANCEL_FAILURE_REASON")]
    assert desk.order(unlucky)["status"] == "FILLED"


def test_orders_are_listed_in_pages_the_newest_first(desk):
    ids = [desk.place() for _ in range(5)]
    first = desk.orders("limit=2")
    assert [order["order_id"] for order in first["orders"]] == ids[:2:-1]
    second = desk.orders(f"limit=3&cursor={first['cursor']}")
    assert [order["order_id"] for order in second["orders"]] == ids[2::-1]
    assert (first["has_next"], second["has_next"], second["cursor"]) == (True, False, "")
    start = desk.order(ids[2])["created_time"]
    assert len(desk.orders(f"start_date={start}&product_ids=BTC-USD")["orders"]) == 3
    assert desk.orders("product_ids=ETH-USD")["orders"] == []


# ── edits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_edit_makes_an_order_smaller_in_its_place(desk):
    order_id = desk.place({"limit_limit_gtc": {"base_size": "0.02", "limit_price": "50000"}})
    behind = desk.quote("BUY", 50_000, "0.01")
    assert desk.edit(order_id, "0.01") == (True, [])
    edited_at = moment(desk.now)
    for shown in (desk.order(order_id), *desk.orders("order_status=OPEN")["orders"]):
        assert shown["order_configuration"]["limit_limit_gtc"]["base_size"] == "0.01"
        assert shown["edit_history"] == [{"price": "50000", "size": "0.01", "replace_accept_timestamp": edited_at}]
        assert shown["outstanding_hold_amount"] == "500"
    desk.quote("SELL", 50_000, "0.01")
    assert (desk.order(order_id)["status"], desk.order(order_id)["filled_size"]) == ("FILLED", "0.01")
    assert behind.executed == 0
    assert [line["quantity"] for line in desk.journal if line["event"] == "order_reduced"] == ["0.01"]


@pytest.mark.parametrize(
    ("size", "price", "reason"),
    [
        ("0.01", "50000.00", "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"),
        ("0.005", "49999", "INVALID_EDITED_PRICE"),
        ("0.005", "", "INVALID_EDITED_PRICE"),
        ("0.02", "50000", "INVALID_EDITED_SIZE"),
        ("0.0050001", "50000", "INVALID_EDITED_SIZE"),
        ("0", "50000", "INVALID_EDITED_SIZE"),
        ("", "50000", "INVALID_EDITED_SIZE"),
    ],
)
def test_an_edit_that_does_anything_else_is_refused_by_name(desk, size, price, reason):
    order_id = desk.place()
    assert desk.edit(order_id, size, price) == (False, [reason])
    order = desk.order(order_id)
    assert order["order_configuration"]["limit_limit_gtc"]["base_size"] == "0.01"
    assert order["edit_history"] == []


def test_an_order_is_not_edited_to_what_it_has_filled_or_less(desk):
    order_id = desk.place()
    desk.quote("SELL", 50_000, "0.004")
    for size in ("0.003", "0.004"):
        assert desk.edit(order_id, size) == (False, ["CANNOT_EDIT_TO_BELOW_FILLED_SIZE"])
    assert desk.edit(order_id, "0.005") == (True, [])
    order = desk.order(order_id)
    assert (order["status"], order["filled_size"], order["completion_percentage"]) == ("OPEN", "0.004", "80")


def test_only_open_limit_orders_that_are_good_till_canceled_are_edited(desk):
    assert desk.edit("unknown", "0.005") == (False, ["ORDER_NOT_FOUND"])
    timed = {"base_size": "0.01", "limit_price": "50000", "end_time": moment(desk.now + 60_000_000)}
    assert desk.edit(desk.place({"limit_limit_gtd": timed}), "0.005") == (False, ["ONLY_LIMIT_ORDER_EDITS_SUPPORTED"])
    order_id = desk.place()
    desk.cancel(order_id)
    assert desk.edit(order_id, "0.005") == (False, ["ONLY_OPEN_ORDERS_CAN_BE_EDITED"])


def test_somebody_else_s_order_is_not_edited(desk):
    assert desk.edit(desk.place(), "0.005", private=EDWARDS) == (False, ["ORDER_NOT_FOUND"])


def test_an_edit_of_nothing_is_a_bad_request_and_faults_know_edits_by_name(desk):
    assert desk.send("POST", "orders/edit", {"price": "50000", "size": "0.005"})[0] == 400
    request = Request(verb="POST", path="/api/v3/brokerage/orders/edit", address="1.2.3.4", arrived=desk.now)
    assert desk.front.operation(request) == "amend"


def test_the_latest_edits_of_an_order_are_remembered(desk):
    order_id = desk.place()
    for size in ("0.009", "0.008", "0.007", "0.006", "0.005", "0.004"):
        assert desk.edit(order_id, size) == (True, [])
    history = desk.order(order_id)["edit_history"]
    assert [edit["size"] for edit in history] == ["0.008", "0.007", "0.006", "0.005", "0.004"]


# ── fills and rules ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fill_has_an_entry_of_its_own_no_id_of_the_clients_and_its_fee_in_the_quote_asset(desk):
    desk.quote("SELL", 60_000)
    order_id = desk.place(MARKET)
    (fill,) = desk.fills()["fills"]
    assert (fill["order_id"], fill["size"], fill["commission"], fill["size_in_quote"]) == (
        order_id,
        "0.01",
        "0.6",
        False,
    )
    assert "client_order_id" not in fill
    assert fill["entry_id"] != fill["trade_id"]
    ours = [line for line in desk.journal if line["event"] == "fill" and line["account"] == "main"]
    assert [(line["trade_id"], line["order_id"]) for line in ours] == [(fill["entry_id"], order_id)]


def test_a_fill_of_an_order_by_value_has_its_size_in_the_quote_asset(desk):
    desk.quote("SELL", 60_000)
    desk.place({"market_market_ioc": {"quote_size": "600"}})
    (fill,) = desk.fills()["fills"]
    assert (fill["size"], fill["size_in_quote"]) == ("600", True)


def test_fills_come_in_pages_without_gap_or_repetition_even_of_one_instant(desk):
    for symbol in ("BTC-USD", "ETH-USD"):
        for price in range(100, 110):
            desk.quote("SELL", price, "0.1", symbol)
        desk.place({"market_market_ioc": {"base_size": "1"}}, product_id=symbol)
        desk.later(-1)
    seen, cursor = [], ""
    while page := desk.fills(f"limit=3&cursor={cursor}"):
        seen += [fill["entry_id"] for fill in page["fills"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 20


def test_a_product_says_its_increments_and_an_account_what_it_holds(desk):
    product = desk.ask("GET", "products/BTC-USD")
    assert (product["base_increment"], product["price_increment"], product["base_min_size"]) == (
        "0.00001",
        "0.01",
        "0.00001",
    )
    assert desk.ask("GET", "market/products")["num_products"] == 5
    desk.place()
    accounts = {row["currency"]: row for row in desk.ask("GET", "accounts")["accounts"]}
    assert accounts["USD"]["hold"] == {"value": "500", "currency": "USD"}
    assert desk.ask("GET", f"accounts/{accounts['USD']['uuid']}")["account"]["currency"] == "USD"


# ── lies ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hidden_order_is_nowhere_but_its_id_is_taken(desk):
    order_id = desk.place(client_order_id="x", lies=Lies(hide_us=10_000_000))
    assert desk.send("GET", f"orders/historical/{order_id}")[0] == 404
    assert desk.orders()["orders"] == []
    assert desk.place(client_order_id="x") == order_id
    desk.later(10)
    assert desk.order(order_id)["client_order_id"] == "x"


def test_an_order_may_be_denied_and_the_open_ones_may_not_be_shown(desk):
    order_id = desk.place()
    assert desk.send("GET", f"orders/historical/{order_id}", lies=Lies(denied=True))[0] == 404
    assert desk.orders("order_status=OPEN", lies=Lies(no_open_orders=True))["orders"] == []
    assert len(desk.orders("order_status=OPEN")["orders"]) == 1
