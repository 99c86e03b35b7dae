import base64
from datetime import UTC, datetime

import pytest

from tests.venue_gateways.simulator.kraken.client import CREDENTIAL, MARKET, OTHER, REST, signed
from venue_gateways.simulator.dialect import Lies, Request
from venue_gateways.simulator.kraken.security import Credential

UUID = "6d1b345e-2821-40e2-ad83-4ecb18a06876"


def rfc3339(at_us):
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# ── who may come in ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_published_example_of_a_signature_is_verified():
    """guides/rest/authentication."""
    secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    signature = Credential("main", "key", base64.b64decode(secret)).sign("/0/private/AddOrder", "1616492376594", body)
    assert signature == "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="


def test_a_request_needs_a_known_key_and_its_signature_of_exactly_these_bytes(desk):
    path, headers, body = signed("Balance", 5)
    assert desk.send(path, headers | {"API-Key": "unknown"}, body)[1] == {"error": ["EAPI:Invalid key"]}
    assert desk.send(path, headers, body + b"&x=1")[1] == {"error": ["EAPI:Invalid signature"]}
    assert desk.send(path, headers, body)[1]["error"] == []


def test_nonces_rise_for_each_key_by_itself(desk):
    assert desk.send(*signed("Balance", 5))[1]["error"] == []
    assert desk.send(*signed("Balance", 5))[1]["error"] == ["EAPI:Invalid nonce"]
    assert desk.send(*signed("Balance", 4))[1]["error"] == ["EAPI:Invalid nonce"]
    assert desk.send(*signed("Balance", 1 << 64))[1]["error"] == ["EAPI:Invalid nonce"]
    assert desk.send(*signed("Balance", 2, OTHER))[1]["error"] == []
    assert desk.send(*signed("Balance", 6))[1]["error"] == []


def test_who_does_not_say_who_it_is_meets_the_firewall(desk):
    path, headers, body = signed("Balance", 5)
    with pytest.raises(ValueError, match="unexpected character"):
        desk.send(path, {**headers, "User-Agent": ""}, body)


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_to_an_order_has_its_id_and_nothing_of_what_became_of_it(desk):
    desk.quote("SELL", 60_000)
    placed = desk.ask("AddOrder", **MARKET, cl_ord_id=UUID)
    assert placed == {"descr": {"order": "buy 0.01000000 XBTUSD @ market"}, "txid": placed["txid"]}
    closed = desk.ask("ClosedOrders", cl_ord_id=UUID, trades="true")["closed"][placed["txid"][0]]
    assert (closed["status"], closed["vol_exec"], closed["cost"], closed["fee"], closed["price"], closed["reason"]) == (
        "closed", "0.01000000", "600.00000", "0.60000", "60000.00", None,
    )  # fmt: skip
    trades = desk.ask("TradesHistory")["trades"]
    assert list(trades) == closed["trades"]
    assert (trades[closed["trades"][0]]["ordertxid"], trades[closed["trades"][0]]["pair"]) == (
        placed["txid"][0],
        "XXBTZUSD",
    )
    assert "cl_ord_id" not in trades[closed["trades"][0]]


def test_an_order_is_found_while_open_among_the_open_and_then_among_the_closed(desk):
    txid = desk.place(cl_ord_id=UUID)
    assert desk.ask("OpenOrders", cl_ord_id=UUID)["open"][txid]["status"] == "open"
    assert desk.ask("QueryOrders", txid=txid)[txid]["cl_ord_id"] == UUID
    assert desk.ask("OpenOrders", credential=OTHER)["open"] == {}
    assert desk.ask("CancelOrder", cl_ord_id=UUID) == {"count": 1}
    assert desk.ask("CancelOrder", cl_ord_id=UUID) == "EOrder:Unknown order"
    assert desk.ask("CancelOrder", txid="OAAAAA-AAAAA-AAAAAA") == "EOrder:Unknown order"
    assert desk.ask("OpenOrders")["open"] == {}
    closed = desk.ask("ClosedOrders", cl_ord_id=UUID)
    assert (closed["count"], closed["closed"][txid]["status"], closed["closed"][txid]["reason"]) == (
        1,
        "canceled",
        "User requested",
    )


def test_a_clients_id_is_unique_among_open_orders_of_any_pair_and_free_again_afterwards(desk):
    desk.quote("SELL", 60_000)
    desk.place(cl_ord_id=UUID)
    assert desk.place(cl_ord_id=UUID) == "EGeneral:Invalid arguments:cl_ord_id"
    assert desk.place(pair="ETHUSD", price="2000", cl_ord_id=UUID) == "EGeneral:Invalid arguments:cl_ord_id"
    desk.ask("CancelOrder", cl_ord_id=UUID)
    first, second = (desk.ask("AddOrder", **MARKET, cl_ord_id=UUID)["txid"][0] for _ in range(2))
    assert first != second, "a blind repetition is a second order"
    assert desk.ask("ClosedOrders", cl_ord_id=UUID)["count"] == 3


@pytest.mark.parametrize("name", ["x" * 19, "6D1B345E-2821-40E2", "not a-uuid", "6d1b345e-2821-40e2-ad83-4ecb18a0687"])
def test_a_clients_id_is_a_uuid_or_a_short_text(desk, name):
    refused = desk.place(cl_ord_id=name)
    assert (refused == "EGeneral:Invalid arguments:cl_ord_id") is (len(name) > 18 or " " in name)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"pair": "XBTEUR"}, "EQuery:Unknown asset pair"),
        ({"type": "hold"}, "EGeneral:Invalid arguments:type"),
        ({"ordertype": "iceberg"}, "EGeneral:Invalid arguments:ordertype"),
        ({"volume": "1e-3"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "0.000001"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "1001"}, "EOrder:Order minimum not met"),
        ({"volume": "0.00001"}, "EOrder:Cost minimum not met"),
        ({"price": "50000.001"}, "EOrder:Tick size check failed"),
        ({"price": ""}, "EGeneral:Invalid arguments:price"),
        ({"timeinforce": "DAY"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"timeinforce": "GTD", "expiretm": "+1"}, "EGeneral:Invalid arguments:expiretm"),
        ({"oflags": "post,what"}, "EGeneral:Invalid arguments:oflags"),
        ({"userref": "1", "cl_ord_id": "x"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"leverage": "5"}, "EGeneral:Invalid arguments:leverage"),
    ],
)
def test_what_is_no_order_is_refused_by_name_and_changes_nothing(desk, changes, error):
    assert desk.place(**changes) == error
    assert desk.ask("OpenOrders")["open"] == {}


def test_validate_places_nothing(desk):
    assert desk.ask("AddOrder", **REST, validate="true") == {
        "descr": {"order": "buy 0.01000000 XBTUSD @ limit 50000.00"}
    }
    assert desk.ask("OpenOrders")["open"] == {}


@pytest.mark.parametrize(("ahead_s", "accepted"), [(1.9, False), (2.1, True), (59.9, True), (60.1, False)])
def test_a_deadline_lies_between_two_seconds_and_a_minute_ahead(desk, ahead_s, accepted):
    deadline = rfc3339(desk.now + int(ahead_s * 1_000_000))
    assert desk.place(deadline=deadline).startswith("O" if accepted else "EGeneral:Invalid arguments:deadline")


def test_an_order_that_reaches_the_engine_after_its_deadline_is_refused(desk):
    order = REST | {"deadline": rfc3339(desk.now + 5_000_000)}
    assert desk.ask("AddOrder", **order, now=desk.now + 5_000_001) == "EService:Deadline elapsed"
    assert desk.ask("OpenOrders")["open"] == {}


def test_an_order_that_must_not_take_is_accepted_and_canceled_at_once(desk):
    desk.quote("SELL", 50_000)
    txid = desk.place(oflags="post", cl_ord_id="x")
    closed = desk.ask("ClosedOrders", cl_ord_id="x")["closed"][txid]
    assert (closed["status"], closed["reason"], closed["vol_exec"]) == ("canceled", "Post only order", "0.00000000")
    assert [line["event"] for line in desk.journal] == ["order_accepted", "order_expired"]


def test_what_cannot_rest_is_canceled_and_only_time_expires_an_order(desk):
    desk.quote("SELL", 50_000, "0.004")
    first = desk.place(timeinforce="IOC")
    second = desk.place(timeinforce="GTD", expiretm="+10", price="40000")
    desk.later(10)
    desk.venue.expire_due(desk.now)
    closed = desk.ask("ClosedOrders")["closed"]
    assert [(txid, closed[txid]["status"], closed[txid]["vol_exec"]) for txid in (second, first)] == [
        (second, "expired", "0.00000000"),
        (first, "canceled", "0.00400000"),
    ]


def test_a_stop_waits_as_pending_and_has_its_trigger_in_price(desk):
    desk.quote("SELL", 60_000)
    desk.ask("AddOrder", **MARKET)
    txid = desk.place(ordertype="stop-loss-limit", price="61000", price2="61500")
    shown = desk.ask("OpenOrders")["open"][txid]
    assert (shown["status"], shown["descr"]["price"], shown["descr"]["price2"]) == ("pending", "61000.00", "61500.00")


# ── amendments ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_made_smaller_in_its_place_and_keeps_its_ids(desk):
    first = desk.place(cl_ord_id=UUID, volume="0.03")
    second = desk.place()
    amended = desk.ask("AmendOrder", cl_ord_id=UUID, order_qty="0.02")
    assert list(amended) == ["amend_id"]
    assert amended["amend_id"].startswith("T")
    assert desk.ask("OpenOrders", cl_ord_id=UUID)["open"][first]["vol"] == "0.02000000"
    assert desk.ask("AmendOrder", txid=first, order_qty="0.01", post_only="true") != amended
    desk.quote("SELL", 50_000, "0.015")
    shown = desk.ask("QueryOrders", txid=f"{first},{second}")
    assert [(shown[txid]["status"], shown[txid]["vol"], shown[txid]["vol_exec"]) for txid in (first, second)] == [
        ("closed", "0.01000000", "0.01000000"),
        ("open", "0.01000000", "0.00500000"),
    ]
    reduced = [line for line in desk.journal if line["event"] == "order_reduced"]
    assert [(line["client_order_id"], line["quantity"]) for line in reduced] == [(UUID, "0.02"), (UUID, "0.01")]


@pytest.mark.parametrize("quantity", ["0.003", "0.004"])
def test_an_order_that_is_to_be_no_larger_than_what_has_traded_is_canceled(desk, quantity):
    txid = desk.place()
    desk.quote("SELL", 50_000, "0.004")
    assert "amend_id" in desk.ask("AmendOrder", txid=txid, order_qty=quantity)
    closed = desk.ask("ClosedOrders")["closed"][txid]
    assert (closed["status"], closed["vol_exec"], closed["reason"]) == ("canceled", "0.00400000", "User requested")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"order_qty": "0.02"}, "EGeneral:Invalid arguments:order_qty"),
        ({"order_qty": "0.01"}, "EGeneral:Invalid arguments:order_qty"),
        ({"order_qty": "0"}, "EGeneral:Invalid arguments:order_qty"),
        ({"order_qty": "-0.005"}, "EGeneral:Invalid arguments:order_qty"),
        ({"order_qty": "0.000001"}, "EGeneral:Invalid arguments:order_qty"),
        ({"order_qty": ""}, "EGeneral:Invalid arguments:order_qty"),
        ({"limit_price": "49000"}, "EGeneral:Invalid arguments:limit_price"),
        ({"trigger_price": "49000"}, "EGeneral:Invalid arguments:trigger_price"),
        ({"display_qty": "0.001"}, "EGeneral:Invalid arguments:display_qty"),
        ({"txid": ""}, "EGeneral:Invalid arguments:txid"),
        ({"txid": "", "userref": "7"}, "EGeneral:Invalid arguments:txid"),
        ({"txid": "", "cl_ord_id": "not a-uuid"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"txid": "", "cl_ord_id": "another"}, "EOrder:Unknown order"),
        ({"txid": "OAAAAA-AAAAA-AAAAAA"}, "EOrder:Unknown order"),
    ],
)
def test_an_amendment_to_anything_but_less_is_refused_by_name_and_changes_nothing(desk, changes, error):
    txid = desk.place()
    assert desk.ask("AmendOrder", **({"txid": txid, "order_qty": "0.005"} | changes)) == error
    assert desk.ask("OpenOrders")["open"][txid]["vol"] == "0.01000000"


def test_an_order_that_has_ended_or_is_somebody_else_s_is_not_amended(desk):
    txid = desk.place(cl_ord_id=UUID)
    wanted = {"cl_ord_id": UUID, "order_qty": "0.005"}
    assert desk.ask("AmendOrder", credential=OTHER, **wanted) == "EOrder:Unknown order"
    desk.ask("CancelOrder", txid=txid)
    assert desk.ask("AmendOrder", **wanted) == "EOrder:Unknown order"
    assert desk.ask("AmendOrder", txid=txid, order_qty="0.005") == "EOrder:Unknown order"


def test_an_amendment_that_reaches_the_engine_after_its_deadline_is_refused(desk):
    wanted = {"txid": desk.place(), "order_qty": "0.005", "deadline": rfc3339(desk.now + 5_000_000)}
    assert desk.ask("AmendOrder", **wanted, now=desk.now + 5_000_001) == "EService:Deadline elapsed"
    assert desk.ask("OpenOrders")["open"][wanted["txid"]]["vol"] == "0.01000000"
    assert "amend_id" in desk.ask("AmendOrder", **wanted)
    too_near = wanted | {"order_qty": "0.004", "deadline": rfc3339(desk.now + 1_900_000)}
    assert desk.ask("AmendOrder", **too_near) == "EGeneral:Invalid arguments:deadline"


def test_an_amendment_is_an_operation_of_its_own_for_faults(desk):
    request = Request(verb="POST", path="/0/private/AmendOrder", body=b"cl_ord_id=x", address="a", arrived=desk.now)
    assert desk.front.operation(request) == "amend"


# ── histories ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_trades_come_in_pages_the_newest_first_after_an_instant(desk):
    desk.quote("SELL", 60_000, "10")
    instants = []
    for _ in range(60):
        desk.later(10)
        instants.append(desk.now)
        desk.ask("AddOrder", **MARKET)
    first = desk.ask("TradesHistory")
    assert (len(first["trades"]), first["count"]) == (50, 60)
    assert [trade["time"] for trade in first["trades"].values()] == [at / 1e6 for at in instants[:9:-1]]
    assert len(desk.ask("TradesHistory", ofs=50)["trades"]) == 10
    since = desk.ask("TradesHistory", start=f"{instants[57] / 1e6:.6f}")["trades"]
    assert [trade["time"] for trade in since.values()] == [at / 1e6 for at in instants[:57:-1]], "the start is excluded"


def test_every_name_of_a_pair_and_the_old_names_of_assets_are_known(desk):
    pairs = desk.look_up("AssetPairs")
    assert {"XXBTZUSD", "XETHXXBT", "SOLUSD"} < pairs.keys()
    rules = pairs["XXBTZUSD"]
    assert (rules["altname"], rules["wsname"], rules["base"], rules["quote"]) == ("XBTUSD", "XBT/USD", "XXBT", "ZUSD")
    assert (rules["tick_size"], rules["lot_decimals"], rules["ordermin"], rules["costmin"]) == (
        "0.01",
        5,
        "0.00001",
        "5",
    )
    for name in ("XBTUSD", "XXBTZUSD", "XBT/USD"):
        assert desk.place(pair=name).startswith("O")
    assert {"XXBT", "ZUSD"} < desk.ask("Balance").keys()
    assert desk.look_up("Depth", pair="XBTUSD")["XXBTZUSD"]["bids"][0][0] == "50000.00"


# ── lies ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hidden_order_is_in_no_list_and_still_keeps_its_id(desk):
    desk.ask("AddOrder", **REST, cl_ord_id="x", lies=Lies(hide_us=1_000_000))
    assert desk.ask("OpenOrders", cl_ord_id="x")["open"] == {}
    assert desk.place(cl_ord_id="x") == "EGeneral:Invalid arguments:cl_ord_id"
    desk.later(1)
    assert len(desk.ask("OpenOrders", cl_ord_id="x")["open"]) == 1


def test_an_order_may_be_denied_and_a_cancel_may_come_too_late(desk):
    txid = desk.place(cl_ord_id="x")
    denied = Lies(denied=True)
    assert desk.ask("OpenOrders", cl_ord_id="x", lies=denied)["open"] == {}
    assert desk.ask("QueryOrders", txid=txid, lies=denied) == "EOrder:Invalid order"
    assert desk.ask("OpenOrders", lies=Lies(no_open_orders=True))["open"] == {}
    assert desk.ask("CancelOrder", txid=txid, lies=Lies(filled_first=True)) == "EOrder:Unknown order"
    assert desk.ask("QueryOrders", txid=txid)[txid]["status"] == "closed"


def test_a_credential_signs_for_its_account_alone(desk):
    desk.place()
    assert desk.ask("CancelAll", credential=OTHER) == {"count": 0}
    assert desk.ask("CancelAll", credential=CREDENTIAL) == {"count": 1}
