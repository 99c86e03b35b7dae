"""One seed: the world it makes, and what came of it."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

import msgspec

from tests.simulation.check import check
from tests.simulation.installed import installed
from tests.simulation.points import Point
from tests.simulation.refold import refold
from tests.simulation.world import World

VIOLATIONS_TOLD_MAX: Final = 12


class Outcome(msgspec.Struct):
    """What came of *seed*: *violations* in words, and how often each point was *struck*."""

    seed: int
    violations: list[str]
    struck: dict[str, int]
    commands: int
    venue_orders: int
    trades: int
    kills: int
    simulated_s: float


def simulate(seed: int, tell: Callable[[str], None] | None = None) -> Outcome:
    """Runs the world of *seed* and checks it. Only within ``installed()``."""
    world = World(seed, tell)
    try:
        world.run()
        violations = list(islice((*check(world), *refold(world)), VIOLATIONS_TOLD_MAX))
    except Exception as error:  # noqa: BLE001  # an invariant that is asserted, or nonsense in the log
        violations = [*world.findings, f"{type(error).__name__}: {error}"]
    return Outcome(
        seed,
        violations,
        {point.name: count for point, count in world.plan.struck.items()},
        len(world.upstream.acknowledged),
        len(world.venue.orders),
        len(world.venue.trades),
        world.kills,
        world.loop.time(),
    )


def simulate_all(seeds: Iterable[int]) -> list[Outcome]:
    """The worlds of *seeds*, one after the other."""
    with installed():
        return [simulate(seed) for seed in seeds]


def never_struck(outcomes: list[Outcome]) -> list[Point]:
    """The points at which no process was struck."""
    struck = points(outcomes)
    return [point for point in Point if not struck[point.name]]


def points(outcomes: list[Outcome]) -> Counter[str]:
    """How often each point was struck."""
    return sum((Counter(outcome.struck) for outcome in outcomes), Counter())
