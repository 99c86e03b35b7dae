"""The running venue: what happens is journaled first, then told. Everything but the web."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from domain import money
from venue_gateways.simulator import metrics
from venue_gateways.simulator.dialect import AnyFront
from venue_gateways.simulator.exchange import Exchange
from venue_gateways.simulator.faults import Dice
from venue_gateways.simulator.journal import Journal, entries
from venue_gateways.simulator.market import Market
from venue_gateways.simulator.orders import Execution, Happening

Clock = Callable[[], int]


class Service:
    """The venue, its dialect, its market, its journal and its dice. *clock* gives microseconds since the epoch."""

    def __init__(self, front: AnyFront, market: Market, journal: Journal, dice: Dice, clock: Clock) -> None:
        self.front = front
        self.market = market
        self.dice = dice
        self._clock = clock
        self.market_running = True
        self.answers: Counter[tuple[str, int]] = Counter()
        self._journal = journal
        self._broken: OSError | None = None

    @property
    def exchange(self) -> Exchange:
        return self.front.exchange

    def clock(self) -> int:
        """The venue's time, which is not always right."""
        return self._clock() + self.dice.plan.clock_offset_ms * 1_000

    def record(self) -> list[Execution]:
        """Write down what has happened since, and return it: only now may anybody be told.

        Raises OSError if it can't be written; from then on always, so that the process ends.
        """
        if self._broken is not None:
            raise self._broken
        executions = self.exchange.venue.drain()
        refusals = self.exchange.drain_refusals()
        if executions or refusals:
            try:
                self._journal.append([*entries(executions, self._journal.names), *refusals])
            except OSError as error:
                self._broken = error
                raise
            self.exchange.observe(executions)
        return executions

    def tell(self, executions: list[Execution], now: int) -> None:
        """Tell every stream of what was recorded."""
        if not executions:
            return
        self.front.publish(executions, now)
        for execution in executions:
            if execution.what is Happening.ACCEPTED:
                metrics.ORDERS.inc()
            elif execution.what is Happening.TRADED:
                metrics.FILLS.inc()

    def step(self) -> None:
        """Let time pass: orders whose time is up end, and the market moves, unless it has been told to stand still."""
        now = self.clock()
        self.exchange.venue.expire_due(now)
        if self.market_running:
            self.market.step(now)
        self.tell(self.record(), now)

    def count(self, operation: str, status: int) -> None:
        self.answers[operation, status] += 1
        metrics.REQUESTS.labels(operation, str(status)).inc()

    def state(self) -> dict[str, Any]:
        """What there is to know of the venue, for people and tests."""
        venue = self.exchange.venue
        return {
            "prices": {s: money.text(b.last_price) for s, b in venue.books.items() if b.last_price is not None},
            "order_id": venue.order_id,
            "trade_ids": {symbol: book.trade_id for symbol, book in venue.books.items()},
            "accounts": {
                name: {
                    "orders_open": len(account.open),
                    "orders": sum(map(len, account.orders.values())),
                    "trades": sum(map(len, account.trades.values())),
                }
                for name, account in venue.accounts.items()
            },
            "answers": [
                {"operation": operation, "status": status, "count": count}
                for (operation, status), count in sorted(self.answers.items())
            ],
            "limits": self.exchange.used(),
            "faults": {name: count for name, count in self.dice.counts.items() if count},
            "sessions": len(self.front.sessions),
            "market_running": self.market_running,
        }

    def markets(self) -> list[dict[str, Any]]:
        """What is traded, on which grid, and the best prices: the same in every dialect."""
        venue = self.exchange.venue
        return [
            {
                "symbol": rules.symbol,
                "tick": money.text(rules.tick_size),
                "lot": money.text(rules.lot_size),
                "bid": _numeral(venue.books[rules.symbol].bids.best_price()),
                "ask": _numeral(venue.books[rules.symbol].asks.best_price()),
            }
            for rules in venue.instruments.values()
        ]


def _numeral(units: int | None) -> str | None:
    return None if units is None else money.text(units)
