"""Keeps a gateway from believing a venue that, all at once, denies much of what it has shown.

One order that has left the book unnoticed is news. A fifth of them at once is more likely a list that lies, a wiped
venue or another account's key. What would change too many orders in one look, or in a minute of look-ups, is held back,
shown and logged, until the venue agrees with itself again, or somebody has it told (``fillstream reconcile --apply``).
"""

from collections import OrderedDict
from enum import StrEnum
from typing import Final

import structlog

from domain.messages import VenueRequest
from venue_gateways import metrics
from venue_gateways.calls import Caller
from venue_gateways.clock import steady_us
from venue_gateways.facts import KnownOrders

#: A request whose ID begins so was made by an operator, whom the rest of it names: its answer is never held back.
OPERATORS: Final = "reconcile:"
_MINUTE_US: Final = 60_000_000
#: The witness is asked no more often than this.
_WITNESS_US: Final = 2_000_000
_WITNESS_WAITS_US: Final = 5_000_000

log = structlog.get_logger()


class Held(StrEnum):
    """What is not believed, as the metric's label has it."""

    ENDED = "ended"  # orders that left the book unnoticed, by their look-ups
    MISSING = "missing"  # orders that the venue has shown, and now can't find; that alone is never believed
    ABSENT = "absent"  # orders of unknown outcome that can't be found, while what is known to exist can't be either


class Bounds:
    """How much may change at once: up to *share_max* of the open orders, or fewer orders than *orders_min*."""

    __slots__ = ("_orders_min", "_share_max")

    def __init__(self, share_max: float, orders_min: int) -> None:
        self._share_max = share_max
        self._orders_min = orders_min

    def exceeded(self, changes: int, open_orders: int) -> bool:
        return changes >= self._orders_min and changes > self._share_max * open_orders


class Guard:
    """Of one gateway. *known* are the orders that the venue has shown."""

    def __init__(self, caller: Caller, known: KnownOrders, bounds: Bounds) -> None:
        self.bounds = bounds
        self._caller = caller
        self._known = known
        self._venue = caller.adapter.name
        self._absent: OrderedDict[str, int] = OrderedDict()
        self._denied = False
        self._asked_us = -_WITNESS_US
        self._holding = False
        for kind in Held:
            metrics.HELD_BACK.labels(self._venue, kind).set(0)

    def holds_look(self, ended: int, missing: int, open_orders: int) -> bool:
        """Whether a look at *open_orders* that found so many of them *ended* and *missing* is not to be believed."""
        held = self.bounds.exceeded(ended + missing, open_orders)
        metrics.HELD_BACK.labels(self._venue, Held.ENDED).set(ended if held else 0)
        metrics.HELD_BACK.labels(self._venue, Held.MISSING).set(missing)
        if held != self._holding:
            self._holding = held
            if held:
                log.error("reconciliation_held", ended=ended, missing=missing, open_orders=open_orders, **_ADVICE)
            else:
                log.info("reconciliation_resumed", ended=ended, missing=missing, open_orders=open_orders)
        return held

    async def doubts_absence(self, client_order_id: str) -> bool:
        """Whether it proves nothing that the venue has just found no such order.

        If that has been so for many orders within a minute, the venue is asked for a witness: an order that it has
        shown before. While it can't find that one either, or there is none, not-found means nothing.
        """
        now = steady_us()
        absent = self._note_absent(client_order_id, now)
        if not self.bounds.exceeded(absent, len(self._known.open) + absent):
            self._doubt(denied=False, absent=absent)
        elif now - self._asked_us >= _WITNESS_US:
            self._asked_us = now
            self._doubt(denied=True, absent=absent)  # meanwhile
            self._doubt(denied=not await self._finds_witness(), absent=absent)
        return self._denied

    def found(self, client_order_id: str) -> None:
        """The venue has found that order."""
        self._absent.pop(client_order_id, None)

    def _note_absent(self, client_order_id: str, now_us: int) -> int:
        """How many orders could not be found within the last minute."""
        self._absent[client_order_id] = now_us
        self._absent.move_to_end(client_order_id)
        while next(iter(self._absent.values())) < now_us - _MINUTE_US:
            self._absent.popitem(last=False)
        return len(self._absent)

    async def _finds_witness(self) -> bool:
        witness = self._known.witness()
        if witness is None:
            return False
        finding = await self._caller.look_up(*witness, steady_us() + _WITNESS_WAITS_US)
        return finding.order is not None

    def _doubt(self, *, denied: bool, absent: int) -> None:
        if denied and not self._denied:
            log.error("absence_doubted", orders=absent, open_orders=len(self._known.open), **_ADVICE)
        self._denied = denied
        metrics.HELD_BACK.labels(self._venue, Held.ABSENT).set(absent if denied else 0)


def is_operators(request: VenueRequest) -> bool:
    """Whether an operator has asked, and so decided that whatever the venue says now is to be believed."""
    return request.request_id.startswith(OPERATORS)


_ADVICE: Final = {"advice": "look with `fillstream reconcile VENUE --dry-run`; --apply has it believed"}
