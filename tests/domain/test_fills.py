"""Trades: booked once each, in whatever status, and the order moves on once the venue's count is reached."""

import pytest

from domain import ids
from domain.messages import EntryKind, EventKind, Liquidity, OrderStatus, ReportKind, Side
from domain.reasons import Reason
from domain.reports import FILL_AMOUNT_MAX
from domain.state import AfterCancel
from tests.builders import NOW, PARTITION, POLICY, a_fill, a_report, an_order, units
from tests.domain.acting import kinds, moved, operations, stored, told, untouched
from tests.domain.world import key_of

PENDING_SUBMISSION = OrderStatus.PENDING_SUBMISSION
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
CANCELED = OrderStatus.CANCELED
FILLED = OrderStatus.FILLED
PAUSED = OrderStatus.PAUSED
UNKNOWN = OrderStatus.UNKNOWN
ENDED = [CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED]


def an_earlier_fill(order, quantity, **said):
    """A trade of the attempt before *order*'s current one."""
    client_id = ids.client_order_id(PARTITION, key_of(order), order.attempt - 1)
    return a_fill(order, quantity, client_order_id=client_id, **said)


def test_a_fill_is_told_with_everything_that_is_known_of_it():
    order = an_order(quantity="2")
    report = a_fill(
        order,
        "0.5",
        "99",
        fee="0.01",
        fee_asset="USD",
        venue_order_id="venue-2",
        evidence="POLL",
        liquidity=Liquidity.MAKER,
    )
    decided = told(report, order)
    (event,), filled = decided.events, stored(decided)
    assert (event.kind, event.status, event.trade_id) == (EventKind.ORDER_FILLED, PARTIALLY_FILLED, "trade-1")
    assert (event.fill_quantity, event.fill_price) == (units("0.5"), units("99"))
    assert (event.fee, event.fee_asset, event.liquidity) == (units("0.01"), "USD", Liquidity.MAKER)
    assert (event.filled_quantity, event.leaves_quantity) == (units("0.5"), units("1.5"))
    assert (event.filled_cost, event.evidence) == (units("49.5"), "POLL")
    assert (filled.venue_order_id, filled.trade_ids, filled.attempt_filled) == ("venue-2", ("trade-1",), units("0.5"))
    assert [entry.reference for entry in decided.entries] == ["trade-1"]


def test_a_trade_is_booked_once_however_often_it_is_told():
    order = an_order()
    order = stored(told(a_fill(order, "0.5"), order))
    assert untouched(told(a_fill(order, "0.5"), order))
    assert untouched(told(a_fill(order, "0.4", price="90", evidence="QUERY"), order))
    assert kinds(told(a_fill(order, "0.5", trade_id="trade-2"), order)) == [EventKind.ORDER_FILLED]


def test_the_last_fill_gives_back_what_is_left_of_the_reserve():
    order = an_order()
    decided = told(a_fill(order, price="99"), order)
    assert (stored(decided).status, stored(decided).reserved) == (FILLED, 0)
    assert [entry.kind for entry in decided.entries] == [EntryKind.SETTLE, EntryKind.RELEASE]
    assert moved(decided.entries) == {
        ("USD", "reserved"): -units("100.2"),
        ("USD", "available"): units("1.2"),
        ("BTC", "available"): units("1"),
    }


def test_an_order_is_kept_for_its_retention_once_it_has_ended():
    order = an_order()
    assert stored(told(a_fill(order), order)).timer_at == NOW + POLICY.order_retention_us


@pytest.mark.parametrize("status", ENDED)
def test_a_late_fill_still_moves_the_ledger_and_nothing_but_the_ledger(status):
    order = an_order(status=status)
    decided = told(a_fill(order, "0.4"), order)
    assert stored(decided).status is status
    assert kinds(decided) == [EventKind.ORDER_FILLED]
    assert not decided.requests
    assert moved(decided.entries) == {("USD", "available"): -units("40"), ("BTC", "available"): units("0.4")}


@pytest.mark.parametrize("status", ENDED)
def test_late_fills_of_the_whole_order_make_it_filled(status):
    order = an_order(status=status, filled_quantity="0.4")
    decided = told(a_fill(order, "0.6"), order)
    assert (stored(decided).status, stored(decided).reserved) == (FILLED, 0)


def test_an_overfill_is_booked_and_leaves_nothing():
    order = an_order(quantity="1", reserved="100.2")
    decided = told(a_fill(order, "1.5"), order)
    assert (stored(decided).status, decided.events[0].leaves_quantity) == (FILLED, 0)
    assert stored(decided).filled_quantity == units("1.5")
    assert moved(decided.entries)["USD", "available"] == -units("49.8")

    decided = told(a_fill(stored(decided), "1", trade_id="trade-2"), stored(decided))
    assert (stored(decided).status, stored(decided).filled_quantity) == (FILLED, units("2.5"))


def test_an_order_that_the_venue_counts_too_much_of_holds_no_reserve_once_filled():
    order = an_order(attempt_cumulative="5")
    decided = told(a_fill(order, price="99"), order)
    assert (stored(decided).status, stored(decided).reserved) == (FILLED, 0)


def test_a_fill_while_a_cancel_is_on_its_way_changes_nothing_about_the_cancel():
    order = an_order(status=PENDING_CANCEL)
    decided = told(a_fill(order, "0.4"), order)
    assert (stored(decided).status, stored(decided).after_cancel) == (PENDING_CANCEL, AfterCancel.CANCEL)
    assert not decided.requests


def test_a_fill_of_a_paused_order_leaves_it_paused_until_nothing_is_left():
    order = an_order(status=PAUSED)
    decided = told(a_fill(order, "0.4"), order)
    assert (stored(decided).status, stored(decided).reserved) == (PAUSED, units("60.2"))
    decided = told(a_fill(stored(decided), "0.6", trade_id="trade-2"), stored(decided))
    assert (stored(decided).status, stored(decided).reserved) == (FILLED, 0)


# ── fills and the venue's count ─────────────────────────────────────────────────────────────────────────────────────


def test_an_order_ends_only_when_every_fill_that_the_venue_counts_is_booked():
    order = an_order(status=PENDING_CANCEL)
    waiting = told(a_report(ReportKind.CANCELED, order, cumulative_quantity="0.5"), order)
    assert stored(waiting).status is PENDING_CANCEL
    assert not waiting.events
    assert not waiting.entries
    assert stored(waiting).timer_at > NOW

    order = stored(waiting)
    order = stored(told(a_fill(order, "0.2"), order))
    assert order.status is PENDING_CANCEL
    decided = told(a_fill(order, "0.3", trade_id="trade-2"), order)
    assert kinds(decided) == [EventKind.ORDER_FILLED, EventKind.ORDER_CANCELED]
    assert (stored(decided).status, stored(decided).reserved) == (CANCELED, 0)


@pytest.mark.parametrize("status", [PENDING_SUBMISSION, OrderStatus.OPEN, UNKNOWN])
def test_an_order_that_left_the_book_unasked_ends_with_its_last_fill(status):
    order = an_order(status=status, closing=OrderStatus.EXPIRED, attempt_cumulative="0.5")
    decided = told(a_fill(order, "0.5"), order)
    assert stored(decided).status is OrderStatus.EXPIRED
    assert kinds(decided) == [EventKind.ORDER_FILLED, EventKind.ORDER_EXPIRED]


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        (AfterCancel.PAUSE, PAUSED),
        (AfterCancel.AMEND, PENDING_SUBMISSION),
        (AfterCancel.CANCEL, CANCELED),
        (AfterCancel.EXPIRE, OrderStatus.EXPIRED),
    ],
)
@pytest.mark.parametrize("status", [PENDING_CANCEL, UNKNOWN])
def test_what_a_cancel_was_for_is_done_with_the_last_fill_that_was_missing(status, wanted, leads_to):
    order = an_order(status=status, after_cancel=wanted, closing=CANCELED, attempt_cumulative="0.5", amend_price="90")
    decided = told(a_fill(order, "0.5"), order)
    assert stored(decided).status is leads_to


def test_an_order_that_was_rejected_after_it_had_traded_is_canceled():
    order = an_order(closing=OrderStatus.REJECTED, attempt_cumulative="0.5", reason="-2010")
    decided = told(a_fill(order, "0.5"), order)
    assert (stored(decided).status, stored(decided).reason) == (CANCELED, "-2010")


# ── fills as proof ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fill_proves_that_an_unknown_order_exists():
    decided = told(a_fill(order := an_order(status=UNKNOWN, looks=2), "0.4"), order)
    assert (stored(decided).status, stored(decided).unknown_since, stored(decided).looks) == (PARTIALLY_FILLED, None, 0)
    assert not decided.requests


def test_a_cancel_wanted_while_the_outcome_was_unknown_is_sent_once_a_fill_proves_the_order():
    order = an_order(status=UNKNOWN, after_cancel=AfterCancel.PAUSE)
    decided = told(a_fill(order, "0.4"), order)
    assert (stored(decided).status, stored(decided).after_cancel) == (PENDING_CANCEL, AfterCancel.PAUSE)
    assert decided.events[0].status is PENDING_CANCEL
    assert operations(decided) == ["CANCEL"]


@pytest.mark.parametrize("status", [PENDING_SUBMISSION, UNKNOWN])
def test_a_fill_of_an_earlier_attempt_proves_nothing_of_the_current_one(status):
    order = an_order(status=status, quantity="2", attempt=2)
    decided = told(an_earlier_fill(order, "0.5"), order)
    after = stored(decided)
    assert (after.status, after.attempt_filled, after.filled_quantity) == (status, 0, units("0.5"))
    assert (after.unknown_since, after.venue_order_id) == (order.unknown_since, None)
    assert kinds(decided) == [EventKind.ORDER_FILLED]
    assert not decided.requests


def test_a_fill_of_an_earlier_attempt_is_part_of_an_order_that_is_on_the_book():
    order = an_order(quantity="2", attempt=2)
    assert stored(told(an_earlier_fill(order, "0.5"), order)).status is PARTIALLY_FILLED


def test_the_last_fill_ends_every_doubt_and_every_wish():
    order = an_order(status=UNKNOWN, unknown_since=NOW, after_cancel=AfterCancel.PAUSE)
    filled = stored(told(a_fill(order, "1"), order))
    assert (filled.status, filled.unknown_since, filled.after_cancel) == (FILLED, None, AfterCancel.NOTHING)


def test_a_fill_of_an_earlier_attempt_does_not_count_towards_the_current_ones():
    order = an_order(status=PENDING_CANCEL, quantity="2", attempt=2, closing=CANCELED, attempt_cumulative="0.5")
    decided = told(an_earlier_fill(order, "0.5"), order)
    assert stored(decided).status is PENDING_CANCEL


def test_what_an_earlier_attempt_has_filled_is_canceled_at_the_venue():
    order = an_order(attempt=2)
    decided = told(an_earlier_fill(order, "1"), order)
    assert stored(decided).status is FILLED
    assert operations(decided) == ["CANCEL"]


@pytest.mark.parametrize("status", [PAUSED, CANCELED])
def test_what_is_not_at_the_venue_is_not_canceled_there(status):
    order = an_order(status=status, attempt=2)
    decided = told(an_earlier_fill(order, "1"), order)
    assert stored(decided).status is FILLED
    assert not decided.requests


# ── fills that can't be ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "said",
    [
        {"trade_id": None},
        {"trade_id": ""},
        {"fill_quantity": None},
        {"fill_price": None},
        {"fill_quantity": 0},
        {"fill_quantity": "-1"},
        {"fill_price": 0},
        {"fill_price": "-1"},
        {"fill_quantity": FILL_AMOUNT_MAX + 1},
        {"fill_price": FILL_AMOUNT_MAX + 1},
        {"fill_quantity": FILL_AMOUNT_MAX, "fill_price": "1.1"},
        {"fee": FILL_AMOUNT_MAX + 1, "fee_asset": "USD"},
        {"fee": -FILL_AMOUNT_MAX - 1, "fee_asset": "USD"},
        {"fee": "0.1"},
        {"fee": "0.1", "fee_asset": ""},
    ],
)
def test_a_fill_that_can_not_be_is_buried_and_changes_nothing(said):
    order = an_order()
    decided = told(a_fill(order, **said), order)
    assert decided.dead is not None
    assert decided.dead.reason == Reason.INVALID_FILL
    assert (decided.orders, decided.events, decided.entries) == ([], [], [])


def test_a_fill_as_large_as_can_be_is_booked():
    order = an_order(side=Side.SELL)
    report = a_fill(order, fill_quantity=FILL_AMOUNT_MAX, fill_price="1", fee=FILL_AMOUNT_MAX, fee_asset="USD")
    assert stored(told(report, order)).filled_quantity == FILL_AMOUNT_MAX


def test_a_report_on_an_order_nobody_knows_is_buried_unless_it_found_nothing():
    decided = told(a_fill(order := an_order()), None)
    assert decided.dead is not None
    assert decided.dead.reason == Reason.ORDER_NOT_FOUND
    assert "FILL for " in decided.dead.detail
    assert untouched(told(a_report(ReportKind.NOT_FOUND, order), None))
