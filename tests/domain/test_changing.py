"""Commands to an order that exists: cancel, pause, resume, amend; and all of a user's orders at once."""

import pytest

from domain import commands, ids
from domain.decision import SECOND_US
from domain.messages import Answer, EntryKind, EventKind, Evidence, Operation, OrderStatus, OrderType, Side, TimeInForce
from domain.reasons import Reason
from domain.state import AfterCancel
from tests.builders import (
    NOW,
    a_cancel,
    a_cancel_all,
    a_command,
    a_decision,
    a_fill,
    a_pause,
    a_report,
    a_resume,
    an_amendment,
    an_order,
    units,
)
from tests.domain.acting import answered, commanded, kinds, moved, operations, refused, stored, told

PENDING_SUBMISSION = OrderStatus.PENDING_SUBMISSION
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
PAUSED = OrderStatus.PAUSED
UNKNOWN = OrderStatus.UNKNOWN
CANCELED = OrderStatus.CANCELED
EVERY_COMMAND = [a_cancel(), a_pause(), a_resume(), an_amendment(price="99")]


@pytest.mark.parametrize("asked", EVERY_COMMAND)
def test_an_order_that_is_not_there_can_not_be_changed(asked):
    assert refused(commanded(asked, None)) == Reason.ORDER_NOT_FOUND


# ── cancel ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cancel_is_answered_at_once_and_asked_of_the_venue():
    decided = commanded(a_cancel(), an_order())
    assert (answered(decided).kind, answered(decided).command_id) == (EventKind.CANCEL_REQUESTED, "command-1")
    assert (stored(decided).status, stored(decided).after_cancel) == (PENDING_CANCEL, AfterCancel.CANCEL)
    assert operations(decided) == ["CANCEL"]
    assert not decided.entries


def test_canceling_a_paused_order_costs_no_venue_call_and_gives_back_its_reserve():
    decided = commanded(a_cancel(), an_order(status=PAUSED))
    assert kinds(decided) == [EventKind.CANCEL_REQUESTED, EventKind.ORDER_CANCELED]
    assert (stored(decided).status, stored(decided).evidence) == (CANCELED, Evidence.DECISION)
    assert not decided.requests
    assert moved(decided.entries) == {("USD", "reserved"): -units("100.2"), ("USD", "available"): units("100.2")}


@pytest.mark.parametrize("wanted", [AfterCancel.PAUSE, AfterCancel.AMEND])
def test_a_cancel_turns_a_pause_or_an_amendment_on_its_way_into_a_cancel(wanted):
    order = an_order(status=PENDING_CANCEL, after_cancel=wanted, amend_quantity="2", amend_price="99")
    decided = commanded(a_cancel(), order)
    assert stored(decided).after_cancel is AfterCancel.CANCEL
    assert (stored(decided).amend_quantity, stored(decided).amend_price) == (None, None)
    assert not decided.requests, "the venue has been asked already"


@pytest.mark.parametrize("wanted", [AfterCancel.CANCEL, AfterCancel.EXPIRE])
def test_a_second_cancel_is_refused(wanted):
    assert refused(commanded(a_cancel(), an_order(status=PENDING_CANCEL, after_cancel=wanted))) == (
        Reason.ORDER_PENDING_CANCEL
    )


def test_a_cancel_of_an_unknown_order_is_tried_and_remembered_and_ends_nothing():
    decided = commanded(a_cancel(), an_order(status=UNKNOWN))
    assert (stored(decided).status, stored(decided).after_cancel) == (UNKNOWN, AfterCancel.CANCEL)
    assert operations(decided) == ["CANCEL"]
    assert not decided.entries


def test_cancel_all_reaches_every_live_order_and_has_one_answer():
    d = a_decision()
    orders = [
        an_order(order_id="open"),
        an_order(order_id="paused", status=PAUSED),
        an_order(order_id="on its way", status=PENDING_CANCEL),
        an_order(order_id="unknown", status=UNKNOWN, symbol="ETH-USD"),
    ]
    commands.cancel_all(d, a_command(a_cancel_all()), a_cancel_all(), orders)

    assert answered(d).kind is EventKind.CANCEL_ALL_REQUESTED
    assert (answered(d).affected, answered(d).order_id, answered(d).sequence) == (3, None, 0)
    assert [order.order_id for order in d.orders] == ["open", "paused", "unknown"]
    assert [request.order_id for request in d.requests] == ["open", "unknown"]
    assert [event.index for event in d.events] == [0, 1, 2, 3, 4]


def test_cancel_all_of_a_symbol_leaves_the_others_alone():
    d = a_decision()
    orders = [an_order(order_id="bitcoin"), an_order(order_id="ether", symbol="ETH-USD")]
    commands.cancel_all(d, a_command(a_cancel_all("ETH-USD")), a_cancel_all("ETH-USD"), orders)
    assert [order.order_id for order in d.orders] == ["ether"]
    assert (answered(d).affected, answered(d).symbol) == (1, "ETH-USD")


def test_cancel_all_without_orders_is_accepted_and_says_so():
    d = a_decision()
    commands.cancel_all(d, a_command(a_cancel_all("x" * 10_000)), a_cancel_all("x" * 10_000), [])
    assert (answered(d).answer, answered(d).affected, answered(d).symbol) == (Answer.ACCEPTED, 0, "x" * 64)


# ── pause and resume ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [PENDING_SUBMISSION, OrderStatus.OPEN, PARTIALLY_FILLED])
def test_a_pause_takes_the_order_off_the_venue_and_keeps_its_reserve(status):
    decided = commanded(a_pause(), an_order(status=status))
    assert answered(decided).kind is EventKind.PAUSE_REQUESTED
    assert (stored(decided).status, stored(decided).after_cancel) == (PENDING_CANCEL, AfterCancel.PAUSE)
    assert operations(decided) == ["CANCEL"]
    assert not decided.entries


def test_a_canceled_order_that_was_to_be_paused_waits_here_with_its_reserve():
    order = an_order(status=PENDING_CANCEL, after_cancel=AfterCancel.PAUSE)
    decided = told(a_report("CANCELED", order, cumulative_quantity=0), order)
    paused = stored(decided)
    assert kinds(decided) == [EventKind.ORDER_PAUSED]
    assert (paused.status, paused.reserved, paused.after_cancel) == (PAUSED, order.reserved, AfterCancel.NOTHING)
    assert (paused.closing, paused.attempt_cumulative, paused.timer_at) == (None, None, 0)
    assert not decided.entries
    assert not decided.requests


@pytest.mark.parametrize("asked", [a_pause(), an_amendment(price="99")])
def test_what_is_closing_can_be_neither_paused_nor_amended(asked):
    order = an_order(closing=CANCELED, attempt_cumulative="0.5")
    assert refused(commanded(asked, order)) == Reason.ORDER_PENDING_CANCEL


@pytest.mark.parametrize("asked", [a_pause(), an_amendment(price="99")])
def test_attempts_are_counted_and_run_out(asked):
    assert refused(commanded(asked, an_order(attempt=ids.ATTEMPT_MAX))) == Reason.ATTEMPTS_EXHAUSTED
    assert answered(commanded(asked, an_order(attempt=ids.ATTEMPT_MAX - 1))).answer is Answer.ACCEPTED
    assert refused(commanded(a_resume(), an_order(status=PAUSED, attempt=ids.ATTEMPT_MAX))) == (
        Reason.ATTEMPTS_EXHAUSTED
    )


def test_a_resume_sends_the_rest_under_a_new_client_order_id():
    order = an_order(status=PAUSED, quantity="2", filled_quantity="0.5", attempt_cumulative=None)
    decided = commanded(a_resume(), order, expires_at=NOW + 9)
    resumed, (request,) = stored(decided), decided.requests
    assert answered(decided).kind is EventKind.ORDER_RESUMED
    assert (resumed.status, resumed.attempt, resumed.attempt_filled) == (PENDING_SUBMISSION, 2, 0)
    assert resumed.venue_order_id is None
    assert (request.operation, request.quantity, request.expires_at) == (Operation.PLACE, units("1.5"), NOW + 9)
    assert request.client_order_id == answered(decided).client_order_id
    assert ids.parse_client_order_id(request.client_order_id)[2] == 2


def test_a_resume_after_the_order_was_good_is_refused():
    order = an_order(status=PAUSED, time_in_force=TimeInForce.GTD, good_till=NOW)
    assert refused(commanded(a_resume(), order)) == Reason.GOOD_TILL_PASSED
    order = an_order(status=PAUSED, time_in_force=TimeInForce.GTD, good_till=NOW + 1)
    assert answered(commanded(a_resume(), order)).answer is Answer.ACCEPTED


# ── amend ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("order", "terms", "reason"),
    [
        ({}, {}, Reason.NOTHING_TO_AMEND),
        ({"order_type": OrderType.MARKET}, {"quantity": "2"}, Reason.ORDER_NOT_AMENDABLE),
        ({"time_in_force": TimeInForce.IOC}, {"price": "99"}, Reason.ORDER_NOT_AMENDABLE),
        ({"time_in_force": TimeInForce.FOK}, {"price": "99"}, Reason.ORDER_NOT_AMENDABLE),
        ({}, {"quantity": 0}, Reason.QUANTITY_NOT_POSITIVE),
        ({}, {"quantity": "1.0001"}, Reason.QUANTITY_OFF_LOT),
        ({}, {"price": 0}, Reason.PRICE_NOT_POSITIVE),
        ({}, {"price": "99.001"}, Reason.PRICE_OFF_TICK),
        ({"filled_quantity": "0.5"}, {"quantity": "0.5"}, Reason.QUANTITY_BELOW_FILLED),
        ({"filled_quantity": "0.5"}, {"quantity": "0.549"}, Reason.NOTIONAL_TOO_SMALL),
        ({}, {"quantity": "10.981"}, Reason.INSUFFICIENT_FUNDS),
        ({"status": PAUSED}, {"price": "2000"}, Reason.INSUFFICIENT_FUNDS),
    ],
)
def test_an_amendment_that_can_not_be_is_refused_by_name(order, terms, reason):
    assert refused(commanded(an_amendment(**terms), an_order(**order))) == reason


def test_an_amendment_is_sent_once_the_venue_has_canceled_what_it_has():
    decided = commanded(an_amendment(quantity="2", price="90"), an_order(), expires_at=NOW + 9)
    asked = stored(decided)
    assert answered(decided).kind is EventKind.AMEND_REQUESTED
    assert (asked.status, asked.after_cancel, asked.expires_at) == (PENDING_CANCEL, AfterCancel.AMEND, NOW + 9)
    assert (asked.quantity, asked.price) == (units("1"), units("100")), "until the venue agrees, nothing has changed"
    assert operations(decided) == ["CANCEL"]

    decided = told(a_report("CANCELED", asked, cumulative_quantity=0), asked)
    amended, (request,) = stored(decided), decided.requests
    assert kinds(decided) == [EventKind.ORDER_AMENDED]
    assert (amended.status, amended.attempt, amended.quantity) == (PENDING_SUBMISSION, 2, units("2"))
    assert (amended.price, amended.amend_quantity, amended.amend_price) == (units("90"), None, None)
    assert (amended.closing, amended.attempt_cumulative, amended.after_cancel) == (None, None, AfterCancel.NOTHING)
    assert (request.operation, request.quantity, request.price) == (Operation.PLACE, units("2"), units("90"))
    assert amended.reserved == units("180.36")
    assert decided.entries[-1].kind is EntryKind.RELEASE


def test_an_amendment_of_price_or_quantity_alone_leaves_the_other():
    order = an_order(status=PENDING_CANCEL, after_cancel=AfterCancel.AMEND, amend_price="90")
    amended = stored(told(a_report("CANCELED", order, cumulative_quantity=0), order))
    assert (amended.quantity, amended.price) == (units("1"), units("90"))
    order = an_order(status=PENDING_CANCEL, after_cancel=AfterCancel.AMEND, amend_quantity="0.9")
    amended = stored(told(a_report("CANCELED", order, cumulative_quantity=0), order))
    assert (amended.quantity, amended.price) == (units("0.9"), units("100"))


@pytest.mark.parametrize(
    ("terms", "reserved"),
    [
        ({"price": "120"}, "120.24"),  # dearer: the difference
        ({"price": "80"}, "100.2"),  # cheaper: what is at the venue may still trade at the old price
        ({"quantity": "0.5"}, "100.2"),
        ({"quantity": "3"}, "300.6"),
        ({"quantity": "2", "price": "60"}, "160.32"),  # all of the old order at 100, the increase at 60
    ],
)
def test_while_an_amendment_is_on_its_way_the_worst_of_old_and_new_is_reserved(terms, reserved):
    decided = commanded(an_amendment(**terms), an_order())
    assert stored(decided).reserved == units(reserved)
    assert moved(decided.entries).get(("USD", "reserved"), 0) == units(reserved) - units("100.2")


def test_what_trades_while_an_amendment_is_on_its_way_leaves_enough_for_the_rest():
    order = stored(commanded(an_amendment(quantity="2", price="60"), an_order()))
    order = stored(told(a_fill(order, "0.9"), order))
    decided = told(a_report("CANCELED", order, cumulative_quantity="0.9"), order)
    assert decided.requests[0].quantity == units("1.1")
    assert stored(decided).reserved == units("66.132")  # 1.1 at 60, fee included


def test_money_for_an_amendment_that_is_just_enough_is_enough():
    assert answered(commanded(an_amendment(price="120"), an_order(), "20.04")).answer is Answer.ACCEPTED
    assert refused(commanded(an_amendment(price="120"), an_order(), "20.039")) == Reason.INSUFFICIENT_FUNDS


def test_a_paused_order_is_amended_at_once():
    decided = commanded(an_amendment(quantity="2", price="60"), an_order(status=PAUSED))
    amended = stored(decided)
    assert answered(decided).kind is EventKind.ORDER_AMENDED
    assert (amended.status, amended.quantity, amended.price) == (PAUSED, units("2"), units("60"))
    assert amended.reserved == units("120.24")
    assert not decided.requests
    decided = commanded(an_amendment(quantity="0.5"), amended)
    assert moved(decided.entries) == {("USD", "reserved"): -units("90.18"), ("USD", "available"): units("90.18")}


def test_an_amended_sell_reserves_what_it_sells():
    decided = commanded(an_amendment(quantity="3", price="90"), an_order(side=Side.SELL))
    assert moved(decided.entries) == {("BTC", "reserved"): units("2"), ("BTC", "available"): -units("2")}


def test_an_amended_order_that_has_filled_its_new_quantity_meanwhile_ends():
    order = an_order(
        status=PENDING_CANCEL, after_cancel=AfterCancel.AMEND, quantity="2", amend_quantity="0.5", filled_quantity="0.5"
    )
    decided = told(a_report("CANCELED", order, cumulative_quantity="0.5"), order)
    ended = stored(decided)
    assert (ended.status, ended.reason, ended.quantity) == (CANCELED, Reason.ORDER_FILLED, units("0.5"))
    assert ended.reserved == 0
    assert not decided.requests


def test_an_order_that_filled_more_than_its_new_quantity_ends_with_what_it_filled():
    order = an_order(
        status=PENDING_CANCEL, after_cancel=AfterCancel.AMEND, quantity="2", amend_quantity="0.5", filled_quantity="0.8"
    )
    ended = stored(told(a_report("CANCELED", order, cumulative_quantity="0.8"), order))
    assert (ended.status, ended.quantity) == (CANCELED, units("0.8"))


@pytest.mark.parametrize("past", [{"expires_at": NOW}, {"time_in_force": TimeInForce.GTD, "good_till": NOW}])
def test_an_amendment_that_comes_too_late_to_be_sent_ends_the_order(past):
    order = an_order(status=PENDING_CANCEL, after_cancel=AfterCancel.AMEND, amend_price="90", **past)
    decided = told(a_report("CANCELED", order, cumulative_quantity=0), order)
    assert (stored(decided).status, stored(decided).reason) == (OrderStatus.EXPIRED, Reason.DEADLINE_PASSED)
    assert not decided.requests


def test_the_deadline_of_the_placement_does_not_bind_an_amendment():
    order = an_order(expires_at=NOW - 50 * SECOND_US)
    asked = stored(commanded(an_amendment(price="90"), order))
    decided = told(a_report("CANCELED", asked, cumulative_quantity=0), asked)
    assert operations(decided) == ["PLACE"]
    assert decided.requests[0].expires_at is None
