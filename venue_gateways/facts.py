"""What the venue tells unasked, on its stream or in its history, becomes a report once, at the gateway that owns it.

Facts reach a gateway several times over: in the answer to a call, on the stream, in a poll. Repeating them would be
harmless, since the agents recognise trades and stale news; it would only be waste. So what has been told is remembered,
within a bound, and while a call about an order is under way, news about that order's state waits for the answer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Final

from domain import ids
from domain.messages import Evidence, VenueReport
from venue_gateways import metrics, reports
from venue_gateways.clock import wall_us
from venue_gateways.venue import OrderSeen, OrderState, TradeSeen

#: How many facts, and how many orders, are remembered.
REMEMBERED_MAX: Final = 200_000


class Memory:
    """The keys noted last."""

    __slots__ = ("_keys", "_most")

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        self._keys: OrderedDict[Hashable, None] = OrderedDict()
        self._most = most

    def note(self, key: Hashable) -> bool:
        """Whether *key* is new."""
        if key in self._keys:
            self._keys.move_to_end(key)
            return False
        self._keys[key] = None
        if len(self._keys) > self._most:
            self._keys.popitem(last=False)
        return True

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys


class KnownOrders:
    """Which client order ID is behind a venue's order ID, and which of our orders are open as far as is known."""

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        self._client_ids: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._most = most
        self.open: dict[str, OrderSeen] = {}

    def learn(self, order: OrderSeen, *, ours: bool = True) -> None:
        """*ours*: of a partition that is owned here."""
        if order.venue_order_id is not None:
            self._client_ids[order.symbol, order.venue_order_id] = order.client_order_id
            if len(self._client_ids) > self._most:
                self._client_ids.popitem(last=False)
        if ours and order.state is OrderState.OPEN:
            self.open[order.client_order_id] = order
        else:
            self.open.pop(order.client_order_id, None)

    def forget(self, client_order_id: str) -> None:
        """That order is not open, whatever the venue has shown."""
        self.open.pop(client_order_id, None)

    def witness(self) -> tuple[str, str] | None:
        """Symbol and client order ID of an order that the venue must know: the one that has been open longest."""
        for order in self.open.values():
            return order.symbol, order.client_order_id
        for (symbol, _), client_order_id in self._client_ids.items():
            if client_order_id:  # somebody else's may have none
                return symbol, client_order_id
        return None

    def client_order_id(self, symbol: str, venue_order_id: str) -> str | None:
        return self._client_ids.get((symbol, venue_order_id))


class Facts:
    """The facts of one venue. *owned* says which partitions are ours now; *publish* must not block.

    *saw* is called with every trade of an order of fillstream's, whichever gateway owns it, once or more often.
    """

    def __init__(
        self,
        venue: str,
        owned: Callable[[int], bool],
        publish: Callable[[list[tuple[int, VenueReport]]], None],
        most: int = REMEMBERED_MAX,
        saw: Callable[[TradeSeen], None] = lambda _trade: None,
    ) -> None:
        self._venue = venue
        self._owned = owned
        self._publish = publish
        self._saw = saw
        self._told = Memory(most)
        self._held: dict[str, tuple[OrderSeen, Evidence] | None] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self.known = KnownOrders(most)

    def trade(self, trade: TradeSeen, client_order_id: str, evidence: Evidence) -> None:
        """Somebody's order has traded."""
        if _partition_of(client_order_id) is not None:
            self._saw(trade)
        partition = self._partition(client_order_id)
        if partition is not None and self._told.note((trade.symbol, trade.trade_id)):
            self._publish([(partition, reports.traded(self._venue, client_order_id, trade, evidence, wall_us()))])

    def order(self, order: OrderSeen, evidence: Evidence) -> None:
        """Somebody's order is in this state."""
        partition = self._partition(order.client_order_id)
        self.known.learn(order, ours=partition is not None)
        if partition is None:
            return
        if order.client_order_id in self._held:
            self._held[order.client_order_id] = order, evidence
            if order.state is not OrderState.OPEN and order.client_order_id in self._awaited:
                self._awaited[order.client_order_id].set()
        elif self._told.note(_key(order)):
            self._publish([(partition, reports.observed(self._venue, order, evidence, wall_us()))])

    def listed(self, order: OrderSeen) -> None:
        """A list shows *order*: nobody is told, but it is known."""
        self.known.learn(order, ours=self.is_ours(order.client_order_id))

    def is_ours(self, client_order_id: str) -> bool:
        """Whether it is the name of an order of a partition that is owned here."""
        partition = _partition_of(client_order_id)
        return partition is not None and self._owned(partition)

    def gained(self, partition: int) -> None:
        """*partition* is ours from now on: what was known of its orders before may be old."""
        for client_order_id in [known for known in self.known.open if _partition_of(known) == partition]:
            self.known.forget(client_order_id)

    def hold(self, client_order_id: str) -> None:
        """A call about this order begins: news of its state waits until :meth:`settle`."""
        self._held.setdefault(client_order_id, None)

    def held(self, client_order_id: str) -> OrderSeen | None:
        """The newest state that has been told unasked while the call was under way."""
        held = self._held.get(client_order_id)
        return None if held is None else held[0]

    async def end_told(self, client_order_id: str, within_s: float) -> None:
        """Wait, while the call is under way, until it is told unasked that the order has left the book, or *within_s*.

        One may wait for an order.
        """
        end = self._awaited[client_order_id] = asyncio.Event()
        try:
            async with asyncio.timeout(within_s):
                await end.wait()
        except TimeoutError:
            pass
        finally:
            del self._awaited[client_order_id]

    def settle(self, client_order_id: str) -> None:
        """The call has been answered for: what its answer didn't say is told now."""
        held = self._held.pop(client_order_id, None)
        if held is not None:
            self.order(*held)

    def answered(self, order: OrderSeen | None, trades: Iterable[TradeSeen]) -> None:
        """A request is being answered with this."""
        for trade in trades:
            self._told.note((trade.symbol, trade.trade_id))
            self._saw(trade)
        if order is not None:
            self._told.note(order.client_order_id)
            self._told.note(_key(order))
            self.known.learn(order)

    def is_told(self, trade: TradeSeen) -> bool:
        return (trade.symbol, trade.trade_id) in self._told

    def _partition(self, client_order_id: str) -> int | None:
        """The order's partition if it is one of ours and owned here; else it is counted, and passed over."""
        partition = _partition_of(client_order_id)
        if partition is None:
            metrics.FOREIGN_ORDERS.labels(self._venue).inc()
            return None
        if not self._owned(partition):
            metrics.ELSEWHERE.labels(self._venue).inc()
            return None
        return partition


def _partition_of(client_order_id: str) -> int | None:
    """The partition of an order of fillstream's; None for anybody else's."""
    try:
        return ids.parse_client_order_id(client_order_id)[0]
    except ids.NotOurs:
        return None


def _key(order: OrderSeen) -> Hashable:
    """What two tellings of one state have in common. That an order is open, or filled, is said once: its trades tell
    the rest.
    """
    if order.state in {OrderState.OPEN, OrderState.FILLED}:
        return order.client_order_id
    return order.client_order_id, order.state, order.filled_quantity
