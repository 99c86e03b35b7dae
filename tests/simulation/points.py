"""Where a process can be struck, and the plan of a world's strikes."""

from collections import Counter
from enum import Enum
from random import Random
from typing import Final


class Point(Enum):
    """A place in the product's steps. Each is where something is done and not yet known, or known and not yet done."""

    WORKER_FENCING = "worker, before it shuts out the partition's former owner"
    WORKER_FENCED = "worker, former owner shut out, nothing restored"
    WORKER_RESTORING = "worker, half-way through the changelogs"
    WORKER_RESTORED = "worker, tables restored and checked, nothing read"
    WORKER_DECIDING = "worker, before a chunk is decided"
    WORKER_EMITTING = "worker, half-way through a chunk's outputs"
    WORKER_ERRING = "worker, an error half-way through a chunk"
    WORKER_DECIDED = "worker, chunk decided, nothing committed"
    WORKER_COMMITTING = "worker, rows, outputs and position written, no commit"
    WORKER_COMMITTED = "worker, chunk committed, without knowing it"
    WORKER_RESTING = "worker, while it gives up partitions"
    GATEWAY_GAINING = "gateway, has read what the former owner left"
    GATEWAY_INTENDING = "gateway, before a commit that holds an intent"
    GATEWAY_INTENDED = "gateway, intent committed, nothing sent"
    GATEWAY_SENDING = "gateway, placement signed, nothing sent"
    GATEWAY_SENT = "gateway, placement sent, no answer"
    GATEWAY_ANSWERED = "gateway, placement answered, nothing reported"
    GATEWAY_REPORTING = "gateway, report on its way to the log"
    GATEWAY_REPORTED = "gateway, report in the log, without knowing it"
    GATEWAY_COMMITTING = "gateway, before a commit of what is done"
    GATEWAY_COMMITTED = "gateway, commit of what is done, without knowing it"
    GATEWAY_RELEASING = "gateway, while it gives up partitions"


class Strike(Enum):
    KILL = "killed"
    FREEZE = "stopped"
    ERROR = "fails"


#: How often a point is passed, on average, before it is struck: rare ones soon, frequent ones at any time.
_RARE: Final = frozenset(
    {
        Point.WORKER_FENCING,
        Point.WORKER_FENCED,
        Point.WORKER_RESTORING,
        Point.WORKER_RESTORED,
        Point.WORKER_RESTING,
        Point.GATEWAY_GAINING,
        Point.GATEWAY_RELEASING,
    }
)
#: Which points are struck, and the share of strikes that stop a process instead of killing it.
POINTS: Final = tuple(Point)
FREEZES: Final = 0.25


class InjectedError(Exception):
    """Stands for a bug that shows up in the middle of a decision."""


class Plan:
    """Which passages of which points are struck, and how. *struck* counts what came of it."""

    def __init__(self, dice: Random, strikes: int) -> None:
        self.struck: Counter[Point] = Counter()
        self._passed: Counter[Point] = Counter()
        self._armed: dict[tuple[Point, int], Strike] = {}
        for point in dice.choices(POINTS, k=strikes):
            passage = 1 + int(dice.expovariate(1 if point in _RARE else 1 / 8))
            self._armed[point, passage] = Strike.FREEZE if dice.random() < FREEZES else Strike.KILL

    def strike(self, point: Point) -> Strike | None:
        """What happens at this passage of *point*, if anything."""
        self._passed[point] += 1
        strike = self._armed.get((point, self._passed[point]))
        if strike is None:
            return None
        self.struck[point] += 1
        return Strike.ERROR if point is Point.WORKER_ERRING else strike
