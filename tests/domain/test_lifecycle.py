"""The state machine: every row of its table is taken by some input, and what has no row stays where it is."""

import itertools

import pytest

from domain import commands, lifecycle, moves, reports
from domain.decision import SECOND_US
from domain.lifecycle import TERMINAL, TRANSITIONS, Trigger
from domain.messages import Evidence, OrderStatus, ReportKind
from domain.reasons import Reason
from domain.state import AfterCancel
from tests.builders import (
    NOW,
    POLICY,
    a_cancel,
    a_fill,
    a_pause,
    a_place,
    a_report,
    a_resume,
    an_amendment,
    an_order,
)
from tests.domain.acting import answered, commanded, placed, reminded, stored, told

NEW = OrderStatus.NEW
PENDING_SUBMISSION = OrderStatus.PENDING_SUBMISSION
OPEN = OrderStatus.OPEN
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
PAUSED = OrderStatus.PAUSED
UNKNOWN = OrderStatus.UNKNOWN
FILLED = OrderStatus.FILLED
CANCELED = OrderStatus.CANCELED
EXPIRED = OrderStatus.EXPIRED
REJECTED = OrderStatus.REJECTED
STATUSES = [status for status in OrderStatus if status is not NEW]


def in_status(status, **said):
    """An order in *status*, half filled where the status says so."""
    filled = {"filled_quantity": "0.5"} if status is PARTIALLY_FILLED else {}
    filled |= {"filled_quantity": "1"} if status is FILLED else {}
    return an_order(status=status, **(filled | said))


# ── every row ───────────────────────────────────────────────────────────────────────────────────────────────────────


def by_report(kind, **report):
    return lambda order: told(a_report(kind, order, **report), order)


def by_fill(quantity):
    return lambda order: told(a_fill(order, quantity), order)


def by_command(asked):
    return lambda order: commanded(asked, order)


def by_quorum(order):
    return told(a_report(ReportKind.NOT_FOUND, order), order)


ENOUGH_LOOKS = {"looks": POLICY.looks_min - 1}
TRADED_BEFORE = {"attempt": 2, "filled_quantity": "0.4", "attempt_filled": 0}
CANCELED_NOW = by_report(ReportKind.CANCELED, cumulative_quantity=0)

#: How each trigger comes about; with a status where it depends on the status.
INPUTS = {
    Trigger.PLACE: lambda _: placed(a_place()),
    Trigger.CANCEL: by_command(a_cancel()),
    Trigger.PAUSE: by_command(a_pause()),
    Trigger.RESUME: by_command(a_resume()),
    Trigger.AMEND: by_command(an_amendment(price="99")),
    Trigger.ACKNOWLEDGED: by_report(ReportKind.ACKNOWLEDGED),
    Trigger.ACKNOWLEDGED_PARTIAL: by_report(ReportKind.ACKNOWLEDGED),
    Trigger.CANCEL_CARRIED_OVER: by_report(ReportKind.ACKNOWLEDGED),
    Trigger.PARTIAL_FILL: by_fill("0.3"),
    Trigger.LAST_FILL: by_fill("1"),
    Trigger.VENUE_REJECTED: by_report(ReportKind.REJECTED),
    (OPEN, Trigger.VENUE_REJECTED): by_report(ReportKind.REJECTED, evidence=Evidence.STREAM),
    Trigger.LEFT_BOOK: CANCELED_NOW,
    (PARTIALLY_FILLED, Trigger.LEFT_BOOK): by_report(ReportKind.CANCELED, cumulative_quantity="0.5"),
    Trigger.PAUSE_DONE: CANCELED_NOW,
    Trigger.RESUBMIT: CANCELED_NOW,
    (UNKNOWN, Trigger.RESUBMIT): by_quorum,
    Trigger.EXPIRY: by_report(ReportKind.EXPIRED),
    (PAUSED, Trigger.EXPIRY): reminded,
    Trigger.CANCEL_FAILED: by_report(ReportKind.CANCEL_REJECTED, reason="TRADING_HALTED"),
    Trigger.CANCEL_FAILED_PARTIAL: by_report(ReportKind.CANCEL_REJECTED, reason="TRADING_HALTED"),
    Trigger.OUTCOME_LOST: by_report(ReportKind.UNKNOWN),
}
#: What else the order must have been through.
PASTS = {
    Trigger.ACKNOWLEDGED_PARTIAL: TRADED_BEFORE,
    Trigger.CANCEL_CARRIED_OVER: {"after_cancel": AfterCancel.CANCEL},
    (PENDING_CANCEL, Trigger.VENUE_REJECTED): {"venue_order_id": None},
    (PENDING_CANCEL, Trigger.OUTCOME_LOST): {"venue_order_id": None},
    Trigger.PAUSE_DONE: {"after_cancel": AfterCancel.PAUSE},
    (PENDING_CANCEL, Trigger.RESUBMIT): {"after_cancel": AfterCancel.AMEND},
    (UNKNOWN, Trigger.RESUBMIT): ENOUGH_LOOKS,
    (PAUSED, Trigger.EXPIRY): {"good_till": NOW - SECOND_US},
    (PENDING_CANCEL, Trigger.CANCEL): {"after_cancel": AfterCancel.PAUSE},
    Trigger.CANCEL_FAILED_PARTIAL: {"filled_quantity": "0.4"},
    (FILLED, Trigger.LAST_FILL): {"trade_ids": ("trade-0",)},
}


@pytest.fixture
def taken(monkeypatch):
    """The rows that decisions have taken."""
    rows = set()

    def after(status, trigger):
        rows.add((status, trigger))
        return lifecycle.TRANSITIONS.get((status, trigger))

    for module in (commands, moves, reports):
        monkeypatch.setattr(module, "after", after)
    return rows


@pytest.mark.parametrize(("row", "leads_to"), list(TRANSITIONS.items()), ids=str)
def test_every_row_is_taken_by_the_input_it_is_for(row, leads_to, taken):
    status, trigger = row
    order = in_status(status, **(PASTS.get(row) or PASTS.get(trigger) or {}))
    decided = (INPUTS.get(row) or INPUTS[trigger])(order)
    assert row in taken
    assert leads_to in [event.status for event in decided.events] + [stored(decided).status]
    assert stored(decided).status is leads_to


# ── every status, every input ───────────────────────────────────────────────────────────────────────────────────────

AFTER_REPORT = {
    PENDING_SUBMISSION: {
        ReportKind.ACKNOWLEDGED: OPEN,
        ReportKind.REJECTED: REJECTED,
        ReportKind.NOT_SENT: EXPIRED,
        ReportKind.FILL: PARTIALLY_FILLED,
        ReportKind.CANCELED: CANCELED,
        ReportKind.EXPIRED: EXPIRED,
        ReportKind.UNKNOWN: UNKNOWN,
        ReportKind.NOT_FOUND: UNKNOWN,
    },
    OPEN: {
        ReportKind.FILL: PARTIALLY_FILLED,
        ReportKind.CANCELED: CANCELED,
        ReportKind.EXPIRED: EXPIRED,
    },
    PARTIALLY_FILLED: {
        ReportKind.CANCELED: CANCELED,
        ReportKind.EXPIRED: EXPIRED,
    },
    PENDING_CANCEL: {
        ReportKind.REJECTED: REJECTED,
        ReportKind.CANCELED: CANCELED,
        ReportKind.EXPIRED: EXPIRED,
        ReportKind.CANCEL_REJECTED: OPEN,
    },
    UNKNOWN: {
        ReportKind.ACKNOWLEDGED: OPEN,
        ReportKind.REJECTED: REJECTED,
        ReportKind.NOT_SENT: EXPIRED,
        ReportKind.FILL: PARTIALLY_FILLED,
        ReportKind.CANCELED: CANCELED,
        ReportKind.EXPIRED: EXPIRED,
    },
}


@pytest.mark.parametrize(("status", "kind"), list(itertools.product(STATUSES, ReportKind)))
def test_a_report_that_has_no_row_leaves_the_status_as_it_is(status, kind):
    order = in_status(status)
    fill = {"trade_id": "trade-1", "fill_quantity": "0.3", "fill_price": "100"} if kind is ReportKind.FILL else {}
    decided = told(a_report(kind, order, **fill), order)
    after = stored(decided).status if decided.orders else status
    assert after is AFTER_REPORT.get(status, {}).get(kind, status)
    if status in TERMINAL and kind is not ReportKind.FILL:
        assert not decided.orders
        assert not decided.events


AFTER_COMMAND = {
    PENDING_SUBMISSION: [PENDING_CANCEL, PENDING_CANCEL, Reason.ORDER_NOT_PAUSED, PENDING_CANCEL],
    OPEN: [PENDING_CANCEL, PENDING_CANCEL, Reason.ORDER_NOT_PAUSED, PENDING_CANCEL],
    PARTIALLY_FILLED: [PENDING_CANCEL, PENDING_CANCEL, Reason.ORDER_NOT_PAUSED, PENDING_CANCEL],
    PENDING_CANCEL: [
        Reason.ORDER_PENDING_CANCEL,
        Reason.ORDER_PENDING_CANCEL,
        Reason.ORDER_NOT_PAUSED,
        Reason.ORDER_PENDING_CANCEL,
    ],
    PAUSED: [CANCELED, Reason.ORDER_ALREADY_PAUSED, PENDING_SUBMISSION, PAUSED],
    UNKNOWN: [UNKNOWN, Reason.ORDER_OUTCOME_UNKNOWN, Reason.ORDER_NOT_PAUSED, Reason.ORDER_OUTCOME_UNKNOWN],
} | {status: [Reason.ORDER_ENDED] * 4 for status in TERMINAL}


@pytest.mark.parametrize(("status", "at"), list(itertools.product(STATUSES, range(4))))
def test_a_command_that_has_no_row_is_refused_by_name(status, at):
    order = in_status(status)
    asked = [a_cancel(), a_pause(), a_resume(), an_amendment(price="99")][at]
    decided = commanded(asked, order)
    expected = AFTER_COMMAND[status][at]
    if isinstance(expected, Reason):
        assert answered(decided).reason == expected
        assert not decided.orders
    else:
        assert answered(decided).answer == "ACCEPTED"
        assert stored(decided).status is expected


def test_a_pair_without_a_row_leads_nowhere():
    pairs = set(itertools.product(OrderStatus, Trigger)) - TRANSITIONS.keys()
    assert {lifecycle.after(*pair) for pair in pairs} == {None}


def test_no_row_leaves_an_ended_order_but_for_a_last_fill():
    for (status, trigger), leads_to in TRANSITIONS.items():
        if status in TERMINAL:
            assert leads_to is status or (trigger, leads_to) == (Trigger.LAST_FILL, FILLED)


def test_a_move_without_a_row_is_a_fault():
    with pytest.raises(AssertionError, match="PAUSED has no transition for pause"):
        moves.move(an_order(status=PAUSED), Trigger.PAUSE)
