"""What the passing of time does to an order: ask again, expire, forget."""

from msgspec.structs import replace

from domain import decision, moves
from domain.decision import Decision
from domain.lifecycle import EXPIRED, OPEN, PARTIALLY_FILLED, PAUSED, TERMINAL, Trigger
from domain.messages import EventKind, Evidence, Operation
from domain.reasons import Reason
from domain.state import NOTHING, AfterCancel, Order

_RESTING = (OPEN, PARTIALLY_FILLED)


def due(order: Order, now: int) -> bool:
    """Whether the order's timer has come."""
    return 0 < order.timer_at <= now


def forgettable(order: Order) -> bool:
    """Whether a due *order* has only been kept for its retention."""
    return order.status in TERMINAL


def remind(d: Decision, order: Order) -> None:
    """Does what is due for an *order* that has not ended."""
    expiring = moves.good_till_passed(d, order) and order.after_cancel is NOTHING
    if expiring and order.status is PAUSED:
        return moves.keep(d, moves.end(d, order, EXPIRED, Evidence.DECISION, Reason.GOOD_TILL_PASSED))
    doubtful = order.looks > 0 and not decision.amending(order)  # a cancel came too late, says the venue: so look first
    if expiring and order.status in _RESTING and order.closing is None and not doubtful:
        order = moves.move(moves.doubt_amendment(d, order), Trigger.CANCEL)
        order = replace(order, after_cancel=AfterCancel.EXPIRE, amend_quantity=None)
        order = d.note(order, EventKind.CANCEL_REQUESTED, reason=Reason.GOOD_TILL_PASSED)
        return moves.keep(d, moves.cancel_at_venue(d, order))
    return moves.keep(d, d.ask(order, Operation.QUERY))
