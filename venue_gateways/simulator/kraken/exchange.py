"""The state that Kraken's dialect adds to the venue: who may come in, how often, and who may listen."""

import heapq
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from typing_extensions import override

from venue_gateways.simulator import exchange
from venue_gateways.simulator.dialect import HONEST, Lies
from venue_gateways.simulator.exchange import Usage
from venue_gateways.simulator.kraken import errors
from venue_gateways.simulator.kraken.errors import ApiError
from venue_gateways.simulator.kraken.limits import CALLS, ORDERS, Allowance, Counter, Tier
from venue_gateways.simulator.kraken.names import Pair, pair
from venue_gateways.simulator.kraken.parameters import Parameters
from venue_gateways.simulator.kraken.security import Credential, Door
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import Execution, Happening, Order
from venue_gateways.simulator.venue import Venue

#: guides/websockets/authentication: a token must be used within fifteen minutes.
TOKEN_LIFETIME_S: Final = 900
_TOKENS_MAX: Final = 10_000


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request that may be performed: who asks for what, when it came, and when it is."""

    parameters: Parameters
    account: str
    arrived: int
    now: int
    lies: Lies = HONEST


class Exchange(exchange.Exchange):
    """A venue as Kraken runs it."""

    def __init__(self, venue: Venue, names: Names, credentials: Mapping[str, Credential], tier: Tier) -> None:
        super().__init__(venue)
        self.names = names
        self.door = Door(credentials)
        self.pairs = {symbol: pair(instrument) for symbol, instrument in venue.instruments.items()}
        self.order_allowance: Allowance = ORDERS[tier]
        self._call_allowance = CALLS[tier]
        self._by_name = {
            name: found for found in self.pairs.values() for name in (found.key, found.altname, found.wsname)
        }
        self._calls: dict[str, Counter] = {}
        self._orders: dict[tuple[str, str], Counter] = {}
        self._tokens: dict[str, tuple[str, int]] = {}
        self._amended: dict[int, int] = {}  # when open orders were amended last

    # ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def count_call(self, key: str, cost: int, now: int) -> None:
        """Raises ApiError if *key* has made too many calls."""
        counter = self._calls.get(key)
        if counter is None:
            counter = self._calls[key] = Counter(self._call_allowance)
        if not counter.take(cost, now):
            raise ApiError(errors.CALLS_EXCEEDED)

    def orders_counted(self, account: str, symbol: str) -> Counter:
        """The account's counter of one pair."""
        counter = self._orders.get((account, symbol))
        if counter is None:
            counter = self._orders[account, symbol] = Counter(self.order_allowance)
        return counter

    def count_order(self, account: str, symbol: str, cost: int, now: int) -> None:
        """Raises ApiError if the pair's counter has no room."""
        if not self.orders_counted(account, symbol).take(cost, now):
            raise ApiError(errors.ORDERS_EXCEEDED)

    def rested_us(self, order: Order, now: int) -> int:
        """How long ago *order* was created or amended (guides/general/ratelimits)."""
        return now - self._amended.get(order.order_id, order.created_at)

    @override
    def observe(self, executions: Iterable[Execution]) -> None:
        """Learn from what happened: an order that was amended is young again."""
        for execution in executions:
            order = execution.order
            if not order.open:
                self._amended.pop(order.order_id, None)
            elif execution.what is Happening.REDUCED:
                self._amended[order.order_id] = execution.at

    @override
    def used(self) -> Usage:
        """What each account has taken of each pair, and of its keys' calls."""
        used: Usage = {}
        for key, calls in self._calls.items():
            used.setdefault(self.door.account(key), {})["calls"] = calls.used()
        for (account, symbol), orders in self._orders.items():
            used.setdefault(account, {})[f"orders/{symbol}"] = orders.used()
        return used

    # ── tokens of the WebSocket API ────────────────────────────────────────────────────────────────────────────────

    def new_token(self, account: str, now: int) -> str:
        if len(self._tokens) >= _TOKENS_MAX:
            del self._tokens[next(iter(self._tokens))]
        token = secrets.token_urlsafe(32)
        self._tokens[token] = account, now
        return token

    def token_account(self, token: str, now: int) -> str:
        """Whose *token* it is. Raises ApiError for one that isn't, or isn't any more."""
        found = self._tokens.get(token)
        if found is None:
            raise ApiError(errors.INVALID_TOKEN)
        if now - found[1] > TOKEN_LIFETIME_S * 1_000_000:
            raise ApiError(errors.INVALID_SESSION)
        return found[0]

    # ── pairs, orders and trades ───────────────────────────────────────────────────────────────────────────────────

    def pair(self, name: str) -> Pair:
        """By any of its names but that of the WebSocket API. Raises ApiError."""
        found = self._by_name.get(name)
        if found is None:
            raise ApiError(errors.UNKNOWN_PAIR)
        return found

    def order(self, account: str, name: str) -> Order | None:
        """The order of that transaction ID, hidden or not."""
        try:
            number = self.names.order_number(name)
        except ValueError:
            return None
        found = (self.venue.find(account, symbol, number, None) for symbol in self.pairs)
        return next((order for order in found if order is not None), None)

    def open_orders(self, account: str, parameters: Parameters) -> list[Order]:
        """The open orders that are asked for, hidden or not, the oldest first."""
        return list(filter(_wanted(parameters), self.venue.open_orders(account, None)))

    def ended_orders(self, account: str, parameters: Parameters) -> Iterable[Order]:
        """The ended orders that are asked for, hidden or not, the last to end first."""
        return filter(_wanted(parameters), reversed(self.venue.account(account).ended))

    def trades(self, account: str) -> Iterable[Execution]:
        """All trades of the account that are remembered, the newest first."""
        newest_first = [self.venue.trades(account, symbol, newest_first=True) for symbol in self.pairs]
        return heapq.merge(*newest_first, key=lambda trade: (trade.at, trade.trade_id), reverse=True)

    def uses(self, account: str, client_order_id: str | None) -> bool:
        """Whether an open order of the account, of any pair, has that ID (guides/general/clordid)."""
        if client_order_id is None:
            return False
        found = (self.venue.find(account, symbol, None, client_order_id) for symbol in self.pairs)
        return any(order is not None and order.open for order in found)


def _wanted(parameters: Parameters) -> Callable[[Order], bool]:
    reference, client_order_id = parameters.userref(), parameters.client_id()

    def wanted(order: Order) -> bool:
        if client_order_id is not None:
            return order.client_order_id == client_order_id
        return reference is None or dict(order.labels).get("userref") == reference

    return wanted
