"""The state that Coinbase's dialect adds to the venue: who may come in, how often, and which IDs have been used."""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from typing_extensions import override

from venue_gateways.simulator import exchange
from venue_gateways.simulator.coinbase import security
from venue_gateways.simulator.coinbase.errors import too_many_requests
from venue_gateways.simulator.coinbase.limits import Second
from venue_gateways.simulator.coinbase.security import Credential
from venue_gateways.simulator.dialect import HONEST, Lies, Request
from venue_gateways.simulator.exchange import Usage
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import Execution, Order
from venue_gateways.simulator.venue import Venue

#: How many edits of an order are remembered (assumed).
_EDITS: Final = 5


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request that may be performed: who asks for what, and when. *subject* is the ID in its path."""

    request: Request
    account: str
    now: int
    subject: str = ""
    lies: Lies = HONEST


class Edit(msgspec.Struct, frozen=True):
    """What an order has been made."""

    price: int
    size: int
    at: int


class Exchange(exchange.Exchange):
    """A venue as Coinbase runs it."""

    def __init__(
        self,
        venue: Venue,
        names: Names,
        credentials: Mapping[str, Credential],
        *,
        private_per_s: int,
        public_per_s: int,
    ) -> None:
        super().__init__(venue)
        self.names = names
        self.credentials = credentials
        self._private_per_s = private_per_s
        self._public_per_s = public_per_s
        self._accounts: dict[str, Second] = {}
        self._addresses: dict[str, Second] = {}
        self._edits: dict[int, deque[Edit]] = {}

    # ── who may come in, and how often ─────────────────────────────────────────────────────────────────────────────

    def account(self, request: Request, now: int) -> str:
        """Whose *request* it is, by its token. Raises ApiError."""
        scheme, _, token = request.header(b"authorization").partition(" ")
        uri = f"{request.verb} {request.header(b'host')}{request.path}"
        return security.authenticate(self.credentials, token if scheme == "Bearer" else "", uri, now).account

    def subscriber(self, token: str, now: int) -> str:
        """Whose *token* for the stream it is. Raises ApiError."""
        return security.authenticate(self.credentials, token, None, now).account

    def meter(self, account: str, address: str) -> Second:
        """What counts the requests of *account*, or without one those of *address*."""
        known, name = (self._accounts, account) if account else (self._addresses, address)
        meter = known.get(name)
        if meter is None:
            meter = known[name] = Second(self._private_per_s if account else self._public_per_s)
        return meter

    def count(self, account: str, address: str, now: int) -> None:
        """Raises ApiError if there have been too many requests in this second, and has that journaled."""
        if not self.meter(account, address).take(now):
            error = too_many_requests()
            self.refuse(now, account, error.status, error.error)
            raise error

    @override
    def used(self) -> Usage:
        """What each account, and each address without one, has taken."""
        return {name: {"requests": meter.used()} for name, meter in {**self._accounts, **self._addresses}.items()}

    # ── orders and trades ──────────────────────────────────────────────────────────────────────────────────────────

    def order(self, account: str, name: str) -> Order | None:
        """The order of that ID, hidden or not."""
        try:
            number = self.names.order_number(name)
        except ValueError:
            return None
        found = (self.venue.find(account, symbol, number, None) for symbol in self.venue.instruments)
        return next((order for order in found if order is not None), None)

    def existing(self, account: str, client_order_id: str) -> Order | None:
        """The order of the account that has, or had, that ID of the client's, of whatever product (create-order)."""
        found = (self.venue.find(account, symbol, None, client_order_id) for symbol in self.venue.instruments)
        return next((order for order in found if order is not None), None)

    def edited(self, order: Order, now: int) -> None:
        """Remember what *order* has just been made."""
        edits = self._edits.setdefault(order.order_id, deque(maxlen=_EDITS))
        edits.append(Edit(order.price, order.quantity, now))
        if len(self._edits) > self.venue.rules.history_max:
            del self._edits[next(iter(self._edits))]

    def edits(self, order: Order) -> Iterable[Edit]:
        """The latest edits of *order*, the oldest first."""
        return self._edits.get(order.order_id, ())

    def orders(self, account: str) -> Iterable[Order]:
        """All orders of the account that are remembered, the newest first."""
        newest_first = [self.venue.orders(account, symbol, newest_first=True) for symbol in self.venue.instruments]
        return heapq.merge(*newest_first, key=lambda order: order.order_id, reverse=True)

    def trades(self, account: str) -> Iterable[Execution]:
        """All trades of the account that are remembered, the highest :func:`place` first."""
        newest_first = [self.venue.trades(account, symbol, newest_first=True) for symbol in self.venue.instruments]
        return heapq.merge(*newest_first, key=place, reverse=True)


def place(trade: Execution) -> tuple[int, int, str, bool]:
    """Where one side of a trade stands in the history: no other is there, and no later one is before it."""
    return trade.at, trade.trade_id, trade.order.symbol, trade.maker
