"""The state that Binance's dialect adds to the venue: who may come in, how often, and what is hidden from whom."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from typing_extensions import override

from venue_gateways.simulator import exchange
from venue_gateways.simulator.binance import limits
from venue_gateways.simulator.binance.errors import ApiError, unknown_order
from venue_gateways.simulator.binance.limits import AccountMeter, AddressMeter, Ban, Limit, LimitType
from venue_gateways.simulator.binance.parameters import Parameters
from venue_gateways.simulator.binance.payloads import symbol_name
from venue_gateways.simulator.binance.security import Credential
from venue_gateways.simulator.dialect import HONEST, Lies
from venue_gateways.simulator.exchange import Usage
from venue_gateways.simulator.orders import Execution, Happening, Order
from venue_gateways.simulator.venue import Venue

#: What the simulated venue publishes unless told otherwise.
LIMITS: Final = (
    Limit(LimitType.REQUEST_WEIGHT, "MINUTE", 1, 120_000),
    Limit(LimitType.ORDERS, "SECOND", 10, 8_000),
)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request that may be performed: who asks for what, and when. *unit* is that of the answer's instants in µs."""

    parameters: Parameters
    account: str
    now: int
    unit: int
    lies: Lies = HONEST


class Exchange(exchange.Exchange):
    """A venue as Binance runs it."""

    def __init__(
        self,
        venue: Venue,
        credentials: Mapping[str, Credential],
        *,
        published: Iterable[Limit] = LIMITS,
        ban: Ban | None = None,
    ) -> None:
        super().__init__(venue)
        self.credentials = credentials
        self.published = tuple(published)
        self.execution_id = 0
        self._ban = ban or Ban()
        self._symbols = {symbol_name(symbol): symbol for symbol in venue.instruments}
        self._addresses: dict[str, AddressMeter] = {}
        self._accounts: dict[str, AccountMeter] = {}

    # ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def address(self, name: str) -> AddressMeter:
        meter = self._addresses.get(name)
        if meter is None:
            meter = self._addresses[name] = AddressMeter(self.published, self._ban)
        return meter

    def account_meter(self, name: str) -> AccountMeter:
        meter = self._accounts.get(name)
        if meter is None:
            meter = self._accounts[name] = AccountMeter(self.published)
        return meter

    def make_room(self, call: Call) -> None:
        """Raises ApiError if the account has no room for one more order."""
        full = self.account_meter(call.account).full(call.now)
        if full is not None:
            raise limits.too_many_orders(full.limit, full.ends_at())

    def note_refusal(self, error: ApiError, address: str, key: str | None, now: int) -> ApiError:
        """What to answer in place of *error*: the same, or that the address has been banned for going on.

        What a limit refused goes into the journal.
        """
        if error.code == limits.TOO_MANY_ORDERS and error.retry_at is not None:
            try:
                self.address(address).refuse(error.retry_at, now)
            except ApiError as ban:
                error = ban
        if error.status in {429, 418}:
            credential = self.credentials.get(key or "")
            account = credential.account if credential else ""
            self.refuse(now, account, error.status, error.code)
        return error

    @override
    def observe(self, executions: Iterable[Execution]) -> None:
        """Learn from what happened: orders that traded for the first time are unfilled no longer."""
        for execution in executions:
            if execution.what is Happening.TRADED and execution.executed == execution.quantity:
                self.account_meter(execution.order.account).filled(execution.at, maker=execution.maker)

    @override
    def used(self) -> Usage:
        """What was taken of each limit: of an account's orders, and of an address's weight."""
        meters: dict[str, AddressMeter | AccountMeter] = {**self._accounts, **self._addresses}
        return {
            name: {f"{window.limit.type}/{window.limit.suffix}": window.used() for window in meter.windows}
            for name, meter in meters.items()
        }

    # ── symbols and orders ─────────────────────────────────────────────────────────────────────────────────────────

    def symbol(self, parameters: Parameters) -> str:
        """The venue's own name of the symbol that is asked for."""
        symbol = self._symbols.get(parameters.text("symbol"))
        if symbol is None:
            raise ApiError(-1121, "Invalid symbol.")
        return symbol

    def optional_symbol(self, parameters: Parameters) -> str | None:
        return self.symbol(parameters) if parameters.has("symbol") else None

    def find(self, call: Call, id_name: str = "orderId", client_id_name: str = "origClientOrderId") -> Order | None:
        """The order that is asked for by either ID or both, hidden or not."""
        parameters = call.parameters
        symbol = self.symbol(parameters)
        if not parameters.has(id_name) and not parameters.has(client_id_name):
            raise ApiError(-1102, f"Param '{client_id_name}' or '{id_name}' must be sent, but both were empty/null!")
        order_id = parameters.optional_integer(id_name)
        return self.venue.find(call.account, symbol, order_id, parameters.client_id(client_id_name))

    def look_up(self, call: Call) -> Order:
        """The order that is asked for. Raises ApiError if there is none, or it can't be found yet."""
        order = self.find(call)
        if order is None or call.lies.denied or self.hidden(order, call.now):
            raise unknown_order()
        return order
