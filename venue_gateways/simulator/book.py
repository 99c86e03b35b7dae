"""Price-time-priority matching of one symbol, on integers: no clock, no randomness, no I/O.

Best price first, then first come. A trade is at the resting order's price. What happens is appended, in the order in
which it happens, to a list that the caller gives.
"""

import heapq
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from domain import money
from domain.instruments import Instrument
from domain.messages import Side, TimeInForce
from venue_gateways.simulator.orders import (
    TRIGGERED,
    UNPRICED,
    Execution,
    Fees,
    Happening,
    Kind,
    Order,
    Reason,
    Refusal,
    SelfTrade,
    Status,
)

#: The kinds whose stop price lies above the market: they fire when the last price rises to it.
_RISING: Final = frozenset(
    {
        (Side.BUY, Kind.STOP),
        (Side.BUY, Kind.STOP_LIMIT),
        (Side.SELL, Kind.TAKE_PROFIT),
        (Side.SELL, Kind.TAKE_PROFIT_LIMIT),
    }
)


class Ladder:
    """The resting orders of one side: best price first, at one price first come first."""

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side is Side.BUY else -1
        self._keys: list[int] = []  # ascending; the best is the last, where a list is cheap to change
        self._levels: dict[int, OrderedDict[int, Order]] = {}

    def add(self, order: Order) -> None:
        level = self._levels.get(order.price)
        if level is None:
            level = self._levels[order.price] = OrderedDict()
            insort(self._keys, order.price * self._sign)
        level[order.order_id] = order

    def remove(self, order: Order) -> None:
        level = self._levels[order.price]
        del level[order.order_id]
        if not level:
            del self._levels[order.price]
            del self._keys[bisect_left(self._keys, order.price * self._sign)]

    def best_price(self) -> int | None:
        return self._keys[-1] * self._sign if self._keys else None

    def first(self) -> Order | None:
        """The order that trades next."""
        if not self._keys:
            return None
        return next(iter(self._levels[self._keys[-1] * self._sign].values()))

    def __iter__(self) -> Iterator[Order]:
        for key in reversed(self._keys):
            yield from self._levels[key * self._sign].values()

    def levels(self, limit: int) -> Iterator[tuple[int, int]]:
        """Price and open quantity of the best *limit* levels."""
        for key in self._keys[: -limit - 1 : -1]:
            price = key * self._sign
            yield price, sum(order.leaves for order in self._levels[price].values())


class Book:
    """The book of one symbol."""

    __slots__ = (
        "_falling",
        "_fees",
        "_instrument",
        "_rising",
        "_waiting",
        "asks",
        "bids",
        "last_price",
        "trade_id",
        "version",
    )

    def __init__(self, instrument: Instrument, fees: Fees, trade_id: int = 0) -> None:
        """*trade_id* is the last one used before."""
        self._instrument = instrument
        self._fees = fees
        self.bids = Ladder(Side.BUY)
        self.asks = Ladder(Side.SELL)
        self.last_price: int | None = None
        self.trade_id = trade_id
        self.version = 0  # counts what was done to the book
        # stop orders, as heaps of (nearest first, first come first): canceled ones are skipped when they surface
        self._rising: list[tuple[int, int, Order]] = []
        self._falling: list[tuple[int, int, Order]] = []
        self._waiting = 0

    # ── what can be asked of it ────────────────────────────────────────────────────────────────────────────────────

    def submit(self, order: Order, now: int, out: list[Execution]) -> Refusal | None:
        """Take *order* in, trade what trades, rest what rests; or refuse it and change nothing."""
        if order.kind in TRIGGERED:
            if self._would_trigger(order):
                return Refusal.WOULD_TRIGGER
            self._wait(order, now, out)
            return None
        if order.post_only and self._crosses(order):
            return Refusal.WOULD_MATCH
        if order.budget:
            order.quantity = self._quantity_for(order.side, order.budget)
            if not order.quantity:
                return Refusal.NO_LIQUIDITY
        self.version += 1
        order.working_at = now
        self._note(out, Happening.ACCEPTED, order, now)
        self._work(order, now, out)
        self._fire(now, out)
        return None

    def cancel(self, order: Order, now: int, out: list[Execution], request_id: str | None = None) -> None:
        """Take an open order out."""
        self.version += 1
        if order.working_at is not None:
            self._side(order.side).remove(order)
        self._end(order, Status.CANCELED, now)
        self._note(out, Happening.CANCELED, order, now, request_id=request_id)

    def expire(self, order: Order, now: int, out: list[Execution]) -> None:
        """Take an open order out whose time is up."""
        self.version += 1
        if order.working_at is not None:
            self._side(order.side).remove(order)
        self._expire(order, Reason.DUE, now, out)

    def turn_away(self, order: Order, now: int, out: list[Execution]) -> None:
        """Take an order in that would match although it is to rest only, and end it at once."""
        self._note(out, Happening.ACCEPTED, order, now)
        self._expire(order, Reason.WOULD_MATCH, now, out)

    def reduce(self, order: Order, quantity: int, now: int, out: list[Execution], request_id: str | None) -> None:
        """Make an open order smaller, in its place in the queue. *quantity* exceeds what traded or was prevented."""
        self.version += 1
        difference = order.quantity - quantity
        order.quantity = quantity
        order.updated_at = now
        self._note(out, Happening.REDUCED, order, now, quantity=difference, request_id=request_id)

    def fill(self, order: Order, house_order_id: int, now: int, out: list[Execution]) -> None:
        """Trade all that is left of resting *order* with an order of the market's, off the book: at the order's price,
        without a turn in the queue, and without moving the last price.
        """
        self.version += 1
        last_price = self.last_price
        taker = Order(
            order_id=house_order_id,
            account="",
            client_order_id="",
            symbol=order.symbol,
            side=Side.SELL if order.side is Side.BUY else Side.BUY,
            kind=Kind.LIMIT,
            quantity=order.leaves,
            created_at=now,
            price=order.price,
            house=True,
        )
        self._trade(taker, order, now, out)
        self._side(order.side).remove(order)
        self.last_price = last_price

    def cost_of(self, side: Side, quantity: int) -> int:
        """What *quantity* would cost (or earn) against what rests now, as far as that goes."""
        cost = 0
        for maker in self._opposite(side):
            step = min(quantity, maker.leaves)
            cost += money.multiply(step, maker.price)
            quantity -= step
            if not quantity:
                break
        return cost

    # ── stop orders ────────────────────────────────────────────────────────────────────────────────────────────────

    def _would_trigger(self, order: Order) -> bool:
        if self.last_price is None:
            return False
        if (order.side, order.kind) in _RISING:
            return order.stop_price <= self.last_price
        return order.stop_price >= self.last_price

    def _wait(self, order: Order, now: int, out: list[Execution]) -> None:
        self._waiting += 1
        if (order.side, order.kind) in _RISING:
            heapq.heappush(self._rising, (order.stop_price, self._waiting, order))
        else:
            heapq.heappush(self._falling, (-order.stop_price, self._waiting, order))
        self._note(out, Happening.ACCEPTED, order, now)

    def _fire(self, now: int, out: list[Execution]) -> None:
        """Let every stop order work whose price was reached; its own trades may reach the next one's."""
        while (order := self._next_triggered()) is not None:
            order.working_at = order.updated_at = now
            self._note(out, Happening.TRIGGERED, order, now)
            self._work(order, now, out)

    def _next_triggered(self) -> Order | None:
        price = self.last_price
        if price is None:
            return None
        for heap, bound in ((self._rising, price), (self._falling, -price)):
            while heap and (heap[0][0] <= bound or not heap[0][2].open):
                order = heapq.heappop(heap)[2]
                if order.open:
                    return order
        return None

    # ── matching ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _side(self, side: Side) -> Ladder:
        return self.bids if side is Side.BUY else self.asks

    def _opposite(self, side: Side) -> Ladder:
        return self.asks if side is Side.BUY else self.bids

    def _crosses(self, order: Order) -> bool:
        best = self._opposite(order.side).best_price()
        return best is not None and _reaches(order, best)

    def _work(self, order: Order, now: int, out: list[Execution]) -> None:
        """Match *order*, then rest or expire what is left of it."""
        if order.time_in_force is TimeInForce.FOK and self._fillable(order) < order.leaves:
            self._expire(order, Reason.UNFILLED_FOK, now, out)
            return
        self._match(order, now, out)
        if not order.open:
            return
        if order.kind in UNPRICED:
            self._expire(order, Reason.NO_LIQUIDITY, now, out)
        elif order.time_in_force is TimeInForce.IOC:
            self._expire(order, Reason.UNFILLED_IOC, now, out)
        else:
            self._side(order.side).add(order)

    def _match(self, taker: Order, now: int, out: list[Execution]) -> None:
        ladder = self._opposite(taker.side)
        while taker.open:
            maker = ladder.first()
            if maker is None or not _reaches(taker, maker.price):
                return
            if taker.self_trade is not SelfTrade.NONE and maker.account == taker.account:
                self._prevent(taker, maker, now, out)
            else:
                self._trade(taker, maker, now, out)
            if not maker.open:
                ladder.remove(maker)

    def _trade(self, taker: Order, maker: Order, now: int, out: list[Execution]) -> None:
        quantity = min(taker.leaves, maker.leaves)
        price = maker.price
        cost = money.multiply(quantity, price)
        self.trade_id += 1
        self.last_price = price
        for order in (taker, maker):
            order.executed += quantity
            order.cost += cost
            order.updated_at = now
            if order.leaves:
                order.status = Status.PARTIALLY_FILLED
            else:
                order.status = Status.FILLED if order.executed == order.quantity else Status.PREVENTED
        for order, rate in ((taker, self._fees.taker_rate), (maker, self._fees.maker_rate)):
            if not order.house:
                self._note_trade(out, order, rate, quantity, price, cost, now, maker=order is maker)

    def _prevent(self, taker: Order, maker: Order, now: int, out: list[Execution]) -> None:
        """What happens instead of a trade of an account with itself."""
        mode = taker.self_trade
        decrement = min(taker.leaves, maker.leaves) if mode is SelfTrade.DECREMENT else None
        if mode is not SelfTrade.EXPIRE_TAKER:
            self._prevent_one(maker, decrement or maker.leaves, maker.price, now, out)
        if mode is not SelfTrade.EXPIRE_MAKER:
            self._prevent_one(taker, decrement or taker.leaves, maker.price, now, out)

    def _prevent_one(self, order: Order, quantity: int, price: int, now: int, out: list[Execution]) -> None:
        order.prevented += quantity
        order.updated_at = now
        if not order.leaves:
            order.reason = Reason.SELF_TRADE
            self._end(order, Status.PREVENTED, now)
        self._note(out, Happening.PREVENTED, order, now, quantity=quantity, price=price)

    def _fillable(self, taker: Order) -> int:
        """How much of *taker* would trade at once; at least its leaves if all of it would."""
        total = 0
        for maker in self._opposite(taker.side):
            if total >= taker.leaves or not _reaches(taker, maker.price):
                break
            if taker.self_trade is not SelfTrade.NONE and maker.account == taker.account:
                if taker.self_trade is SelfTrade.EXPIRE_MAKER:
                    continue
                break
            total += maker.leaves
        return total

    def _quantity_for(self, side: Side, budget: int) -> int:
        """The most that *budget* buys of what rests now (or: the least whose sale earns up to it), in whole lots."""
        lot = self._instrument.lot_size
        total = 0
        for maker in self._opposite(side):
            step = min(maker.leaves, money.divide_down(budget, maker.price) // lot * lot)
            total += step
            budget -= money.multiply(step, maker.price)
            if step < maker.leaves:
                break
        return total

    # ── the end of an order, and telling of it ─────────────────────────────────────────────────────────────────────

    def _expire(self, order: Order, reason: Reason, now: int, out: list[Execution]) -> None:
        order.reason = reason
        self._end(order, Status.EXPIRED, now)
        self._note(out, Happening.EXPIRED, order, now)

    def _end(self, order: Order, status: Status, now: int) -> None:
        order.status = status
        order.updated_at = now

    def _note(
        self,
        out: list[Execution],
        what: Happening,
        order: Order,
        now: int,
        *,
        quantity: int = 0,
        price: int = 0,
        request_id: str | None = None,
    ) -> None:
        if not order.house:
            out.append(
                Execution(
                    what=what,
                    order=order,
                    at=now,
                    status=order.status,
                    executed=order.executed,
                    cost=order.cost,
                    quantity=quantity,
                    price=price,
                    request_id=request_id,
                )
            )

    def _note_trade(
        self,
        out: list[Execution],
        order: Order,
        rate: int,
        quantity: int,
        price: int,
        cost: int,
        now: int,
        *,
        maker: bool,
    ) -> None:
        """A trade of *order*, with its fee: in the asset that it brings in, or in the quote asset."""
        in_base = order.side is Side.BUY and not self._fees.in_quote
        fee = (quantity if in_base else cost) * rate // money.ONE
        out.append(
            Execution(
                what=Happening.TRADED,
                order=order,
                at=now,
                status=order.status,
                executed=order.executed,
                cost=order.cost,
                quantity=quantity,
                price=price,
                trade_id=self.trade_id,
                fee=fee - fee % self._fees.grain,
                fee_asset=self._instrument.base if in_base else self._instrument.quote,
                maker=maker,
            )
        )


def _reaches(order: Order, price: int) -> bool:
    """Whether *order* would trade at *price*."""
    if order.kind in UNPRICED:
        return True
    return price <= order.price if order.side is Side.BUY else price >= order.price
