"""Interprets what venues said: each report moves an order, books a fill, or is recognised as stale.

A report may be repeated, late, early or out of order. Nothing it says is asserted on: what can't be booked becomes a
dead letter, what is old news changes nothing.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from domain import decision, ledger, money, moves
from domain.decision import DeadInput, Decision, leaves
from domain.lifecycle import (
    CANCELED,
    EXPIRED,
    LIVE,
    OPEN,
    PARTIALLY_FILLED,
    PAUSED,
    PENDING_CANCEL,
    PENDING_SUBMISSION,
    REJECTED,
    TERMINAL,
    UNKNOWN,
    Trigger,
    after,
)
from domain.messages import EntryKind, EventKind, Evidence, Operation, OrderStatus, ReportKind, VenueReport
from domain.reasons import Reason
from domain.state import NOTHING, AfterCancel, Order

#: The most units that a fill may claim; beyond it a price times a quantity would not fit the ledger's columns.
FILL_AMOUNT_MAX: Final = money.AMOUNT_MAX // 10**3
_AT_VENUE: Final = LIVE - {PAUSED}


def interpret(d: Decision, report: VenueReport, attempt: int, order: Order | None) -> None:
    """Books *report* on *order*; *attempt* is the one that its client order ID names."""
    if order is None:
        if report.kind is not ReportKind.NOT_FOUND:
            d.dead = DeadInput(Reason.ORDER_NOT_FOUND, f"{report.kind} for {report.client_order_id}")
        return
    if report.kind is ReportKind.FILL:
        changed = fill(d, report, attempt, order)
    elif attempt != order.attempt or order.status in TERMINAL or order.status is PAUSED:
        return  # old news: only trades of earlier attempts and ended orders matter
    else:
        changed = _INTERPRETERS[report.kind](d, report, order)
    if changed is not None and changed != order:
        moves.keep(d, changed)


# ── trades ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def fill(d: Decision, report: VenueReport, attempt: int, order: Order) -> Order | None:
    """Books one trade, once, whatever the order's status."""
    trade = _trade(report)
    if trade is None:
        detail = f"trade {report.trade_id} of {report.client_order_id}: {report.fill_quantity} at {report.fill_price}"
        d.dead = DeadInput(Reason.INVALID_FILL, detail)
        return None
    if trade.trade_id in order.trade_ids:
        return None
    current = attempt == order.attempt
    was, order = order.status, _settle(d, order, trade, report, current=current)
    order = d.note(_traded(order, current=current), EventKind.ORDER_FILLED, evidence=report.evidence, trade=trade)
    if not leaves(order):
        return _complete(d, order, at_venue=not current and was in _AT_VENUE)
    if was in TERMINAL:
        return order
    if order.closing is not None and not moves.owes_fills(order):
        return moves.off_book(d, order)
    return _proven(d, order) if was is UNKNOWN and current else order


def _traded(order: Order, *, current: bool) -> Order:
    """*order* in its status after a trade of the *current* attempt, or of an earlier one."""
    if not leaves(order):
        return moves.move(order, Trigger.LAST_FILL)
    if not current and order.status in (PENDING_SUBMISSION, UNKNOWN):
        return order  # which proves nothing of the current one
    carried = order.status is UNKNOWN and order.after_cancel is not NOTHING
    return moves.move(order, Trigger.CANCEL_CARRIED_OVER if carried else Trigger.PARTIAL_FILL)


def _complete(d: Decision, order: Order, *, at_venue: bool) -> Order:
    """Nothing is left to trade. What may still be *at_venue*, though a trade of an earlier attempt was the last one,
    is canceled: it could only overfill.
    """
    order = moves.release(d, order, order.reserved, f"end of {order.order_id}")
    order = replace(order, after_cancel=NOTHING, unknown_since=None)
    return moves.cancel_at_venue(d, order) if at_venue else order


def _trade(report: VenueReport) -> ledger.Fill | None:
    """The trade that *report* tells of, or None if it can't be one."""
    if not report.trade_id or report.fill_quantity is None or report.fill_price is None:
        return None
    if not 0 < report.fill_quantity <= FILL_AMOUNT_MAX or not 0 < report.fill_price <= FILL_AMOUNT_MAX:
        return None
    fee = report.fee or 0
    if money.multiply(report.fill_price, report.fill_quantity) > FILL_AMOUNT_MAX or abs(fee) > FILL_AMOUNT_MAX:
        return None
    if fee and not report.fee_asset:
        return None
    fee_asset = report.fee_asset or ""
    return ledger.Fill(report.trade_id, report.fill_quantity, report.fill_price, fee, fee_asset, report.liquidity)


def _settle(d: Decision, order: Order, trade: ledger.Fill, report: VenueReport, *, current: bool) -> Order:
    base, _, quote = order.symbol.partition("-")
    postings, reserved = ledger.settle(order, trade, base, quote)
    d.enter(order.user_id, EntryKind.SETTLE, trade.trade_id, postings, order)
    return replace(
        order,
        reserved=reserved,
        filled_quantity=order.filled_quantity + trade.quantity,
        filled_cost=order.filled_cost + money.multiply(trade.price, trade.quantity),
        attempt_filled=order.attempt_filled + (trade.quantity if current else 0),
        venue_order_id=report.venue_order_id or order.venue_order_id if current else order.venue_order_id,
        trade_ids=(*order.trade_ids, trade.trade_id),
        evidence=report.evidence,
    )


# ── the placement's outcome ─────────────────────────────────────────────────────────────────────────────────────────


def _acknowledged(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """The order exists at the venue. That proves an unknown placement, and that a cancel still has work to do."""
    seen = max(_counted(report, order) or 0, order.attempt_cumulative or 0)
    order = replace(order, venue_order_id=report.venue_order_id or order.venue_order_id)
    if decision.amending(order) and report.order_quantity == decision.amended_attempt(order):
        order = moves.amended(d, order, order.amend_quantity or order.quantity, report.evidence)
    elif order.closing is None and _came_through(report, order):
        less = decision.sent(order) - (report.order_quantity or 0)
        order = moves.amended(d, order, order.quantity - less, report.evidence)
    elif order.closing is None and _complete_at_less(report, order):
        return moves.leave_book(d, order, CANCELED, seen, report.evidence, Reason.REDUCED_AT_VENUE)
    if seen > order.attempt_filled:
        order = replace(order, attempt_cumulative=seen)  # fills are on their way; a timer asks if they don't come
    if order.status in (UNKNOWN, PENDING_SUBMISSION):
        order = d.note(moves.move(order, _opening(order)), EventKind.ORDER_OPENED, evidence=report.evidence)
        return _proven(d, order)
    if order.status is PENDING_CANCEL and report.operation is Operation.QUERY and order.closing is None:
        return moves.cancel_at_venue(d, order)  # still on the book: the cancel has been lost
    if decision.amending(order) and report.operation is Operation.QUERY and _answers_last(d, report, order):
        return moves.replace_at_venue(d, order, Reason.NOT_AMENDED)  # it was asked after the amendment had been tried
    if order.looks and _settles_doubt(d, report, order):
        return replace(order, looks=0, unknown_since=None)
    return order


def _complete_at_less(report: VenueReport, order: Order) -> bool:
    """Whether the venue has nothing left of the attempt to trade, though less than was sent has traded: it has been
    made smaller there, and no fill will ever complete it.
    """
    return _less(report, order) and (report.cumulative_quantity or 0) >= (report.order_quantity or 0)


def _less(report: VenueReport, order: Order) -> bool:
    """Whether the attempt is for less at the venue than is known here. It never grows again."""
    return report.order_quantity is not None and report.order_quantity < decision.sent(order)


def _came_through(report: VenueReport, order: Order) -> bool:
    """Whether an amendment was carried out although a cancel had taken its place."""
    on_book = order.status is PENDING_CANCEL or _at_rest(order)
    return on_book and order.unknown_since is not None and _less(report, order)


def _settles_doubt(d: Decision, report: VenueReport, order: Order) -> bool:
    """Whether *report* shows what has become of *order*. If an amendment may come through, only a look that was asked
    for when the venue could carry it out no more does.
    """
    since = order.unknown_since
    late = since is None or (report.requested_at or 0) >= since + d.policy.unknown_bound(order.venue)
    return late and _at_rest(order)


def _at_rest(order: Order) -> bool:
    return order.status in (OPEN, PARTIALLY_FILLED) and not decision.amending(order)


def _answers_last(d: Decision, report: VenueReport, order: Order) -> bool:
    """Whether *report* answers the last request about *order*."""
    return report.request_id == decision.request_id(order, d.cause.partition)


def _opening(order: Order) -> Trigger:
    if order.after_cancel is not NOTHING:
        return Trigger.CANCEL_CARRIED_OVER
    return Trigger.ACKNOWLEDGED_PARTIAL if order.filled_quantity else Trigger.ACKNOWLEDGED


def _proven(d: Decision, order: Order) -> Order:
    """The outcome is no longer unknown; a cancel that was wanted meanwhile is sent now."""
    if order.unknown_since is not None or order.looks:
        order = replace(order, unknown_since=None, looks=0)
    return order if order.after_cancel is NOTHING else moves.cancel_at_venue(d, order)


def _rejected(d: Decision, report: VenueReport, order: Order) -> Order | None:
    on_book = order.status in (OPEN, PARTIALLY_FILLED)
    if order.closing is not None or (on_book and report.evidence is Evidence.RESPONSE):
        return None  # an answer that came late; yet some venues accept first, and refuse later
    reason = report.reason or Reason.VENUE_REFUSED
    return moves.leave_book(d, order, REJECTED, order.attempt_filled, report.evidence, reason)


def _not_sent(d: Decision, report: VenueReport, order: Order) -> Order | None:
    if order.status in (OPEN, PARTIALLY_FILLED) or _arrived(order):
        return None
    canceled = report.reason == Reason.CANCELED_BEFORE_SENDING
    closing = CANCELED if canceled else EXPIRED
    return moves.leave_book(d, order, closing, order.attempt_filled, report.evidence, report.reason)


def _unknown(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """The placement may or may not have happened: the reserve stays, and the venue is asked until there is proof."""
    if _arrived(order):
        return None
    if order.status is UNKNOWN:  # said again, so perhaps sent only now: the wait begins anew
        return replace(order, unknown_since=d.cause.now, looks=0)
    status = after(order.status, Trigger.OUTCOME_LOST)
    return None if status is None else _lost(d, replace(order, status=status), report)


def _arrived(order: Order) -> bool:
    """Whether there is proof that the current attempt reached the venue."""
    return (
        order.venue_order_id is not None
        or order.closing is not None
        or max(order.attempt_filled, order.attempt_cumulative or 0) > 0
    )


def _lost(d: Decision, order: Order, report: VenueReport) -> Order:
    order = replace(order, unknown_since=d.cause.now, looks=0)
    return d.note(order, EventKind.OUTCOME_UNKNOWN, evidence=report.evidence, reason=report.reason)


def _not_found(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """One look found nothing. Enough of them, after the venue could no longer execute the order, are proof.

    A look counts by when it was asked for, not by when its answer came: an old one proves nothing, however late it is
    told, and one that is told twice is one look.
    """
    asked_at = report.requested_at or 0
    if _arrived(order) or asked_at <= order.updated_at:
        return None
    if order.status is not UNKNOWN:
        status = after(order.status, Trigger.OUTCOME_LOST)
        return None if status is None else _lost(d, replace(order, status=status), report)
    if asked_at < (order.unknown_since or order.updated_at) + d.policy.unknown_bound(order.venue):
        return None
    order = replace(order, looks=order.looks + 1, updated_at=d.cause.now)
    return order if order.looks < d.policy.looks_min else _never_placed(d, order)


def _never_placed(d: Decision, order: Order) -> Order:
    """Proof by quorum that nothing is at the venue: does what was wanted, or sends the order again."""
    order = replace(order, evidence=Evidence.QUERY, reason=Reason.NEVER_PLACED)
    match order.after_cancel:
        case AfterCancel.CANCEL:
            return moves.end(d, order, CANCELED, Evidence.QUERY, Reason.NEVER_PLACED)
        case AfterCancel.EXPIRE:
            return moves.end(d, order, EXPIRED, Evidence.QUERY, Reason.GOOD_TILL_PASSED)
        case AfterCancel.PAUSE:
            return moves.pause(d, order, Evidence.QUERY)
        case AfterCancel.AMEND:
            return moves.amend(d, order, new_attempt=False)
        case AfterCancel.NOTHING:  # pragma: no branch  # the last there is, as mypy checks
            if moves.past_sending(d, order):
                return moves.end(d, order, EXPIRED, Evidence.QUERY, Reason.NEVER_PLACED)
            return moves.place_again(d, order, EventKind.ORDER_RESUBMITTED, new_attempt=False)


# ── off the book ────────────────────────────────────────────────────────────────────────────────────────────────────


def _canceled(d: Decision, report: VenueReport, order: Order) -> Order | None:
    return _left_book(d, report, order, CANCELED)


def _expired(d: Decision, report: VenueReport, order: Order) -> Order | None:
    return _left_book(d, report, order, EXPIRED)


def _left_book(d: Decision, report: VenueReport, order: Order, closing: OrderStatus) -> Order | None:
    counted = _counted(report, order)
    cumulative = order.attempt_filled if counted is None else counted
    order = replace(order, venue_order_id=report.venue_order_id or order.venue_order_id)
    return moves.leave_book(d, order, closing, cumulative, report.evidence, report.reason)


def _counted(report: VenueReport, order: Order) -> int | None:
    """How much the venue says this attempt has traded; never more than was sent, which it would wait for in vain."""
    return None if report.cumulative_quantity is None else min(report.cumulative_quantity, decision.sent(order))


def _cancel_rejected(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """The cancel failed. Filled orders go on to their fills; where nobody knows, the venue is asked again.

    Only the answer to the last request counts: an older one is about a cancel that has been tried again, or undone.
    """
    if order.status is not PENDING_CANCEL or order.closing is not None:
        return None
    if report.request_id is not None and not _answers_last(d, report, order):
        return None
    if report.reason == Reason.OUTCOME_UNKNOWN:
        return replace(order, looks=order.looks + 1)
    if report.reason == Reason.ORDER_NOT_FOUND:
        if order.venue_order_id is not None:
            return replace(order, looks=order.looks + 1)  # it was there: a look that lags, or one that lies
        return _lost(d, moves.move(order, Trigger.OUTCOME_LOST), report)
    trigger = Trigger.CANCEL_FAILED_PARTIAL if order.filled_quantity else Trigger.CANCEL_FAILED
    unproven = order.unknown_since is not None  # an amendment, sent before this cancel: it may be carried out after it
    doubtful = report.reason == Reason.ORDER_FILLED and leaves(order) > 0  # at more, or at less, than is known here
    order = replace(moves.move(order, trigger), after_cancel=NOTHING, amend_quantity=None, amend_price=None)
    order = replace(order, looks=int(doubtful or unproven), unknown_since=d.cause.now if unproven else None)
    order = d.note(order, EventKind.CANCEL_REJECTED, evidence=report.evidence, reason=report.reason)
    return moves.trim(d, order, f"failed cancel of {order.order_id}") if leaves(order) else order


def _amend_rejected(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """The venue didn't make the order smaller where it is: it is replaced. Where nobody knows, the venue is asked."""
    if not decision.amending(order) or order.closing is not None or not _answers_last(d, report, order):
        return None
    if report.reason == Reason.OUTCOME_UNKNOWN:
        return replace(order, looks=order.looks + 1)
    return moves.replace_at_venue(d, order, report.reason)


_INTERPRETERS: Final[dict[ReportKind, Callable[[Decision, VenueReport, Order], Order | None]]] = {
    ReportKind.ACKNOWLEDGED: _acknowledged,
    ReportKind.REJECTED: _rejected,
    ReportKind.NOT_SENT: _not_sent,
    ReportKind.UNKNOWN: _unknown,
    ReportKind.NOT_FOUND: _not_found,
    ReportKind.CANCELED: _canceled,
    ReportKind.EXPIRED: _expired,
    ReportKind.CANCEL_REJECTED: _cancel_rejected,
    ReportKind.AMEND_REJECTED: _amend_rejected,
}
