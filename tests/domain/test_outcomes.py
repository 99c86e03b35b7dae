"""What became of a placement: known, refused, lost, and proved in the end."""

import pytest

from domain import ids
from domain.decision import SECOND_US
from domain.messages import EntryKind, EventKind, Evidence, Operation, OrderStatus, ReportKind, TimeInForce
from domain.reasons import Reason
from domain.state import AfterCancel
from tests.builders import NOW, PARTITION, POLICY, a_fill, a_report, an_order, units
from tests.domain.acting import kinds, operations, stored, told, untouched
from tests.domain.world import key_of

PENDING_SUBMISSION = OrderStatus.PENDING_SUBMISSION
OPEN = OrderStatus.OPEN
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
CANCELED = OrderStatus.CANCELED
EXPIRED = OrderStatus.EXPIRED
PAUSED = OrderStatus.PAUSED
REJECTED = OrderStatus.REJECTED
UNKNOWN = OrderStatus.UNKNOWN
NOT_FOUND = ReportKind.NOT_FOUND
BOUND = POLICY.unknown_bound_us


# ── acknowledged ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_acknowledged_order_is_open_under_the_venues_own_id():
    order = an_order(status=PENDING_SUBMISSION)
    decided = told(a_report(ReportKind.ACKNOWLEDGED, order, venue_order_id="v-9"), order)
    assert kinds(decided) == [EventKind.ORDER_OPENED]
    assert (stored(decided).status, stored(decided).venue_order_id, stored(decided).timer_at) == (OPEN, "v-9", 0)


def test_a_second_attempt_of_an_order_that_has_traded_opens_partially_filled():
    order = an_order(status=PENDING_SUBMISSION, attempt=2, filled_quantity="0.4", attempt_filled=0)
    assert stored(told(a_report(ReportKind.ACKNOWLEDGED, order), order)).status is PARTIALLY_FILLED


def test_trades_that_an_acknowledgement_counts_are_asked_for_if_they_do_not_come():
    order = an_order(status=PENDING_SUBMISSION)
    decided = told(a_report(ReportKind.ACKNOWLEDGED, order, cumulative_quantity="0.5"), order)
    assert stored(decided).attempt_cumulative == units("0.5")
    assert NOW < stored(decided).timer_at <= NOW + POLICY.look_interval_us_max
    assert stored(told(a_fill(stored(decided), "0.5"), stored(decided))).timer_at == 0


def test_an_acknowledgement_that_counts_no_more_than_is_booked_changes_nothing():
    order = an_order(status=PARTIALLY_FILLED, filled_quantity="0.5")
    assert untouched(told(a_report(ReportKind.ACKNOWLEDGED, order, cumulative_quantity="0.5"), order))


def test_the_venues_count_never_goes_back():
    order = an_order(attempt_cumulative="0.5")
    assert untouched(told(a_report(ReportKind.ACKNOWLEDGED, order, cumulative_quantity="0.3"), order))
    decided = told(a_report(ReportKind.CANCELED, order, cumulative_quantity="0.3"), order)
    assert stored(decided).status is OPEN
    assert stored(decided).attempt_cumulative == units("0.5")


@pytest.mark.parametrize("kind", [ReportKind.ACKNOWLEDGED, ReportKind.CANCELED])
@pytest.mark.parametrize(("said", "counted"), [("5", "2"), (10**40, "2"), ("-3", None)])
def test_a_venue_can_not_count_more_than_was_sent(kind, said, counted):
    order = an_order(quantity="3", filled_quantity="1", attempt_filled=0)
    order = stored(told(a_report(kind, order, cumulative_quantity=said, venue_order_id="v-9"), order))
    assert order.attempt_cumulative in (counted and units(counted), 0 if kind is ReportKind.CANCELED else None)


def test_a_lost_cancel_is_sent_again_when_a_look_still_finds_the_order():
    order = an_order(status=PENDING_CANCEL)
    decided = told(a_report(ReportKind.ACKNOWLEDGED, order, operation=Operation.QUERY), order)
    assert operations(decided) == ["CANCEL"]
    assert not decided.events


@pytest.mark.parametrize(
    ("operation", "closing"), [(Operation.PLACE, None), (None, None), (Operation.QUERY, OrderStatus.CANCELED)]
)
def test_no_other_acknowledgement_makes_a_cancel_be_sent_again(operation, closing):
    order = an_order(status=PENDING_CANCEL, closing=closing)
    assert untouched(told(a_report(ReportKind.ACKNOWLEDGED, order, operation=operation), order))


def test_an_acknowledgement_ends_the_doubt_and_sends_the_cancel_that_was_wanted():
    order = an_order(status=UNKNOWN, after_cancel=AfterCancel.AMEND, looks=2)
    decided = told(a_report(ReportKind.ACKNOWLEDGED, order), order)
    after = stored(decided)
    assert kinds(decided) == [EventKind.ORDER_OPENED]
    assert (after.status, after.after_cancel, after.unknown_since) == (PENDING_CANCEL, AfterCancel.AMEND, None)
    assert operations(decided) == ["CANCEL"]


# ── refused, or not sent ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [PENDING_SUBMISSION, PENDING_CANCEL, UNKNOWN])
def test_a_rejected_order_ends_with_its_reason_and_without_a_reserve(status):
    order = an_order(status=status, venue_order_id=None)
    decided = told(a_report(ReportKind.REJECTED, order, reason="-2010"), order)
    ended = stored(decided)
    assert kinds(decided) == [EventKind.ORDER_REJECTED]
    assert (ended.status, ended.reason, ended.evidence, ended.reserved) == (REJECTED, "-2010", Evidence.RESPONSE, 0)
    assert [entry.kind for entry in decided.entries] == [EntryKind.RELEASE]


def test_a_rejection_without_a_reason_has_a_name_all_the_same():
    order = an_order(status=PENDING_SUBMISSION)
    assert stored(told(a_report(ReportKind.REJECTED, order), order)).reason == Reason.VENUE_REFUSED


@pytest.mark.parametrize("status", [OPEN, PARTIALLY_FILLED])
def test_a_rejecting_response_that_comes_late_does_not_end_what_is_on_the_book(status):
    order = an_order(status=status)
    assert untouched(told(a_report(ReportKind.REJECTED, order), order))


@pytest.mark.parametrize("evidence", [Evidence.STREAM, Evidence.QUERY, Evidence.POLL])
def test_a_venue_may_accept_first_and_refuse_later(evidence):
    order = an_order()
    assert stored(told(a_report(ReportKind.REJECTED, order, evidence=evidence), order)).status is REJECTED
    order = an_order(status=PARTIALLY_FILLED, filled_quantity="0.5")
    assert stored(told(a_report(ReportKind.REJECTED, order, evidence=evidence), order)).status is CANCELED


def test_a_refused_second_attempt_of_an_order_that_has_traded_is_canceled_or_paused_as_wanted():
    order = an_order(status=PENDING_SUBMISSION, attempt=2, filled_quantity="0.4", attempt_filled=0)
    assert stored(told(a_report(ReportKind.REJECTED, order), order)).status is CANCELED
    order = an_order(
        status=PENDING_CANCEL,
        attempt=2,
        filled_quantity="0.4",
        attempt_filled=0,
        after_cancel=AfterCancel.PAUSE,
        venue_order_id=None,
    )
    assert stored(told(a_report(ReportKind.REJECTED, order), order)).status is PAUSED


@pytest.mark.parametrize("kind", [ReportKind.REJECTED, ReportKind.NOT_SENT])
def test_what_has_left_the_book_is_not_refused_any_more(kind):
    order = an_order(status=PENDING_CANCEL, closing=CANCELED, attempt_cumulative="0.5", venue_order_id=None)
    assert untouched(told(a_report(kind, order), order))


@pytest.mark.parametrize(
    ("reason", "wanted", "leads_to"),
    [
        (Reason.DEADLINE_PASSED, AfterCancel.NOTHING, EXPIRED),
        (Reason.DEADLINE_PASSED, AfterCancel.PAUSE, EXPIRED),
        (Reason.CANCELED_BEFORE_SENDING, AfterCancel.CANCEL, CANCELED),
        (Reason.CANCELED_BEFORE_SENDING, AfterCancel.PAUSE, PAUSED),
        (Reason.CANCELED_BEFORE_SENDING, AfterCancel.AMEND, PENDING_SUBMISSION),
    ],
)
def test_what_was_never_sent_does_what_was_wanted(reason, wanted, leads_to):
    status = PENDING_SUBMISSION if wanted is AfterCancel.NOTHING else PENDING_CANCEL
    order = an_order(status=status, after_cancel=wanted, amend_price="90", venue_order_id=None)
    decided = told(a_report(ReportKind.NOT_SENT, order, reason=reason, evidence=Evidence.GATEWAY), order)
    assert stored(decided).status is leads_to
    assert decided.events[-1].evidence in (None, Evidence.GATEWAY)


@pytest.mark.parametrize("proof", [{"venue_order_id": "v-9"}, {"attempt_filled": "0.1"}, {"attempt_cumulative": "0.1"}])
@pytest.mark.parametrize("kind", [ReportKind.NOT_SENT, ReportKind.UNKNOWN, pytest.param(NOT_FOUND, id="NOT_FOUND")])
def test_nothing_casts_doubt_on_an_order_that_has_arrived(kind, proof):
    order = an_order(status=PENDING_CANCEL, **({"venue_order_id": None} | proof))
    assert untouched(told(a_report(kind, order), order))


def test_what_was_not_sent_is_no_longer_in_doubt():
    order = an_order(status=UNKNOWN)
    decided = told(a_report(ReportKind.NOT_SENT, order, reason=Reason.DEADLINE_PASSED), order)
    assert (stored(decided).status, stored(decided).reserved) == (EXPIRED, 0)


@pytest.mark.parametrize("status", [OPEN, PARTIALLY_FILLED])
def test_what_is_on_the_book_was_sent(status):
    order = an_order(status=status, venue_order_id=None)
    assert untouched(told(a_report(ReportKind.NOT_SENT, order, reason=Reason.DEADLINE_PASSED), order))


# ── unknown ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [PENDING_SUBMISSION, PENDING_CANCEL])
def test_a_timeout_is_not_a_failure_and_the_reserve_stays(status):
    order = an_order(status=status, venue_order_id=None)
    decided = told(a_report(ReportKind.UNKNOWN, order, reason="TIMEOUT"), order)
    unknown = stored(decided)
    assert kinds(decided) == [EventKind.OUTCOME_UNKNOWN]
    assert (unknown.status, unknown.unknown_since, unknown.after_cancel) == (UNKNOWN, NOW, order.after_cancel)
    assert unknown.timer_at == NOW + POLICY.look_interval_us
    assert not decided.entries
    assert not decided.requests


def test_a_placement_that_may_have_been_sent_only_now_begins_the_wait_anew():
    order = an_order(status=UNKNOWN, looks=2)
    decided = told(a_report(ReportKind.UNKNOWN, order), order)
    assert (stored(decided).unknown_since, stored(decided).looks) == (NOW, 0)
    assert not decided.events


@pytest.mark.parametrize("status", [OPEN, PARTIALLY_FILLED])
def test_what_is_on_the_book_does_not_become_unknown(status):
    order = an_order(status=status, venue_order_id=None)
    assert untouched(told(a_report(ReportKind.UNKNOWN, order), order))
    assert untouched(told(a_report(NOT_FOUND, order), order))


def test_a_look_that_finds_nothing_of_a_silent_placement_makes_it_unknown_and_no_more():
    order = an_order(status=PENDING_SUBMISSION, looks=POLICY.looks_min)
    decided = told(a_report(NOT_FOUND, order), order)
    assert (stored(decided).status, stored(decided).looks) == (UNKNOWN, 0)
    assert not decided.requests


def look(order, asked_at, now):
    return told(a_report(NOT_FOUND, order, requested_at=asked_at), order, now=now)


def test_a_quorum_of_looks_past_the_bound_proves_that_nothing_arrived():
    since = NOW
    order = an_order(status=UNKNOWN, unknown_since=since, updated_at=since)
    for number in range(1, POLICY.looks_min):
        at = since + BOUND + number * 2 * SECOND_US
        decided = look(order, at, at + 1)
        order = stored(decided)
        assert (order.status, order.looks) == (UNKNOWN, number)
        assert not decided.requests
        assert not decided.entries
    at = since + 2 * BOUND
    decided = look(order, at, at + 1)
    assert kinds(decided) == [EventKind.ORDER_RESUBMITTED]
    assert (stored(decided).status, stored(decided).attempt) == (PENDING_SUBMISSION, 1)
    assert (stored(decided).looks, stored(decided).unknown_since) == (0, None)
    assert not decided.entries


def test_a_resubmission_keeps_the_client_order_id():
    order = an_order(status=UNKNOWN, looks=POLICY.looks_min - 1, attempt=2)
    (request,) = told(a_report(NOT_FOUND, order), order).requests
    assert request.operation is Operation.PLACE
    assert request.client_order_id == ids.client_order_id(PARTITION, key_of(order), 2)
    assert request.sequence == order.request_sequence + 1


def test_a_look_asked_before_the_bound_proves_nothing_however_late_it_is_told():
    order = an_order(status=UNKNOWN, looks=POLICY.looks_min - 1, unknown_since=NOW, updated_at=NOW)
    assert untouched(look(order, NOW + BOUND - 1, NOW + 100 * BOUND))
    assert operations(look(order, NOW + BOUND, NOW + 100 * BOUND)) == ["PLACE"]


@pytest.mark.parametrize("venue", ["slow", "slow.hedge"])
def test_a_venue_that_may_take_longer_is_given_longer(venue):
    order, longer = an_order(venue=venue, status=UNKNOWN, unknown_since=NOW, updated_at=NOW), 40 * SECOND_US
    assert untouched(look(order, NOW + longer - 1, NOW + 100 * longer))
    assert stored(look(order, NOW + longer, NOW + 100 * longer)).looks == 1


def test_a_look_that_is_told_twice_is_one_look():
    order = an_order(status=UNKNOWN, unknown_since=NOW, updated_at=NOW)
    order = stored(look(order, NOW + BOUND, NOW + BOUND + 5))
    assert order.looks == 1
    assert untouched(look(order, NOW + BOUND, NOW + BOUND + 6))
    assert stored(look(order, NOW + BOUND + 6, NOW + BOUND + 7)).looks == 2


def test_a_look_that_does_not_say_when_it_was_asked_for_proves_nothing():
    order = an_order(status=UNKNOWN, looks=POLICY.looks_min - 1)
    assert untouched(look(order, None, NOW + BOUND))


def test_a_look_asked_before_a_resubmission_says_nothing_of_it():
    order = an_order(status=PENDING_SUBMISSION, updated_at=NOW)
    assert untouched(look(order, NOW, NOW + 1))
    assert stored(look(order, NOW + 1, NOW + 2)).status is UNKNOWN


@pytest.mark.parametrize("proof", [{"closing": CANCELED}, {"attempt_filled": "0.1"}, {"venue_order_id": "v-9"}])
def test_looks_that_find_nothing_prove_nothing_of_what_is_known_to_have_arrived(proof):
    order = an_order(status=UNKNOWN, looks=POLICY.looks_min - 1, **proof)
    assert untouched(told(a_report(NOT_FOUND, order), order))


@pytest.mark.parametrize(
    ("wanted", "leads_to", "reason"),
    [
        (AfterCancel.CANCEL, CANCELED, Reason.NEVER_PLACED),
        (AfterCancel.EXPIRE, EXPIRED, Reason.GOOD_TILL_PASSED),
        (AfterCancel.PAUSE, PAUSED, Reason.NEVER_PLACED),
    ],
)
def test_what_was_never_placed_does_what_was_wanted_without_a_venue_call(wanted, leads_to, reason):
    order = an_order(status=UNKNOWN, looks=POLICY.looks_min - 1, after_cancel=wanted)
    decided = told(a_report(NOT_FOUND, order), order)
    assert (stored(decided).status, stored(decided).reason, stored(decided).evidence) == (leads_to, reason, "QUERY")
    assert bool(stored(decided).reserved) is (leads_to is PAUSED)
    assert not decided.requests


def test_what_was_never_placed_is_placed_as_amended():
    order = an_order(status=UNKNOWN, looks=POLICY.looks_min - 1, after_cancel=AfterCancel.AMEND, amend_price="90")
    decided = told(a_report(NOT_FOUND, order), order)
    assert kinds(decided) == [EventKind.ORDER_AMENDED]
    assert (decided.requests[0].operation, decided.requests[0].price) == (Operation.PLACE, units("90"))
    assert stored(decided).attempt == 1
    assert stored(decided).reserved == units("90.18")


@pytest.mark.parametrize(
    "past",
    [{"expires_at": NOW}, {"time_in_force": TimeInForce.GTD, "good_till": NOW}],
)
def test_what_was_never_placed_is_not_placed_after_its_deadline(past):
    order = an_order(status=UNKNOWN, looks=POLICY.looks_min - 1, **past)
    decided = told(a_report(NOT_FOUND, order), order)
    assert (stored(decided).status, stored(decided).reason) == (EXPIRED, Reason.NEVER_PLACED)
    assert not decided.requests
