"""What a gateway sees of its venue besides orders: best prices, and the account's balances, compared with its trades.

One gateway of a venue does this: the one that owns partition 0. Every gateway is told of all trades of the account, on
the stream and in the history, so those of other gateways' orders are no differences. A difference is shown, logged with
its evidence, and changes nothing: whose money it is has to be found out.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import structlog

from domain import money
from domain.observations import Quote, VenueBalance
from runtime.exits import Unavailable
from runtime.settings import Settings
from schemas import topics
from venue_gateways import calls, metrics
from venue_gateways.calls import Caller
from venue_gateways.clock import wall_us
from venue_gateways.reconciliation.balances import added
from venue_gateways.reconciliation.drift import Drift, Row
from venue_gateways.reporter import Reporter
from venue_gateways.venue import Balance, Outcome, ReadQuotes

#: Whose owner it is that observes.
PARTITION: Final = 0
#: How soon it is tried again to read balances that could not be, because the venue isn't known to work, say.
_AGAIN_S: Final = 1.0
#: Readings are at least so far apart, however often the stream comes and goes: trades have to be told between them.
_APART_S: Final = 5.0

log = structlog.get_logger()


class Observer:
    """Of one gateway: *owned* are its partitions, and *idle* says that it has nothing to do with the venue now."""

    def __init__(
        self,
        settings: Settings,
        caller: Caller,
        reporter: Reporter,
        symbols: Iterable[str],
        owned: Collection[int],
        idle: Callable[[], bool],
    ) -> None:
        self.drift = Drift(settings.facts_remembered_max)
        self._settings = settings
        self._caller = caller
        self._reporter = reporter
        self._symbols = tuple(sorted(symbols))
        self._assets = frozenset(asset for symbol in self._symbols for asset in symbol.split("-"))
        self._owned = owned
        self._idle = idle
        self._venue = caller.adapter.name
        self._account = self._venue.partition(".")[2]
        self._wake = asyncio.Event()
        self._shown: dict[str, int] = {}

    def reconnected(self) -> None:
        """The private stream is up again: the balances may have moved unseen."""
        self._wake.set()

    async def run(self) -> None:
        """Runs until it is canceled, unless the settings want nothing observed."""
        async with asyncio.TaskGroup() as group:
            if self._settings.quotes_every_s:
                group.create_task(self._watch_prices(self._settings.quotes_every_s))
            if self._settings.balances_every_s:
                group.create_task(self._watch_balances(self._settings.balances_every_s))

    # ── prices ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _watch_prices(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            if PARTITION in self._owned and not self._idle():
                metrics.QUOTES.labels(self._venue, await self._quote()).inc()

    async def _quote(self) -> str:
        """Ask for quotes, if that costs nobody anything, and say what came of it."""
        adapter = self._caller.adapter
        listed = tuple(symbol for symbol in self._symbols if adapter.scopes((symbol,)))
        call = ReadQuotes(listed)
        if not listed or not self._caller.take_spare(call, len(self._owned) / self._settings.partitions):
            return "skipped"
        answer = (await self._caller.send(call, 0)).answer
        if answer.outcome is not Outcome.ACCEPTED:
            return "failed"
        now = self._caller.clock.now_us()
        told = [
            (q.symbol, Quote(self._venue, q.symbol, q.bid, q.bid_quantity, q.ask, q.ask_quantity, now))
            for q in answer.quotes
        ]
        self._reporter.observe(topics.QUOTES, told)
        return "told"

    # ── balances ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _watch_balances(self, every_s: float) -> None:
        wait_s = _AGAIN_S
        while True:
            with contextlib.suppress(TimeoutError):  # its time has come without anybody's asking
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            self._wake.clear()
            wait_s = _AGAIN_S
            if PARTITION not in self._owned:
                self._forget()
            elif not self._idle() and await self._compare():
                apart_s = min(_APART_S, every_s)
                await asyncio.sleep(apart_s)
                wait_s = every_s - apart_s

    async def _compare(self) -> bool:
        """One reading, told and compared. False if the venue didn't say."""
        asked_us = self._caller.clock.now_us()
        try:
            found = added(await calls.balances(self._caller))
        except Unavailable as error:
            log.warning("balances_not_read", reason=str(error))
            return False
        answered_us = self._caller.clock.now_us()
        self._tell(found, answered_us)
        rows = self.drift.read(found, asked_us, answered_us)
        if rows:
            self._show(rows)
            metrics.BALANCES_COMPARED.labels(self._venue).set(wall_us() / 1_000_000)
        return True

    def _tell(self, found: Mapping[str, Balance], at_us: int) -> None:
        """What is traded is told of even where there is none of it: that is news, too."""
        balances = (found.get(asset, Balance(asset, 0, 0)) for asset in sorted(self._assets | found.keys()))
        told = [
            (self._venue, VenueBalance(self._venue, self._account, each.asset, each.free, each.held, at_us))
            for each in balances
            if each.free or each.held or each.asset in self._assets
        ]
        self._reporter.observe(topics.VENUE_BALANCES, told)

    def _show(self, rows: Iterable[Row]) -> None:
        for row in rows:
            gauge = metrics.BALANCE_DIFFERENCE.labels(self._venue, self._account, row.asset)
            gauge.set(row.difference / money.ONE)
            if row.difference != self._shown.get(row.asset, 0):
                self._say(row)
            self._shown[row.asset] = row.difference

    def _say(self, row: Row) -> None:
        """That, and by what evidence, balances differ from now on, or no longer do."""
        evidence = {
            "asset": row.asset,
            "difference": money.text(row.difference),
            "total": money.text(row.total),
            "besides_trades": _written(row.rest.low, row.rest.high),
            "at_first": _written(row.baseline.low, row.baseline.high),
            "first_read_at": self.drift.baseline_us,
            "read_at": row.read_us,
        }
        if row.difference:
            log.error("venue_balance_differs", **evidence, **_ADVICE)
        else:
            log.info("venue_balance_agrees", **evidence)

    def _forget(self) -> None:
        """Somebody else observes, or nobody: what is shown here would stay as it is."""
        self.drift.forget()
        for asset in self._shown:
            metrics.BALANCE_DIFFERENCE.remove(self._venue, self._account, asset)
        if self._shown:
            metrics.BALANCES_COMPARED.remove(self._venue)
        self._shown.clear()


def _written(low: int, high: int) -> str:
    return money.text(low) if low == high else f"{money.text(low)} to {money.text(high)}"


_ADVICE: Final = {"advice": "`fillstream reconcile VENUE` compares with the ledger; it changes nothing"}
