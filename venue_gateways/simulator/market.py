"""A market that trades: quotes around a random walk on both sides of each book, and now and then an order that takes.

It meets clients' orders by the same price-time priority as anybody's: its takers fill resting orders, and its quotes
trade with orders that the walk runs over. One seed and one sequence of steps and client orders give one history.
"""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Final

import msgspec

from domain import money
from domain.instruments import Instrument
from domain.messages import Side
from venue_gateways.simulator.orders import Kind, Order
from venue_gateways.simulator.venue import Venue

#: Where the walk of each built-in symbol begins, and what it is drawn back to.
PRICES: Final[Mapping[str, int]] = {
    "BTC-USD": 60_000 * money.ONE,
    "ETH-USD": 3_000 * money.ONE,
    "SOL-USD": 150 * money.ONE,
    "XRP-USD": 6 * money.ONE // 10,
    "ETH-BTC": 5 * money.ONE // 100,
}


class Temper(msgspec.Struct, frozen=True, kw_only=True):
    """How lively the market is. Shares are of the price; a step is one call of :meth:`Market.step`.

    With these defaults at ten steps a second, the price moves by about 0.05 % in ten seconds and stays within about
    0.5 % of where it began; a level is worth 1,000 to 10,000 times the symbol's least order.
    """

    levels: int = 10
    spacing_share: float = 0.000_1
    volatility_share: float = 0.000_05
    pull: float = 0.000_5
    level_notional: tuple[int, int] = (1_000, 10_000)
    take_probability: float = 0.3
    take_share_max: float = 1.5


class _Walk(msgspec.Struct):
    instrument: Instrument
    anchor: int
    price: int
    quotes: list[Order]


class Market:
    """The market of all symbols of a venue."""

    __slots__ = ("_random", "_temper", "_venue", "_walks")

    def __init__(
        self,
        venue: Venue,
        *,
        seed: int,
        prices: Mapping[str, int] | None = None,
        temper: Temper | None = None,
    ) -> None:
        """A symbol that *prices* lacks begins at ten thousand ticks."""
        known = prices or PRICES
        self._venue = venue
        self._random = Random(seed)  # noqa: S311  # a market, not a secret
        self._temper = temper or Temper()
        self._walks = [
            _Walk(i, anchor, anchor, [])
            for i in venue.instruments.values()
            for anchor in [known.get(i.symbol, 10_000 * i.tick_size)]
        ]

    def prices(self) -> dict[str, int]:
        """Where each symbol's walk stands."""
        return {walk.instrument.symbol: walk.price for walk in self._walks}

    def step(self, now: int) -> None:
        """Let the price of every symbol move, quote it anew, and perhaps take."""
        for walk in self._walks:
            self._move(walk)
            self._quote(walk, now)
            if self._random.random() < self._temper.take_probability:
                self._take(walk, now)

    def _move(self, walk: _Walk) -> None:
        shock = int(self._random.gauss(0.0, self._temper.volatility_share) * walk.anchor)
        pull = int((walk.anchor - walk.price) * self._temper.pull)
        walk.price = max(walk.price + shock + pull, walk.instrument.tick_size * (self._temper.levels + 1))

    def _quote(self, walk: _Walk, now: int) -> None:
        for order in walk.quotes:
            self._venue.cancel_house(order, now)
        symbol, tick = walk.instrument.symbol, walk.instrument.tick_size
        spacing = max(int(walk.price * self._temper.spacing_share), tick)
        walk.quotes = []
        for level in range(1, self._temper.levels + 1):
            for side, price in _both_sides(walk.price, spacing * level, tick):
                quantity = self._quantity(walk, self._random.uniform(*self._temper.level_notional))
                walk.quotes.append(self._venue.submit_house(symbol, side, Kind.LIMIT, quantity, now, price))

    def _take(self, walk: _Walk, now: int) -> None:
        share = self._random.uniform(0.0, self._temper.take_share_max)
        quantity = self._quantity(walk, share * self._temper.level_notional[0])
        side = Side.BUY if self._random.random() < 0.5 else Side.SELL
        self._venue.submit_house(walk.instrument.symbol, side, Kind.MARKET, quantity, now)

    def _quantity(self, walk: _Walk, notionals: float) -> int:
        """The quantity that is worth *notionals* times the least order, on the grid and within bounds."""
        rules = walk.instrument
        unit = max(rules.notional_min, rules.tick_size)
        wanted = money.divide_down(int(notionals * 1_000) * unit // 1_000, walk.price)
        return min(max(wanted // rules.lot_size * rules.lot_size, rules.quantity_min), rules.quantity_max)


def _both_sides(price: int, distance: int, tick: int) -> Iterable[tuple[Side, int]]:
    """A bid below and an ask above *price*, each rounded away from it."""
    yield Side.BUY, max((price - distance) // tick * tick, tick)
    yield Side.SELL, -(-(price + distance) // tick) * tick
