"""Every measurement of W2, in the sizes that a quick run, a full one, or one that may take its time has room for."""

import argparse
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.results import Result
from benchmarks.w2 import growth, scale, throughput
from benchmarks.w2.growth import Step
from benchmarks.w2.throughput import Setting


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything: orders of a round, rounds, users, steps of open orders, workers with partitions."""

    orders: int
    rounds: int
    steps: tuple[Step, ...]
    users: tuple[int, ...] = ()
    users_orders: int = 20_000
    workers: tuple[tuple[int, int], ...] = ()
    workers_orders: int = 30_000
    rebalance: bool = False


_WIDTH: Final = 140

Tell = Callable[[str], object]

_FLAT: Final = (
    Step(open_orders=1_000, measured=10_000),
    Step(open_orders=10_000, measured=10_000),
)
QUICK: Final = Sizes(orders=30_000, rounds=1, steps=(*_FLAT, Step(open_orders=50_000, measured=10_000, kill=True)))
FULL: Final = Sizes(
    orders=80_000,
    rounds=3,
    steps=(
        *_FLAT,
        Step(open_orders=100_000, measured=10_000, kill=True),
        Step(open_orders=450_000, kill=True),
    ),
    users=(100, 100_000),
    workers=((1, 4), (2, 8), (4, 16)),
    rebalance=True,
)
FULL_SIZE: Final = msgspec.structs.replace(
    FULL,
    steps=(
        *FULL.steps,
        Step(open_orders=1_000_000, measured=10_000, kill=True),
        Step(open_orders=2_450_000, kill=True),
    ),
)


def measure(quick: bool, tell: Tell = lambda _: None, *, full_size: bool = False) -> list[Result]:
    """All results; *tell* is told what comes next. A *full_size* run wants half an hour more than a full one."""
    return list(_measured(QUICK if quick else FULL_SIZE if full_size else FULL, tell))


def _measured(sizes: Sizes, tell: Tell) -> Iterator[Result]:
    tell(f"W2: {sizes.orders:,} whole orders")
    yield throughput.rates("W2", "fillstream, 1 worker", sizes.orders, sizes.rounds, Setting())
    yield from growth.measure(sizes.steps, tell)
    yield from _users(sizes, tell)
    for workers, partitions in sizes.workers:
        variant = f"{workers} worker{'s' * (workers > 1)}, {partitions} partitions"
        tell(f"W2: {variant}")
        yield throughput.rates(
            "scale", variant, sizes.workers_orders, 1, Setting(workers=workers, partitions=partitions)
        )
    if sizes.rebalance:
        tell("W2: workers come and go")
        yield from scale.rebalance()


def _users(sizes: Sizes, tell: Tell) -> Iterator[Result]:
    """The cost of an order with few users, with many, and what the one is to the other."""
    fewest: float | None = None
    for users in sizes.users:
        tell(f"W2: {users:,} users")
        result = throughput.rates("W2 users", f"{users:,} users", sizes.users_orders, 1, Setting(users=users))
        cost = result.cpu_s_per_100k or 0.0
        fewest = fewest or cost
        yield msgspec.structs.replace(result, detail=result.detail | {"ratio_to_fewest": cost / fewest})


def show(found: list[Result], console: Console) -> None:
    table = Table("work", "variant", title="W2: an order is a command, an acknowledgement and a fill")
    for heading in ("orders/s", "CPU s/100,000", "MiB", "back, s"):
        table.add_column(heading, justify="right")
    table.add_column("verified")
    table.add_column("more", no_wrap=True)
    for result in found:
        table.add_row(
            result.work,
            result.variant,
            _number(result.rate, ",.0f"),
            _number(result.cpu_s_per_100k, ".2f"),
            _number(result.rss_mib, ",.0f"),
            _number(result.recovery_s, ".2f"),
            "yes" if result.verified else "NO",
            "\n".join(f"{name} {_detail(value)}" for name, value in result.detail.items()),
        )
    console.print(table)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _detail(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def main() -> int:
    """Measures, prints, and keeps the results; 1 if any output was wrong."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.w2", description=__doc__)
    options.add_argument("--quick", action="store_true", help="about a minute, with figures to match")
    options.add_argument("--full-size", action="store_true", help="up to a million open orders and five million rows")
    chosen = options.parse_args()
    found = measure(chosen.quick, print, full_size=chosen.full_size)
    results.write(found)
    show(found, Console(width=_WIDTH))
    return 0 if all(result.verified for result in found) else 1
