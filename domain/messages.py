"""Every message that flows through fillstream, as frozen values.

Field for field the same as the ``.avsc`` files in ``schemas/`` (a test compares them). Amounts are integers in units of
10⁻¹⁸ (``domain.money``); instants are integers in microseconds since the epoch. Commands are imperative, events past
tense, requests are for venues, reports are from venues. Words follow FIX where FIX has one.
"""

from enum import StrEnum
from typing import TypeAlias

import msgspec


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class OrderStatus(StrEnum):
    NEW = "NEW"
    PENDING_SUBMISSION = "PENDING_SUBMISSION"
    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    PAUSED = "PAUSED"
    UNKNOWN = "UNKNOWN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class Evidence(StrEnum):
    """What proves an outcome. Every terminal state names its own."""

    RESPONSE = "RESPONSE"  # the venue's answer to the call
    STREAM = "STREAM"  # the venue's private stream
    QUERY = "QUERY"  # a look-up by client order ID, or a quorum of look-ups that found nothing
    POLL = "POLL"  # the trade history, read to close a gap of the stream
    GATEWAY = "GATEWAY"  # the gateway knows that nothing was sent
    OPERATOR = "OPERATOR"
    DECISION = "DECISION"  # decided here, before any request


class Liquidity(StrEnum):
    MAKER = "MAKER"
    TAKER = "TAKER"


class Message(msgspec.Struct, frozen=True, gc=False):
    """A frozen value: equal by content, never part of a reference cycle."""


# ── commands: from upstream, keyed by user ──────────────────────────────────────────────────────────────────────────


class PlaceOrder(Message, frozen=True):
    order_id: str
    venue: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: int
    price: int | None = None
    stop_price: int | None = None
    max_cost: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    good_till: int | None = None
    post_only: bool = False


class CancelOrder(Message, frozen=True):
    order_id: str


class CancelAllOrders(Message, frozen=True):
    symbol: str | None = None


class PauseOrder(Message, frozen=True):
    order_id: str


class ResumeOrder(Message, frozen=True):
    order_id: str


class AmendOrder(Message, frozen=True):
    order_id: str
    quantity: int | None = None
    price: int | None = None


Command: TypeAlias = PlaceOrder | CancelOrder | CancelAllOrders | PauseOrder | ResumeOrder | AmendOrder


class OrderCommand(Message, frozen=True):
    command_id: str
    user_id: str
    issued_at: int
    command: Command
    expires_at: int | None = None


class TransferDirection(StrEnum):
    CREDIT = "CREDIT"
    DEBIT = "DEBIT"


class Transfer(Message, frozen=True):
    """Money in or out by order of the treasury; idempotent by *transfer_id*."""

    transfer_id: str
    user_id: str
    asset: str
    direction: TransferDirection
    amount: int
    issued_at: int


class Tick(Message, frozen=True):
    """The passing of time, as an input: timers fire when one is read."""

    at: int


# ── requests: to a venue's gateways ─────────────────────────────────────────────────────────────────────────────────


class Operation(StrEnum):
    PLACE = "PLACE"
    CANCEL = "CANCEL"
    QUERY = "QUERY"
    AMEND = "AMEND"  # make the order smaller where it is


class VenueRequest(Message, frozen=True):
    """One thing to do at a venue.

    Requests of one *client_order_id* are done in the order of their *sequence*. *quantity* is what this attempt sends
    (the order's leaves quantity), for an AMEND what it comes down to, trades included; a PLACE is never sent after
    *expires_at*.
    """

    request_id: str
    client_order_id: str
    user_id: str
    order_id: str
    venue: str
    symbol: str
    operation: Operation
    sequence: int
    side: Side
    order_type: OrderType
    quantity: int
    requested_at: int
    price: int | None = None
    stop_price: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    expires_at: int | None = None


# ── reports: from a venue's gateways ────────────────────────────────────────────────────────────────────────────────


class ReportKind(StrEnum):
    ACKNOWLEDGED = "ACKNOWLEDGED"  # the order is on the venue's book, or was
    REJECTED = "REJECTED"  # the venue refused the placement; it never executed
    NOT_SENT = "NOT_SENT"  # the gateway sent nothing: deadline passed, or canceled while queued
    FILL = "FILL"  # one trade; may come before ACKNOWLEDGED, after CANCELED, twice, out of order
    CANCELED = "CANCELED"  # off the book; cumulative_quantity says how much had traded
    EXPIRED = "EXPIRED"  # off the book by time in force or self-trade prevention
    CANCEL_REJECTED = "CANCEL_REJECTED"  # the cancel failed; the order's own state is as it was
    AMEND_REJECTED = "AMEND_REJECTED"  # the amendment failed, or nobody knows
    UNKNOWN = "UNKNOWN"  # a placement was or may have been sent, and its outcome is not known
    NOT_FOUND = "NOT_FOUND"  # one look-up by client order ID found nothing; proves nothing alone


class VenueReport(Message, frozen=True):
    """What a venue said, or what is known of it.

    Routed by *client_order_id*, which holds the partition and names the order (``domain.ids``), so that a gateway needs
    no memory of its own. *cumulative_quantity* counts this client order ID's trades alone, *order_quantity* is what it
    is for at the venue. The four instants and *throttle_wait_us* are there where the report answers a call.
    """

    client_order_id: str
    venue: str
    symbol: str
    kind: ReportKind
    evidence: Evidence
    reported_at: int
    request_id: str | None = None
    operation: Operation | None = None
    venue_order_id: str | None = None
    cumulative_quantity: int | None = None
    trade_id: str | None = None
    fill_quantity: int | None = None
    fill_price: int | None = None
    fee: int | None = None
    fee_asset: str | None = None
    liquidity: Liquidity | None = None
    reason: str | None = None
    transacted_at: int | None = None
    requested_at: int | None = None
    sent_at: int | None = None
    received_at: int | None = None
    throttle_wait_us: int | None = None
    order_quantity: int | None = None


# ── events: what the agents decided ─────────────────────────────────────────────────────────────────────────────────


class EventKind(StrEnum):
    COMMAND_REJECTED = "COMMAND_REJECTED"
    COMMAND_REPEATED = "COMMAND_REPEATED"
    TRANSFER_BOOKED = "TRANSFER_BOOKED"
    ORDER_ACCEPTED = "ORDER_ACCEPTED"
    ORDER_OPENED = "ORDER_OPENED"
    ORDER_FILLED = "ORDER_FILLED"  # one fill; status says whether it was the last
    ORDER_REJECTED = "ORDER_REJECTED"
    ORDER_EXPIRED = "ORDER_EXPIRED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    ORDER_CANCELED = "ORDER_CANCELED"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    CANCEL_ALL_REQUESTED = "CANCEL_ALL_REQUESTED"
    PAUSE_REQUESTED = "PAUSE_REQUESTED"
    ORDER_PAUSED = "ORDER_PAUSED"
    ORDER_RESUMED = "ORDER_RESUMED"
    AMEND_REQUESTED = "AMEND_REQUESTED"
    ORDER_AMENDED = "ORDER_AMENDED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    ORDER_RESUBMITTED = "ORDER_RESUBMITTED"


class Answer(StrEnum):
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    DUPLICATE = "DUPLICATE"


class OrderEvent(Message, frozen=True):
    """Something that happened, and where its cause stood in the log.

    The one event of a command that has an *answer* is the answer to that command (or transfer, whose *command_id* is
    the transfer ID). A DUPLICATE repeats the first answer in *first_answer*, *first_reason* and *first_offset*.
    *sequence* counts an order's events from 1 without a gap; it is 0 where there is no order. *index* counts the events
    of one input record from 0. *affected* is the number of orders a cancel-all reached.
    """

    user_id: str
    source_topic: str
    source_partition: int
    source_offset: int
    index: int
    occurred_at: int
    kind: EventKind
    answer: Answer | None = None
    command_id: str | None = None
    reason: str | None = None
    first_answer: Answer | None = None
    first_reason: str | None = None
    first_offset: int | None = None
    affected: int | None = None
    order_id: str | None = None
    client_order_id: str | None = None
    sequence: int = 0
    status: OrderStatus | None = None
    evidence: Evidence | None = None
    venue: str | None = None
    venue_order_id: str | None = None
    symbol: str | None = None
    side: Side | None = None
    order_type: OrderType | None = None
    quantity: int | None = None
    price: int | None = None
    filled_quantity: int | None = None
    leaves_quantity: int | None = None
    filled_cost: int | None = None
    trade_id: str | None = None
    fill_quantity: int | None = None
    fill_price: int | None = None
    fee: int | None = None
    fee_asset: str | None = None
    liquidity: Liquidity | None = None


class Account(StrEnum):
    AVAILABLE = "AVAILABLE"
    RESERVED = "RESERVED"


class Posting(Message, frozen=True):
    """One line of a journal entry: *amount* units of *asset* into (or, negative, out of) an account.

    *owner* is ``user:<user_id>``, or one of the system's own: ``clearing:<venue>``, ``fees:<venue>``, ``treasury``,
    which exist once per partition so that no entry crosses partitions, and use AVAILABLE alone.
    """

    owner: str
    account: Account
    asset: str
    amount: int


class EntryKind(StrEnum):
    CREDIT = "CREDIT"
    DEBIT = "DEBIT"
    RESERVE = "RESERVE"
    SETTLE = "SETTLE"
    RELEASE = "RELEASE"


class JournalEntry(Message, frozen=True):
    """A double entry: its postings sum to zero per asset. *reference* is the transfer, command or trade behind it."""

    user_id: str
    source_topic: str
    source_partition: int
    source_offset: int
    index: int
    occurred_at: int
    kind: EntryKind
    reference: str
    postings: tuple[Posting, ...]
    order_id: str | None = None
    venue: str | None = None
    symbol: str | None = None


class DeadLetter(Message, frozen=True):
    """A record that could not be taken, whole, with the coordinates it came from."""

    source_topic: str
    source_partition: int
    source_offset: int
    source_timestamp: int
    stage: str
    reason: str
    detail: str
    occurred_at: int
    key: bytes | None = None
    value: bytes | None = None


class Replay(Message, frozen=True):
    """A dead letter's record was written to its topic again: which, by whom, and under which ID it is answered.

    The coordinates are the dead record's. *command_id* is the transfer ID if the record is a transfer. *corrected* says
    that an operator gave the value, because the record's own could not be read or was not what was meant.
    """

    source_topic: str
    source_partition: int
    source_offset: int
    user_id: str
    command_id: str
    actor: str
    replayed_at: int
    corrected: bool
