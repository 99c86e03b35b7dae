"""A model of a venue: what it accepts, trades and closes, and everything that can go wrong on the way to it and back.

It keeps no book: orders trade by the dice. As Binance documents, a client order ID is taken only as long as its order
is open; whoever sends the same placement again after that has two orders. Signed calls are refused once they are older
than the receive window; what was accepted may be carried out, and be seen, a while later.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain import money
from domain.messages import Liquidity, OrderType, Side, TimeInForce, VenueRequest
from tests.simulation.loop import Process
from venue_gateways.binance.adapter import DOCUMENTED_LIMITS
from venue_gateways.transport import Lost, NotSent
from venue_gateways.venue import (
    Amend,
    Answer,
    Call,
    Cancel,
    FindOrder,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    OrderSeen,
    OrderState,
    Outcome,
    Place,
    ReadClock,
    ReadRules,
    ReadUsage,
    Remedy,
    Rules,
    StreamEvent,
    StreamSignal,
    TradeSeen,
)

NAME: Final = "simulated"
SYMBOLS: Final = ("BTC-USD", "ETH-USD")
PRICES: Final = {"BTC-USD": 50_000 * money.ONE, "ETH-USD": 2_500 * money.ONE}
LOTS: Final = {"BTC-USD": money.ONE // 100_000, "ETH-USD": money.ONE // 10_000}
RECEIVE_WINDOW_US: Final = 5_000_000
AHEAD_US: Final = 1_000_000
CLIENT_TIMEOUT_S: Final = 10.0
#: From acceptance until an order is carried out, and until a look-up shows it, at most. With the receive window this
#: stays below the settings' unknown_bound_s, and the clocks' jumps below what the quorum of looks adds to it.
LATE_S: Final = 7.0
LAG_S: Final = 2.0
THIRD_ASSET: Final = "BNB"
_IMMEDIATE: Final = (TimeInForce.IOC, TimeInForce.FOK)

#: How many calls don't simply get their answer, and what becomes of those.
FAULTY_CALLS: Final = 0.15
_FATES: Final = {
    "slow": 6,
    "not connected": 3,
    "lost on the way": 4,
    "answer lost": 6,
    "5xx after it was done": 5,
    "5xx, and nothing done": 2,
    "429": 3,
}


class Trade(msgspec.Struct):
    number: int
    quantity: int
    price: int
    fee: int
    fee_asset: str
    at_us: int


class Order(msgspec.Struct):
    """An order that was accepted, for *quantity* by now. *seen_from_us* is from when on look-ups show it."""

    number: int
    request: VenueRequest
    quantity: int
    seen_from_us: int
    created_us: int
    updated_us: int
    state: OrderState = OrderState.OPEN
    trades: list[Trade] = msgspec.field(default_factory=list)

    @property
    def executed(self) -> int:
        return sum(trade.quantity for trade in self.trades)

    @property
    def leaves(self) -> int:
        return self.quantity - self.executed

    def seen(self) -> OrderSeen:
        request = self.request
        return OrderSeen(
            request.client_order_id,
            request.symbol,
            self.state,
            self.executed,
            str(self.number),
            updated_at=self.updated_us,
            quantity=self.quantity,
        )

    def trade_seen(self, trade: Trade) -> TradeSeen:
        place = str(trade.number), str(self.number), self.request.symbol
        terms = trade.quantity, trade.price, trade.fee, trade.fee_asset
        return TradeSeen(*place, *terms, Liquidity.TAKER, trade.at_us)


class Connection:
    """One gateway's private stream. It goes deaf at *deaf_s*, and is cut a while after."""

    def __init__(self, process: Process, deaf_s: float) -> None:
        self.process = process
        self.deaf_s = deaf_s
        self.messages: asyncio.Queue[StreamEvent | None] = asyncio.Queue()


class Venue:
    """*world* has the dice, the time and whether anything goes wrong."""

    def __init__(self, world: Any) -> None:
        self.orders: list[Order] = []
        self.trades: list[tuple[Order, Trade]] = []
        self.rejected: list[VenueRequest] = []
        self._world = world
        self._dice = world.dice
        self._connections: list[Connection] = []
        self._doing: dict[type[Call], Callable[[Any], Answer]] = {
            Place: self._place,
            Cancel: self._cancel,
            Amend: self._amend,
            FindOrder: self._find,
            ListTrades: self._list_trades,
            ListOrders: self._list_orders,
            ListOpenOrders: self._list_open,
            ReadRules: lambda _: Answer(
                Outcome.ACCEPTED, rules=Rules(DOCUMENTED_LIMITS, {name: name.replace("-", "") for name in SYMBOLS})
            ),
            ReadClock: lambda _: Answer(Outcome.ACCEPTED, venue_time_us=self.now_us),
            ReadUsage: lambda _: Answer(Outcome.ACCEPTED),
        }

    @property
    def now_us(self) -> int:
        now: int = self._world.true_us
        return now

    # ── the network ─────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, call: Call, signed_us: int, done: "asyncio.Future[Answer]") -> None:
        """*call* leaves the gateway. *done* gets the answer, or NotSent, or Lost."""
        world = self._world
        fate = "answered"
        if world.happens(FAULTY_CALLS):
            fate = self._dice.choices(list(_FATES), list(_FATES.values()))[0]
        if fate != "answered":
            world.trace(f"venue: {type(call).__name__} {_about(call)} is {fate}")
        there_s, back_s = world.network_s(), world.network_s()
        if fate == "slow":
            there_s, back_s = self._dice.uniform(0, 6), self._dice.uniform(0, 6)
        if fate == "not connected":
            return world.later(there_s, _fail, done, NotSent("ConnectError"))
        if fate in ("lost on the way", "answer lost"):
            at_s = self._dice.choice((0.05, CLIENT_TIMEOUT_S))
            world.later(at_s, _fail, done, Lost("ReadTimeout"))
        else:
            world.later(CLIENT_TIMEOUT_S, _fail, done, Lost("ReadTimeout"))
        if fate != "lost on the way":
            world.later(there_s, self._arrive, call, signed_us, fate, back_s, done)
        return None

    def _arrive(self, call: Call, signed_us: int, fate: str, back_s: float, done: "asyncio.Future[Answer]") -> None:
        if fate == "429":
            answer = Answer(Outcome.RETRY_SAFE, "TOO_MANY_REQUESTS", wait_us=1_000_000)
        elif fate == "5xx, and nothing done":
            answer = Answer(Outcome.UNKNOWN, "HTTP_503")
        elif not isinstance(call, ReadRules | ReadClock) and not self._in_window(signed_us):
            answer = Answer(Outcome.RETRY_SAFE, "CLOCK", Remedy.SET_CLOCK)
        elif fate == "5xx after it was done":
            self._world.later(self._dice.choice((0, self._dice.uniform(0, LATE_S))), self._doing[type(call)], call)
            answer = Answer(Outcome.UNKNOWN, "HTTP_504")
        else:
            answer = self._doing[type(call)](call)
        if fate != "answer lost":
            self._world.later(back_s, _succeed, done, answer)

    def _in_window(self, signed_us: int) -> bool:
        return self.now_us - RECEIVE_WINDOW_US <= signed_us < self.now_us + AHEAD_US

    # ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _place(self, call: Place) -> Answer:
        request = call.request
        if any(o.request.client_order_id == request.client_order_id for o in self.orders if o.state is OrderState.OPEN):
            return Answer(Outcome.UNKNOWN, "DUPLICATE_CLIENT_ORDER_ID", Remedy.LOOK_UP)
        if self._world.happens(0.04):
            self.rejected.append(request)
            return Answer(Outcome.REJECTED, "VENUE_REFUSED")
        lag_us = int(self._world.sometimes_s(0.2, LAG_S) * 1_000_000)
        number, now_us = len(self.orders) + 1, self.now_us
        order = Order(number, request, request.quantity, now_us + lag_us, now_us, now_us)
        self.orders.append(order)
        self._world.trace(f"venue: order {order.number} is {request.client_order_id} ({request.order_id})")
        if request.order_type is OrderType.MARKET or request.time_in_force in _IMMEDIATE:
            if self._dice.random() < 0.8:
                self._trade(order, whole=request.time_in_force is TimeInForce.FOK or self._dice.random() < 0.5)
            if order.state is OrderState.OPEN:
                self._close(order, OrderState.EXPIRED)
        elif self._dice.random() < 0.3:
            self._trade(order, whole=self._dice.random() < 0.5)
        if order.state is OrderState.OPEN:
            self._tell(order, None)
            self._live(order)
        trades = tuple(order.trade_seen(trade) for trade in order.trades)
        return Answer(Outcome.ACCEPTED, order=order.seen(), trades=trades)

    def _live(self, order: Order) -> None:
        """What happens to a resting order, sooner or later."""
        later_s = self._dice.expovariate(1 / 6)
        self._world.later(later_s, self._happen, order)

    def _happen(self, order: Order) -> None:
        if order.state is not OrderState.OPEN:
            return
        what = self._dice.random()
        if what < 0.05:
            self._close(order, OrderState.CANCELED)
        elif what < 0.6:
            self._trade(order, whole=self._dice.random() < 0.4)
        if order.state is OrderState.OPEN:
            self._live(order)

    def _trade(self, order: Order, *, whole: bool) -> None:
        """All or a part of what is left trades, at the limit or a little better."""
        request = order.request
        lot = LOTS[request.symbol]
        quantity = order.leaves if whole else max(lot, order.leaves * self._dice.randint(1, 9) // 10 // lot * lot)
        buying = request.side is Side.BUY
        price = request.price or PRICES[request.symbol]
        price += self._dice.randint(0, 5) * (-money.ONE if buying else money.ONE)
        base, _, quote = request.symbol.partition("-")
        cost = price * quantity // money.ONE
        received, amount = (base, quantity) if buying else (quote, cost)
        fee, fee_asset = self._dice.choice(
            ((0, quote), (amount // 1_000, received), (cost // 501, quote), (7 * money.ONE // 1_000, THIRD_ASSET))
        )
        trade = Trade(len(self.trades) + 1, quantity, price, fee, fee_asset, self.now_us)
        order.trades.append(trade)
        order.updated_us = self.now_us
        self.trades.append((order, trade))
        if not order.leaves:
            order.state = OrderState.FILLED
        self._world.trace(f"venue: trade {trade.number} of order {order.number}, {order.state}")
        self._tell(order, trade)

    def _close(self, order: Order, state: OrderState) -> None:
        order.state = state
        order.updated_us = self.now_us
        self._world.trace(f"venue: order {order.number} is {state}")
        self._tell(order, None)

    def _cancel(self, call: Cancel) -> Answer:
        order = self._visible(call.request.client_order_id)
        if order is None or order.state is not OrderState.OPEN:
            return Answer(Outcome.REJECTED, "ORDER_NOT_FOUND", Remedy.LOOK_UP)
        if self._world.happens(0.1):  # the fill wins the race
            self._trade(order, whole=True)
            return Answer(Outcome.REJECTED, "ORDER_NOT_FOUND", Remedy.LOOK_UP)
        self._close(order, OrderState.CANCELED)
        return Answer(Outcome.ACCEPTED, order=order.seen())

    def _amend(self, call: Amend) -> Answer:
        """As Binance does it: to less than it was, and more than has traded; or only taken note of, as others do."""
        order, quantity = self._visible(call.request.client_order_id), call.request.quantity
        if order is None or order.state is not OrderState.OPEN or not order.executed < quantity < order.quantity:
            return Answer(Outcome.REJECTED, "NOT_AMENDED", Remedy.LOOK_UP)
        if self._world.happens(0.1):
            return Answer(Outcome.REJECTED, "VENUE_REFUSED")
        order.quantity, order.updated_us = quantity, self.now_us
        self._world.trace(f"venue: order {order.number} is for {money.text(quantity)} now")
        self._tell(order, None)
        return Answer(Outcome.ACCEPTED, order=None if self._world.happens(0.3) else order.seen())

    # ── look-ups ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _visible(self, client_order_id: str | None) -> Order | None:
        for order in reversed(self.orders):
            if order.request.client_order_id == client_order_id and order.seen_from_us <= self.now_us:
                return order
        return None

    def _find(self, call: FindOrder) -> Answer:
        if call.venue_order_id is not None:
            order: Order | None = self.orders[int(call.venue_order_id) - 1]
        else:
            order = self._visible(call.client_order_id)
        if order is None or order.seen_from_us > self.now_us:
            return Answer(Outcome.REJECTED, "ORDER_NOT_FOUND", absent=True)
        return Answer(Outcome.ACCEPTED, order=order.seen())

    def _list_trades(self, call: ListTrades) -> Answer:
        """A history may lag, but has no holes."""
        until_us = self.now_us - int(self._world.sometimes_s(0.2, LAG_S) * 1_000_000)
        first = int(call.position or 0)
        listed = [
            (order, trade)
            for order, trade in self.trades
            if order.request.symbol == call.scope and first <= trade.number and trade.at_us <= until_us
            if call.venue_order_id in (None, str(order.number))
            if call.position is not None or trade.at_us >= (call.since_us or 0)
        ]
        position = str(listed[-1][1].number + 1) if listed else call.position
        return Answer(
            Outcome.ACCEPTED, trades=tuple(order.trade_seen(trade) for order, trade in listed), position=position
        )

    def _list_orders(self, call: ListOrders) -> Answer:
        listed = [
            order
            for order in self.orders
            if order.request.symbol == call.scope and order.number >= int(call.position or 0)
            if order.seen_from_us <= self.now_us
        ]
        position = str(listed[-1].number + 1) if listed else call.position
        return Answer(Outcome.ACCEPTED, orders=tuple(order.seen() for order in listed), position=position)

    def _list_open(self, call: ListOpenOrders) -> Answer:
        listed = [
            order.seen()
            for order in self.orders
            if order.request.symbol == call.scope and order.state is OrderState.OPEN
            if order.seen_from_us <= self.now_us
        ]
        return Answer(Outcome.ACCEPTED, orders=tuple(listed))

    # ── the private stream ──────────────────────────────────────────────────────────────────────────────────────────

    def connect(self, process: Process) -> Connection:
        deaf_s = self._world.loop.time() + self._dice.expovariate(1 / 15)
        connection = Connection(process, deaf_s)
        self._connections.append(connection)
        connection.messages.put_nowait(StreamEvent(StreamSignal.SUBSCRIBED))
        self._world.later(deaf_s - self._world.loop.time() + self._dice.uniform(0, 3), self._cut_if_faulty, connection)
        return connection

    def _cut_if_faulty(self, connection: Connection) -> None:
        if self._world.faulty:
            self.cut(connection)

    def cut(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            connection.messages.put_nowait(None)

    def cut_all(self) -> None:
        for connection in list(self._connections):
            self.cut(connection)

    def _tell(self, order: Order, trade: Trade | None) -> None:
        event = StreamEvent(StreamSignal.UPDATE, order.seen(), order.trade_seen(trade) if trade else None)
        now_s = self._world.loop.time()
        for connection in self._connections:
            if self._world.faulty and now_s >= connection.deaf_s:
                continue
            for _ in range(2 if self._world.happens(0.1) else 1):
                delay_s = self._world.network_s() + self._world.sometimes_s(0.15, 2.0)
                self._world.later(delay_s, connection.messages.put_nowait, event)


def _about(call: Call) -> str:
    request = getattr(call, "request", None)
    return request.client_order_id if request is not None else getattr(call, "client_order_id", None) or ""


def _succeed(done: "asyncio.Future[Answer]", answer: Answer) -> None:
    if not done.done():
        done.set_result(answer)


def _fail(done: "asyncio.Future[Answer]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
        done.exception()  # whoever waited may be dead
