"""The venue itself: accounts, their orders and trades, and who is told what happens. No clock, no randomness, no I/O.

Client order IDs are unique among the *open* orders of an account and symbol, and free again once the order has ended:
that is Binance's rule (rest-api.md, New order) and Kraken's, and why a blind repetition can open a second order.
"""

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from domain import money
from domain.instruments import Instrument
from domain.messages import Side
from venue_gateways.simulator.book import Book
from venue_gateways.simulator.orders import (
    TRIGGERED,
    UNPRICED,
    Execution,
    Fees,
    Happening,
    Kind,
    Order,
    Refusal,
    Ticket,
    unnamed,
)

#: How many trades of a symbol are remembered for each order that is.
TRADES_PER_ORDER: Final = 5
#: What an account of unlimited means is shown to have had at the beginning.
UNLIMITED: Final = 10**12 * money.ONE


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything; *history_max* is how many ended orders of an account are remembered.

    *turns_away_late*: an order that is to rest only and would match is accepted, and ended at once, instead of refused.
    """

    open_orders_max: int = 1_000_000
    trigger_orders_max: int = 1_000_000
    history_max: int = 200_000
    turns_away_late: bool = False


class Balance(msgspec.Struct):
    free: int
    locked: int = 0


class Account:
    """What the venue keeps of one client."""

    __slots__ = (
        "_opening",
        "balances",
        "by_client_id",
        "ended",
        "name",
        "open",
        "open_by_symbol",
        "orders",
        "trades",
        "trades_of",
    )

    def __init__(self, name: str, opening: Mapping[str, int] | None) -> None:
        self.name = name
        self._opening = opening
        self.balances: dict[str, Balance] = {}
        self.open: dict[int, Order] = {}
        self.open_by_symbol: dict[str, int] = {}
        self.by_client_id: dict[tuple[str, str], Order] = {}
        self.orders: dict[str, dict[int, Order]] = {}
        self.trades: dict[str, list[Execution]] = {}
        self.trades_of: dict[int, list[Execution]] = {}
        self.ended: deque[Order] = deque()

    @property
    def limited(self) -> bool:
        return self._opening is not None

    def balance(self, asset: str) -> Balance:
        balance = self.balances.get(asset)
        if balance is None:
            opening = UNLIMITED if self._opening is None else self._opening.get(asset, 0)
            balance = self.balances[asset] = Balance(opening)
        return balance


class Venue:
    """All symbols and all accounts. :meth:`drain` gives what happened since it was last asked, in order."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        fees: Fees,
        rules: Rules | None = None,
        opening: Mapping[str, int] | None = None,
        order_id: int = 0,
        trade_ids: Mapping[str, int] | None = None,
    ) -> None:
        """*opening*: what every account starts with; None: all it may want. The IDs are the last ones used before."""
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        self.fees = fees
        self.rules = rules or Rules()
        self.books = {s: Book(i, fees, (trade_ids or {}).get(s, 0)) for s, i in self.instruments.items()}
        self.accounts: dict[str, Account] = {}
        self.order_id = order_id
        self._opening = opening
        self._house_order_id = 0
        self._due: list[tuple[int, int, Order]] = []  # a heap of orders whose time will be up
        self._outbox: list[Execution] = []
        self._settled = 0

    def drain(self) -> list[Execution]:
        happened, self._outbox, self._settled = self._outbox, [], 0
        return happened

    def account(self, name: str) -> Account:
        account = self.accounts.get(name)
        if account is None:
            account = self.accounts[name] = Account(name, self._opening)
        return account

    # ── what a client can ask for ──────────────────────────────────────────────────────────────────────────────────

    def check(self, name: str, ticket: Ticket) -> Refusal | None:
        """Why *ticket* can't be an order now, as far as that shows before it meets the book."""
        instrument = self.instruments.get(ticket.symbol)
        if instrument is None:
            return Refusal.UNKNOWN_SYMBOL
        account = self.account(name)
        return (
            _rule_broken(instrument, ticket, self.books[ticket.symbol].last_price)
            or self._too_many(account, ticket)
            or self._duplicate(account, ticket)
            or self._unaffordable(account, instrument, ticket)
        )

    def place(self, name: str, ticket: Ticket, now: int) -> Order | Refusal:
        """A new order, worked as far as it goes at once."""
        refusal = self.check(name, ticket)
        if refusal is not None:
            return refusal
        self.order_id += 1
        order = Order(
            order_id=self.order_id,
            account=name,
            client_order_id=ticket.client_order_id or unnamed(self.order_id),
            symbol=ticket.symbol,
            side=ticket.side,
            kind=ticket.kind,
            quantity=ticket.quantity,
            created_at=now,
            price=ticket.price,
            stop_price=ticket.stop_price,
            budget=ticket.budget,
            time_in_force=ticket.time_in_force,
            post_only=ticket.post_only,
            self_trade=ticket.self_trade,
            labels=ticket.labels,
            expires_at=ticket.expires_at,
            updated_at=now,
        )
        book = self.books[ticket.symbol]
        refusal = book.submit(order, now, self._outbox)
        if refusal is Refusal.WOULD_MATCH and self.rules.turns_away_late:
            book.turn_away(order, now, self._outbox)
            refusal = None
        if order.expires_at and refusal is None:
            heapq.heappush(self._due, (order.expires_at, order.order_id, order))
        self._settle()
        return order if refusal is None else refusal

    def cancel(self, order: Order, now: int, request_id: str | None = None) -> Refusal | None:
        """Take *order* off the book. Refused if it has left it already."""
        if not order.open:
            return Refusal.UNKNOWN_ORDER
        self.books[order.symbol].cancel(order, now, self._outbox, request_id)
        self._settle()
        return None

    def reduce(self, order: Order, quantity: int, now: int, client_order_id: str) -> Refusal | None:
        """Make *order* smaller without losing its place, under a client order ID that may be the one it had."""
        former_id = order.client_order_id
        if not order.open:
            return Refusal.UNKNOWN_ORDER
        instrument = self.instruments[order.symbol]
        if quantity % instrument.lot_size or quantity < instrument.quantity_min:
            return Refusal.QUANTITY_RULE
        if quantity > order.quantity:
            return Refusal.QUANTITY_INCREASE
        if quantity == order.quantity or quantity <= order.quantity - order.leaves:
            return Refusal.NO_CHANGE
        account = self.account(order.account)
        if client_order_id != former_id:
            taken = account.by_client_id.get((order.symbol, client_order_id))
            if taken is not None and taken.open:
                return Refusal.DUPLICATE_CLIENT_ORDER_ID
            del account.by_client_id[order.symbol, former_id]
            account.by_client_id[order.symbol, client_order_id] = order
            order.client_order_id = client_order_id
        self.books[order.symbol].reduce(order, quantity, now, self._outbox, former_id)
        self._settle()
        return None

    # ── what a client can look up ──────────────────────────────────────────────────────────────────────────────────

    def find(self, name: str, symbol: str, order_id: int | None, client_order_id: str | None) -> Order | None:
        """The order of that ID, or else the latest under that client order ID; both must agree if both are given."""
        account = self.account(name)
        if order_id is None:
            return account.by_client_id.get((symbol, client_order_id or ""))
        order = account.orders.get(symbol, {}).get(order_id)
        if order is not None and client_order_id is not None and order.client_order_id != client_order_id:
            return None
        return order

    def open_orders(self, name: str, symbol: str | None) -> list[Order]:
        return [o for o in self.account(name).open.values() if symbol is None or o.symbol == symbol]

    def orders(self, name: str, symbol: str, *, newest_first: bool = False) -> Iterable[Order]:
        """All orders of the symbol that are remembered."""
        orders = self.account(name).orders.get(symbol, {}).values()
        return reversed(orders) if newest_first else orders

    def trades(self, name: str, symbol: str, from_id: int = 0, *, newest_first: bool = False) -> Iterable[Execution]:
        """The account's trades with an ID of at least *from_id*; all that are remembered if the newest come first."""
        trades = self.account(name).trades.get(symbol, [])
        return reversed(trades) if newest_first else _from_id(trades, from_id)

    def trades_of(self, order: Order, from_id: int = 0) -> Iterable[Execution]:
        """The trades of one order, oldest first."""
        return _from_id(self.account(order.account).trades_of.get(order.order_id, []), from_id)

    # ── what time does ─────────────────────────────────────────────────────────────────────────────────────────────

    def expire_due(self, now: int) -> None:
        """End the open orders whose time is up."""
        while self._due and self._due[0][0] <= now:
            order = heapq.heappop(self._due)[2]
            if order.open:
                self.books[order.symbol].expire(order, now, self._outbox)
        self._settle()

    # ── what the venue's own market does ───────────────────────────────────────────────────────────────────────────

    def submit_house(self, symbol: str, side: Side, kind: Kind, quantity: int, now: int, price: int = 0) -> Order:
        """An order of the market's own: it trades with clients, but nobody is told of it."""
        self._house_order_id -= 1
        order = Order(
            order_id=self._house_order_id,
            account="",
            client_order_id="",
            symbol=symbol,
            side=side,
            kind=kind,
            quantity=quantity,
            created_at=now,
            price=price,
            house=True,
        )
        self.books[symbol].submit(order, now, self._outbox)
        self._settle()
        return order

    def fill(self, order: Order, now: int) -> None:
        """Let the market take all that is left of *order*, if it rests on the book, whatever rests before it."""
        if order.open and order.working_at is not None:
            self._house_order_id -= 1
            self.books[order.symbol].fill(order, self._house_order_id, now, self._outbox)
            self._settle()

    def cancel_house(self, order: Order, now: int) -> None:
        if order.open:
            self.books[order.symbol].cancel(order, now, self._outbox)

    # ── keeping the accounts ───────────────────────────────────────────────────────────────────────────────────────

    def _too_many(self, account: Account, ticket: Ticket) -> Refusal | None:
        count = account.open_by_symbol.get(ticket.symbol, 0)
        if count >= self.rules.open_orders_max:
            return Refusal.TOO_MANY_ORDERS
        if ticket.kind in TRIGGERED and count >= self.rules.trigger_orders_max:
            waiting = sum(o.symbol == ticket.symbol and o.kind in TRIGGERED for o in account.open.values())
            if waiting >= self.rules.trigger_orders_max:
                return Refusal.TOO_MANY_TRIGGER_ORDERS
        return None

    def _duplicate(self, account: Account, ticket: Ticket) -> Refusal | None:
        if ticket.client_order_id is None:
            return None
        former = account.by_client_id.get((ticket.symbol, ticket.client_order_id))
        return Refusal.DUPLICATE_CLIENT_ORDER_ID if former is not None and former.open else None

    def _unaffordable(self, account: Account, instrument: Instrument, ticket: Ticket) -> Refusal | None:
        if not account.limited:
            return None
        if ticket.side is Side.SELL:
            needed, asset = ticket.quantity, instrument.base
        else:
            asset = instrument.quote
            if ticket.kind in UNPRICED:
                needed = ticket.budget or self.books[ticket.symbol].cost_of(ticket.side, ticket.quantity)
            else:
                needed = money.multiply(ticket.quantity, ticket.price)
        return Refusal.INSUFFICIENT_BALANCE if account.balance(asset).free < needed else None

    def _settle(self) -> None:
        """Bring accounts up to what has been appended to the outbox since."""
        for execution in islice(self._outbox, self._settled, None):
            order = execution.order
            account = self.account(order.account)
            self._move(account, execution)
            if execution.what is Happening.ACCEPTED:
                self._open(account, order)
            elif execution.what is Happening.TRADED:
                self._remember_trade(account, execution)
            if not order.open and account.open.pop(order.order_id, None) is not None:
                account.open_by_symbol[order.symbol] -= 1
                account.ended.append(order)
                if len(account.ended) > self.rules.history_max:
                    self._forget(account, account.ended.popleft())
        self._settled = len(self._outbox)

    def _open(self, account: Account, order: Order) -> None:
        account.orders.setdefault(order.symbol, {})[order.order_id] = order
        account.by_client_id[order.symbol, order.client_order_id] = order
        account.open[order.order_id] = order
        account.open_by_symbol[order.symbol] = account.open_by_symbol.get(order.symbol, 0) + 1

    def _remember_trade(self, account: Account, execution: Execution) -> None:
        order = execution.order
        account.trades_of.setdefault(order.order_id, []).append(execution)
        trades = account.trades.setdefault(order.symbol, [])
        trades.append(execution)
        if len(trades) > 2 * TRADES_PER_ORDER * self.rules.history_max:
            del trades[: len(trades) // 2]

    def _forget(self, account: Account, order: Order) -> None:
        del account.orders[order.symbol][order.order_id]
        account.trades_of.pop(order.order_id, None)
        key = (order.symbol, order.client_order_id)
        if account.by_client_id.get(key) is order:
            del account.by_client_id[key]

    def _move(self, account: Account, execution: Execution) -> None:
        """Lock what an order may cost, pay what it trades, unlock what it won't need. Unpriced orders lock nothing."""
        order, quantity = execution.order, execution.quantity
        instrument = self.instruments[order.symbol]
        buys = order.side is Side.BUY
        paid = account.balance(instrument.quote if buys else instrument.base)
        locks = order.kind not in UNPRICED
        unit = order.price if buys else money.ONE
        if execution.what is Happening.TRADED:
            cost = money.multiply(quantity, execution.price)
            gained = account.balance(instrument.base if buys else instrument.quote)
            gained.free += quantity if buys else cost
            account.balance(execution.fee_asset or instrument.quote).free -= execution.fee
            paid.free -= cost if buys else quantity
            change = -quantity
        elif execution.what is Happening.ACCEPTED:
            change = order.quantity
        elif execution.what in {Happening.CANCELED, Happening.EXPIRED}:
            change = -order.leaves
        else:
            change = -quantity
        if locks:
            amount = money.multiply(change, unit)
            paid.locked += amount
            paid.free -= amount


def _from_id(trades: Sequence[Execution], from_id: int) -> Iterable[Execution]:
    first = bisect_left(trades, from_id, key=lambda trade: trade.trade_id)
    return (trades[index] for index in range(first, len(trades)))


def _rule_broken(instrument: Instrument, ticket: Ticket, last_price: int | None) -> Refusal | None:
    """The first of the symbol's rules that *ticket* breaks. Without a price, the last one stands in for it."""
    prices = [price for price in (ticket.price, ticket.stop_price) if price]
    if any(price % instrument.tick_size or not 0 < price <= instrument.price_max for price in prices):
        return Refusal.PRICE_RULE
    if not ticket.budget and not _quantity_fits(instrument, ticket.quantity):
        return Refusal.QUANTITY_RULE
    price = ticket.price or ticket.stop_price or last_price
    notional = ticket.budget or (money.multiply(ticket.quantity, price) if price else instrument.notional_min)
    return Refusal.NOTIONAL_RULE if notional < instrument.notional_min else None


def _quantity_fits(instrument: Instrument, quantity: int) -> bool:
    return instrument.quantity_min <= quantity <= instrument.quantity_max and not quantity % instrument.lot_size
