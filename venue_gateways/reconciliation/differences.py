"""How one of our orders can differ from what its venue says of it: pure comparison."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from domain import ids, money
from domain.lifecycle import PENDING_SUBMISSION
from domain.state import Order
from venue_gateways.venue import Finding, OrderSeen, OrderState


class Kind(StrEnum):
    """What a difference is, from harmless to not."""

    IN_MOTION = "in motion"  # waits to be sent, or has changed so recently that it proves nothing
    UNANSWERED = "unanswered"  # the venue gave no usable answer
    FOREIGN = "foreign"  # open at the venue, and not placed by fillstream
    UNACKNOWLEDGED = "unacknowledged"  # here of unknown outcome, there
    FILLS_OWED = "fills owed"  # the venue counts trades that are not booked here
    ENDED = "ended"  # live here, off the book there
    NEVER_PLACED = "never placed"  # here of unknown outcome, not there
    MISSING = "missing"  # once shown by the venue, now unknown to it
    STRAY = "stray"  # open there under one of our IDs, not live here


#: What an operator may have a gateway believe.
DECIDABLE: Final = frozenset({Kind.UNACKNOWLEDGED, Kind.FILLS_OWED, Kind.ENDED, Kind.NEVER_PLACED, Kind.MISSING})
#: What is no fault of anybody's.
HARMLESS: Final = frozenset({Kind.IN_MOTION, Kind.FOREIGN})


class Ours(msgspec.Struct, frozen=True):
    """A live order of ours, as it is in the table, and the name of its current attempt at the venue."""

    client_order_id: str
    partition: int
    order: Order


class Difference(msgspec.Struct, frozen=True):
    kind: Kind
    client_order_id: str
    symbol: str
    here: str
    there: str
    ours: Ours | None = None


def difference(ours: Ours, finding: Finding, settled_us: int) -> Difference | None:
    """What is different about *ours*; None if nothing is. What changed after *settled_us* is still in motion."""
    kind = _kind(ours.order, finding)
    if kind is None:
        return None
    if ours.order.updated_at > settled_us and kind is not Kind.UNANSWERED:
        kind = Kind.IN_MOTION
    return Difference(kind, ours.client_order_id, ours.order.symbol, _here(ours.order), _there(finding), ours)


def _kind(order: Order, finding: Finding) -> Kind | None:
    seen = finding.order
    shown = order.venue_order_id is not None or max(order.attempt_filled, order.attempt_cumulative or 0) > 0
    if not finding.usable:
        return Kind.UNANSWERED
    if seen is None and shown:
        return Kind.MISSING
    if seen is None:
        return Kind.IN_MOTION if order.status is PENDING_SUBMISSION else Kind.NEVER_PLACED
    if seen.filled_quantity > order.attempt_filled:
        return Kind.FILLS_OWED
    if seen.state is not OrderState.OPEN:
        return Kind.ENDED
    return None if shown else Kind.UNACKNOWLEDGED


def unclaimed(listed: Iterable[OrderSeen], live: Iterable[str], settled_us: int) -> list[Difference]:
    """The orders that the venue lists as open and that are not *live* here."""
    known = frozenset(live)
    return [
        Difference(_claim(order, settled_us), order.client_order_id, order.symbol, "not live", _there_open(order))
        for order in listed
        if order.client_order_id not in known
    ]


def _claim(order: OrderSeen, settled_us: int) -> Kind:
    try:
        ids.parse_client_order_id(order.client_order_id)
    except ids.NotOurs:
        return Kind.FOREIGN
    return Kind.STRAY if (order.updated_at or 0) <= settled_us else Kind.IN_MOTION


def _here(order: Order) -> str:
    return f"{order.status}, {money.text(order.attempt_filled)} traded"


def _there(finding: Finding) -> str:
    if not finding.usable:
        return "no usable answer"
    return "no such order" if finding.order is None else _there_open(finding.order)


def _there_open(seen: OrderSeen) -> str:
    return f"{seen.state}, {money.text(seen.filled_quantity)} traded"
