"""A resting order that only becomes smaller is amended where it is, and is smaller once the venue has shown it so."""

import pytest

from domain import ids
from domain.decision import Policy
from domain.messages import EventKind, Evidence, Operation, OrderStatus, OrderType, ReportKind, TimeInForce
from domain.reasons import Reason
from domain.state import AfterCancel
from tests.builders import NOW, a_cancel, a_fill, a_pause, a_report, an_amendment, an_order, units
from tests.domain.acting import (
    answered,
    commanded,
    kinds,
    moved,
    operations,
    refused,
    reminded,
    stored,
    told,
    untouched,
)

OPEN = OrderStatus.OPEN
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
FILLED = OrderStatus.FILLED
CANCELED = OrderStatus.CANCELED
ACKNOWLEDGED = ReportKind.ACKNOWLEDGED
AMEND_REJECTED = ReportKind.AMEND_REJECTED


def asked(quantity="0.4", **order):
    """An order that the venue has been asked to bring down to *quantity*."""
    return stored(commanded(an_amendment(quantity=quantity), an_order(**order)))


def shown(order, quantity, **said):
    """The venue shows *order* for *quantity*, in answer to the amendment unless something else is *said*."""
    return a_report(ACKNOWLEDGED, order, **({"operation": Operation.AMEND, "order_quantity": quantity} | said))


# ── which, and what is asked ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("terms", [{"quantity": "0.4"}, {"quantity": "0.4", "price": "100"}])
def test_less_of_the_same_is_asked_of_the_venue_and_nothing_is_given_back_yet(terms):
    decided = commanded(an_amendment(**terms), an_order(), expires_at=NOW + 9)
    order = stored(decided)
    assert answered(decided).kind is EventKind.AMEND_REQUESTED
    assert (order.status, order.after_cancel, order.quantity) == (OPEN, AfterCancel.NOTHING, units("1"))
    assert (order.amend_quantity, order.amend_price, order.expires_at) == (units("0.4"), None, NOW + 9)
    (request,) = decided.requests
    assert (request.operation, request.quantity, request.expires_at) == (Operation.AMEND, units("0.4"), None)
    assert not decided.entries
    assert order.timer_at == NOW + Policy().patience_us, "somebody has to ask if no answer comes"


@pytest.mark.parametrize(
    ("order", "terms"),
    [
        ({}, {"quantity": "1"}),
        ({}, {"quantity": "2"}),
        ({}, {"quantity": "0.4", "price": "99"}),
        ({"order_type": OrderType.STOP_LIMIT}, {"quantity": "0.4"}),
        ({"status": OrderStatus.PENDING_SUBMISSION}, {"quantity": "0.4"}),
    ],
)
def test_anything_else_is_placed_anew(order, terms):
    decided = commanded(an_amendment(**terms), an_order(**order))
    assert operations(decided) == ["CANCEL"]
    assert (stored(decided).status, stored(decided).after_cancel) == (PENDING_CANCEL, AfterCancel.AMEND)


def test_what_earlier_attempts_have_traded_is_not_asked_of_this_one():
    order = an_order(quantity="2", filled_quantity="0.5", attempt_filled="0.2", attempt=2, status=PARTIALLY_FILLED)
    (request,) = commanded(an_amendment(quantity="1"), order).requests
    assert request.quantity == units("0.7")  # 0.3 were traded by the first attempt, 0.2 of the 0.7 by this one


@pytest.mark.parametrize("again", [a_pause(), an_amendment(quantity="0.3"), an_amendment(price="99")])
def test_meanwhile_it_can_be_neither_paused_nor_amended_again(again):
    assert refused(commanded(again, asked())) == Reason.ORDER_PENDING_AMENDMENT


def test_attempts_count_for_it_as_it_may_have_to_be_placed_anew():
    order = an_order(attempt=ids.ATTEMPT_MAX)
    assert refused(commanded(an_amendment(quantity="0.4"), order)) == Reason.ATTEMPTS_EXHAUSTED


# ── the venue has done it ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"operation": Operation.QUERY},
        {"operation": None, "evidence": Evidence.STREAM},
        {"operation": None, "evidence": Evidence.POLL},
    ],
)
def test_an_order_that_the_venue_shows_smaller_is_smaller_whoever_says_so(said):
    order = asked()
    decided = told(shown(order, "0.4", **said), order)
    amended = stored(decided)
    assert kinds(decided) == [EventKind.ORDER_AMENDED]
    assert (amended.status, amended.quantity, amended.price) == (OPEN, units("0.4"), units("100"))
    assert (amended.amend_quantity, amended.attempt, amended.timer_at) == (None, 1, 0)
    assert amended.reserved == units("40.08")
    assert moved(decided.entries) == {("USD", "reserved"): -units("60.12"), ("USD", "available"): units("60.12")}
    assert not decided.requests
    assert untouched(told(shown(order, "0.4", **said), amended)), "told twice, it is done once"


def test_what_has_traded_meanwhile_stays_booked_and_the_rest_is_smaller():
    order = asked("0.6")
    order = stored(told(a_fill(order, "0.5"), order))
    assert (order.status, order.reserved) == (PARTIALLY_FILLED, units("50.2"))
    decided = told(shown(order, "0.6", cumulative_quantity="0.5"), order)
    amended = stored(decided)
    assert (amended.status, amended.quantity, amended.filled_quantity) == (PARTIALLY_FILLED, units("0.6"), units("0.5"))
    assert amended.reserved == units("10.02")
    assert stored(told(a_fill(amended, "0.1", trade_id="trade-2"), amended)).status is FILLED


def test_an_order_that_has_traded_all_that_it_came_down_to_is_filled_once_that_is_known():
    order = asked("0.4")
    order = stored(told(a_fill(order, "0.4"), order))
    assert order.status is PARTIALLY_FILLED, "as far as is known, there is more to come"
    decided = told(shown(order, "0.4", cumulative_quantity="0.4", operation=Operation.QUERY), order)
    ended = stored(decided)
    assert kinds(decided) == [EventKind.ORDER_AMENDED]
    assert (ended.status, ended.quantity, ended.reserved) == (FILLED, units("0.4"), 0)
    assert decided.events[0].status is FILLED


def test_fills_that_the_venue_counts_and_that_are_not_here_yet_are_asked_for():
    order = asked("0.4")
    amended = stored(told(shown(order, "0.4", cumulative_quantity="0.4"), order))
    assert (amended.status, amended.attempt_cumulative) == (OPEN, units("0.4"))
    assert amended.timer_at > 0
    ended = stored(told(a_fill(amended, "0.4"), amended))
    assert (ended.status, ended.reserved) == (FILLED, 0)


# ── the venue has not, or nobody knows ──────────────────────────────────────────────────────────────────────────────


def test_what_the_venue_won_t_make_smaller_is_placed_anew():
    order = asked()
    decided = told(a_report(AMEND_REJECTED, order, reason="NOT_AMENDED"), order)
    replaced = stored(decided)
    assert kinds(decided) == [EventKind.CANCEL_REQUESTED]
    assert decided.events[0].reason == "NOT_AMENDED"
    assert (replaced.status, replaced.after_cancel) == (PENDING_CANCEL, AfterCancel.AMEND)
    assert operations(decided) == ["CANCEL"]
    waiting = stored(told(a_report("CANCELED", replaced, cumulative_quantity="0.1"), replaced))
    decided = told(a_fill(waiting, "0.1"), waiting)
    (request,) = decided.requests
    assert (request.operation, request.quantity) == (Operation.PLACE, units("0.3"))
    assert (stored(decided).quantity, stored(decided).attempt) == (units("0.4"), 2)


def test_an_unknown_outcome_waits_and_is_looked_up():
    order = asked()
    doubtful = stored(told(a_report(AMEND_REJECTED, order, reason=Reason.OUTCOME_UNKNOWN), order))
    assert (doubtful.status, doubtful.amend_quantity, doubtful.reserved) == (OPEN, units("0.4"), order.reserved)
    assert 0 < doubtful.timer_at < order.timer_at, "it is asked for soon"
    decided = reminded(doubtful)
    assert operations(decided) == ["QUERY"]


def test_a_look_after_it_that_shows_the_order_as_it_was_has_it_placed_anew():
    looking = stored(reminded(asked()))
    decided = told(shown(looking, "1", operation=Operation.QUERY), looking)
    assert decided.events[0].reason == Reason.NOT_AMENDED
    assert operations(decided) == ["CANCEL"]


@pytest.mark.parametrize(
    "said",
    [
        {"request_id": "of another request", "operation": Operation.QUERY},
        {"operation": None, "request_id": None, "evidence": Evidence.STREAM},
    ],
)
def test_what_was_seen_before_it_may_have_been_done_decides_nothing(said):
    order = asked()
    assert untouched(told(shown(order, "1", **said), order))


def test_a_refusal_of_an_earlier_amendment_decides_nothing():
    order = asked()
    late = a_report(AMEND_REJECTED, order, reason="NOT_AMENDED", request_id="of another request")
    assert untouched(told(late, order))
    assert untouched(told(a_report(AMEND_REJECTED, reason="NOT_AMENDED"), an_order())), "nothing was asked"


# ── what else may happen to it ──────────────────────────────────────────────────────────────────────────────────────


def test_a_cancel_takes_the_place_of_the_amendment():
    decided = commanded(a_cancel(), asked())
    canceling = stored(decided)
    assert operations(decided) == ["CANCEL"]
    assert (canceling.amend_quantity, canceling.after_cancel) == (None, AfterCancel.CANCEL)
    assert untouched(told(a_report(AMEND_REJECTED, canceling, reason="NOT_AMENDED"), canceling))


def test_an_order_that_has_been_good_for_long_enough_is_canceled_whatever_was_being_amended():
    decided = reminded(asked(time_in_force=TimeInForce.GTD, good_till=NOW - 1))
    assert operations(decided) == ["CANCEL"]
    assert (stored(decided).amend_quantity, stored(decided).after_cancel) == (None, AfterCancel.EXPIRE)


def test_an_order_that_leaves_the_book_ends_as_what_it_was():
    order = asked()
    ended = stored(told(a_report("CANCELED", order, cumulative_quantity=0), order))
    assert (ended.status, ended.quantity, ended.amend_quantity, ended.reserved) == (CANCELED, units("1"), None, 0)


@pytest.mark.parametrize("after_cancel", [AfterCancel.NOTHING, AfterCancel.CANCEL])
def test_an_order_made_smaller_by_somebody_else_ends_once_that_has_traded(after_cancel):
    """Also one whose amendment came through although a cancel had taken its place."""
    status = OPEN if after_cancel is AfterCancel.NOTHING else PENDING_CANCEL
    order = an_order(status=status, after_cancel=after_cancel)
    order = stored(told(a_fill(order, "0.4"), order))
    seen = shown(order, "0.4", cumulative_quantity="0.4", operation=Operation.QUERY)
    decided = told(seen, order)
    ended = stored(decided)
    assert (ended.status, ended.reason, ended.reserved) == (CANCELED, Reason.REDUCED_AT_VENUE, 0)
    assert not decided.requests


def test_an_order_made_smaller_by_somebody_else_is_open_as_long_as_it_is():
    order = an_order()
    assert untouched(told(shown(order, "0.4", cumulative_quantity=0, operation=None, evidence=Evidence.STREAM), order))


# ── a cancel took its place ─────────────────────────────────────────────────────────────────────────────────────────

BOUND = Policy().unknown_bound_us


def canceled_in_vain(order):
    """*order* again, after the venue has refused the cancel that had taken the place of its amendment."""
    return stored(told(a_report("CANCEL_REJECTED", order, reason="TRADING_HALTED"), order))


def replaced(order):
    return stored(told(a_report(AMEND_REJECTED, order, reason="NOT_AMENDED"), order))


CANCELS = {
    "by its user": lambda: stored(commanded(a_cancel(), asked())),
    "by its good-till date": lambda: stored(reminded(asked(time_in_force=TimeInForce.GTD, good_till=NOW - 1))),
    "to be replaced": lambda: replaced(asked()),
    "to be replaced, then by its user": lambda: stored(commanded(a_cancel(), replaced(asked()))),
}


@pytest.fixture(params=CANCELS)
def canceling(request):
    """An order whose cancel has taken the place of its amendment."""
    return CANCELS[request.param]()


@pytest.fixture
def in_doubt(canceling):
    """The same, after the venue has refused the cancel."""
    return canceled_in_vain(canceling)


def test_an_amendment_that_is_carried_out_before_the_cancel_is_booked(canceling):
    seen = shown(canceling, "0.4", cumulative_quantity="0")
    decided = told(seen, canceling)
    amended = stored(decided)
    assert (kinds(decided), decided.requests) == ([EventKind.ORDER_AMENDED], [])
    assert (amended.status, amended.after_cancel, amended.quantity) == (
        PENDING_CANCEL,
        canceling.after_cancel,
        units("0.4"),
    )
    assert untouched(told(seen, amended))
    resting = canceled_in_vain(amended)
    assert (resting.quantity, resting.looks) == (units("0.4"), 0)
    assert resting.reserved == an_order(quantity="0.4").reserved


def test_all_that_the_amendment_left_may_have_traded_before_the_cancel(canceling):
    order = stored(told(a_fill(canceling, "0.4"), canceling))
    ended = stored(told(shown(order, "0.4", cumulative_quantity="0.4"), order))
    assert (ended.status, ended.after_cancel, ended.reserved) == (FILLED, AfterCancel.NOTHING, 0)


def test_a_replacement_keeps_its_reserve_though_the_amendment_before_it_comes_through():
    """It is to be larger than what the amendment asked for, which was in doubt when it was asked for."""
    doubtful = canceled_in_vain(stored(commanded(a_cancel(), asked())))
    replacing = stored(commanded(an_amendment(quantity="2"), doubtful))
    amended = stored(told(shown(replacing, "0.4", cumulative_quantity="0"), replacing))
    assert (amended.quantity, amended.reserved) == (units("0.4"), replacing.reserved)
    again = stored(told(a_report("CANCELED", amended, cumulative_quantity="0"), amended))
    assert (again.quantity, again.reserved) == (units("2"), an_order(quantity="2").reserved)


def test_an_amendment_that_a_refused_cancel_had_replaced_is_looked_for(in_doubt):
    assert (in_doubt.status, in_doubt.quantity, in_doubt.amend_quantity) == (OPEN, units("1"), None)
    assert in_doubt.timer_at == NOW + Policy().look_interval_us
    assert operations(reminded(in_doubt)) == ["QUERY"]


@pytest.mark.parametrize("traded", ["0", "0.1"])
def test_an_amendment_that_came_through_all_the_same_is_booked(in_doubt, traded):
    order = in_doubt if traded == "0" else stored(told(a_fill(in_doubt, traded), in_doubt))
    decided = told(shown(order, "0.4", cumulative_quantity=traded, operation=Operation.QUERY), order)
    amended = stored(decided)
    assert kinds(decided) == [EventKind.ORDER_AMENDED]
    assert (amended.quantity, amended.looks, amended.unknown_since) == (units("0.4"), 0, None)
    assert amended.reserved == an_order(quantity="0.4", filled_quantity=traded).reserved
    assert untouched(told(shown(amended, "0.4", cumulative_quantity=traded, operation=Operation.QUERY), amended))


def test_what_an_amendment_left_may_have_traded_before_it_is_known(in_doubt):
    seen = shown(in_doubt, "0.4", cumulative_quantity="0.4", operation=Operation.QUERY)
    amended = stored(told(seen, in_doubt))
    assert (amended.status, amended.quantity, amended.attempt_cumulative) == (OPEN, units("0.4"), units("0.4"))
    assert untouched(told(seen, amended)), "its trades are awaited, however often it is said that there are some"
    filled = stored(told(a_fill(amended, "0.4"), amended))
    assert (filled.status, filled.reserved, filled.reason) == (FILLED, 0, None)


def test_an_amendment_is_of_no_interest_once_the_order_has_left_the_book(in_doubt):
    closing = stored(told(a_report("CANCELED", in_doubt, cumulative_quantity="0.4"), in_doubt))
    assert untouched(told(shown(closing, "0.4", cumulative_quantity="0.4", operation=Operation.QUERY), closing))


def test_an_amendment_of_a_later_attempt_leaves_what_earlier_ones_traded():
    order = an_order(status=PARTIALLY_FILLED, quantity="1", filled_quantity="0.3", attempt_filled="0", attempt=2)
    doubtful = canceled_in_vain(stored(commanded(a_cancel(), stored(commanded(an_amendment(quantity="0.8"), order)))))
    amended = stored(told(shown(doubtful, "0.5", cumulative_quantity="0", operation=Operation.QUERY), doubtful))
    assert amended.quantity == units("0.8")


def test_only_a_look_that_the_amendment_can_not_come_after_ends_the_doubt(in_doubt):
    as_it_was = {"cumulative_quantity": "0", "operation": Operation.QUERY}
    early = told(shown(in_doubt, "1", requested_at=NOW + BOUND - 1, **as_it_was), in_doubt, now=NOW + BOUND)
    assert untouched(early)
    late = stored(told(shown(in_doubt, "1", requested_at=NOW + BOUND, **as_it_was), in_doubt, now=NOW + BOUND))
    assert (late.looks, late.unknown_since) == (0, None)


def test_a_second_cancel_that_is_refused_leaves_the_doubt(in_doubt):
    again = canceled_in_vain(stored(commanded(a_cancel(), in_doubt)))
    assert (again.looks, again.unknown_since) == (1, NOW)


def test_the_doubt_begins_when_the_cancel_comes_back():
    """Before it the amendment may have waited here, to be sent."""
    canceling = stored(commanded(a_cancel(), asked()))
    refusal = a_report("CANCEL_REJECTED", canceling, reason="TRADING_HALTED")
    assert stored(told(refusal, canceling, now=NOW + 60)).unknown_since == NOW + 60


def test_a_refused_cancel_of_what_was_not_to_become_smaller_is_no_reason_to_look():
    order = canceled_in_vain(stored(commanded(a_cancel(), an_order())))
    assert (order.looks, order.unknown_since, order.timer_at) == (0, None, 0)
