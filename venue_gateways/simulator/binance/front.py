"""Binance's dialect, put together: its terms, its REST API, its sessions, and what they are told."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import orjson
from typing_extensions import override

from domain import money
from venue_gateways.simulator import dialect
from venue_gateways.simulator.binance import payloads, rest, security
from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.exchange import LIMITS, Exchange
from venue_gateways.simulator.binance.limits import Ban, Limit
from venue_gateways.simulator.binance.security import Credential
from venue_gateways.simulator.binance.stream import Session, wrap
from venue_gateways.simulator.dialect import HONEST, Deliver, Lies, Refused, Reply, Request
from venue_gateways.simulator.faults import Dice, Outcome
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import Execution, Fees
from venue_gateways.simulator.venue import Rules, Venue

_JSON: Final = [(b"content-type", b"application/json;charset=UTF-8")]
#: How a 5xx may look; none says whether the request was performed.
_ERRORS: Final = (
    Reply(
        504,
        b'{"code":-1007,"msg":"Timeout waiting for response from backend server. '
        b'Send status unknown; execution status unknown."}',
        _JSON,
    ),
    dialect.html(502),
    Reply(500, b'{"code":-1000,"msg":"An unknown error occurred while processing the request."}', _JSON),
    Reply(
        503,
        b'{"code":-1008,"msg":"Server is currently overloaded with other requests. '
        b'Please try again in a few minutes."}',
        _JSON,
    ),
)


class Binance(msgspec.Struct, frozen=True, kw_only=True):
    """Binance Spot. *limits* are what it publishes, *ban* what becomes of who passes them."""

    limits: tuple[Limit, ...] = LIMITS
    ban: Ban = Ban()
    fees: Fees = Fees(maker_rate=money.ONE // 1_000, taker_rate=money.ONE // 1_000)
    rules: Rules = Rules()
    stream_path: str = "/ws-api/v3"

    def names(self, _symbols: Iterable[str]) -> Names:
        return Names()

    def credential(self, account: str, key: str, secret: str) -> Credential:
        return security.credential(account, key, secret)

    def new_key(self) -> tuple[str, str]:
        return security.new_key()

    def open(self, venue: Venue, _names: Names, credentials: Mapping[str, Credential]) -> "Front":
        return Front(Exchange(venue, credentials, published=self.limits, ban=self.ban))


class Front(dialect.Front[Session]):
    """A venue as Binance's clients meet it."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._exchange = exchange

    @override
    def operation(self, request: Request) -> str:
        return rest.operation(request.verb, request.path) or "unknown"

    @override
    def answer(self, request: Request, now: int, lies: Lies = HONEST) -> Reply:
        return rest.answer(self._exchange, request, now, lies)

    @override
    def instead(self, outcome: Outcome, dice: Dice, now: int) -> Reply:
        if outcome in {Outcome.ERROR_BEFORE, Outcome.ERROR_AFTER}:
            return _ERRORS[dice.choose(len(_ERRORS))]
        if outcome is Outcome.TOO_MANY_REQUESTS:
            body = orjson.dumps({"code": -1003, "msg": "Too many requests queued."})
            return Reply(429, body, [*_JSON, (b"retry-after", b"%d" % dice.plan.retry_after_s)])
        if outcome is Outcome.BANNED:
            until = now // 1_000 + dice.plan.ban_s * 1_000
            body = orjson.dumps({"code": -1003, "msg": f"Way too much request weight used; IP banned until {until}."})
            return Reply(418, body, [*_JSON, (b"retry-after", b"%d" % dice.plan.ban_s)])
        return dialect.html(403)

    @override
    def session(self, address: str, query: str, deliver: Deliver, now: int) -> Session:
        try:
            self._exchange.address(address).connect(now)
        except ApiError as error:
            raise Refused(Reply(error.status, orjson.dumps(error.payload()))) from error
        return Session(self._exchange, address, deliver, now, query)

    @override
    def publish(self, executions: Iterable[Execution], now: int) -> None:
        """Order updates in the order in which they happened, then the balances that changed."""
        happened = list(executions)
        exchange = self._exchange
        numbers = range(exchange.execution_id + 1, exchange.execution_id + 1 + len(happened))
        exchange.execution_id += len(happened)
        if not self.sessions:
            return
        rendered: dict[tuple[str, int], list[bytes]] = {}
        for session in self.sessions:
            for number, account in session.subscriptions.items():
                events = rendered.get((account, session.unit))
                if events is None:
                    events = self._render(account, zip(numbers, happened, strict=True), now, session.unit)
                    rendered[account, session.unit] = events
                for event in events:
                    session.deliver(wrap(number, event))

    def _render(self, name: str, happened: Iterable[tuple[int, Execution]], now: int, unit: int) -> list[bytes]:
        events: list[bytes] = []
        assets: dict[str, None] = {}
        for number, execution in happened:
            if execution.order.account == name:
                events.append(orjson.dumps(payloads.execution_report(execution, number, now, unit)))
                instrument = self._exchange.venue.instruments[execution.order.symbol]
                assets |= {instrument.base: None, instrument.quote: None}
        if assets:
            account = self._exchange.venue.account(name)
            events.append(orjson.dumps(payloads.account_position(account, assets, now, unit)))
        return events
