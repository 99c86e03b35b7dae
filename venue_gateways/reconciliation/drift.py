"""Whether an account's balances move as its trades say: each reading of them against the first. Pure.

What the account has of an asset, less what our trades have moved, is a rest that must stay what it was: nobody here
pays in or out. A trade from about the time of a reading may be in it or not, so a rest is a range; and a trade may be
told late, by the history alone. So a difference counts once two readings in a row have it, each with all the trades
that were told by the second; and since the rest is one number, what it was at first is known the better the more
readings agree with it.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from domain import money
from domain.messages import Side
from venue_gateways.facts import REMEMBERED_MAX, Memory
from venue_gateways.reconciliation.balances import TOLERANCE, Range
from venue_gateways.venue import Balance, TradeSeen

#: A trade and a reading that are no further apart may have come in either order: clocks are known to half a second,
#: and what a venue shows may lag behind what it has done.
SIMULTANEOUS_US: Final = 2_000_000

_POINT: Final = Range()

Moved = dict[str, Range]


class Row(msgspec.Struct, frozen=True):
    """One asset of the last reading but one: *difference* is by what there is more (or, negative, less) than there
    should be; 0 if that is not certain, or not so any more. *rest* and *baseline* are what it is between, and *total*
    is what the account had.
    """

    asset: str
    read_us: int
    difference: int
    rest: Range
    baseline: Range
    total: int


class _Reading(msgspec.Struct):
    """Balances as the venue told them between two instants; *rests* are as the trades have it that are known by now."""

    asked_us: int
    answered_us: int
    totals: Mapping[str, int]
    rests: Moved

    def rest(self, asset: str) -> Range:
        return self.rests.get(asset, _POINT)

    def traded(self, at_us: int, moved: Mapping[str, Range]) -> None:
        """It has become known that at *at_us* a trade has *moved* so much."""
        if at_us > self.answered_us + SIMULTANEOUS_US:
            return
        around = at_us >= self.asked_us - SIMULTANEOUS_US
        for asset, amount in moved.items():
            self.rests[asset] = self.rest(asset).minus(_perhaps(amount) if around else amount)


class Drift:
    """Of one account. Of *most* trades it is remembered that they were told."""

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        self._told = Memory(most)
        self._moved: Moved = {}
        self._recent: deque[tuple[int, Mapping[str, Range]]] = deque()
        self._newest_us = 0
        self._baseline: _Reading | None = None
        self._last: _Reading | None = None

    @property
    def baseline_us(self) -> int | None:
        """When the reading was taken that the others are compared with."""
        return None if self._baseline is None else self._baseline.asked_us

    def forget(self) -> None:
        """The next reading is the first: for a while nobody has read."""
        self._baseline = self._last = None

    def traded(self, trade: TradeSeen) -> None:
        """An order of ours has traded. To be told of one trade more than once makes no difference."""
        if not self._told.note((trade.symbol, trade.trade_id)):
            return
        moved = movement(trade)
        for asset, amount in moved.items():
            self._moved[asset] = _plus(self._moved.get(asset, _POINT), amount)
        for reading in (self._baseline, self._last):
            if reading is not None:
                reading.traded(trade.traded_at, moved)
        self._newest_us = max(self._newest_us, trade.traded_at)
        self._recent.append((trade.traded_at, moved))
        while self._recent and self._recent[0][0] < self._newest_us - 2 * SIMULTANEOUS_US:
            self._recent.popleft()

    def read(self, balances: Mapping[str, Balance], asked_us: int, answered_us: int) -> list[Row]:
        """A reading, of all assets, that was *asked* for and *answered* then, by the venue's clock.

        No rows come of the first two: a baseline, and one to be confirmed.
        """
        totals = {asset: balance.free + balance.held for asset, balance in balances.items()}
        reading = _Reading(asked_us, answered_us, totals, self._rests(totals, asked_us))
        baseline, last = self._baseline, self._last
        if baseline is None:
            self._baseline = reading
            return []
        self._last = reading
        if last is None:
            return []
        return list(_compared(baseline, last, reading))

    def _rests(self, totals: Mapping[str, int], asked_us: int) -> Moved:
        """What there is besides what trades have moved, of every asset that there is anything of, or was moved."""
        rests = {asset: Range(total, total) for asset, total in totals.items()}
        before = dict(self._moved)
        for at_us, moved in self._recent:
            if at_us >= asked_us - SIMULTANEOUS_US:
                for asset, amount in moved.items():
                    before[asset] = Range(before[asset].low - amount.low, before[asset].high - amount.high)
                    rests[asset] = rests.get(asset, _POINT).minus(_perhaps(amount))
        for asset, amount in before.items():
            rests[asset] = rests.get(asset, _POINT).minus(amount)
        return rests


def _compared(baseline: _Reading, last: _Reading, reading: _Reading) -> Iterator[Row]:
    """*last*, of which all is told by now, with *baseline*; and what is learned from it of that."""
    for asset in sorted({*baseline.rests, *last.rests, *reading.rests}):
        first, then = baseline.rest(asset), last.rest(asset)
        difference = _apart(then, first) if _apart(reading.rest(asset), first) else 0
        yield Row(asset, last.asked_us, difference, then, first, last.totals.get(asset, 0))
        common = Range(max(first.low, then.low), min(first.high, then.high))
        if common.low <= common.high:
            baseline.rests[asset] = common


def movement(trade: TradeSeen) -> Moved:
    """What *trade* has moved of each asset. Where a cost has more decimals than venues book, a range; and where nobody
    has said which way it went, either.
    """
    base, _, quote = trade.symbol.partition("-")
    cost_up = money.multiply_up(trade.price, trade.quantity)
    cost_up += -cost_up % TOLERANCE
    cost_down = -money.multiply_up(-trade.price, trade.quantity)
    cost_down -= cost_down % TOLERANCE
    bought: Moved = {base: Range(trade.quantity, trade.quantity), quote: Range(-cost_up, -cost_down)}
    moved = {asset: _by_side(amount, trade.side) for asset, amount in bought.items()}
    if trade.fee:
        moved[trade.fee_asset] = _plus(moved.get(trade.fee_asset, _POINT), Range(-trade.fee, -trade.fee))
    return moved


def _by_side(bought: Range, side: Side | None) -> Range:
    sold = _POINT.minus(bought)
    either = Range(min(bought.low, sold.low), max(bought.high, sold.high))
    return {Side.BUY: bought, Side.SELL: sold, None: either}[side]


def _plus(left: Range, right: Range) -> Range:
    return Range(left.low + right.low, left.high + right.high)


def _perhaps(amount: Range) -> Range:
    """*amount*, or nothing, or anything between."""
    return Range(min(0, amount.low), max(0, amount.high))


def _apart(rest: Range, baseline: Range) -> int:
    """By what *rest* is above *baseline* at the least, or (negative) below it; 0 if the two may be equal."""
    difference = rest.minus(baseline)
    if difference.low > TOLERANCE:
        return difference.low
    return difference.high if difference.high < -TOLERANCE else 0
