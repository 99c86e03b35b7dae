"""Runs the worlds of many seeds, two at a time: ``python -m tests.simulation --seeds 2000``.

A seed that breaks a promise is told with the command that plays it again; ``--seed S --trace`` tells its story line by
line. Ends with 1 if any did, or if there is a point at which no process was struck.
"""

import argparse
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.installed import installed
from tests.simulation.points import Point
from tests.simulation.simulation import Outcome, never_struck, points, simulate, simulate_all

PROCESSES: Final = 2
_BATCH_SEEDS: Final = 10
_FAILURES_SHOWN: Final = 10

console = Console(highlight=False)


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if options.seed is not None:
        return _one(options.seed, trace=options.trace)
    return _many(range(options.first, options.first + options.seeds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first one's seed")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: tell everything that happens")
    return parser.parse_args()


def _one(seed: int, *, trace: bool) -> int:
    with installed():
        outcome = simulate(seed, print if trace else None)
    _tell_failures([outcome])
    console.print(f"{outcome.commands} commands, {outcome.trades} trades, {outcome.kills} deaths")
    return 1 if outcome.violations else 0


def _many(seeds: range) -> int:
    began = time.monotonic()
    outcomes = []
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task("worlds", total=len(seeds))
        for batch in _in_batches(seeds):
            outcomes += batch
            broken = sum(1 for outcome in outcomes if outcome.violations)
            bar.update(task, advance=len(batch), description=f"worlds, {broken} broken" if broken else "worlds")
    elapsed_s = time.monotonic() - began
    outcomes.sort(key=lambda outcome: outcome.seed)
    _tell_points(outcomes)
    _tell_failures(outcomes)
    return _verdict(outcomes, elapsed_s)


def _in_batches(seeds: range) -> Iterator[list[Outcome]]:
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=fresh) as pool:
        left = [seeds[at : at + _BATCH_SEEDS] for at in range(0, len(seeds), _BATCH_SEEDS)]
        under_way = {pool.submit(simulate_all, batch) for batch in left}
        try:
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for finished in done:
                    yield finished.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # who is interrupted waits for no more than one batch


def _tell_points(outcomes: list[Outcome]) -> None:
    struck = points(outcomes)
    table = Table("where processes were struck", "times")
    table.columns[1].justify = "right"
    for point in Point:
        table.add_row(point.value, f"{struck[point.name]:,}")
    console.print(table)


def _tell_failures(outcomes: list[Outcome]) -> None:
    broken = [outcome for outcome in outcomes if outcome.violations]
    for outcome in broken[:_FAILURES_SHOWN]:
        console.print(
            f"[red]seed {outcome.seed} is broken[/]: python -m tests.simulation --seed {outcome.seed} --trace"
        )
        for violation in outcome.violations:
            console.print(f"    {violation}", markup=False)


def _verdict(outcomes: list[Outcome], elapsed_s: float) -> int:
    broken, missed = sum(1 for outcome in outcomes if outcome.violations), never_struck(outcomes)
    console.print(
        f"{len(outcomes):,} worlds, {sum(o.commands for o in outcomes):,} commands, "
        f"{sum(o.venue_orders for o in outcomes):,} orders at the venue, {sum(o.trades for o in outcomes):,} trades, "
        f"{sum(o.kills for o in outcomes):,} deaths, {sum(o.simulated_s for o in outcomes) / 3600:,.1f} hours lived "
        f"in {elapsed_s:,.0f} s: {len(outcomes) / elapsed_s:.1f} worlds/s"
    )
    if missed:
        console.print(f"[red]never struck[/]: {', '.join(point.name for point in missed)}")
    console.print("[green]every promise was kept[/]" if not broken else f"[red]{broken} worlds are broken[/]")
    return 1 if broken or missed else 0


if __name__ == "__main__":
    sys.exit(main())
