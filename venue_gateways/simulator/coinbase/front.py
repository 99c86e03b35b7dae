"""Coinbase's dialect, put together: its terms, its REST API, its sessions, and what they are told."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import orjson
from typing_extensions import override

from domain import money
from venue_gateways.simulator import dialect
from venue_gateways.simulator.coinbase import rest, security, stream
from venue_gateways.simulator.coinbase.errors import too_many_requests
from venue_gateways.simulator.coinbase.exchange import Exchange
from venue_gateways.simulator.coinbase.limits import PRIVATE_PER_S, PUBLIC_PER_S
from venue_gateways.simulator.coinbase.names import Entries
from venue_gateways.simulator.coinbase.security import Credential
from venue_gateways.simulator.coinbase.stream import Session
from venue_gateways.simulator.dialect import HONEST, Deliver, Lies, Reply, Request
from venue_gateways.simulator.faults import Dice, Outcome
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import Execution, Fees
from venue_gateways.simulator.venue import Rules, Venue

_JSON: Final = [(b"content-type", b"application/json")]
#: How a 5xx may look; none says whether the request was performed.
_ERRORS: Final = (
    Reply(500, b'{"error":"INTERNAL","error_details":"internal error","message":"internal error"}', _JSON),
    dialect.html(502),
    Reply(503, b'{"error":"UNAVAILABLE","error_details":"","message":"upstream unavailable"}', _JSON),
    dialect.html(504),
)


class Coinbase(msgspec.Struct, frozen=True, kw_only=True):
    """Coinbase Advanced Trade, spot. So many requests it takes in a second, of an account and of an address."""

    private_per_s: int = PRIVATE_PER_S
    public_per_s: int = PUBLIC_PER_S
    fees: Fees = Fees(maker_rate=money.ONE // 1_000, taker_rate=money.ONE // 1_000, in_quote=True)
    rules: Rules = Rules()
    stream_path: str = "/"

    def names(self, symbols: Iterable[str]) -> Names:
        return Entries(symbols)

    def credential(self, account: str, key: str, secret: str) -> Credential:
        return security.credential(account, key, secret)

    def new_key(self) -> tuple[str, str]:
        return security.new_key()

    def open(self, venue: Venue, names: Names, credentials: Mapping[str, Credential]) -> "Front":
        return Front(
            Exchange(venue, names, credentials, private_per_s=self.private_per_s, public_per_s=self.public_per_s)
        )


class Front(dialect.Front[Session]):
    """A venue as Coinbase's clients meet it."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._exchange = exchange

    @override
    def operation(self, request: Request) -> str:
        return rest.operation(request)

    @override
    def admit(self, request: Request) -> Reply | None:
        return rest.admit(self._exchange, request)

    @override
    def answer(self, request: Request, now: int, lies: Lies = HONEST) -> Reply:
        return rest.answer(self._exchange, request, now, lies)

    @override
    def instead(self, outcome: Outcome, dice: Dice, now: int) -> Reply:
        if outcome in {Outcome.ERROR_BEFORE, Outcome.ERROR_AFTER}:
            return _ERRORS[dice.choose(len(_ERRORS))]
        if outcome in {Outcome.TOO_MANY_REQUESTS, Outcome.BANNED}:
            return Reply(429, orjson.dumps(too_many_requests().payload()), _JSON)
        return dialect.html(403)

    @override
    def session(self, address: str, query: str, deliver: Deliver, now: int) -> Session:
        return Session(self._exchange, deliver, now)

    @override
    def publish(self, executions: Iterable[Execution], now: int) -> None:
        """What happens to an order at once is told by where it leads."""
        listening = [session for session in self.sessions if session.account is not None]
        if not listening:
            return
        happened: dict[int, list[Execution]] = {}
        for execution in executions:
            happened.setdefault(execution.order.order_id, []).append(execution)
        for together in happened.values():
            order = together[0].order
            shown = stream.statuses(order, together, now)
            for session in listening:
                if session.account == order.account:
                    session.tell(order, shown, now)
