"""The summary of a run for the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from runtime.demo.report import Query
from runtime.demo.summary import STAGES, Summary, VenueFigures
from runtime.trial.oracle.evidence import Check

FAULTS_SHOWN = 3


def show(console: Console, summary: Summary, checks: Sequence[Check], queries: Sequence[Query]) -> None:
    """Prints figures, findings and queries."""
    console.print(_headline(summary))
    console.print(
        _side_by_side(_counts("orders by state", summary.orders), _counts("rejects by reason", summary.rejects))
    )
    console.print(_latencies(summary))
    console.print(_findings(checks))
    for query in queries:
        console.print(_query(query))


def verdict(console: Console, checks: Sequence[Check], report: Path, figures: Path) -> None:
    """The last lines: whether all is well, and where to read on."""
    failed = [check.name for check in checks if not check.holds]
    if failed:
        console.print(f"[bold red]✗ {len(failed)} of {len(checks)} checks failed:[/] {', '.join(failed)}")
    else:
        console.print(f"[bold green]✓ all {len(checks)} checks hold[/]")
    console.print(f"figures: {figures}", f"report:  {report}", sep="\n", soft_wrap=True, highlight=False)


def _headline(summary: Summary) -> RenderableType:
    rows = Table.grid(padding=(0, 3))
    answers = ", ".join(f"{count:,} {name}" for name, count in summary.answers.items())
    imbalances = {asset: total for asset, total in summary.ledger_imbalance.items() if total != "0"}
    rows.add_row("commands", f"[bold]{summary.commands:,}[/], {summary.commands_per_second:,.0f} a second")
    rows.add_row("answers", f"{answers}; {summary.dead_letters:,} dead letters")
    rows.add_row(
        "at the venue", f"{summary.venue_orders:,} orders, {summary.venue_orders_sent_twice} of them sent twice"
    )
    rows.add_row("fills", f"{summary.venue_fills:,}, of which {summary.fill_mismatches} don't match the ledger")
    rows.add_row(
        "ledger", f"off by {imbalances}" if imbalances else f"balances in {', '.join(summary.ledger_imbalance)}"
    )
    if len(summary.venues) > 1:
        for venue, found in summary.venues.items():
            rows.add_row(venue, venue_line(found))
    rows.add_row("ClickHouse", f"{summary.clickhouse_rows:,} rows, {summary.clickhouse_duplicates} of them twice")
    if summary.kills:
        rows.add_row("killed", ", ".join(f"{process} × {count}" for process, count in summary.kills.items()))
    rows.add_row("took", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in summary.seconds.items()))
    return Panel(rows, title="fillstream demo", title_align="left", expand=False)


def venue_line(found: VenueFigures) -> str:
    """One venue's figures."""
    line = f"{found.orders:,} orders, {found.fills:,} fills, {found.rate_limited:,} requests too many"
    if found.limit is None:
        return line
    return f"{line}; {found.limit}: {found.limit_used:,g} of {found.limit_allowed:,g} used, {found.rate_limit_used:.1%}"


def _side_by_side(*parts: RenderableType) -> RenderableType:
    grid = Table.grid(padding=(0, 6))
    grid.add_row(*parts)
    return grid


def _counts(title: str, counts: Mapping[str, int]) -> Table:
    rows = Table(title=title, title_justify="left", show_header=False, box=None)
    rows.add_column()
    rows.add_column(justify="right")
    for name, count in counts.items():
        rows.add_row(name, f"{count:,}")
    return rows


def _latencies(summary: Summary) -> Table:
    rows = Table(title="latency, ms", title_justify="left", box=None)
    for name in ("stage", "p50", "p90", "p99", "max", "from → to"):
        rows.add_column(name, justify="left" if name in {"stage", "from → to"} else "right")
    for stage, found in summary.latency_ms.items():
        figures = (f"{value:,.1f}" for value in (found.p50, found.p90, found.p99, found.max))
        rows.add_row(stage, *figures, STAGES[stage])
    return rows


def _findings(checks: Sequence[Check]) -> Table:
    rows = Table(title="checks", title_justify="left", show_header=False, box=None)
    for check in checks:
        mark = "[green]✓[/]" if check.holds else "[bold red]✗[/]"
        rows.add_row(mark, check.name.replace("_", " "), f"[dim]{check.looked_at}[/]")
        for fault in check.faults[:FAULTS_SHOWN]:
            rows.add_row("", Group(fault), "")
    return rows


def _query(query: Query) -> Table:
    rows = Table(title=query.title, title_justify="left", box=None)
    for column in query.columns:
        rows.add_column(column, justify="left")
    for row in query.rows:
        rows.add_row(*row)
    return rows
