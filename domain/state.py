"""What the tables keep: orders, balances, first answers, and how far each input has been read."""

from enum import StrEnum
from typing import Final

from domain.messages import Answer, Evidence, Message, OrderStatus, OrderType, Side, TimeInForce


class AfterCancel(StrEnum):
    """What a pending cancel is for: what happens once the venue has proved that the order is off its book."""

    NOTHING = "NOTHING"
    CANCEL = "CANCEL"
    PAUSE = "PAUSE"
    AMEND = "AMEND"
    EXPIRE = "EXPIRE"


NOTHING: Final = AfterCancel.NOTHING


class Order(Message, frozen=True):
    """One order, from acceptance to the end of its retention.

    *attempt* counts placements at the venue (each has its own client order ID; a resend after proof that nothing
    arrived keeps it). *attempt_filled* is what this attempt has traded as booked here, *attempt_cumulative* what the
    venue says it had traded when it left the book as *closing*: the order ends when the two agree, so no fill that the
    venue counts is left out. *reserved* is what is left of the reserve, in *reserve_asset*. *looks* counts look-ups
    that found nothing since *unknown_since*, which an order on the book has while an amendment may come through whose
    place a cancel has taken. *timer_at* is when the order next wants a look (0: never). *accepted_offset* is where the
    placing command stood in the log.
    """

    order_id: str
    user_id: str
    command_id: str
    venue: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: int
    price: int | None
    stop_price: int | None
    max_cost: int | None
    time_in_force: TimeInForce
    good_till: int | None
    post_only: bool
    expires_at: int | None
    status: OrderStatus
    after_cancel: AfterCancel
    amend_quantity: int | None
    amend_price: int | None
    attempt: int
    sequence: int
    request_sequence: int
    reserve_asset: str
    reserved: int
    filled_quantity: int
    filled_cost: int
    attempt_filled: int
    attempt_cumulative: int | None
    closing: OrderStatus | None
    venue_order_id: str | None
    trade_ids: tuple[str, ...]
    evidence: Evidence | None
    reason: str | None
    unknown_since: int | None
    looks: int
    timer_at: int
    accepted_offset: int
    created_at: int
    updated_at: int


class Balance(Message, frozen=True):
    """What *owner* has of *asset*. A user's AVAILABLE and RESERVED; the system's own accounts use *available* alone."""

    owner: str
    asset: str
    available: int
    reserved: int


class FirstAnswer(Message, frozen=True):
    """The first answer to a command, transfer or order ID, kept until *forget_at* so that a repeat gets the same."""

    answer: Answer
    reason: str | None
    order_id: str | None
    offset: int
    forget_at: int


class Position(Message, frozen=True):
    """How far one input topic of a partition has been read into the tables, and the digest of the tables then."""

    topic: str
    next_offset: int
    digest: bytes
