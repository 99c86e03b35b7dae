"""How fast dashboards and questions are answered on ten million events, and what the service itself adds.

    python -m benchmarks.queries [--events 10000000] [--rounds 20] [--folder FOLDER]

Fills an embedded ClickHouse with invented events (events.sql), so many records of all topics together. Asks each panel
of the boards for the last hour, day and week, and each question of analytics/queries, over HTTP, as a reader, one after
the other. Then asks two queries over HTTP and in the process itself, in turns. A folder that was filled before isn't
filled again.

Ends with 1 if a panel's median is above 300 ms, or the service adds more than 5 ms. Writes var/bench/queries.json.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.queries import filling, overhead, timing
from benchmarks.queries.overhead import Overhead
from benchmarks.queries.timing import Timing
from benchmarks.results import FOLDER

PANEL_MS_MAX: Final = 300.0
OVERHEAD_MS_MAX: Final = 5.0
_FILLED: Final = "filled.json"


class Outcome(msgspec.Struct, frozen=True):
    filling: filling.Filling
    timings: list[Timing]
    overheads: list[Overhead]


def main() -> int:
    """1 if a panel or the service is slower than wanted."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    options.add_argument("--events", type=int, default=10_000_000)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--folder", type=Path, help="to fill, or filled before; one that is thrown away unless given")
    chosen = options.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    with tempfile.TemporaryDirectory(prefix="fillstream-queries-") as temporary:
        outcome = measure(chosen.folder or Path(temporary), chosen.events, chosen.rounds, console)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "queries.json").write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2) + b"\n")
    return show(outcome, console)


def measure(folder: Path, events: int, rounds: int, console: Console) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / _FILLED
    with console.status("starting") as status, filling.running(folder) as service:
        if record.exists():
            filled = msgspec.json.decode(record.read_bytes(), type=filling.Filling)
        else:
            filled = filling.fill(service, events, status.update)
            record.write_bytes(msgspec.json.encode(filled))
        timings = [
            timing.measure(service, question, rounds, status.update) for question in timing.questions(filled.until_s)
        ]
        status.update("the service itself")
        overheads = overhead.measure(service)
    return Outcome(filled, timings, overheads)


def show(outcome: Outcome, console: Console) -> int:
    """Print tables; 1 if something is slower than wanted."""
    filled = outcome.filling
    console.print(f"{filled.records:,} records stored; filling took the service {filled.cpu_s:.0f} s of CPU time")
    table = Table("question", "span", "p50 ms", "p99 ms", "CPU ms", "rows read", "rows", box=None)
    slow = []
    for each in outcome.timings:
        late = each.is_panel and (each.p50_ms is None or each.p50_ms > PANEL_MS_MAX)
        slow += [f"{each.name} ({each.span}): {each.error or f'{each.p50_ms:.0f} ms'}"] if late else []
        figures = (each.p50_ms, each.p99_ms, each.cpu_ms)
        cells = [each.error or "", "", ""] if each.error else [f"{figure:.0f}" for figure in figures]
        style = "red" if late else "" if each.is_panel else "dim"
        table.add_row(each.name, each.span, *cells, f"{each.rows_read:,}", f"{each.rows:,}", style=style)
    console.print(table)
    for added in outcome.overheads:
        console.print(
            f"{added.name}: {added.service_p50_ms:.2f} ms over HTTP, {added.process_p50_ms:.2f} ms in process: "
            f"the service adds {added.added_p50_ms:.2f} ms (p99 {added.service_p99_ms:.2f} and "
            f"{added.process_p99_ms:.2f} ms; CPU {added.added_cpu_ms:+.2f} ms)"
        )
        if added.added_p50_ms > OVERHEAD_MS_MAX:
            slow.append(f"{added.name}: the service adds {added.added_p50_ms:.1f} ms")
    for line in slow:
        console.print(f"TOO SLOW: {line}", markup=False)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
