"""The moves that commands, reports and timers share: place, release, leave the book, end, cancel."""

from msgspec.structs import replace

from domain import decision, ledger
from domain.decision import Decision, Policy, leaves
from domain.lifecycle import (
    CANCELED,
    EXPIRED,
    PAUSED,
    PENDING_CANCEL,
    PENDING_SUBMISSION,
    REJECTED,
    TERMINAL,
    UNKNOWN,
    Trigger,
    after,
)
from domain.messages import EntryKind, EventKind, Evidence, Operation, OrderStatus
from domain.reasons import Reason
from domain.state import NOTHING, AfterCancel, Order

_END_EVENTS = {
    CANCELED: EventKind.ORDER_CANCELED,
    EXPIRED: EventKind.ORDER_EXPIRED,
    REJECTED: EventKind.ORDER_REJECTED,
}
_END_TRIGGERS = {
    CANCELED: Trigger.LEFT_BOOK,
    EXPIRED: Trigger.EXPIRY,
    REJECTED: Trigger.VENUE_REJECTED,
}


def move(order: Order, trigger: Trigger) -> Order:
    """*order* in the status that *trigger* leads to. The caller has made sure that the table has the row."""
    status = after(order.status, trigger)
    assert status is not None, f"{order.status} has no transition for {trigger}"
    return replace(order, status=status)


def keep(d: Decision, order: Order) -> None:
    """Stores *order* with its next timer."""
    d.orders.append(replace(order, timer_at=next_timer(d, order)))


def next_timer(d: Decision, order: Order) -> int:
    """When *order* next wants a look, in microseconds since the epoch; 0 for never."""
    now, policy = d.cause.now, d.policy
    if order.status in TERMINAL:
        return order.updated_at + policy.order_retention_us
    if order.status is UNKNOWN or order.looks or owes_fills(order):
        due = _next_look(policy, order, now)
    elif order.status in (PENDING_SUBMISSION, PENDING_CANCEL) or decision.amending(order):
        due = now + min(max(policy.patience_us, now - order.updated_at), policy.patience_us_max)
    else:
        due = 0
    if order.good_till is None or order.after_cancel is not NOTHING:
        return due
    if order.good_till > now:
        return min(due or order.good_till, order.good_till)
    return due or now + _look_interval(policy, now - order.good_till)  # late, or tried in vain: until it is done


def _next_look(policy: Policy, order: Order, now: int) -> int:
    """When to look again for what nobody knows. A look at the bound is the first that counts; once one has counted,
    the others of the quorum follow soon.
    """
    since = order.unknown_since or order.updated_at
    due, bound = now + _look_interval(policy, now - since), since + policy.unknown_bound(order.venue)
    if order.status is UNKNOWN and now < bound:
        return min(due, bound)
    if order.status is UNKNOWN and order.looks:
        return now + policy.look_interval_us
    return due


def _look_interval(policy: Policy, waited: int) -> int:
    """How long to wait for the next look after *waited* already: longer and longer."""
    return min(max(policy.look_interval_us, waited // 4), policy.look_interval_us_max)


def good_till_passed(d: Decision, order: Order) -> bool:
    """Whether *order* was good till a date that has come."""
    return order.good_till is not None and order.good_till <= d.cause.now


def owes_fills(order: Order) -> bool:
    """Whether the venue counts more of this attempt as traded than is booked here."""
    return order.attempt_cumulative is not None and order.attempt_filled < order.attempt_cumulative


def release(d: Decision, order: Order, surplus: int, reference: str) -> Order:
    """Gives back *surplus* of the order's reserve; a negative one reserves more."""
    if not surplus:
        return order
    kind = EntryKind.RELEASE if surplus > 0 else EntryKind.RESERVE
    postings = ledger.reserve(order.user_id, order.reserve_asset, -surplus)
    d.enter(order.user_id, kind, reference, postings, order)
    return replace(order, reserved=order.reserved - surplus)


def trim(d: Decision, order: Order, reference: str) -> Order:
    """Gives back what the reserve holds beyond the worst case of what is left to trade."""
    return release(d, order, max(0, order.reserved - decision.reserve_needed(order, d.instrument(order))), reference)


def cancel_at_venue(d: Decision, order: Order) -> Order:
    """Asks the venue to cancel the current attempt."""
    return d.ask(order, Operation.CANCEL)


def place_again(
    d: Decision, order: Order, kind: EventKind, *, new_attempt: bool, command_id: str | None = None
) -> Order:
    """Sends what is left of *order*: under the next client order ID, unless nothing ever arrived under this one.

    With *command_id* the event is that command's answer.
    """
    order = move(order, Trigger.RESUME if order.status is PAUSED else Trigger.RESUBMIT)
    order = replace(
        order,
        attempt=order.attempt + new_attempt,
        attempt_filled=0 if new_attempt else order.attempt_filled,
        attempt_cumulative=None,
        closing=None,
        after_cancel=NOTHING,
        venue_order_id=None,
        unknown_since=None,
        looks=0,
    )
    return d.ask(d.note(order, kind, command_id=command_id), Operation.PLACE)


def doubt_amendment(d: Decision, order: Order) -> Order:
    """What *order* is when a cancel takes the place of its amendment: that may come through all the same, or have done
    so. It matters if the cancel is refused.
    """
    return replace(order, unknown_since=d.cause.now) if decision.amending(order) else order


def replace_at_venue(d: Decision, order: Order, reason: str | None) -> Order:
    """Has the venue cancel what it wouldn't amend, for *reason*; what is left is placed anew after that."""
    order = move(doubt_amendment(d, order), Trigger.AMEND)
    order = replace(order, after_cancel=AfterCancel.AMEND, looks=0)
    return cancel_at_venue(d, d.note(order, EventKind.CANCEL_REQUESTED, reason=reason))


def amended(d: Decision, order: Order, quantity: int, evidence: Evidence) -> Order:
    """The venue has brought *order* down to *quantity* where it is. That may be what it has traded already.

    One that is about to be replaced still will be, and keeps its reserve for that.
    """
    order = replace(order, quantity=quantity, unknown_since=None, looks=0, evidence=evidence)
    if not leaves(order):
        order = replace(move(order, Trigger.LAST_FILL), after_cancel=NOTHING)
    if order.after_cancel is AfterCancel.AMEND:
        return d.note(order, EventKind.ORDER_AMENDED, evidence=evidence)
    order = d.note(replace(order, amend_quantity=None), EventKind.ORDER_AMENDED, evidence=evidence)
    return trim(d, order, f"amendment of {order.order_id}")


def past_sending(d: Decision, order: Order) -> bool:
    """Whether it is too late to send *order* at all."""
    deadline = decision.deadline(order)
    return deadline is not None and deadline <= d.cause.now


def end(d: Decision, order: Order, status: OrderStatus, evidence: Evidence, reason: str | None) -> Order:
    """Ends *order* as CANCELED, EXPIRED or REJECTED and gives back its reserve."""
    paused = order.status is PAUSED and status is CANCELED
    order = move(order, Trigger.CANCEL if paused else _END_TRIGGERS[status])
    order = replace(order, evidence=evidence, reason=reason, after_cancel=NOTHING, unknown_since=None)
    order = replace(order, amend_quantity=None, amend_price=None)
    order = d.note(order, _END_EVENTS[status], evidence=evidence, reason=reason)
    return release(d, order, order.reserved, f"end of {order.order_id}")


def leave_book(
    d: Decision, order: Order, closing: OrderStatus, cumulative: int, evidence: Evidence, reason: str | None
) -> Order:
    """The venue says that the attempt is off its book as *closing*, having traded *cumulative* of it.

    The order ends (or pauses, or is placed anew) once every fill that the venue counts is booked; until then it waits
    in its status, and a timer asks for what is missing.
    """
    cumulative = max(cumulative, order.attempt_cumulative or 0)
    order = replace(order, closing=closing, attempt_cumulative=cumulative, evidence=evidence, reason=reason)
    return order if owes_fills(order) else off_book(d, order)


def off_book(d: Decision, order: Order) -> Order:
    """Every fill is booked and the attempt is off the book: does what the cancel was for."""
    closing, evidence, reason = order.closing, order.evidence or Evidence.RESPONSE, order.reason
    assert closing is not None
    if closing is REJECTED and order.filled_quantity:
        closing = CANCELED  # an order that has traded was not rejected: its rest was
    wanted = order.after_cancel if closing is CANCELED else NOTHING
    match wanted:
        case AfterCancel.PAUSE:
            return pause(d, order, evidence)
        case AfterCancel.AMEND:
            return amend(d, order, new_attempt=True)
        case AfterCancel.EXPIRE:
            return end(d, order, EXPIRED, evidence, Reason.GOOD_TILL_PASSED)
        case AfterCancel.CANCEL | AfterCancel.NOTHING:  # pragma: no branch  # the last there is, as mypy checks
            return end(d, order, closing, evidence, reason)


def pause(d: Decision, order: Order, evidence: Evidence) -> Order:
    """Nothing is at the venue: the order waits here, its reserve held."""
    order = replace(move(order, Trigger.PAUSE_DONE), after_cancel=NOTHING, evidence=evidence)
    order = replace(order, unknown_since=None, looks=0, closing=None, attempt_cumulative=None)
    return d.note(order, EventKind.ORDER_PAUSED, evidence=evidence)


def amend(d: Decision, order: Order, *, new_attempt: bool) -> Order:
    """Gives *order* its new terms and sends what is left. An order that has filled its new quantity already ends."""
    order = replace(
        order,
        quantity=order.amend_quantity or order.quantity,
        price=order.amend_price or order.price,
        amend_quantity=None,
        amend_price=None,
    )
    if not leaves(order):
        order = replace(order, quantity=order.filled_quantity)
        return end(d, order, CANCELED, order.evidence or Evidence.RESPONSE, Reason.ORDER_FILLED)
    if past_sending(d, order):
        return end(d, order, EXPIRED, Evidence.DECISION, Reason.DEADLINE_PASSED)
    order = place_again(d, order, EventKind.ORDER_AMENDED, new_attempt=new_attempt)
    return trim(d, order, f"amendment of {order.order_id}")
