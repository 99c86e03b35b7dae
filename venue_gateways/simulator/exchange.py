"""What every dialect adds to the matching core: orders that can't be found for a while, and refusals to journal."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, TypeAlias

from venue_gateways.simulator import journal
from venue_gateways.simulator.orders import Execution, Order
from venue_gateways.simulator.venue import Venue

#: By account or address, and by limit: ``limit``, ``window_s`` or ``decay_per_s``, and ``taken`` since the start.
Usage: TypeAlias = dict[str, dict[str, dict[str, float]]]


class Exchange(ABC):
    """The state of a venue besides its books and accounts; each dialect has more of it."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self._hidden: dict[int, int] = {}
        self._refusals: list[dict[str, Any]] = []

    def hide(self, order: Order, until: int) -> None:
        """Let nobody find *order* before *until*."""
        self._hidden[order.order_id] = until

    def hidden(self, order: Order, now: int) -> bool:
        until = self._hidden.get(order.order_id)
        if until is None:
            return False
        if now >= until:
            del self._hidden[order.order_id]
            return False
        return True

    def refuse(self, now: int, account: str, status: int, code: int | str) -> None:
        """Have it journaled that a limit refused a request."""
        self._refusals.append(journal.refused(now, account, status, code))

    def drain_refusals(self) -> list[dict[str, Any]]:
        refusals, self._refusals = self._refusals, []
        return refusals

    @abstractmethod
    def used(self) -> Usage:
        """What has been taken of each limit in all, whether it was given back or not."""

    def observe(self, executions: Iterable[Execution]) -> None:  # noqa: B027  # most have nothing to learn
        """Learn from what happened."""
