"""Kraken's limits: counters that rise with every call or order, and fall with time (guides/rest/ratelimits,
guides/general/ratelimits).

A key has one for its REST calls, but for those that place and cancel; an account has one for each pair that it trades,
in which a cancel, or an amendment, counts the more the younger its order is. Nothing that a counter has no room for is
performed.
"""

from enum import StrEnum
from typing import Final

import msgspec

_SECOND_US: Final = 1_000_000

ADD_COST: Final = 1
CANCEL_ALL_COST: Final = 1  # of each pair (the venue's own SDK)
#: What a cancel costs by the seconds since its order was created or amended; beyond the last, nothing.
_CANCEL_COSTS: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
AMEND_COST: Final = 1  # always, and by the same seconds besides
_AMEND_COSTS: Final = ((5, 3), (10, 2), (15, 1))


class Tier(StrEnum):
    """How far an account is verified."""

    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"


class Allowance(msgspec.Struct, frozen=True):
    """How high a counter may rise, and by how much it falls in a second."""

    threshold: float
    decay_per_s: float


CALLS: Final = {
    Tier.STARTER: Allowance(15, 0.33),
    Tier.INTERMEDIATE: Allowance(20, 0.5),
    Tier.PRO: Allowance(20, 1.0),
}
ORDERS: Final = {
    Tier.STARTER: Allowance(60, 1.0),
    Tier.INTERMEDIATE: Allowance(125, 2.34),
    Tier.PRO: Allowance(180, 3.75),
}


class Counter:
    """What has been counted, less what time has taken off."""

    __slots__ = ("_at", "_level", "allowance", "taken")

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.taken = 0.0  # in all
        self._level = 0.0
        self._at = 0

    def level(self, now: int) -> float:
        """How high it stands. A clock that is set back takes nothing off."""
        passed_s = max(now - self._at, 0) / _SECOND_US
        self._level = max(self._level - passed_s * self.allowance.decay_per_s, 0.0)
        self._at = now
        return self._level

    def take(self, cost: float, now: int) -> bool:
        """Count *cost* if there is room for it."""
        if self.level(now) + cost > self.allowance.threshold:
            return False
        self._level += cost
        self.taken += cost
        return True

    def used(self) -> dict[str, float]:
        """How much of it there is, and how much was taken in all."""
        allowed = self.allowance
        return {"limit": allowed.threshold, "decay_per_s": allowed.decay_per_s, "taken": self.taken}


def cancel_cost(age_us: int) -> int:
    """What it costs to cancel an order that is so old."""
    return _by_age(_CANCEL_COSTS, age_us)


def amend_cost(age_us: int) -> int:
    """What it costs to amend an order that is so old."""
    return AMEND_COST + _by_age(_AMEND_COSTS, age_us)


def _by_age(costs: tuple[tuple[int, int], ...], age_us: int) -> int:
    return next((cost for below_s, cost in costs if age_us < below_s * _SECOND_US), 0)
