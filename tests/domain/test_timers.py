"""The passing of time: what is asked again, what expires, what is forgotten."""

import pytest
from msgspec.structs import replace

from domain import moves, timers
from domain.decision import SECOND_US
from domain.messages import EventKind, Evidence, Operation, OrderStatus, ReportKind, TimeInForce
from domain.reasons import Reason
from domain.state import AfterCancel
from tests.builders import NOW, POLICY, a_decision, a_report, an_order
from tests.domain.acting import kinds, operations, reminded, stored, told

PENDING_SUBMISSION = OrderStatus.PENDING_SUBMISSION
OPEN = OrderStatus.OPEN
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
PAUSED = OrderStatus.PAUSED
UNKNOWN = OrderStatus.UNKNOWN
EXPIRED = OrderStatus.EXPIRED
GTD = TimeInForce.GTD


def good_till(at, **said):
    return an_order(time_in_force=GTD, good_till=at, **said)


def next_timer(order, now=NOW):
    return moves.next_timer(a_decision(now=now), order) - now


@pytest.mark.parametrize(("timer_at", "is_due"), [(0, False), (NOW, True), (NOW - 1, True), (NOW + 1, False)])
def test_a_timer_is_due_when_its_time_has_come(timer_at, is_due):
    assert timers.due(an_order(timer_at=timer_at), NOW) is is_due


@pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.NEW])
def test_only_ended_orders_are_forgotten(status):
    ended = status in (OrderStatus.FILLED, OrderStatus.CANCELED, EXPIRED, OrderStatus.REJECTED)
    assert timers.forgettable(an_order(status=status)) is ended


# ── when ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [OPEN, PARTIALLY_FILLED, PAUSED])
def test_what_rests_needs_no_timer(status):
    assert moves.next_timer(a_decision(), an_order(status=status)) == 0


def test_an_ended_order_is_kept_for_its_retention_from_its_end():
    order = an_order(status=EXPIRED, updated_at=NOW - 5, good_till=NOW + 1)
    assert next_timer(order) == POLICY.order_retention_us - 5


@pytest.mark.parametrize("status", [PENDING_SUBMISSION, PENDING_CANCEL])
def test_an_answer_is_waited_for_with_patience_that_grows_to_a_bound(status):
    order = an_order(status=status, updated_at=NOW)
    assert next_timer(order) == POLICY.patience_us
    assert next_timer(order, NOW + 100 * SECOND_US) == 100 * SECOND_US
    assert next_timer(order, NOW + 10_000 * SECOND_US) == POLICY.patience_us_max


@pytest.mark.parametrize(
    "said", [{"status": UNKNOWN}, {"status": PENDING_CANCEL, "looks": 1}, {"attempt_cumulative": "0.5"}]
)
def test_what_nobody_knows_is_looked_for_soon_and_then_more_and_more_seldom(said):
    since = {"unknown_since": NOW} if said.get("status") is UNKNOWN else {"updated_at": NOW}
    order = an_order(**said, **since)
    assert next_timer(order) == POLICY.look_interval_us
    assert next_timer(order, NOW + 40 * SECOND_US) == 10 * SECOND_US
    assert next_timer(order, NOW + 4_000 * SECOND_US) == POLICY.look_interval_us_max


def test_an_unknown_order_is_looked_for_at_the_bound_and_then_soon_until_there_is_a_quorum():
    order = an_order(status=UNKNOWN, unknown_since=NOW)
    bound = POLICY.unknown_bound_us
    assert next_timer(order, NOW + bound - SECOND_US) == SECOND_US
    assert next_timer(order, NOW + bound) == bound // 4
    assert next_timer(replace(order, looks=1), NOW + 10 * bound) == POLICY.look_interval_us


def test_an_order_at_a_venue_that_may_take_longer_is_looked_for_at_that_bound():
    order = an_order(venue="slow", status=UNKNOWN, unknown_since=NOW)
    assert next_timer(order, NOW + 39 * SECOND_US) == SECOND_US


def test_the_end_of_an_orders_life_is_a_timer():
    assert next_timer(good_till(NOW + 5)) == 5
    assert next_timer(good_till(NOW + 5, status=PENDING_SUBMISSION, updated_at=NOW)) == 5
    assert next_timer(good_till(NOW + 900 * SECOND_US, status=UNKNOWN, unknown_since=NOW)) == POLICY.look_interval_us
    assert next_timer(good_till(NOW + 900 * SECOND_US, status=PENDING_SUBMISSION)) < 900 * SECOND_US


def test_the_end_of_a_life_matters_no_more_once_a_cancel_is_on_its_way():
    order = good_till(NOW + 5, status=PENDING_CANCEL, updated_at=NOW)
    assert next_timer(order) == POLICY.patience_us


@pytest.mark.parametrize("status", [OPEN, PARTIALLY_FILLED, PAUSED])
def test_an_order_whose_life_is_over_before_it_rests_is_looked_after_soon(status):
    assert next_timer(good_till(NOW - 1, status=status)) == POLICY.look_interval_us
    assert next_timer(good_till(NOW - 9_000 * SECOND_US, status=status)) == POLICY.look_interval_us_max


def test_an_order_acknowledged_after_its_life_is_over_is_canceled():
    order = good_till(NOW - 1, status=PENDING_SUBMISSION)
    order = stored(told(a_report(ReportKind.ACKNOWLEDGED, order), order))
    assert timers.due(order, NOW + POLICY.look_interval_us)
    decided = reminded(order, now=NOW + POLICY.look_interval_us)
    assert operations(decided) == ["CANCEL"]


# ── what ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [PENDING_SUBMISSION, PENDING_CANCEL, UNKNOWN, OPEN])
def test_an_order_that_wants_a_look_is_asked_for(status):
    decided = reminded(an_order(status=status, attempt_cumulative="0.5"))
    assert operations(decided) == ["QUERY"]
    assert not decided.events
    assert stored(decided).timer_at > NOW


@pytest.mark.parametrize("status", [OPEN, PARTIALLY_FILLED])
def test_a_resting_order_is_canceled_at_the_end_of_its_life(status):
    decided = reminded(good_till(NOW, status=status))
    assert (stored(decided).status, stored(decided).after_cancel) == (PENDING_CANCEL, AfterCancel.EXPIRE)
    assert kinds(decided) == [EventKind.CANCEL_REQUESTED]
    assert decided.events[0].reason == Reason.GOOD_TILL_PASSED
    assert operations(decided) == ["CANCEL"]


def test_a_paused_order_expires_at_the_end_of_its_life():
    decided = reminded(good_till(NOW, status=PAUSED))
    ended = stored(decided)
    assert (ended.status, ended.evidence, ended.reason) == (EXPIRED, Evidence.DECISION, Reason.GOOD_TILL_PASSED)
    assert ended.reserved == 0
    assert not decided.requests


@pytest.mark.parametrize(
    "said",
    [
        {"status": PENDING_SUBMISSION},
        {"status": UNKNOWN},
        {"status": OPEN, "closing": OrderStatus.CANCELED, "attempt_cumulative": "0.5"},
        {"status": PENDING_CANCEL},
    ],
)
def test_what_is_not_known_to_rest_is_looked_for_at_the_end_of_its_life(said):
    assert operations(reminded(good_till(NOW, **said))) == ["QUERY"]


def test_a_cancel_at_the_end_of_a_life_that_fails_is_tried_again():
    order = good_till(NOW - SECOND_US)
    order = stored(reminded(order))
    order = stored(told(a_report(ReportKind.CANCEL_REJECTED, order, reason="TRADING_HALTED"), order))
    assert (order.status, order.timer_at) == (OPEN, NOW + POLICY.look_interval_us)
    assert operations(reminded(order, now=order.timer_at)) == ["CANCEL"]


def test_a_cancel_that_came_too_late_is_tried_again_only_once_the_order_was_seen_on_the_book():
    order = stored(reminded(good_till(NOW - SECOND_US)))
    order = stored(told(a_report(ReportKind.CANCEL_REJECTED, order, reason=Reason.ORDER_FILLED), order))
    assert operations(reminded(order, now=order.timer_at)) == ["QUERY"]
    seen = stored(told(a_report(ReportKind.ACKNOWLEDGED, order, operation=Operation.QUERY), order))
    assert operations(reminded(seen, now=seen.timer_at)) == ["CANCEL"]


def test_good_till_is_passed_at_its_instant():
    assert not moves.good_till_passed(a_decision(), an_order())
    assert not moves.good_till_passed(a_decision(), good_till(NOW + 1))
    assert moves.good_till_passed(a_decision(), good_till(NOW))


def test_a_reminder_of_an_unknown_order_changes_nothing_but_its_timer():
    order = an_order(status=UNKNOWN)
    after = stored(reminded(order))
    assert replace(after, timer_at=0, request_sequence=order.request_sequence) == order
