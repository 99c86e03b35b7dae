"""What each answer of Coinbase's means."""

import msgspec
import pytest

from domain import money
from domain.messages import Liquidity
from tests.venue_gateways.coinbase.examples import (
    ACCOUNT,
    ACCOUNTS,
    FILL,
    NOW_US,
    ORDER,
    OURS,
    PLACED,
    PRODUCT,
    THEIRS,
    V3,
    answer,
    at,
    canceled,
    fills,
    listed,
    order,
)
from venue_gateways.venue import (
    Cancel,
    FindOrder,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    OrderState,
    Outcome,
    Place,
    ReadBalances,
    ReadRules,
    Remedy,
)

SECOND_US = 1_000_000

# ── placements and cancels ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_placement_is_answered_with_the_venue_s_name_for_it(adapter):
    found = adapter.parse(Place(order()), answer(200, PLACED))
    assert found.outcome is Outcome.ACCEPTED
    assert found.order.state is OrderState.OPEN
    assert (found.order.client_order_id, found.order.venue_order_id) == (OURS, THEIRS)
    assert (found.order.filled_quantity, found.trades) == (0, ())


def changed(part: str, **changes: object) -> dict[str, object]:
    return PLACED | {part: PLACED[part] | changes}


@pytest.mark.parametrize(
    "body",
    [
        changed("success_response", side="BUY"),
        changed("success_response", product_id="ETH-USD"),
        PLACED | {"order_configuration": {"limit_limit_gtc": {"base_size": "0.00002", "limit_price": "60000.5"}}},
        PLACED | {"order_configuration": {"limit_limit_gtc": {"base_size": "0.00001", "limit_price": "60000.6"}}},
        PLACED | {"order_configuration": {"limit_limit_gtc": {"base_size": "x", "limit_price": "60000.5"}}},
        PLACED | {"order_configuration": {"limit_limit_gtc": {"base_size": 0.00001, "limit_price": "60000.5"}}},
    ],
)
def test_an_order_that_is_not_the_one_that_was_asked_for_is_not_taken_for_it(adapter, body):
    found = adapter.parse(Place(order()), answer(200, body))
    assert found.outcome is Outcome.UNKNOWN
    assert found.order is None
    assert found.reason == f"ANOTHER_ORDER: {THEIRS}"


@pytest.mark.parametrize("configuration", [None, {}, {"limit_limit_gtc": None}, {"limit_limit_gtc": {}}])
def test_an_answer_need_not_repeat_the_order(adapter, configuration):
    body = PLACED | {"order_configuration": configuration}
    assert adapter.parse(Place(order()), answer(200, body)).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>502 Bad Gateway</body></html>",
        b"",
        b'{"success":true,"success_response":{"order_id":',
        b"[]",
        b"\xff\xfe",
        b"{}",
        msgspec.json.encode(PLACED | {"success": "true"}),
        msgspec.json.encode(PLACED | {"success_response": None}),
        msgspec.json.encode(PLACED | {"success_response": {}}),
        msgspec.json.encode(changed("success_response", client_order_id="somebody-else")),
        msgspec.json.encode(changed("success_response", order_id=28)),
    ],
)
def test_a_success_that_can_t_be_understood_is_unknown(adapter, body):
    found = adapter.parse(Place(order()), answer(200, body))
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason.startswith("UNPARSABLE")


def test_a_cancel_that_was_submitted_is_not_done(adapter):
    found = adapter.parse(Cancel(order(), THEIRS), canceled(success=True))
    assert (found.outcome, found.order, found.remedy) == (Outcome.ACCEPTED, None, Remedy.NONE)


def test_a_cancel_s_answer_about_another_order_is_no_answer(adapter):
    found = adapter.parse(Cancel(order(), THEIRS), canceled(success=True, order_id="another"))
    assert found.outcome is Outcome.UNKNOWN
    assert adapter.parse(Cancel(order(), THEIRS), answer(200, {"results": []})).outcome is Outcome.UNKNOWN
    assert adapter.parse(Cancel(order(), THEIRS), answer(200, b"<html>")).outcome is Outcome.UNKNOWN


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("PENDING", "0", OrderState.OPEN),
        ("QUEUED", "0", OrderState.OPEN),
        ("OPEN", "0", OrderState.OPEN),
        ("OPEN", "0.005", OrderState.OPEN),
        ("EDIT_QUEUED", "0", OrderState.OPEN),
        ("CANCEL_QUEUED", "0", OrderState.OPEN),
        ("FILLED", "0.01", OrderState.FILLED),
        ("CANCELLED", "0", OrderState.CANCELED),
        ("CANCELLED", "0.005", OrderState.CANCELED),
        ("EXPIRED", "0", OrderState.EXPIRED),
        ("FAILED", "0", OrderState.REJECTED),
        ("FAILED", "0.005", OrderState.CANCELED),
    ],
)
def test_every_documented_status_has_its_state(adapter, status, filled, state):
    body = {"order": ORDER | {"status": status, "filled_size": filled}}
    found = adapter.parse(FindOrder("BTC-USD", OURS, THEIRS), answer(200, body))
    assert (found.outcome, found.order.state) == (Outcome.ACCEPTED, state)
    assert found.order.filled_quantity == money.parse(filled)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "ON_THE_MOON"},
        {"status": "UNKNOWN_ORDER_STATUS"},
        {"status": ""},
        {"product_id": "DOGE-USD"},
        {"filled_size": 0.1},
        {"filled_size": "NaN"},
        {"filled_size": "-1"},
        {"filled_size": ""},
        {"filled_size": "0.0000000000000000001"},
        {"created_time": "yesterday"},
        {"created_time": "2024-01-15T10:00:00"},
        {"client_order_id": "somebody-else"},
        {"order_id": "another"},
    ],
)
def test_an_order_that_can_t_be_understood_is_not_guessed_at(adapter, change):
    found = adapter.parse(FindOrder("BTC-USD", OURS, THEIRS), answer(200, {"order": ORDER | change}))
    assert (found.outcome, found.order, found.absent) == (Outcome.UNKNOWN, None, False)


@pytest.mark.parametrize(
    ("changes", "dated"),
    [
        ({}, 1_705_312_800 * SECOND_US),
        ({"status": "FILLED", "last_fill_time": "2024-01-15T10:05:00.000001Z"}, 1_705_313_100 * SECOND_US + 1),
        ({"status": "CANCELLED", "last_fill_time": "2024-01-15T10:05:00Z"}, None),  # it ended some time after that
        ({"status": "EXPIRED"}, None),
        ({"status": "FILLED", "last_fill_time": ""}, None),
    ],
)
def test_an_order_is_dated_only_by_what_the_venue_says(adapter, changes, dated):
    found = adapter.parse(FindOrder("BTC-USD", OURS, THEIRS), answer(200, {"order": ORDER | changes}))
    assert found.order.updated_at == dated


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        (
            {"reject_reason": "REJECT_REASON_UNSPECIFIED", "cancel_message": "User requested cancel"},
            "User requested cancel",
        ),
        ({"reject_reason": "HOLD_FAILURE"}, "HOLD_FAILURE"),
        ({"reject_reason": None, "cancel_message": None}, None),
    ],
)
def test_why_an_order_ended_is_told_if_it_is_known(adapter, changes, reason):
    found = adapter.parse(FindOrder("BTC-USD", OURS, THEIRS), answer(200, {"order": ORDER | changes}))
    assert found.order.reason == reason


SHOWN = ORDER["order_configuration"]["limit_limit_gtc"]


def made(size: str, second: int) -> dict[str, str]:
    """An edit that the venue made at that second of a minute."""
    return {"price": "45000.00", "size": size, "replace_accept_timestamp": f"2024-01-15T10:01:{second:02}Z"}


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({}, "0.01"),
        ({"filled_size": "0.005"}, "0.01"),
        ({"status": "PENDING"}, "0.01"),
        ({"status": "CANCELLED", "filled_size": "0.005"}, "0.01"),
        ({"edit_history": None}, "0.01"),
        ({"edit_history": []}, "0.01"),
        ({"edit_history": [made("0.02", 1), made("0.01", 2)]}, "0.01"),
        ({"edit_history": [made("0.01", 2), made("0.02", 1)]}, "0.01"),  # whichever comes first
        ({"edit_history": [made("0.01", 1), made("0.004", 2)]}, None),  # which of the two it is, nobody says
        ({"edit_history": [made("0.004", 1)], "status": "FILLED", "filled_size": "0.004"}, "0.004"),
        ({"edit_history": [made("0.004", 1)], "status": "FILLED", "filled_size": "0.005"}, None),
        ({"edit_history": [made("0.01", 1) | {"replace_accept_timestamp": ""}]}, None),
        ({"edit_history": [{"replace_accept_timestamp": None}]}, None),
        ({"edit_history": [made("", 1)]}, None),
        ({"status": "EDIT_QUEUED"}, None),  # it may be shown already
        ({"order_configuration": None}, None),
        ({"order_configuration": {}}, None),
        ({"order_configuration": {"market_market_ioc": {"quote_size": "10"}}}, None),
        ({"order_configuration": {"market_market_ioc": {"quote_size": "10", "base_size": "0"}}}, None),
        ({"order_configuration": {"limit_limit_gtc": SHOWN | {"base_size": 0.01}}}, None),
        ({"order_configuration": {"limit_limit_gtc": SHOWN | {"base_size": "-0.01"}}}, None),
        ({"order_configuration": {"limit_limit_gtc": ["0.01"]}}, None),
        ({"order_configuration": {"limit_limit_gtc": SHOWN, "sor_limit_ioc": SHOWN}}, None),
        ({"order_configuration": {"limit_limit_gtc": SHOWN, "sor_limit_ioc": None}}, "0.01"),
    ],
)
def test_what_an_order_is_for_is_told_if_all_that_the_venue_says_of_it_agrees(adapter, changes, quantity):
    expected = None if quantity is None else money.parse(quantity)
    found = adapter.parse(FindOrder("BTC-USD", OURS, THEIRS), answer(200, {"order": ORDER | changes}))
    assert (found.outcome, found.order.quantity) == (Outcome.ACCEPTED, expected)
    (row,) = adapter.parse(ListOpenOrders("account"), listed(ORDER | changes)).orders
    assert row.quantity == expected


def test_a_list_has_no_orders_of_products_that_are_not_ours(adapter):
    page = adapter.parse(
        ListOpenOrders("account"), listed(ORDER, ORDER | {"product_id": "BIT-28JUL23-CDE", "status": "?"})
    )
    assert [found.venue_order_id for found in page.orders] == [THEIRS]


def test_a_list_goes_on_at_its_cursor_and_since_the_same_instant(adapter):
    call = ListOrders("account", since_us=NOW_US)
    page = adapter.parse(call, listed(ORDER, cursor="c1"))
    assert page.more
    target = adapter.build(ListOrders("account", page.position), 0).target
    assert target == adapter.build(call, 0).target + "&cursor=c1"
    assert not adapter.parse(ListOrders("account", page.position), listed(ORDER)).more


def test_a_list_ends_where_the_venue_says_so_even_if_it_leaves_a_cursor(adapter):
    body = {"orders": [ORDER], "has_next": False, "cursor": "c1"}
    assert not adapter.parse(ListOrders("account"), answer(200, body)).more


def test_a_product_that_is_no_longer_listed_still_has_its_orders(adapter):
    adapter.learn(adapter.parse(ReadRules(), answer(200, {"products": [PRODUCT]})).rules)
    assert adapter.parse(ListOpenOrders("account"), listed(ORDER | {"product_id": "ETH-USD"})).orders
    assert adapter.refusal(order(symbol="ETH-USD")) == "UNKNOWN_SYMBOL"


# ── balances ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_accounts_go_on_at_their_cursor(adapter):
    page = adapter.parse(ReadBalances(), answer(200, ACCOUNTS | {"has_next": True, "cursor": "c1"}))
    assert (page.position, page.more) == ("c1", True)
    last = adapter.parse(ReadBalances("c1"), answer(200, ACCOUNTS))
    assert (last.position, last.more) == (None, False)


@pytest.mark.parametrize("change", [{"hold": {"value": 0.01}}, {"hold": {"value": "-1"}}, {"hold": None}])
def test_a_balance_that_can_t_be_understood_spoils_its_page(adapter, change):
    page = adapter.parse(ReadBalances(), answer(200, {"accounts": [ACCOUNT, ACCOUNT | change]}))
    assert (page.outcome, page.balances) == (Outcome.UNKNOWN, ())


# ── trades ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fill_has_all_that_a_trade_needs(adapter):
    (trade,) = adapter.parse(ListTrades("account"), fills(FILL)).trades
    assert (trade.trade_id, trade.venue_order_id, trade.symbol) == (FILL["entry_id"], THEIRS, "BTC-USD")
    assert (trade.quantity, trade.price) == (money.parse("0.005"), money.parse("45123.45"))
    assert (trade.fee, trade.fee_asset, trade.liquidity) == (money.parse("1.14"), "USD", Liquidity.MAKER)
    assert trade.traded_at == 1_705_314_600 * SECOND_US


@pytest.mark.parametrize(
    ("size", "price", "quantity"),
    [
        ("225.61725", "45123.45", "0.005"),
        ("100", "45123.45", "0.00221614"),  # 0.002216142…
        ("100", "60000", "0.00166667"),  # 0.001666666…
        ("0.45", "0.3", "1.5"),
    ],
)
def test_a_size_in_quote_is_a_quantity_on_the_lot(adapter, size, price, quantity):
    row = FILL | {"size": size, "price": price, "size_in_quote": True}
    (trade,) = adapter.parse(ListTrades("account"), fills(row)).trades
    assert trade.quantity == money.parse(quantity)


@pytest.mark.parametrize(
    ("change", "liquidity"), [("TAKER", Liquidity.TAKER), ("UNKNOWN_LIQUIDITY_INDICATOR", Liquidity.TAKER)]
)
def test_who_did_not_make_has_taken(adapter, change, liquidity):
    (trade,) = adapter.parse(ListTrades("account"), fills(FILL | {"liquidity_indicator": change})).trades
    assert trade.liquidity is liquidity


def test_a_rebate_is_a_fee_below_zero(adapter):
    (trade,) = adapter.parse(ListTrades("account"), fills(FILL | {"commission": "-0.1"})).trades
    assert trade.fee == money.parse("-0.1")


@pytest.mark.parametrize(
    "change", [{"trade_type": "REVERSAL"}, {"trade_type": "CORRECTION"}, {"product_id": "DOGE-USD"}]
)
def test_what_is_no_trade_of_ours_is_passed_over(adapter, change):
    page = adapter.parse(ListTrades("account"), fills(FILL | change))
    assert (page.outcome, page.trades) == (Outcome.ACCEPTED, ())


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0.005},
        {"size": "0"},
        {"price": "0"},
        {"price": "-1"},
        {"commission": ""},
        {"trade_time": "now"},
        {"sequence_timestamp": ""},
        {"entry_id": None},
    ],
)
def test_a_fill_that_can_t_be_understood_spoils_its_page(adapter, change):
    assert adapter.parse(ListTrades("account"), fills(FILL, FILL | change)).outcome is Outcome.UNKNOWN


def test_the_trades_of_a_page_come_oldest_first(adapter):
    page = adapter.parse(ListTrades("account"), fills(at(5), at(1), at(3)))
    assert [trade.trade_id for trade in page.trades] == ["e1", "e3", "e5"]


def test_the_next_look_starts_before_the_newest_fill_of_all_pages(adapter):
    call = ListTrades("account", since_us=NOW_US)
    first = adapter.parse(call, fills(at(50), at(40), cursor="c1"))
    assert first.more
    second = ListTrades("account", position=first.position)
    assert adapter.build(second, 0).target == adapter.build(call, 0).target + "&cursor=c1"
    last = adapter.parse(second, fills(at(30), at(20)))
    assert not last.more
    target = adapter.build(ListTrades("account", position=last.position), 0).target
    assert target == f"{V3}/orders/historical/fills?start_sequence_timestamp=2024-01-15T10%3A30%3A40.000000Z&limit=250"


def test_an_empty_look_moves_nothing(adapter):
    call = ListTrades("account", since_us=NOW_US)
    page = adapter.parse(call, fills())
    assert adapter.build(ListTrades("account", position=page.position), 0).target == adapter.build(call, 0).target
    assert adapter.parse(ListTrades("account"), fills()).position is None
    assert not adapter.parse(ListTrades("account"), fills(cursor="c1")).more


def test_the_next_look_never_starts_before_the_last_one(adapter):
    page = adapter.parse(ListTrades("account", since_us=NOW_US + SECOND_US), fills(at(3)))
    again = adapter.build(ListTrades("account", since_us=NOW_US + SECOND_US), 0).target
    assert adapter.build(ListTrades("account", position=page.position), 0).target == again
