"""How a venue's balances can differ from what our ledger makes of them: pure comparison.

What our trades have moved at a venue is the negative of its accounts in the ledger, ``clearing:<venue>`` and
``fees:<venue>``. What was there before, or was paid in or out there, no ledger of ours knows: it is the rest of the
venue's total, and must stay what it was when the baseline was recorded.

A trade is done at the venue a little before it is booked here, so the rest is a range: what is booked when the ledger
is read has been done when the venue is read after it, and of what is booked from then until well after that, any part
may have been. Where nothing was booked meanwhile, the range is a point.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from domain import ledger, money
from domain.messages import JournalEntry
from domain.state import Balance as BookedBalance
from domain.state import Order
from venue_gateways.venue import Balance

#: Of any asset: the finest step in which all venues show balances.
TOLERANCE: Final = money.ONE // 10**8


class Range(msgspec.Struct, frozen=True):
    """From *low* to *high*, in units."""

    low: int = 0
    high: int = 0

    @property
    def width(self) -> int:
        return self.high - self.low

    def minus(self, other: "Range") -> "Range":
        """What a number of this range can exceed one of *other* by."""
        return Range(self.low - other.high, self.high - other.low)


_POINT: Final = Range()


class Verdict(StrEnum):
    """What is to be said of an asset, from harmless to not."""

    EQUAL = "equal"
    IN_MOTION = "in motion"  # trades were booked meanwhile: no difference shows, one within the range could be hidden
    OVERHELD = "overheld"  # the venue holds more for open orders than all of ours have reserved
    DIFFERS = "differs"


_SEVERITY: Final = {verdict: number for number, verdict in enumerate(Verdict)}


class Look(msgspec.Struct, frozen=True):
    """One look at the venue, between two at the ledger; amounts by asset.

    *booked* is what our trades had moved at the venue by the first look at the ledger, *moved* what a part of those
    booked from then on can come to. *reserved* is what all our live orders at the venue may need; None if it has open
    orders of somebody else's too, for which nobody knows what is held. *positions*: where the first look ended, by
    partition of the balances' changelog. *looked_at* is in microseconds, by the venue's clock.
    """

    looked_at: int
    positions: Mapping[int, int]
    balances: Mapping[str, Balance]
    booked: Mapping[str, int]
    moved: Mapping[str, Range]
    reserved: Mapping[str, int] | None

    def assets(self) -> set[str]:
        return {*self.balances, *self.booked, *self.moved}

    def rest(self, asset: str) -> Range:
        """What the venue has of *asset* besides what our trades have moved."""
        balance, moved = self.balances.get(asset, Balance(asset, 0, 0)), self.moved.get(asset, _POINT)
        before = balance.free + balance.held - self.booked.get(asset, 0)
        return Range(before, before).minus(moved)


class Row(msgspec.Struct, frozen=True):
    """What is to be said of one asset, and by which look. *difference* is by what the rest has changed."""

    asset: str
    verdict: Verdict
    difference: Range
    baseline: Range
    look: Look

    @property
    def balance(self) -> Balance:
        return self.look.balances.get(self.asset, Balance(self.asset, 0, 0))

    @property
    def booked(self) -> int:
        return self.look.booked.get(self.asset, 0)

    @property
    def reserved(self) -> int | None:
        return None if self.look.reserved is None else self.look.reserved.get(self.asset, 0)


def compare(look: Look, baseline: Mapping[str, Range]) -> list[Row]:
    """One row for each asset. What *baseline* doesn't have was not there."""
    return [_row(asset, look, baseline.get(asset, _POINT)) for asset in sorted({*look.assets(), *baseline})]


def _row(asset: str, look: Look, baseline: Range) -> Row:
    difference = look.rest(asset).minus(baseline)
    row = Row(asset, Verdict.EQUAL, difference, baseline, look)
    if difference.low > TOLERANCE or difference.high < -TOLERANCE:
        verdict = Verdict.DIFFERS
    elif row.reserved is not None and row.balance.held > row.reserved + TOLERANCE:
        verdict = Verdict.OVERHELD
    else:
        known = difference.low >= -TOLERANCE and difference.high <= TOLERANCE
        verdict = Verdict.EQUAL if known else Verdict.IN_MOTION
    return msgspec.structs.replace(row, verdict=verdict)


def conclude(looks: Sequence[Look], baseline: Mapping[str, Range]) -> list[Row]:
    """Of each asset the best that any of *looks* says: what is under way for longer than one look shows in the next."""
    best: dict[str, Row] = {}
    for row in (row for look in looks for row in compare(look, baseline)):
        if row.asset not in best or _badness(row) < _badness(best[row.asset]):
            best[row.asset] = row
    return [best[asset] for asset in sorted(best)]


def _badness(row: Row) -> tuple[int, int]:
    return _SEVERITY[row.verdict], row.difference.width


def rests(looks: Sequence[Look]) -> dict[str, Range]:
    """The rest of each asset, as narrow as any of *looks* tells: a baseline."""
    assets = sorted(set().union(*(look.assets() for look in looks)))
    return {asset: min((look.rest(asset) for look in looks), key=lambda rest: rest.width) for asset in assets}


def conclusive(looks: Sequence[Look], baseline: Mapping[str, Range] | None) -> bool:
    """Whether one more look would tell nothing more; without a baseline, about what it is to be."""
    if baseline is None:
        return all(rest.width <= TOLERANCE for rest in rests(looks).values())
    return all(row.verdict is Verdict.EQUAL for row in conclude(looks, baseline))


# ── what a look is made of ──────────────────────────────────────────────────────────────────────────────────────────


def added(balances: Iterable[Balance]) -> dict[str, Balance]:
    """By asset: rows of one asset add up."""
    sums: dict[str, Balance] = {}
    for row in balances:
        other = sums.get(row.asset, Balance(row.asset, 0, 0))
        sums[row.asset] = Balance(row.asset, other.free + row.free, other.held + row.held)
    return sums


def booked(rows: Iterable[BookedBalance], venue: str) -> dict[str, int]:
    """What our trades have moved at *venue*, by the *rows* of all partitions."""
    accounts = _accounts(venue)
    sums: dict[str, int] = {}
    for row in rows:
        if row.owner in accounts:
            sums[row.asset] = sums.get(row.asset, 0) - row.available
    return sums


def moved(entries: Iterable[JournalEntry], venue: str) -> dict[str, Range]:
    """What any part of *entries* can have moved at *venue*."""
    accounts = _accounts(venue)
    ranges: dict[str, Range] = {}
    for entry in entries:
        sums: dict[str, int] = {}
        for posting in entry.postings:
            if posting.owner in accounts:
                sums[posting.asset] = sums.get(posting.asset, 0) - posting.amount
        for asset, amount in sums.items():
            known = ranges.get(asset, _POINT)
            ranges[asset] = Range(known.low + min(0, amount), known.high + max(0, amount))
    return ranges


def reserved(before: Iterable[Order], after: Iterable[Order]) -> dict[str, int]:
    """What the orders that were live *before* or *after* a look had reserved at most."""
    most: dict[tuple[str, str, str], int] = {}
    for order in (*before, *after):
        key = order.user_id, order.order_id, order.reserve_asset
        most[key] = max(most.get(key, 0), order.reserved)
    sums: dict[str, int] = {}
    for (_, _, asset), amount in most.items():
        sums[asset] = sums.get(asset, 0) + amount
    return sums


def _accounts(venue: str) -> frozenset[str]:
    return frozenset({ledger.clearing(venue), ledger.fees(venue)})
