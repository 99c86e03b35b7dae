"""What one input record causes: changed orders, events, journal entries and venue requests, as they happen."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from domain import ids, instruments, ledger, money
from domain.messages import (
    Answer,
    EntryKind,
    EventKind,
    Evidence,
    JournalEntry,
    Message,
    Operation,
    OrderEvent,
    OrderType,
    Posting,
    Side,
    TimeInForce,
    VenueRequest,
)
from domain.state import NOTHING, Order

SECOND_US: Final = 1_000_000
_ACCEPTED: Final = Answer.ACCEPTED
_BUY: Final = Side.BUY
_GTC: Final = TimeInForce.GTC
_GTD: Final = TimeInForce.GTD
_PLACE: Final = Operation.PLACE
_AMEND: Final = Operation.AMEND


class Cause(Message, frozen=True):
    """Where the input stood in the log, and when: *now* is the broker's timestamp of the record, in microseconds."""

    topic: str
    partition: int
    offset: int
    now: int


class Policy(Message, frozen=True):
    """How long things are waited for and remembered, in microseconds.

    *unknown_bound_us*: after it, a venue can no longer execute what it may have been sent (Binance: recvWindow and ten
    seconds of its own); *unknown_bounds_us* has those of venues that take longer. *patience_us*: how long an answer may
    take before the venue is asked. *looks_min*: how many look-ups must find nothing, past the bound, before nothing
    counts as proof.
    """

    unknown_bound_us: int = 16 * SECOND_US
    order_retention_us: int = 3_600 * SECOND_US
    answer_retention_us: int = 3_600 * SECOND_US
    patience_us: int = 30 * SECOND_US
    patience_us_max: int = 600 * SECOND_US
    look_interval_us: int = 2 * SECOND_US
    look_interval_us_max: int = 30 * SECOND_US
    looks_min: int = 3
    unknown_bounds_us: Mapping[str, int] = {}

    def unknown_bound(self, venue: str) -> int:
        """That of *venue*, which may be one of several accounts at it (``binance.hedge``)."""
        return self.unknown_bounds_us.get(venue.partition(".")[0], self.unknown_bound_us)


class DeadInput(Message, frozen=True):
    """An input that can't be taken: why, by name, and what was seen."""

    reason: str
    detail: str


class Decision:
    """Collects what one input causes. Made, filled and read within one call; never kept."""

    __slots__ = ("cause", "dead", "entries", "events", "orders", "policy", "requests", "rules")

    def __init__(self, cause: Cause, policy: Policy, rules: instruments.Rulebook) -> None:
        self.cause = cause
        self.policy = policy
        self.rules = rules
        self.orders: list[Order] = []
        self.events: list[OrderEvent] = []
        self.entries: list[JournalEntry] = []
        self.requests: list[VenueRequest] = []
        self.dead: DeadInput | None = None

    def instrument(self, order: Order) -> instruments.Instrument:
        """The rules of the order's symbol. An accepted order's symbol stays in the rulebook while the order lives."""
        found = self.rules.find(order.venue, order.symbol)
        if found is None:
            raise LookupError(f"{order.symbol} at {order.venue} left the rulebook while order {order.order_id} lives")
        return found

    def tell(self, user_id: str, kind: EventKind, **details: Any) -> None:
        """Records an event that belongs to no order's sequence."""
        cause = self.cause
        self.events.append(
            OrderEvent(
                user_id,
                cause.topic,
                cause.partition,
                cause.offset,
                len(self.events),
                cause.now,
                kind,
                **details,
            )
        )

    def note(
        self,
        order: Order,
        kind: EventKind,
        *,
        command_id: str | None = None,
        evidence: Evidence | None = None,
        reason: str | None = None,
        trade: ledger.Fill | None = None,
    ) -> Order:
        """Records an event of *order* and returns the order with its sequence moved on.

        With *command_id* the event is that command's answer: ACCEPTED. By position, which is several times faster for a
        class this wide; the fields are those of OrderEvent in their order.
        """
        cause = self.cause
        order = replace(order, sequence=order.sequence + 1, updated_at=cause.now)
        event = OrderEvent(
            order.user_id,
            cause.topic,
            cause.partition,
            cause.offset,
            len(self.events),
            cause.now,
            kind,
            None if command_id is None else _ACCEPTED,
            command_id,
            reason,
            None,  # first_answer, and two more of a repeat
            None,
            None,
            None,  # affected: a cancel-all's
            order.order_id,
            client_order_id(order, cause.partition),
            order.sequence,
            order.status,
            evidence,
            order.venue,
            order.venue_order_id,
            order.symbol,
            order.side,
            order.order_type,
            order.quantity,
            order.price,
            order.filled_quantity,
            leaves(order),
            order.filled_cost,
        )
        self.events.append(event if trade is None else _of_trade(event, trade))
        return order

    def enter(
        self,
        user_id: str,
        kind: EntryKind,
        reference: str,
        postings: tuple[Posting, ...],
        order: Order | None = None,
    ) -> None:
        """Records a journal entry, of *order* if there is one. Its postings balance, or the process must not go on."""
        off = ledger.imbalance(postings)
        assert not off, f"entry {reference} is off by {off}"
        cause = self.cause
        self.entries.append(
            JournalEntry(
                user_id,
                cause.topic,
                cause.partition,
                cause.offset,
                len(self.entries),
                cause.now,
                kind,
                reference,
                postings,
                None if order is None else order.order_id,
                None if order is None else order.venue,
                None if order is None else order.symbol,
            )
        )

    def ask(self, order: Order, operation: Operation) -> Order:
        """Asks the venue's gateways to do *operation*, and returns the order with its request sequence moved on."""
        order = replace(order, request_sequence=order.request_sequence + 1)
        cause = self.cause
        client_id = client_order_id(order, cause.partition)
        order_type, price, time_in_force = terms(order, self.instrument(order))
        quantity = leaves(order) if operation is not _AMEND else amended_attempt(order)
        self.requests.append(
            VenueRequest(
                f"{client_id}:{order.request_sequence}",
                client_id,
                order.user_id,
                order.order_id,
                order.venue,
                order.symbol,
                operation,
                order.request_sequence,
                order.side,
                order_type,
                quantity,
                cause.now,
                price,
                order.stop_price,
                time_in_force,
                order.post_only,
                deadline(order) if operation is _PLACE else None,
            )
        )
        return order


def _of_trade(event: OrderEvent, trade: ledger.Fill) -> OrderEvent:
    """*event* with what *trade* was."""
    return replace(
        event,
        trade_id=trade.trade_id,
        fill_quantity=trade.quantity,
        fill_price=trade.price,
        fee=trade.fee,
        fee_asset=trade.fee_asset,
        liquidity=trade.liquidity,
    )


def leaves(order: Order) -> int:
    """The quantity still to trade; an overfill leaves nothing."""
    return max(0, order.quantity - order.filled_quantity)


def sent(order: Order) -> int:
    """What the current attempt is for at the venue, as far as is known: what it has traded, and what is left."""
    return leaves(order) + order.attempt_filled


def amending(order: Order) -> bool:
    """Whether the venue has been asked to make *order* smaller where it is, and nobody knows yet that it is."""
    return order.amend_quantity is not None and order.after_cancel is NOTHING


def amended_attempt(order: Order) -> int:
    """What the current attempt of an order that is :func:`amending` comes down to: what earlier ones traded is not
    asked of it.
    """
    return (order.amend_quantity or order.quantity) - (order.filled_quantity - order.attempt_filled)


def client_order_id(order: Order, partition: int) -> str:
    """The client order ID of the order's current attempt."""
    return ids.client_order_id(partition, ids.order_key(order.user_id, order.order_id), order.attempt)


def request_id(order: Order, partition: int) -> str:
    """The ID of the last request about *order*."""
    return f"{client_order_id(order, partition)}:{order.request_sequence}"


def deadline(order: Order) -> int | None:
    """From when on *order* is not sent to the venue: its command's deadline, or the end of its life; None for never."""
    expires_at, good_till = order.expires_at, order.good_till
    if expires_at is None or good_till is None:
        return good_till if expires_at is None else expires_at
    return min(expires_at, good_till)


def terms(order: Order, instrument: instruments.Instrument) -> tuple[OrderType, int | None, TimeInForce]:
    """What is sent to the venue: order type, limit price and time in force.

    A market buy goes out as a limit order that can't cost more than what is reserved for it, a stop buy as a stop-limit
    one: ``max_cost`` is a promise, and a market order would break it in a thin book. Good-till-date is kept by a timer
    here, since not every venue has it.
    """
    time_in_force = _GTC if order.time_in_force is _GTD else order.time_in_force
    if order.side is _BUY and order.max_cost is not None:
        limit = collar(order.reserved, leaves(order), instrument)
        if order.order_type is OrderType.MARKET:
            whole = time_in_force is TimeInForce.FOK
            return OrderType.LIMIT, limit, TimeInForce.FOK if whole else TimeInForce.IOC
        return OrderType.STOP_LIMIT, limit, time_in_force
    return order.order_type, order.price, time_in_force


def collar(budget: int, quantity: int, instrument: instruments.Instrument) -> int:
    """The highest price on the tick at which *quantity* and the worst fee cost at most *budget*; 0 if none does."""
    dearest = money.divide_down(budget, money.multiply_up(quantity, money.ONE + instrument.fee_rate_max) or 1)
    return min(dearest, instrument.price_max) // instrument.tick_size * instrument.tick_size


def reserve_needed(order: Order, instrument: instruments.Instrument) -> int:
    """What must be held for the rest of *order*: the worst case, fee included, in its reserve asset."""
    if order.side is not _BUY:
        return leaves(order)
    if order.price is None:
        return order.reserved
    cost = money.multiply_up(order.price, leaves(order))
    return money.multiply_up(cost, money.ONE + instrument.fee_rate_max)
