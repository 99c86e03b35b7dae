"""Orders by order key: live ones, and ended ones for their retention. Indexed by user and by timer."""

import heapq
from collections.abc import Iterator
from typing import Any

from typing_extensions import override

from domain import ids, timers
from domain.lifecycle import LIVE
from domain.state import Order
from streaming.table import Rows


class OrderRows(Rows[Order]):
    """The orders of one partition; the row key is ``domain.ids.order_key``.

    Two indexes are derived from the rows and never stored: the live orders of each user, in the order they were placed
    (a cancel-all costs what it cancels), and a heap of timers (a tick costs what is due). Most timers are overtaken
    before their time comes: what each order's is now stands beside the heap, so that an old one costs a look and not a
    row.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._live: dict[str, dict[bytes, None]] = {}
        self._timers: list[tuple[int, bytes]] = []
        self._timer_at: dict[bytes, int] = {}

    def find(self, user_id: str, order_id: str) -> Order | None:
        """The user's order, or None; also None for another user's order of the same ID."""
        return self.get(ids.order_key(user_id, order_id))

    def live(self, user_id: str) -> list[Order]:
        """The user's orders that have not ended, oldest first."""
        rows = (self.get(key) for key in self._live.get(user_id, ()))
        return [row for row in rows if row is not None]

    def due(self, now: int, limit: int) -> Iterator[tuple[bytes, Order]]:
        """Takes orders off the timer heap whose time has come, each once, at most *limit* of them."""
        taken: set[bytes] = set()
        while self._timers and self._timers[0][0] <= now and limit > 0:
            at, key = heapq.heappop(self._timers)
            if self._timer_at.get(key) != at:
                continue  # overtaken by a later state of the order
            del self._timer_at[key]
            order = self.get(key)
            if key not in taken and order is not None and timers.due(order, now):
                taken.add(key)
                limit -= 1
                yield key, order

    def store(self, order: Order) -> None:
        """Stores *order* under its key."""
        self.put(ids.order_key(order.user_id, order.order_id), order)

    @override
    def put(self, key: bytes, row: Order) -> None:
        super().put(key, row)
        self._index(key, row)

    @override
    def delete(self, key: bytes) -> None:
        row = self.get(key)
        super().delete(key)
        self._timer_at.pop(key, None)
        if row is not None:
            self._forget_live(key, row)

    @override
    def loaded(self) -> None:
        live = []
        for key, row in self.items():
            if row.status in LIVE:
                live.append((row.accepted_offset, row.user_id, key))
            if row.timer_at:
                self._timers.append((row.timer_at, key))
                self._timer_at[key] = row.timer_at
        live.sort()
        for _, user_id, key in live:
            self._live.setdefault(user_id, {})[key] = None
        heapq.heapify(self._timers)

    def _index(self, key: bytes, row: Order) -> None:
        if row.status in LIVE:
            self._live.setdefault(row.user_id, {})[key] = None
        else:
            self._forget_live(key, row)
        if not row.timer_at:
            self._timer_at.pop(key, None)
        elif self._timer_at.get(key) != row.timer_at:
            self._timer_at[key] = row.timer_at
            heapq.heappush(self._timers, (row.timer_at, key))

    def _forget_live(self, key: bytes, row: Order) -> None:
        orders = self._live.get(row.user_id)
        if orders is not None:
            orders.pop(key, None)
            if not orders:
                del self._live[row.user_id]
