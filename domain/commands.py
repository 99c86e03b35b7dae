"""Decides order commands and transfers: one answer each, a refusal by name or what has to happen.

Refusals are ladders, one reason a line, before anything is touched. The agent has recognised repeats already, through
``repeat``: they get the answer that the first one got.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from domain import decision, ids, ledger, money, moves, refusals
from domain.decision import Cause, Decision
from domain.instruments import Instrument
from domain.lifecycle import (
    CANCELED,
    NEW,
    OPEN,
    PARTIALLY_FILLED,
    PAUSED,
    PENDING_CANCEL,
    TERMINAL,
    UNKNOWN,
    Trigger,
    after,
)
from domain.messages import (
    AmendOrder,
    Answer,
    CancelAllOrders,
    CancelOrder,
    EntryKind,
    EventKind,
    Evidence,
    Operation,
    OrderCommand,
    OrderType,
    PauseOrder,
    PlaceOrder,
    ResumeOrder,
    Side,
    TimeInForce,
    Transfer,
    TransferDirection,
)
from domain.reasons import Reason
from domain.state import NOTHING, AfterCancel, FirstAnswer, Order

IDENTIFIER_LENGTH_MAX: Final = 64
ASSET_LENGTH_MAX: Final = 16
_BUY: Final = Side.BUY
#: A user's balance stays this many times below what ``decimal(38, 18)`` holds, so that sums over users fit too.
BALANCE_HEADROOM: Final = 10**6

OneOrderCommand: TypeAlias = CancelOrder | PauseOrder | ResumeOrder | AmendOrder


def repeat(d: Decision, user_id: str, command_id: str, first: FirstAnswer) -> None:
    """Answers a repeated command, transfer or order ID with what the first one was told."""
    d.tell(
        user_id,
        EventKind.COMMAND_REPEATED,
        answer=Answer.DUPLICATE,
        command_id=command_id,
        order_id=first.order_id,
        first_answer=first.answer,
        first_reason=first.reason,
        first_offset=first.offset,
    )


def refuse(d: Decision, command: OrderCommand, reason: Reason) -> None:
    """Answers *command* with REJECTED and *reason*; repeats what it asked for as far as that can be repeated."""
    asked = command.command
    place = asked if isinstance(asked, PlaceOrder) and d.rules.find(asked.venue, asked.symbol) else None
    d.tell(
        command.user_id,
        EventKind.COMMAND_REJECTED,
        answer=Answer.REJECTED,
        command_id=command.command_id[:IDENTIFIER_LENGTH_MAX],
        reason=reason,
        order_id=None if isinstance(asked, CancelAllOrders) else asked.order_id[:IDENTIFIER_LENGTH_MAX],
        venue=place and place.venue,
        symbol=place and place.symbol,
        side=place and place.side,
        order_type=place and place.order_type,
    )


def refused_outright(command: OrderCommand, now: int) -> Reason | None:
    """Why *command* is refused whatever it asks for, or None."""
    if not 0 < len(command.command_id) <= IDENTIFIER_LENGTH_MAX:
        return Reason.INVALID_COMMAND_ID
    order_id = getattr(command.command, "order_id", None)
    if order_id is not None and not 0 < len(order_id) <= IDENTIFIER_LENGTH_MAX:
        return Reason.INVALID_ORDER_ID
    if command.expires_at is not None and command.expires_at <= now:
        return Reason.DEADLINE_PASSED
    return None


# ── place ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def place(d: Decision, command: OrderCommand, place_: PlaceOrder, available: int) -> None:
    """Accepts or refuses a new order. *available* is what the user has of the asset that the order would reserve."""
    instrument = d.rules.find(place_.venue, place_.symbol)
    if instrument is None:
        known = place_.venue in d.rules.venues
        return refuse(d, command, Reason.UNKNOWN_SYMBOL if known else Reason.UNKNOWN_VENUE)
    reason = refusals.of_place(place_, instrument, d.cause.now)
    if reason is not None:
        return refuse(d, command, reason)
    order = new_order(command, place_, instrument, d.cause)
    need = place_.max_cost if place_.max_cost is not None else decision.reserve_needed(order, instrument)
    if need > available:
        return refuse(d, command, Reason.INSUFFICIENT_FUNDS)
    order = moves.move(order, Trigger.PLACE)
    order = d.note(order, EventKind.ORDER_ACCEPTED, command_id=command.command_id)
    order = moves.release(d, order, -need, command.command_id)
    return moves.keep(d, d.ask(order, Operation.PLACE))


def reserve_asset(place_: PlaceOrder, instrument: Instrument) -> str:
    """The asset that an order would reserve: what it gives."""
    return instrument.quote if place_.side is _BUY else instrument.base


def new_order(command: OrderCommand, place_: PlaceOrder, instrument: Instrument, cause: Cause) -> Order:
    """The order that *place_* asks for, NEW, with nothing reserved yet. Built by position: see ``Decision.note``."""
    return Order(
        place_.order_id,
        command.user_id,
        command.command_id,
        place_.venue,
        place_.symbol,
        place_.side,
        place_.order_type,
        place_.quantity,
        place_.price,
        place_.stop_price,
        place_.max_cost,
        place_.time_in_force,
        place_.good_till,
        place_.post_only,
        command.expires_at,
        NEW,
        NOTHING,  # after_cancel
        None,  # amend_quantity
        None,  # amend_price
        1,  # attempt
        0,  # sequence
        0,  # request_sequence
        reserve_asset(place_, instrument),
        0,  # reserved
        0,  # filled_quantity
        0,  # filled_cost
        0,  # attempt_filled
        None,  # attempt_cumulative
        None,  # closing
        None,  # venue_order_id
        (),  # trade_ids
        None,  # evidence
        None,  # reason
        None,  # unknown_since
        0,  # looks
        0,  # timer_at
        cause.offset,  # accepted_offset
        cause.now,  # created_at
        cause.now,  # updated_at
    )


# ── commands to an order that exists ────────────────────────────────────────────────────────────────────────────────


def change(d: Decision, command: OrderCommand, asked: OneOrderCommand, order: Order | None, available: int) -> None:
    """Cancels, pauses, resumes or amends *order*. *available* is what the user has of the order's reserve asset."""
    if order is None:
        return refuse(d, command, Reason.ORDER_NOT_FOUND)
    if order.status in TERMINAL:
        return refuse(d, command, Reason.ORDER_ENDED)
    changed = _changed(d, command, asked, order, available)
    if isinstance(changed, Reason):
        return refuse(d, command, changed)
    return moves.keep(d, changed)


def _changed(
    d: Decision, command: OrderCommand, asked: OneOrderCommand, order: Order, available: int
) -> Order | Reason:
    match asked:
        case CancelOrder():
            return cancel(d, order, command.command_id)
        case PauseOrder():
            return pause(d, order, command.command_id)
        case ResumeOrder():
            return resume(d, order, command)
        case AmendOrder():  # pragma: no branch  # the last there is, as mypy checks
            return amend(d, order, asked, command, available)


def cancel(d: Decision, order: Order, command_id: str | None) -> Order | Reason:
    """Cancels *order*; with *command_id* the event is that command's answer."""
    if order.after_cancel in (AfterCancel.CANCEL, AfterCancel.EXPIRE):
        return Reason.ORDER_PENDING_CANCEL
    was = order.status
    status = after(was, Trigger.CANCEL)
    assert status is not None, f"{was} can't be canceled"
    if status is CANCELED:  # paused: nothing is at the venue
        order = d.note(
            replace(order, after_cancel=AfterCancel.CANCEL), EventKind.CANCEL_REQUESTED, command_id=command_id
        )
        return moves.end(d, order, status, Evidence.DECISION, None)
    order = replace(moves.doubt_amendment(d, order), status=status, after_cancel=AfterCancel.CANCEL)
    order = replace(order, amend_quantity=None, amend_price=None)
    order = d.note(order, EventKind.CANCEL_REQUESTED, command_id=command_id)
    return order if was is PENDING_CANCEL else moves.cancel_at_venue(d, order)


def cancel_all(d: Decision, command: OrderCommand, asked: CancelAllOrders, orders: Sequence[Order]) -> None:
    """Cancels the user's live *orders* (of one symbol, if asked so): one answer, and an event an order."""
    canceled = []
    for order in orders:
        if asked.symbol is None or order.symbol == asked.symbol:
            changed = cancel(d, order, None)
            if not isinstance(changed, Reason):
                canceled.append(changed)
    for order in canceled:
        moves.keep(d, order)
    d.tell(
        command.user_id,
        EventKind.CANCEL_ALL_REQUESTED,
        answer=Answer.ACCEPTED,
        command_id=command.command_id,
        affected=len(canceled),
        symbol=asked.symbol and asked.symbol[:IDENTIFIER_LENGTH_MAX],
    )


def _unmovable(order: Order) -> Reason | None:
    """Why *order* can't be paused or amended just now, or None."""
    if order.status is UNKNOWN:
        return Reason.ORDER_OUTCOME_UNKNOWN
    if order.status is PENDING_CANCEL or order.closing is not None:
        return Reason.ORDER_PENDING_CANCEL
    if decision.amending(order):
        return Reason.ORDER_PENDING_AMENDMENT
    if order.attempt >= ids.ATTEMPT_MAX:
        return Reason.ATTEMPTS_EXHAUSTED
    return None


def pause(d: Decision, order: Order, command_id: str) -> Order | Reason:
    """Takes *order* off the venue and keeps the rest here, reserved."""
    if order.status is PAUSED:
        return Reason.ORDER_ALREADY_PAUSED
    reason = _unmovable(order)
    if reason is not None:
        return reason
    order = replace(moves.move(order, Trigger.PAUSE), after_cancel=AfterCancel.PAUSE)
    return moves.cancel_at_venue(d, d.note(order, EventKind.PAUSE_REQUESTED, command_id=command_id))


def resume(d: Decision, order: Order, command: OrderCommand) -> Order | Reason:
    """Sends what is left of a paused order; the command's deadline becomes the order's."""
    if order.status is not PAUSED:
        return Reason.ORDER_NOT_PAUSED
    if order.attempt >= ids.ATTEMPT_MAX:
        return Reason.ATTEMPTS_EXHAUSTED
    if order.good_till is not None and order.good_till <= d.cause.now:
        return Reason.GOOD_TILL_PASSED
    order = replace(order, expires_at=command.expires_at)
    return moves.place_again(d, order, EventKind.ORDER_RESUMED, new_attempt=True, command_id=command.command_id)


def amend(d: Decision, order: Order, asked: AmendOrder, command: OrderCommand, available: int) -> Order | Reason:
    """Changes quantity, price or both: at once if the order is paused. A resting order that only becomes smaller is
    amended where it is, so that it keeps its place in the queue; any other is placed anew, once the venue has canceled
    what it has.

    The command's deadline becomes the order's: it is this command that has the order sent again.
    """
    reason = _refused_amendment(d, order, asked)
    if reason is not None:
        return reason
    amended = replace(order, quantity=asked.quantity or order.quantity, price=asked.price or order.price)
    paused, command_id = order.status is PAUSED, command.command_id
    need = decision.reserve_needed(amended, d.instrument(order))
    more = (need if paused else max(need, _reserve_meanwhile(d, order, amended))) - order.reserved
    if more > available:
        return Reason.INSUFFICIENT_FUNDS
    if paused:
        amended = d.note(moves.move(amended, Trigger.AMEND), EventKind.ORDER_AMENDED, command_id=command_id)
        return moves.release(d, amended, -more, command_id)
    if _shrinks(order, amended):
        order = replace(order, amend_quantity=amended.quantity, expires_at=command.expires_at)
        return d.ask(d.note(order, EventKind.AMEND_REQUESTED, command_id=command_id), Operation.AMEND)
    order = moves.release(d, order, min(0, -more), command_id)  # a smaller reserve waits until the venue has agreed
    order = replace(
        moves.move(order, Trigger.AMEND),
        after_cancel=AfterCancel.AMEND,
        amend_quantity=asked.quantity,
        amend_price=asked.price,
        expires_at=command.expires_at,
    )
    return moves.cancel_at_venue(d, d.note(order, EventKind.AMEND_REQUESTED, command_id=command_id))


def _shrinks(order: Order, amended: Order) -> bool:
    """Whether *amended* is *order* on the book, only smaller: what every venue can do to an order where it is."""
    resting = order.status in (OPEN, PARTIALLY_FILLED) and order.order_type is OrderType.LIMIT
    return resting and amended.price == order.price and amended.quantity < order.quantity


def _reserve_meanwhile(d: Decision, order: Order, amended: Order) -> int:
    """What *order* may cost if all it has at the venue trades before the cancel, and only the increase is amended."""
    instrument = d.instrument(order)
    increase = replace(amended, filled_quantity=order.quantity)
    return decision.reserve_needed(order, instrument) + decision.reserve_needed(increase, instrument)


def _refused_amendment(d: Decision, order: Order, asked: AmendOrder) -> Reason | None:
    if asked.quantity is None and asked.price is None:
        return Reason.NOTHING_TO_AMEND
    if order.price is None or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        return Reason.ORDER_NOT_AMENDABLE
    reason = _unmovable(order)
    if reason is not None:
        return reason
    instrument = d.instrument(order)
    quantity = order.quantity if asked.quantity is None else asked.quantity
    price = order.price if asked.price is None else asked.price
    reason = refusals.of_quantity(quantity, instrument)
    if reason is not None:
        return reason
    if quantity <= order.filled_quantity:
        return Reason.QUANTITY_BELOW_FILLED
    return refusals.of_limit(price, quantity - order.filled_quantity, instrument)


# ── transfers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def transfer(d: Decision, asked: Transfer, available: int) -> Reason | None:
    """Books money in or out, or refuses by name. *available* is what the user has of the asset."""
    reason = _refused_transfer(asked, available)
    if reason is not None:
        d.tell(
            asked.user_id,
            EventKind.COMMAND_REJECTED,
            answer=Answer.REJECTED,
            command_id=asked.transfer_id[:IDENTIFIER_LENGTH_MAX],
            reason=reason,
        )
        return reason
    crediting = asked.direction is TransferDirection.CREDIT
    kind, amount = (EntryKind.CREDIT, asked.amount) if crediting else (EntryKind.DEBIT, -asked.amount)
    d.tell(asked.user_id, EventKind.TRANSFER_BOOKED, answer=Answer.ACCEPTED, command_id=asked.transfer_id)
    d.enter(asked.user_id, kind, asked.transfer_id, ledger.credit(asked.user_id, asked.asset, amount))
    return None


def _refused_transfer(asked: Transfer, available: int) -> Reason | None:
    if not 0 < len(asked.transfer_id) <= IDENTIFIER_LENGTH_MAX:
        return Reason.INVALID_COMMAND_ID
    if not 0 < len(asked.asset) <= ASSET_LENGTH_MAX or not asked.asset.isalnum():
        return Reason.INVALID_ASSET
    if asked.amount <= 0:
        return Reason.AMOUNT_NOT_POSITIVE
    if asked.direction is TransferDirection.DEBIT:
        return Reason.INSUFFICIENT_FUNDS if asked.amount > available else None
    if available + asked.amount > money.AMOUNT_MAX // BALANCE_HEADROOM:
        return Reason.AMOUNT_TOO_LARGE
    return None
