"""Reads back what the private stream may have missed: trades by their position, and orders that have left the book.

A stream without sequence numbers can't prove that it has told everything. So the trade history is read at the start,
after every (re)connection, when partitions are gained, every few seconds while the stream is down, and now and then
while it is up. Each trade is looked for from the last position seen; a start without one goes back to where the
partitions' former owners had seen everything. All instants are by the venue's clock, as its orders' and trades' are.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from domain.messages import Evidence
from venue_gateways import metrics
from venue_gateways.calls import Caller
from venue_gateways.facts import Facts
from venue_gateways.guard import Guard
from venue_gateways.venue import (
    Answer,
    Call,
    FindOrder,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    OrderSeen,
    OrderState,
    Outcome,
    TradeSeen,
)

_SECOND_US: Final = 1_000_000
#: Between looks while the stream is down, and while it is up.
DOWN_INTERVAL_S: Final = 3.0
UP_INTERVAL_S: Final = 30.0
#: How long trades that are due wait for others, so that many make one look.
DUE_S: Final = 0.5
#: How far back a partition is looked into that no gateway has left a mark for.
LOOK_BACK_US: Final = 24 * 3600 * _SECOND_US
#: What a history shows may lag behind what has happened (documented: memory, then database).
OVERLAP_US: Final = 30 * _SECOND_US
#: An order acknowledged more recently than this may not be in the list of open ones yet.
_SETTLING_US: Final = 5 * _SECOND_US
_PAGES_MAX: Final = 1_000
_ORPHAN_LOOKS: Final = 5
#: If so many of many orders that have vanished from the list are open after all, it is the list that is wrong.
_SAMPLE: Final = 5
_ENDINGS: Final = frozenset({OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED})

log = structlog.get_logger()


class Incomplete(Exception):  # noqa: N818  # it says what is known
    """The venue gave no usable answer: the look has to be repeated."""


class _Place:
    """Where in one scope's trade history the next look starts: at *position*, or at an instant."""

    __slots__ = ("position", "since_us")

    def __init__(self) -> None:
        self.position: str | None = None
        self.since_us: int | None = None


class Poller:
    """*through* is called after each whole look with the instant (ms) until which everything has been told."""

    def __init__(
        self, caller: Caller, facts: Facts, guard: Guard, symbols: Iterable[str], through: Callable[[int], None]
    ) -> None:
        self._caller = caller
        self._facts = facts
        self._guard = guard
        self._symbols = tuple(symbols)
        self._through = through
        self._venue = caller.adapter.name
        self._places: dict[str, _Place] = {}
        self._orphans: dict[tuple[str, str], int] = {}
        self._since_us: int | None = None
        self._compare = True
        self._missing = False
        self._reconnected_us = 0
        self._held = False
        self._wake = asyncio.Event()
        self._due: asyncio.TimerHandle | None = None

    def reconnected(self) -> None:
        """The stream is back: look at once, at open orders too."""
        self._reconnected_us = self._caller.clock.now_us()
        self._compare = True
        self._wake.set()

    def trades_due(self) -> None:
        """There are trades in the history that nothing else tells of: they are looked for, within half a second."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(DUE_S, self._look_now)

    def unclear(self) -> None:
        """Something has happened, and nobody knows what: look at open orders too, as soon."""
        self._compare = True
        self.trades_due()

    def _look_now(self) -> None:
        self._due = None
        self._wake.set()

    def gained(self, through_ms: int) -> None:
        """A partition is ours now, told of until *through_ms*, or (0) never."""
        self._look_back(through_ms * 1000 - OVERLAP_US if through_ms else self._caller.clock.now_us() - LOOK_BACK_US)
        self._wake.set()

    def _look_back(self, since_us: int) -> None:
        self._since_us = since_us if self._since_us is None else min(self._since_us, since_us)

    async def run(self, connected: Callable[[], bool], idle: Callable[[], bool]) -> None:
        """Look, wait, look again. Runs until it is canceled; looks at nothing while *idle*."""
        while True:
            try:
                async with asyncio.timeout(UP_INTERVAL_S if connected() and not self._compare else DOWN_INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if idle():
                continue
            self._compare = self._compare or not connected()
            try:
                await self._sweep()
            except Incomplete as error:
                log.warning("sweep_incomplete", reason=str(error))
                metrics.SWEEPS.labels(self._venue, "incomplete").inc()
                self._compare = True
                await asyncio.sleep(DOWN_INTERVAL_S)
                self._wake.set()
            else:
                metrics.SWEEPS.labels(self._venue, "complete").inc()

    async def _sweep(self) -> None:
        """One look at everything. Raises Incomplete, and then nothing counts as told."""
        began, since, compare = self._caller.clock.now_us(), self._since_us, self._compare or self._missing
        self._since_us, self._compare = None, False
        vanished: list[OrderSeen] = []
        try:
            for scope in self._caller.adapter.scopes(self._symbols):
                place = self._places.setdefault(scope, _Place())
                if since is not None:
                    place.position = None
                    place.since_us = since if place.since_us is None else min(place.since_us, since)
                    await self._orders(scope, since)
                if compare:
                    vanished += await self._vanished(scope)
                await self._trades(scope, place)
            if compare:
                await self._look_after(vanished)
        except Incomplete:
            if since is not None:
                self._look_back(since)
            raise
        if self._held or (compare and began - _SETTLING_US < self._reconnected_us):
            self._compare = True  # once more: some orders were too fresh to say that they were missed
        if not self._held:
            self._through(began // 1000)

    async def _call(self, call: Call) -> Answer:
        answer = (await self._caller.ask(call)).answer
        if answer.outcome is not Outcome.ACCEPTED and not answer.absent:
            raise Incomplete(f"{type(call).__name__}: {answer.reason}")
        return answer

    async def _orders(self, scope: str, since_us: int) -> None:
        """All orders of the last day: whose they are, and which have ended since *since_us*.

        A list starts with orders by their creation, so a day is read to find the end of one that was placed long ago.
        """
        position: str | None = None
        for _ in range(_PAGES_MAX):
            start = min(since_us, self._caller.clock.now_us() - LOOK_BACK_US) if position is None else None
            page = await self._call(ListOrders(scope, position=position, since_us=start))
            for order in page.orders:
                self._facts.listed(order)
                if order.state is not OrderState.OPEN and (order.updated_at or since_us) >= since_us:
                    self._ended(order)
            position = page.position
            if not page.more:
                return
        raise Incomplete("too many pages of orders")

    async def _trades(self, scope: str, place: _Place) -> None:
        for _ in range(_PAGES_MAX):
            since = place.since_us if place.position is None else None
            page = await self._call(ListTrades(scope, position=place.position, since_us=since))
            for trade in page.trades:
                await self._trade(trade)
            place.position = page.position
            if not page.more:
                place.since_us = None if place.position else place.since_us
                return
        raise Incomplete("too many pages of trades")

    async def _trade(self, trade: TradeSeen) -> None:
        if self._facts.is_told(trade):
            return None
        client_order_id = self._facts.known.client_order_id(trade.symbol, trade.venue_order_id)
        if client_order_id is None:
            found = await self._call(FindOrder(trade.symbol, venue_order_id=trade.venue_order_id))
            if found.order is None:
                return self._orphan(trade)
            self._facts.listed(found.order)
            client_order_id = found.order.client_order_id
        return self._facts.trade(trade, client_order_id, Evidence.POLL)

    def _orphan(self, trade: TradeSeen) -> None:
        """A trade of an order that can't be found, yet. Given up after some looks: it would hold up all others."""
        looks = self._orphans[trade.symbol, trade.trade_id] = self._orphans.get((trade.symbol, trade.trade_id), 0) + 1
        if looks < _ORPHAN_LOOKS:
            raise Incomplete(f"trade {trade.trade_id} of order {trade.venue_order_id}, which can't be found")
        log.error("trade_without_order", trade_id=trade.trade_id, venue_order_id=trade.venue_order_id)

    async def _vanished(self, scope: str) -> list[OrderSeen]:
        """Orders that we think are open, and that are not in the venue's list."""
        settled = self._caller.clock.now_us() - _SETTLING_US
        ours = [order for order in self._facts.known.open.values() if (order.updated_at or 0) < settled]
        page = await self._call(ListOpenOrders(scope))
        theirs = {order.client_order_id for order in page.orders}
        for order in page.orders:
            self._facts.listed(order)
        covered = {symbol for symbol in self._symbols if scope in self._caller.adapter.scopes([symbol])}
        vanished = [order for order in ours if order.symbol in covered and order.client_order_id not in theirs]
        for order in vanished:
            if not self._facts.is_ours(order.client_order_id):
                self._facts.known.forget(order.client_order_id)  # its partition has gone elsewhere
        return [order for order in vanished if order.client_order_id in self._facts.known.open]

    async def _look_after(self, vanished: Sequence[OrderSeen]) -> None:
        """What became of orders that have left the list: told, unless it is too much to be believed."""
        open_orders = len(self._facts.known.open)
        many = self._guard.bounds.exceeded(len(vanished), open_orders)
        off_book: list[OrderSeen] = []
        missing = 0
        for looks, order in enumerate(vanished):
            if many and looks == _SAMPLE and not off_book and not missing:
                log.warning("open_orders_disbelieved", not_listed=len(vanished), open_orders=open_orders)
                break
            asked = FindOrder(order.symbol, order.client_order_id, order.venue_order_id)
            found = (await self._call(asked)).order
            missing += found is None
            if found is not None and found.state is not OrderState.OPEN:
                off_book.append(found)
        ended = [order for order in off_book if order.state in _ENDINGS]
        self._missing = missing > 0  # not believed, however few: the next look is at them again
        self._held = self._guard.holds_look(len(ended), missing, open_orders)
        for order in off_book:
            if not self._held or order not in ended:
                self._facts.known.learn(order)
                self._ended(order)

    def _ended(self, order: OrderSeen) -> None:
        """Tell of an order's end; that it was filled, its trades tell."""
        if order.state in _ENDINGS:
            self._facts.order(order, Evidence.POLL)
