"""Interprets what venues said: each report moves an order, books a fill, or is recognised as stale.

A report may be repeated, late, early or out of order. Nothing it says is asserted on: what can't be booked becomes a
dead letter, what is old news changes nothing.
"""

from collections.abc import Callable
from typing import Final

from domain import ledger, money, moves
from domain.decision import DeadInput, Decision, leaves, replace
from domain.lifecycle import TERMINAL, Trigger, after
from domain.messages import EntryKind, EventKind, Evidence, Operation, OrderStatus, ReportKind, VenueReport
from domain.reasons import Reason
from domain.state import AfterCancel, Order

#: The most units that a fill may claim; beyond it a price times a quantity would not fit the ledger's columns.
FILL_AMOUNT_MAX: Final = money.AMOUNT_MAX // 10**3


def interpret(d: Decision, report: VenueReport, attempt: int, order: Order | None) -> None:
    """Books *report* on *order*; *attempt* is the one that its client order ID names."""
    if order is None:
        if report.kind is not ReportKind.NOT_FOUND:
            d.dead = DeadInput(Reason.ORDER_NOT_FOUND, f"{report.kind} for {report.client_order_id}")
        return
    if report.kind is ReportKind.FILL:
        changed = fill(d, report, attempt, order)
    elif attempt != order.attempt or order.status in TERMINAL or order.status is OrderStatus.PAUSED:
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
    order = _settle(d, order, trade, attempt, report)
    complete = not leaves(order)
    status = after(order.status, Trigger.LAST_FILL if complete else Trigger.PARTIAL_FILL)
    was, order = order.status, replace(order, status=status or order.status, evidence=report.evidence)
    order = d.note(
        order,
        EventKind.ORDER_FILLED,
        evidence=report.evidence,
        trade_id=trade.trade_id,
        fill_quantity=trade.quantity,
        fill_price=trade.price,
        fee=trade.fee,
        fee_asset=trade.fee_asset,
        liquidity=report.liquidity,
    )
    if complete or was in TERMINAL:
        if not moves.owes_fills(order):
            order = moves.release(d, order, order.reserved, f"end of {order.order_id}")
        return replace(order, after_cancel=AfterCancel.NOTHING, unknown_since=None) if complete else order
    if order.closing is not None and not moves.owes_fills(order):
        return moves.off_book(d, order)
    return _proven(d, order) if was is OrderStatus.UNKNOWN else order


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
    return ledger.Fill(report.trade_id, report.fill_quantity, report.fill_price, fee, report.fee_asset or "")


def _settle(d: Decision, order: Order, trade: ledger.Fill, attempt: int, report: VenueReport) -> Order:
    base, _, quote = order.symbol.partition("-")
    postings, reserved = ledger.settle(order, trade, base, quote)
    d.book(order, EntryKind.SETTLE, trade.trade_id, postings)
    current = attempt == order.attempt
    return replace(
        order,
        reserved=reserved,
        filled_quantity=order.filled_quantity + trade.quantity,
        filled_cost=order.filled_cost + money.multiply(trade.price, trade.quantity),
        attempt_filled=order.attempt_filled + (trade.quantity if current else 0),
        venue_order_id=report.venue_order_id or order.venue_order_id if current else order.venue_order_id,
        trade_ids=(*order.trade_ids, trade.trade_id),
    )


# ── the placement's outcome ─────────────────────────────────────────────────────────────────────────────────────────


def _acknowledged(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """The order exists at the venue. That proves an unknown placement, and that a cancel still has work to do."""
    seen = max(report.cumulative_quantity or 0, order.attempt_cumulative or 0)
    order = replace(order, venue_order_id=report.venue_order_id or order.venue_order_id)
    if seen > order.attempt_filled:
        order = replace(order, attempt_cumulative=seen)  # fills are on their way; a timer asks if they don't come
    if order.status in (OrderStatus.UNKNOWN, OrderStatus.PENDING_SUBMISSION):
        order = d.note(moves.move(order, _opening(order)), EventKind.ORDER_OPENED, evidence=report.evidence)
        return _proven(d, order)
    if order.status is OrderStatus.PENDING_CANCEL and report.operation is Operation.QUERY and order.closing is None:
        return moves.cancel_at_venue(d, order)  # still on the book: the cancel has been lost
    return order


def _opening(order: Order) -> Trigger:
    if order.after_cancel is not AfterCancel.NOTHING:
        return Trigger.CANCEL_CARRIED_OVER
    return Trigger.ACKNOWLEDGED_PARTIAL if order.filled_quantity else Trigger.ACKNOWLEDGED


def _proven(d: Decision, order: Order) -> Order:
    """The outcome is no longer unknown; a cancel that was wanted meanwhile is sent now."""
    order = replace(order, unknown_since=None, looks=0)
    if order.after_cancel is AfterCancel.NOTHING:
        return order
    if order.status is not OrderStatus.PENDING_CANCEL:
        order = moves.move(order, Trigger.CANCEL)
    return moves.cancel_at_venue(d, order)


def _rejected(d: Decision, report: VenueReport, order: Order) -> Order | None:
    if order.status not in (OrderStatus.PENDING_SUBMISSION, OrderStatus.PENDING_CANCEL, OrderStatus.UNKNOWN):
        return None  # it is on the book: an answer that came late
    reason = report.reason or Reason.VENUE_REFUSED
    # If an earlier attempt has traded, the order was not rejected: its rest is canceled, or paused, as was wanted.
    closing = OrderStatus.CANCELED if order.filled_quantity else OrderStatus.REJECTED
    return moves.leave_book(d, order, closing, order.attempt_filled, report.evidence, reason)


def _not_sent(d: Decision, report: VenueReport, order: Order) -> Order | None:
    if order.status not in (OrderStatus.PENDING_SUBMISSION, OrderStatus.PENDING_CANCEL):
        return None
    canceled = report.reason == Reason.CANCELED_BEFORE_SENDING
    closing = OrderStatus.CANCELED if canceled else OrderStatus.EXPIRED
    return moves.leave_book(d, order, closing, order.attempt_filled, report.evidence, report.reason)


def _unknown(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """The placement may or may not have happened: the reserve stays, and the venue is asked until there is proof."""
    status = after(order.status, Trigger.OUTCOME_LOST)
    if status is None or order.venue_order_id is not None or order.closing is not None:
        return None  # there is proof already
    return _lost(d, replace(order, status=status), report)


def _lost(d: Decision, order: Order, report: VenueReport) -> Order:
    order = replace(order, unknown_since=d.cause.now, looks=0)
    return d.note(order, EventKind.OUTCOME_UNKNOWN, evidence=report.evidence, reason=report.reason)


def _not_found(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """One look found nothing. Enough of them, after the venue could no longer execute the order, are proof."""
    if order.status is not OrderStatus.UNKNOWN:
        status = after(order.status, Trigger.OUTCOME_LOST)
        if status is None or order.venue_order_id is not None or order.closing is not None:
            return None
        return _lost(d, replace(order, status=status), report)
    order = replace(order, looks=order.looks + 1)
    waited = d.cause.now - (order.unknown_since or d.cause.now)
    if order.looks < d.policy.looks_min or waited < d.policy.unknown_bound_us:
        return order
    return _never_placed(d, order)


def _never_placed(d: Decision, order: Order) -> Order:
    """Proof by quorum that nothing is at the venue: does what was wanted, or sends the order again."""
    order = replace(order, evidence=Evidence.QUERY, reason=Reason.NEVER_PLACED)
    match order.after_cancel:
        case AfterCancel.CANCEL:
            return moves.end(d, order, OrderStatus.CANCELED, Evidence.QUERY, Reason.NEVER_PLACED)
        case AfterCancel.EXPIRE:
            return moves.end(d, order, OrderStatus.EXPIRED, Evidence.QUERY, Reason.GOOD_TILL_PASSED)
        case AfterCancel.PAUSE:
            return moves.pause(d, order, Evidence.QUERY)
        case AfterCancel.AMEND:
            return moves.amend(d, order, new_attempt=False)
        case AfterCancel.NOTHING:
            if moves.past_sending(d, order):
                return moves.end(d, order, OrderStatus.EXPIRED, Evidence.QUERY, Reason.NEVER_PLACED)
            return moves.place_again(d, order, EventKind.ORDER_RESUBMITTED, new_attempt=False)


# ── off the book ────────────────────────────────────────────────────────────────────────────────────────────────────


def _canceled(d: Decision, report: VenueReport, order: Order) -> Order | None:
    return _left_book(d, report, order, OrderStatus.CANCELED)


def _expired(d: Decision, report: VenueReport, order: Order) -> Order | None:
    return _left_book(d, report, order, OrderStatus.EXPIRED)


def _left_book(d: Decision, report: VenueReport, order: Order, closing: OrderStatus) -> Order | None:
    cumulative = order.attempt_filled if report.cumulative_quantity is None else report.cumulative_quantity
    order = replace(order, venue_order_id=report.venue_order_id or order.venue_order_id)
    return moves.leave_book(d, order, closing, cumulative, report.evidence, report.reason)


def _cancel_rejected(d: Decision, report: VenueReport, order: Order) -> Order | None:
    """The cancel failed. Filled orders go on to their fills; where nobody knows, the venue is asked again."""
    if order.status is not OrderStatus.PENDING_CANCEL or order.closing is not None:
        return None
    if report.reason == Reason.OUTCOME_UNKNOWN:
        return replace(order, looks=order.looks + 1)
    if report.reason == Reason.ORDER_NOT_FOUND:
        if order.venue_order_id is not None:
            return replace(order, looks=order.looks + 1)  # it was there: a look that lags, or one that lies
        return _lost(d, moves.move(order, Trigger.OUTCOME_LOST), report)
    trigger = Trigger.CANCEL_FAILED_PARTIAL if order.filled_quantity else Trigger.CANCEL_FAILED
    order = replace(
        moves.move(order, trigger), after_cancel=AfterCancel.NOTHING, amend_quantity=None, amend_price=None, looks=0
    )
    order = d.note(order, EventKind.CANCEL_REJECTED, evidence=report.evidence, reason=report.reason)
    return moves.trim(d, order, f"failed cancel of {order.order_id}") if leaves(order) else order


_INTERPRETERS: Final[dict[ReportKind, Callable[[Decision, VenueReport, Order], Order | None]]] = {
    ReportKind.ACKNOWLEDGED: _acknowledged,
    ReportKind.REJECTED: _rejected,
    ReportKind.NOT_SENT: _not_sent,
    ReportKind.UNKNOWN: _unknown,
    ReportKind.NOT_FOUND: _not_found,
    ReportKind.CANCELED: _canceled,
    ReportKind.EXPIRED: _expired,
    ReportKind.CANCEL_REJECTED: _cancel_rejected,
}
