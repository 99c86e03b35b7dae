"""``python -m benchmarks [--quick] [--only WORK …]``, or ``make bench``: every work after the other, and the report.

Writes ``var/bench/results.json``, ``var/bench/index.html`` and, unless quick, the tables in ``docs/performance.md``.
Ends with 1 if anything failed or any output was wrong.
"""

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import machine, page, results
from benchmarks.results import Result

#: Modules with a function ``measure(quick)``; one that takes ``tell`` as well says what it is doing.
WORKS: Final = {
    "W1": "benchmarks.w1.suite",
    "W2": "benchmarks.w2.suite",
    "latency": "benchmarks.latency",
    "gateway": "benchmarks.gateway",
    "sink": "benchmarks.sink",
}

_WIDTH: Final = 140

Tell = Callable[[str], None]


def measure(work: str, quick: bool, tell: Tell) -> list[Result]:
    found = importlib.import_module(WORKS[work]).measure
    listening = {"tell": tell} if "tell" in inspect.signature(found).parameters else {}
    measured: list[Result] = found(quick, **listening)
    return measured


@contextmanager
def telling(console: Console) -> Iterator[Tell]:
    """A line that says what is being done and for how long; what failed stays to be read."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting")

        def tell(what: str) -> None:
            if "FAILED" in what:
                progress.console.print(what, markup=False)
            progress.reset(task, description=what.splitlines()[0])

        yield tell


def main() -> int:
    """1 if anything failed."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--quick", action="store_true", help="fewer commands and one round: five minutes in all")
    options.add_argument("--only", nargs="+", choices=tuple(WORKS), default=tuple(WORKS), help="not all works")
    chosen = options.parse_args()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    failed = []
    for work in chosen.only:
        with telling(console) as tell:
            try:
                found = measure(work, chosen.quick, tell)
            except Exception:  # noqa: BLE001  # the other works have nothing to do with it
                console.print_exception()
                failed.append(work)
                continue
        results.write(found)
        failed += [f"{work}: {result.variant}" for result in found if not result.verified]
    report = page.Report(results=results.load(), machine=machine.this())
    page.write(report, document=not chosen.quick)
    report.show(console)
    console.print(f"The page: {page.PAGE.relative_to(results.ROOT)}")
    if failed:
        console.print(f"FAILED: {', '.join(failed)}", markup=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
