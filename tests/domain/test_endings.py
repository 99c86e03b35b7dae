"""How orders leave the venue's book, and how cancels fail."""

import pytest

from domain.messages import EventKind, Operation, OrderStatus, OrderType, ReportKind
from domain.reasons import Reason
from domain.state import AfterCancel
from tests.builders import NOW, POLICY, a_report, an_order, units
from tests.domain.acting import kinds, stored, told, untouched

PENDING_SUBMISSION = OrderStatus.PENDING_SUBMISSION
OPEN = OrderStatus.OPEN
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
CANCELED = OrderStatus.CANCELED
EXPIRED = OrderStatus.EXPIRED
UNKNOWN = OrderStatus.UNKNOWN


# ── off the book ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "status", "event"),
    [
        (ReportKind.CANCELED, CANCELED, EventKind.ORDER_CANCELED),
        (ReportKind.EXPIRED, EXPIRED, EventKind.ORDER_EXPIRED),
    ],
)
def test_an_order_off_the_book_ends_with_its_evidence_and_gives_back_its_reserve(kind, status, event):
    order = an_order(filled_quantity="0.4", status=PARTIALLY_FILLED)
    decided = told(a_report(kind, order, cumulative_quantity="0.4", reason="STP", evidence="STREAM"), order)
    ended = stored(decided)
    assert kinds(decided) == [event]
    assert (ended.status, ended.evidence, ended.reason, ended.reserved) == (status, "STREAM", "STP", 0)
    assert decided.events[0].evidence == "STREAM"


def test_a_report_that_counts_nothing_means_what_is_booked():
    order = an_order(filled_quantity="0.4", status=PARTIALLY_FILLED)
    assert stored(told(a_report(ReportKind.CANCELED, order), order)).status is CANCELED


@pytest.mark.parametrize("wanted", [AfterCancel.PAUSE, AfterCancel.AMEND, AfterCancel.CANCEL])
def test_an_expiry_overtakes_what_a_cancel_was_for(wanted):
    order = an_order(status=PENDING_CANCEL, after_cancel=wanted)
    decided = told(a_report(ReportKind.EXPIRED, order, cumulative_quantity=0), order)
    assert stored(decided).status is EXPIRED


def test_a_cancel_for_the_end_of_a_life_is_an_expiry():
    order = an_order(status=PENDING_CANCEL, after_cancel=AfterCancel.EXPIRE)
    decided = told(a_report(ReportKind.CANCELED, order, cumulative_quantity=0), order)
    assert (stored(decided).status, stored(decided).reason) == (EXPIRED, Reason.GOOD_TILL_PASSED)


@pytest.mark.parametrize("kind", [kind for kind in ReportKind if kind is not ReportKind.FILL])
def test_what_is_said_of_an_earlier_attempt_is_old_news(kind):
    order = an_order(status=PENDING_SUBMISSION, attempt=2)
    earlier = an_order(status=PENDING_SUBMISSION, attempt=1)
    assert untouched(told(a_report(kind, earlier), order))


# ── cancels that fail ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("filled", "leads_to"), [("0", OPEN), ("0.4", PARTIALLY_FILLED)])
def test_an_order_whose_cancel_failed_is_as_it_was(filled, leads_to):
    order = an_order(
        status=PENDING_CANCEL,
        after_cancel=AfterCancel.AMEND,
        amend_price="120",
        amend_quantity="2",
        filled_quantity=filled,
        looks=2,
        reserved="240.48",
    )
    decided = told(a_report(ReportKind.CANCEL_REJECTED, order, reason="TRADING_HALTED"), order)
    after = stored(decided)
    assert kinds(decided) == [EventKind.CANCEL_REJECTED]
    assert decided.events[0].reason == "TRADING_HALTED"
    assert (after.status, after.after_cancel, after.looks) == (leads_to, AfterCancel.NOTHING, 0)
    assert (after.amend_quantity, after.amend_price) == (None, None)
    assert after.reserved == units("100.2" if filled == "0" else "60.12")


def test_trades_that_a_failed_cancel_tells_of_and_that_are_not_here_are_asked_for():
    order = an_order(status=PENDING_CANCEL, updated_at=NOW)
    after = stored(told(a_report(ReportKind.CANCEL_REJECTED, order, reason=Reason.ORDER_FILLED), order))
    assert (after.status, after.timer_at) == (OPEN, NOW + POLICY.look_interval_us)
    shown = stored(told(a_report(ReportKind.ACKNOWLEDGED, after, operation=Operation.QUERY), after))
    assert (shown.status, shown.timer_at) == (OPEN, 0), "the venue has it on its book after all"


def test_a_market_buy_keeps_its_reserve_when_its_cancel_fails():
    order = an_order(status=PENDING_CANCEL, order_type=OrderType.MARKET)
    decided = told(a_report(ReportKind.CANCEL_REJECTED, order, reason="TRADING_HALTED"), order)
    assert stored(decided).reserved == units("150")


def test_a_lost_answer_to_a_cancel_is_asked_for_soon():
    order = an_order(status=PENDING_CANCEL, updated_at=NOW)
    decided = told(a_report(ReportKind.CANCEL_REJECTED, order, reason=Reason.OUTCOME_UNKNOWN), order)
    assert (stored(decided).status, stored(decided).timer_at) == (PENDING_CANCEL, NOW + POLICY.look_interval_us)
    assert not decided.events


def test_a_cancel_that_does_not_find_an_order_that_was_there_ends_nothing():
    order = an_order(status=PENDING_CANCEL, updated_at=NOW)
    decided = told(a_report(ReportKind.CANCEL_REJECTED, order, reason=Reason.ORDER_NOT_FOUND), order)
    assert (stored(decided).status, stored(decided).timer_at) == (PENDING_CANCEL, NOW + POLICY.look_interval_us)
    assert not decided.events


def test_a_cancel_that_does_not_find_an_order_nobody_has_seen_makes_it_unknown():
    order = an_order(status=PENDING_CANCEL, venue_order_id=None)
    decided = told(a_report(ReportKind.CANCEL_REJECTED, order, reason=Reason.ORDER_NOT_FOUND), order)
    assert (stored(decided).status, stored(decided).after_cancel) == (UNKNOWN, AfterCancel.CANCEL)
    assert kinds(decided) == [EventKind.OUTCOME_UNKNOWN]


def test_the_answer_to_an_earlier_cancel_is_old_news():
    order = an_order(status=PENDING_CANCEL, request_sequence=5)
    earlier = a_report(ReportKind.CANCEL_REJECTED, order, reason="TOO_LATE", request_id="x:3")
    assert untouched(told(earlier, order))
    unnamed = a_report(ReportKind.CANCEL_REJECTED, order, reason="TOO_LATE", request_id=None)
    assert stored(told(unnamed, order)).status is OPEN


@pytest.mark.parametrize(
    "said", [{"status": OPEN}, {"status": UNKNOWN}, {"closing": CANCELED, "status": PENDING_CANCEL}]
)
def test_a_failed_cancel_matters_only_while_a_cancel_is_on_its_way(said):
    order = an_order(**said)
    assert untouched(told(a_report(ReportKind.CANCEL_REJECTED, order, reason="TOO_LATE"), order))
