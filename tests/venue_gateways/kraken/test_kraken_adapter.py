"""Kraken's requests, and what its answers and errors mean."""

import pytest

from domain import money
from domain.messages import Liquidity, Operation, OrderType, Side, TimeInForce
from tests.venue_gateways.kraken.examples import (
    NOON,
    ORDER,
    OURS,
    PAIRS,
    TRADE,
    TXID,
    answer,
    closed,
    error,
    fields,
    order,
    raw,
    unlearned,
)
from venue_gateways.kraken import pages
from venue_gateways.kraken.calls import FindClosed, FindOpen, FindTrades
from venue_gateways.venue import (
    Amend,
    Answer,
    Cancel,
    CancelAll,
    Finding,
    FindOrder,
    HttpResponse,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    OrderState,
    Outcome,
    Place,
    ReadClock,
    ReadRules,
    ReadStreamToken,
    Remedy,
)

PLACE, CANCEL = Place(order()), Cancel(order(Operation.CANCEL))
AMEND = Amend(order(Operation.AMEND, quantity=money.parse("0.75")))
COMMON = {
    "nonce": str(NOON),
    "pair": "XBTUSD",
    "type": "buy",
    "volume": "1.25",
    "cl_ord_id": OURS,
    "oflags": "fciq",
    "stptype": "cancel-newest",
    "deadline": "2021-03-23T09:39:41.594Z",
}


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"ordertype": "limit", "price": "37500", "timeinforce": "GTC"}),
        (
            {"side": Side.SELL, "time_in_force": TimeInForce.IOC},
            {"ordertype": "limit", "price": "37500", "timeinforce": "IOC", "type": "sell"},
        ),
        ({"time_in_force": TimeInForce.FOK}, {"ordertype": "limit", "price": "37500", "timeinforce": "FOK"}),
        ({"time_in_force": TimeInForce.GTD}, {"ordertype": "limit", "price": "37500", "timeinforce": "GTC"}),
        ({"post_only": True}, {"ordertype": "limit", "price": "37500", "timeinforce": "GTC", "oflags": "post,fciq"}),
        ({"order_type": OrderType.MARKET, "price": None}, {"ordertype": "market"}),
        (
            {"order_type": OrderType.STOP, "price": None, "stop_price": money.parse("35000.5")},
            {"ordertype": "stop-loss", "price": "35000.5", "trigger": "last"},
        ),
        (
            {"order_type": OrderType.STOP_LIMIT, "stop_price": money.parse("35000.5")},
            {
                "ordertype": "stop-loss-limit",
                "price": "35000.5",
                "price2": "37500",
                "trigger": "last",
                "timeinforce": "GTC",
            },
        ),
    ],
)
def test_each_order_type_has_exactly_the_fields_it_may_have(adapter, given, expected):
    assert fields(adapter, Place(order(**given))) == COMMON | expected


@pytest.mark.parametrize(
    ("call", "path", "expected"),
    [
        (CANCEL, "CancelOrder", {"cl_ord_id": OURS}),
        (AMEND, "AmendOrder", {"cl_ord_id": OURS, "order_qty": "0.75", "deadline": COMMON["deadline"]}),
        (FindOrder("BTC-USD", OURS, TXID), "QueryOrders", {"txid": TXID}),
        (FindOrder("BTC-USD", OURS), "ClosedOrders", {"trades": "true", "cl_ord_id": OURS}),
        (FindOpen(OURS), "OpenOrders", {"trades": "true", "cl_ord_id": OURS}),
        (FindClosed(OURS), "ClosedOrders", {"trades": "true", "cl_ord_id": OURS}),
        (FindTrades(("T1", "T2")), "QueryTrades", {"txid": "T1,T2"}),
        (ListOpenOrders("account"), "OpenOrders", {}),
        (
            ListTrades("account", since_us=1_500_000),
            "TradesHistory",
            {"start": "1.500000", "ofs": "0", "consolidate_taker": "true"},
        ),
        (
            ListTrades("account", position="2000000/50/9000000"),
            "TradesHistory",
            {"start": "2.000000", "ofs": "50", "consolidate_taker": "true"},
        ),
        (
            ListOrders("account", since_us=1_500_000),
            "ClosedOrders",
            {"start": "1.500000", "ofs": "0", "closetime": "close"},
        ),
        (ReadStreamToken(), "GetWebSocketsToken", {}),
    ],
)
def test_each_call_is_the_request_that_the_documents_say(adapter, call, path, expected):
    request = adapter.build(call, NOON)
    assert (request.method, request.target) == ("POST", f"/0/private/{path}")
    assert fields(adapter, call, NOON + 1) == {"nonce": str(NOON + 1)} | expected


@pytest.mark.parametrize(("call", "path"), [(ReadClock(), "Time"), (ReadRules(), "AssetPairs")])
def test_public_calls_carry_no_key(adapter, call, path):
    request = adapter.build(call, 0)
    assert (request.method, request.target, request.body) == ("GET", f"/0/public/{path}", b"")
    assert [name for name, _ in request.headers] == ["User-Agent"]


def test_a_symbol_that_the_venue_does_not_list_goes_by_the_name_it_would_have(adapter):
    assert fields(adapter, Place(order(symbol="SOL-EUR")))["pair"] == "SOLEUR"
    assert adapter.scopes(["SOL-EUR"]) == ()
    assert adapter.scopes(["SOL-EUR", "BTC-USD", "ETH-USDT"]) == ("account",)


# ── rules ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pairs_are_known_by_all_their_names(adapter):
    rules = adapter.parse(ReadRules(), answer(PAIRS)).rules
    assert rules.symbols == {"BTC-USD": "XBTUSD", "DOGE-USD": "XDGUSD", "ETH-USDT": "ETHUSDT"}
    assert {name for name, symbol in rules.aliases.items() if symbol == "BTC-USD"} == {
        "XXBTZUSD",
        "XBTUSD",
        "XBT/USD",
        "BTC/USD",
    }


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, None),
        ({"price": money.parse("37500.05")}, "TICK_SIZE 0.1"),
        ({"quantity": money.parse("0.000000001")}, "LOT_SIZE 0.00000001"),
        ({"quantity": money.parse("0.00009")}, "QUANTITY_MIN 0.0001"),
        ({"quantity": money.parse("0.0001"), "price": money.parse("4999.9")}, "NOTIONAL_MIN 0.5"),
        ({"quantity": money.parse("0.0001"), "price": None, "order_type": OrderType.MARKET}, None),
        ({"symbol": "ETH-USDT", "price": money.parse("2500.001")}, "TICK_SIZE 0.01"),
        ({"symbol": "DOGE-USD"}, "MARKET_CLOSED"),
        ({"symbol": "SOL-EUR", "price": 1}, None),
    ],
)
def test_what_breaks_a_pair_s_rules_is_not_worth_sending(adapter, given, reason):
    assert adapter.refusal(order(**given)) == reason


@pytest.mark.parametrize("change", [{"pair_decimals": -1}, {"lot_decimals": 19}, {"tick_size": "-1"}])
def test_a_rule_that_makes_no_sense_makes_the_rules_unusable(change):
    found = unlearned().parse(ReadRules(), answer({"XXBTZUSD": PAIRS["XXBTZUSD"] | change}))
    assert (found.rules, found.outcome) == (None, Outcome.UNKNOWN)


def test_no_pairs_are_no_rules():
    assert unlearned().parse(ReadRules(), answer({})).rules is None


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_placement_is_answered_with_the_venue_s_id_alone(adapter):
    body = {"descr": {"order": "buy 1.25000000 XBTUSD @ limit 37500.0"}, "txid": [TXID]}
    found = adapter.parse(PLACE, answer(body))
    assert (found.outcome, found.trades) == (Outcome.ACCEPTED, ())
    assert (found.order.client_order_id, found.order.venue_order_id) == (OURS, TXID)
    assert (found.order.state, found.order.filled_quantity) == (OrderState.OPEN, 0)


@pytest.mark.parametrize("txid", [[], [""], ["O1", "O2"], TXID, None])
def test_a_placement_that_is_answered_with_anything_but_one_id_is_unknown(adapter, txid):
    assert adapter.parse(PLACE, answer({"descr": {}, "txid": txid})).outcome is Outcome.UNKNOWN


def test_a_warning_is_no_error(adapter):
    body = raw({"error": ["WGeneral:Deprecated"], "result": {"txid": [TXID]}})
    assert adapter.parse(PLACE, HttpResponse(200, {}, body)).outcome is Outcome.ACCEPTED


def test_a_cancel_that_is_taken_note_of_says_nothing_of_the_order(adapter):
    for body in ({"count": 1}, {"count": 1, "pending": True}):
        found = adapter.parse(CANCEL, answer(body))
        assert (found.outcome, found.order) == (Outcome.ACCEPTED, None)
    nothing = adapter.parse(CANCEL, answer({"count": 0}))
    assert (nothing.outcome, nothing.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", OrderState.OPEN),
        ("open", OrderState.OPEN),
        ("closed", OrderState.FILLED),
        ("canceled", OrderState.CANCELED),
        ("expired", OrderState.EXPIRED),
    ],
)
def test_every_documented_status_has_its_state(adapter, status, state):
    call = FindOrder("BTC-USD", venue_order_id=TXID)
    found = adapter.parse(call, answer({TXID: ORDER | {"status": status, "reason": "User requested"}}))
    assert (found.order.state, found.order.reason) == (state, "User requested")
    assert (found.order.symbol, found.order.filled_quantity) == ("BTC-USD", money.parse("0.375"))
    assert found.order.updated_at == 1_688_666_559_897_400


def test_an_answer_about_another_order_is_no_answer(adapter):
    call = FindOrder("BTC-USD", venue_order_id="O-OTHER")
    assert adapter.parse(call, answer({TXID: ORDER})).outcome is Outcome.UNKNOWN
    assert adapter.parse(FindOpen("another"), answer({"open": {TXID: ORDER}})).outcome is Outcome.UNKNOWN


def test_a_query_of_an_unknown_order_says_that_there_is_none(adapter):
    call = FindOrder("BTC-USD", venue_order_id=TXID)
    for response in (answer({}), error("EOrder:Unknown order"), error("EOrder:Invalid order")):
        found = adapter.parse(call, response)
        assert (found.outcome, found.absent) == (Outcome.REJECTED, True)


def test_somebody_else_s_orders_and_delisted_pairs_are_listed_as_well(adapter):
    other = ORDER | {"cl_ord_id": None, "descr": {"pair": "GONEUSD"}}
    listed = adapter.parse(ListOpenOrders("account"), answer({"open": {"O1": ORDER, "O2": other}})).orders
    assert [(o.client_order_id, o.symbol) for o in listed] == [(OURS, "BTC-USD"), ("", "GONEUSD")]


def test_a_trade_is_read_to_the_last_digit(adapter):
    (trade,) = adapter.parse(ListTrades("account"), answer({"trades": {"T1": TRADE}, "count": 1})).trades
    assert (trade.trade_id, trade.venue_order_id, trade.symbol) == ("T1", TXID, "BTC-USD")
    assert (trade.quantity, trade.price) == (money.parse("0.375"), money.parse("30010"))
    assert (trade.fee, trade.fee_asset, trade.liquidity) == (money.parse("0.9003"), "USD", Liquidity.MAKER)
    assert trade.traded_at == 1_688_667_796_880_200


def test_the_clock_is_read_to_half_a_second(adapter):
    body = {"unixtime": 1688669448, "rfc1123": "Thu, 06 Jul 23 18:50:48 +0000"}
    assert adapter.parse(ReadClock(), answer(body)).venue_time_us == 1_688_669_448_500_000


def test_the_token_of_the_stream_is_read(adapter):
    assert adapter.parse(ReadStreamToken(), answer({"token": "1Dwc4l", "expires": 900})).token == "1Dwc4l"
    assert adapter.parse(ReadStreamToken(), answer({"token": ""})).token is None


# ── histories ───────────────────────────────────────────────────────────────────────────────────────────────────────


def history(count: int, *, more_meanwhile: int = 0):
    """A venue's trade history, newest first in pages of fifty; it grows by so many after each page."""
    rows = [(f"T{number:04}", TRADE | {"time": 1_000 + number}) for number in range(count)]

    def page(adapter, call: ListTrades) -> Answer:
        asked = fields(adapter, call)
        after = [row for row in rows if row[1]["time"] > float(asked["start"])]
        listed = list(reversed(after))[int(asked["ofs"]) :][:50]
        for _ in range(more_meanwhile):
            rows.append((f"T{len(rows):04}", TRADE | {"time": 1_000 + len(rows)}))
        return adapter.parse(call, answer({"trades": dict(listed), "count": len(after)}))

    return page


@pytest.mark.parametrize(("count", "more_meanwhile"), [(0, 0), (1, 0), (50, 0), (51, 0), (120, 0), (120, 7)])
def test_a_history_is_read_page_by_page_and_nothing_is_missed(adapter, count, more_meanwhile):
    page = history(count, more_meanwhile=more_meanwhile)
    seen, position, looks = set(), None, 0
    while looks < 10:
        found = page(adapter, ListTrades("account", position=position, since_us=500_000_000))
        seen |= {trade.trade_id for trade in found.trades}
        position, looks = found.position, looks + 1
        if not found.more:
            break
    assert {f"T{number:04}" for number in range(count)} <= seen
    assert looks == max(1, -(-(count + (looks - 1) * more_meanwhile) // 50))


def test_the_next_look_starts_a_little_before_the_newest_row(adapter):
    found = history(3)(adapter, ListTrades("account", since_us=500_000_000))
    assert found.position == pages.Page(1_002_000_000 - pages.OVERLAP_US).position()
    again = history(3)(adapter, ListTrades("account", position=found.position))
    assert len(again.trades) == 3  # once more: that is known, and passed over
    nothing = adapter.parse(ListTrades("account", position="7/0/0"), answer({"trades": {}, "count": 0}))
    assert (nothing.position, nothing.more) == ("7/0/0", False)


def test_orders_that_have_ended_are_listed_from_when_they_ended(adapter):
    ended = [ORDER | {"status": "canceled", "closetm": 1_000.5 + number} for number in (2, 1, 0)]
    found = adapter.parse(ListOrders("account", since_us=1), closed(*ended, count=60))
    assert [o.updated_at for o in found.orders] == [1_000_500_000, 1_001_500_000, 1_002_500_000]
    assert (found.position, found.more) == ("1/3/1002500000", True)


def test_a_position_that_is_none_is_refused(adapter):
    response = answer({"trades": {}, "count": 0})
    assert adapter.parse(ListTrades("account", position="nowhere"), response).outcome is Outcome.UNKNOWN


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

#: Class by class, as the documents and the safe reading have them; of a placement.
CLASSES = [
    ("EService:Unavailable", Outcome.UNKNOWN, Remedy.NONE),
    ("EService:Busy", Outcome.UNKNOWN, Remedy.NONE),
    ("EGeneral:Internal error", Outcome.UNKNOWN, Remedy.NONE),
    ("EGeneral:Internal error[DB]", Outcome.UNKNOWN, Remedy.NONE),
    ("EDatabase:Internal error", Outcome.UNKNOWN, Remedy.NONE),
    ("EService:Deadline elapsed", Outcome.UNKNOWN, Remedy.LOOK_UP),
    ("EAPI:Invalid nonce", Outcome.UNKNOWN, Remedy.LOOK_UP),
    ("EOrder:Duplicate order", Outcome.UNKNOWN, Remedy.LOOK_UP),
    ("EGeneral:Invalid arguments:cl_ord_id", Outcome.UNKNOWN, Remedy.LOOK_UP),
    ("EAPI:Rate limit exceeded", Outcome.RETRY_SAFE, Remedy.NONE),
    ("EService:Throttled: 1688669448", Outcome.RETRY_SAFE, Remedy.NONE),
    ("EGeneral:Too many requests", Outcome.RETRY_SAFE, Remedy.NONE),
    ("EOrder:Rate limit exceeded", Outcome.RETRY_SAFE, Remedy.NONE),
    ("EOrder:Domain rate limit exceeded", Outcome.RETRY_SAFE, Remedy.NONE),
    ("EGeneral:Temporary lockout", Outcome.RETRY_SAFE, Remedy.BLOCK),
    ("EAPI:Invalid key", Outcome.REJECTED, Remedy.BLOCK),
    ("EAPI:Invalid signature", Outcome.REJECTED, Remedy.BLOCK),
    ("EGeneral:Permission denied", Outcome.REJECTED, Remedy.BLOCK),
    ("EAuth:Account unconfirmed", Outcome.REJECTED, Remedy.BLOCK),
    ("EAccount:Invalid permissions:BTC trading restricted", Outcome.REJECTED, Remedy.BLOCK),
    ("ETrade:User Locked", Outcome.REJECTED, Remedy.BLOCK),
    ("EService:Market in cancel_only mode", Outcome.REJECTED, Remedy.NONE),
    ("EService:Market in post_only mode", Outcome.REJECTED, Remedy.NONE),
    ("EOrder:Insufficient funds", Outcome.REJECTED, Remedy.NONE),
    ("EOrder:Order minimum not met", Outcome.REJECTED, Remedy.NONE),
    ("EOrder:Cost minimum not met", Outcome.REJECTED, Remedy.NONE),
    ("EOrder:Tick size check failed", Outcome.REJECTED, Remedy.NONE),
    ("EOrder:Orders limit exceeded", Outcome.REJECTED, Remedy.NONE),
    ("EOrder:Margin allowance exceeded", Outcome.REJECTED, Remedy.NONE),
    ("EGeneral:Invalid arguments:volume", Outcome.REJECTED, Remedy.NONE),
    ("EGeneral:Invalid arguments:deadline", Outcome.RETRY_SAFE, Remedy.SET_CLOCK),
    ("EQuery:Unknown asset pair", Outcome.REJECTED, Remedy.NONE),
    ("EOrder:An error of tomorrow", Outcome.UNKNOWN, Remedy.NONE),
    ("", Outcome.UNKNOWN, Remedy.NONE),
]


@pytest.mark.parametrize(("text", "outcome", "remedy"), CLASSES)
def test_a_refused_placement_is_classed_by_what_it_proves(adapter, text, outcome, remedy):
    found = adapter.parse(PLACE, error(text))
    assert (found.outcome, found.remedy) == (outcome, remedy)
    assert found.reason
    assert len(found.reason) <= 60


def test_errors_that_do_not_agree_leave_it_open_what_happened(adapter):
    for texts in (("EOrder:Insufficient funds", "EService:Busy"), ("EService:Busy", "EOrder:Insufficient funds")):
        assert adapter.parse(PLACE, error(*texts)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("text", "wait_s", "limit", "scope"),
    [
        ("EAPI:Rate limit exceeded", 5, "rest_counter", ""),
        ("EOrder:Rate limit exceeded", 5, "trading_counter", "BTC-USD"),
        ("EOrder:Domain rate limit exceeded", 5, "trading_counter", ""),
        ("EService:Throttled: 1688669448", 10, None, ""),
        ("EGeneral:Temporary lockout", 900, None, ""),
    ],
)
def test_who_is_asked_to_wait_waits_for_what_was_used_up(adapter, text, wait_s, limit, scope):
    for call in (PLACE, CANCEL, AMEND):
        found = adapter.parse(call, error(text))
        assert (found.wait_us, found.limit, found.scope) == (wait_s * 1_000_000, limit, scope)


def test_a_cancel_of_all_pairs_waits_for_all_of_them_and_one_of_a_pair_for_its_own(adapter):
    exceeded = error("EOrder:Rate limit exceeded")
    assert adapter.parse(CancelAll(("BTC-USD", "ETH-USDT")), exceeded).scope == ""
    assert adapter.parse(CancelAll(("BTC-USD",), ("O1",)), exceeded).scope == "BTC-USD"


@pytest.mark.parametrize("call", [CANCEL, AMEND, ListOpenOrders("account"), ReadStreamToken()])
def test_a_nonce_that_is_refused_is_worth_another_for_whatever_may_be_done_twice(adapter, call):
    found = adapter.parse(call, error("EAPI:Invalid nonce"))
    assert (found.outcome, found.remedy) == (Outcome.RETRY_SAFE, Remedy.SET_CLOCK)


@pytest.mark.parametrize("text", ["EOrder:Unknown order", "EOrder:Invalid order"])
def test_a_cancel_of_an_order_that_is_not_open_has_to_be_looked_up(adapter, text):
    found = adapter.parse(CANCEL, error(text))
    assert (found.outcome, found.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)
    assert adapter.parse(PLACE, error(text)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (429, Outcome.RETRY_SAFE),
        (403, Outcome.RETRY_SAFE),
        (400, Outcome.REJECTED),
        (500, Outcome.UNKNOWN),
        (520, Outcome.UNKNOWN),
        (302, Outcome.UNKNOWN),
    ],
)
def test_a_status_is_believed_as_far_as_it_goes(adapter, status, outcome):
    assert adapter.parse(PLACE, error("EOrder:Insufficient funds", status=status)).outcome is outcome


# ── look-ups ────────────────────────────────────────────────────────────────────────────────────────────────────────


def look_up(adapter, *answers: Answer) -> tuple[Finding, list[str]]:
    plan = adapter.look_up("BTC-USD", OURS)
    asked = [type(next(plan)).__name__]
    try:
        for one in answers:
            call = plan.send(one)
            asked.append(type(call).__name__)
    except StopIteration as found:
        return found.value, asked
    raise AssertionError(f"it wants more: {asked[-1]}")


def test_an_order_is_looked_for_among_the_open_ones_and_then_among_those_that_have_ended(adapter):
    none_open = adapter.parse(FindOpen(OURS), answer({"open": {}}))
    ended = adapter.parse(FindClosed(OURS), closed(ORDER | {"status": "closed"}))
    trades = adapter.parse(FindTrades(("TCCCTY-WE2O6-P3NB37",)), answer({"TCCCTY-WE2O6-P3NB37": TRADE}))
    finding, asked = look_up(adapter, none_open, ended, trades)
    assert asked == ["FindOpen", "FindClosed", "FindTrades"]
    assert (finding.usable, finding.order.state, len(finding.trades)) == (True, OrderState.FILLED, 1)


def test_an_order_that_is_in_neither_is_not_found_and_no_answer_is_none(adapter):
    none_open = adapter.parse(FindOpen(OURS), answer({"open": {}}))
    none_closed = adapter.parse(FindClosed(OURS), closed())
    busy = adapter.parse(FindOpen(OURS), error("EService:Busy"))
    assert look_up(adapter, none_open, none_closed)[0] == Finding(usable=True)
    assert look_up(adapter, busy)[0] == Finding(usable=False)
    assert look_up(adapter, none_open, busy)[0] == Finding(usable=False)


def test_an_order_that_has_not_traded_is_found_in_one_call(adapter):
    untouched = {key: value for key, value in ORDER.items() if key != "trades"} | {"vol_exec": "0.00000000"}
    finding, asked = look_up(adapter, adapter.parse(FindOpen(OURS), answer({"open": {TXID: untouched}})))
    assert (finding.usable, finding.trades, asked) == (True, (), ["FindOpen"])


def test_an_order_whose_trades_do_not_add_up_is_not_told_half(adapter):
    found = adapter.parse(FindOpen(OURS), answer({"open": {TXID: ORDER}}))
    short = adapter.parse(FindTrades(("TCCCTY-WE2O6-P3NB37",)), answer({"TCCCTY-WE2O6-P3NB37": TRADE | {"vol": "0.3"}}))
    missing = adapter.parse(FindTrades(("TCCCTY-WE2O6-P3NB37",)), answer({}))
    for trades in (short, missing):
        assert look_up(adapter, found, trades)[0] == Finding(usable=False)
    silent = adapter.parse(FindOpen(OURS), answer({"open": {TXID: ORDER | {"trades": []}}}))
    assert look_up(adapter, silent)[0] == Finding(usable=False)


def test_the_trades_of_an_order_are_asked_for_twenty_at_a_time(adapter):
    ids = [f"T{number}" for number in range(45)]
    found = adapter.parse(
        FindOpen(OURS), answer({"open": {TXID: ORDER | {"trades": ids, "vol_exec": money.text(45 * 375 * 10**15)}}})
    )
    pages_of_trades = [
        adapter.parse(FindTrades(part), answer(dict.fromkeys(part, TRADE)))
        for part in (tuple(ids[:20]), tuple(ids[20:40]), tuple(ids[40:]))
    ]
    finding, asked = look_up(adapter, found, *pages_of_trades)
    assert (len(finding.trades), asked[1:]) == (45, ["FindTrades"] * 3)


def test_two_orders_under_one_id_are_nobody_s_to_choose_between(adapter):
    found = adapter.parse(FindClosed(OURS), closed(ORDER, ORDER))
    assert (found.outcome, found.order) == (Outcome.UNKNOWN, None)
    assert found.reason.startswith("ORDERS_UNDER_ONE_ID O00000")
