"""A chaos run on the terminal: what is going on, and at the end what came of it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from runtime.chaos import recovery
from runtime.chaos.report import INVARIANTS, KILLS, Report
from runtime.chaos.saboteur import Saboteur
from runtime.trial.oracle.evidence import Check

FAULTS_SHOWN: Final = 10


def now(saboteur: Saboteur) -> dict[str, str]:
    """What is being broken, and how it went so far."""
    done = saboteur.happened
    planned = sum(map(len, saboteur.acts.values()))
    signals = Counter(blow.signal for blow in saboteur.stage.blows)
    back = recovery.percentiles([one for one in saboteur.stage.recoveries.done if one.fault in KILLS])
    return {
        "faults": f"{len(done)} of {planned}, {signals['SIGKILL']} kills, {signals['SIGSTOP']} stalls",
        "going on": ", ".join(saboteur.going_on.values()) or "nothing",
        "killed workers back": f"{back.count} times, p50 {back.p50:.1f} s, max {back.max:.1f} s",
    }


def show(console: Console, report: Report, checks: Sequence[Check]) -> None:
    """Prints figures, faults and findings."""
    console.print(_headline(report))
    console.print(_faults(report))
    console.print(_findings(checks))


def verdict(console: Console, report: Report, checks: Sequence[Check], page: Path, figures: Path) -> None:
    """The last lines: whether all is well, and where to read on."""
    if report.violations:
        failed = ", ".join(check.name for check in checks if not check.holds)
        console.print(f"[bold red]✗ {report.violations} violations:[/] {failed}")
    else:
        console.print(f"[bold green]✓ nothing lost, nothing twice: all {len(checks)} checks hold[/]")
    console.print(f"figures: {figures}", f"page:    {page}", sep="\n", soft_wrap=True, highlight=False)


def _headline(report: Report) -> Panel:
    rows = Table.grid(padding=(0, 3))
    back = report.recovery_s
    rows.add_row(
        "commands", f"[bold]{report.commands:,}[/] in {report.duration_s / 60:.1f} minutes, seed {report.seed}"
    )
    rows.add_row(
        "faults",
        f"{sum(report.faults.values())}, of them {sum(report.kills.values())} kills and "
        f"{sum(report.stalls.values())} stalls of processes",
    )
    rows.add_row("violations", f"[bold]{report.violations}[/]")
    rows.add_row("recovery", f"p50 {back.p50:.1f} s, p99 {back.p99:.1f} s, max {back.max:.1f} s of {back.count} kills")
    rows.add_row("unknown", f"{report.unknown_resolved:,} outcomes proven, {report.unknown_left} left")
    rows.add_row("at the venue", f"{report.venue_orders:,} orders, {report.venue_fills:,} fills")
    rows.add_row("ClickHouse", f"{report.clickhouse_rows:,} rows")
    rows.add_row("took", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.seconds.items()))
    return Panel(rows, title="fillstream chaos", title_align="left", expand=False)


def _faults(report: Report) -> Table:
    rows = Table(title="faults", title_justify="left", show_header=False, box=None)
    for name, count in report.faults.items():
        rows.add_row(name.replace("_", " "), str(count))
    return rows


def _findings(checks: Sequence[Check]) -> Table:
    rows = Table(title="checks", title_justify="left", show_header=False, box=None)
    for check in checks:
        mark = "[green]✓[/]" if check.holds else "[bold red]✗[/]"
        rows.add_row(mark, INVARIANTS[check.name], check.name.replace("_", " "), f"[dim]{check.looked_at}[/]")
        for fault in check.faults[:FAULTS_SHOWN]:
            rows.add_row("", "", fault, "")
    return rows
