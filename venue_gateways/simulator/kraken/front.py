"""Kraken's dialect, put together: its terms, its REST API, its sessions, and what they are told."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

import msgspec
from typing_extensions import override

from domain import money
from venue_gateways.simulator import dialect
from venue_gateways.simulator.dialect import HONEST, Deliver, Lies, Reply, Request
from venue_gateways.simulator.faults import Dice, Outcome
from venue_gateways.simulator.kraken import errors, rest, security
from venue_gateways.simulator.kraken.exchange import Exchange
from venue_gateways.simulator.kraken.limits import Tier
from venue_gateways.simulator.kraken.names import Transactions
from venue_gateways.simulator.kraken.security import Credential
from venue_gateways.simulator.kraken.stream import Session
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import Execution, Fees
from venue_gateways.simulator.venue import Rules, Venue

#: How an error of the venue's own may look; none says whether the request was performed (guides/general/errors).
_ERRORS: Final = (
    dialect.html(520),
    rest.reply(["EService:Unavailable"]),
    dialect.html(502),
    rest.reply(["EService:Busy"]),
    rest.reply(["EGeneral:Internal error"]),
)


class Kraken(msgspec.Struct, frozen=True, kw_only=True):
    """Kraken Spot, for accounts of one *tier*."""

    tier: Tier = Tier.PRO
    fees: Fees = Fees(maker_rate=money.ONE // 1_000, taker_rate=money.ONE // 1_000, in_quote=True)
    rules: Rules = Rules(turns_away_late=True)
    stream_path: str = "/v2"

    def names(self, symbols: Iterable[str]) -> Names:
        return Transactions(symbols)

    def credential(self, account: str, key: str, secret: str) -> Credential:
        return security.credential(account, key, secret)

    def new_key(self) -> tuple[str, str]:
        return security.new_key()

    def open(self, venue: Venue, names: Names, credentials: Mapping[str, Credential]) -> "Front":
        return Front(Exchange(venue, names, credentials, self.tier))


class Front(dialect.Front[Session]):
    """A venue as Kraken's clients meet it."""

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
        if outcome is Outcome.TOO_MANY_REQUESTS:
            return rest.reply([errors.CALLS_EXCEEDED])
        if outcome is Outcome.BANNED:  # a lockout for wrong keys lasts a quarter of an hour, and nobody says how long
            return rest.reply([f"EService:Throttled:{now // 1_000_000 + dice.plan.ban_s}"])
        return dialect.html(403)

    @override
    def session(self, address: str, query: str, deliver: Deliver, now: int) -> Session:
        return Session(self._exchange, deliver)

    @override
    def publish(self, executions: Iterable[Execution], now: int) -> None:
        """One message for what happens to an order in a row."""
        listening = [session for session in self.sessions if session.account is not None]
        if not listening:
            return
        for order, happened in groupby(executions, key=lambda execution: execution.order):
            together = list(happened)
            for session in listening:
                rows = session.updates(together, now) if session.account == order.account else []
                if rows:
                    session.tell(rows)
