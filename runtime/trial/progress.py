"""How far a run is, shown while it runs: a table that stays in place on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from runtime.status import State

LINE_EVERY_S: Final = 5.0
NOTHING: Final[Mapping[str, str]] = {}


class Counts(msgspec.Struct, frozen=True):
    """Where a run stands. *behind* is how many events ClickHouse has yet to show; None while it doesn't answer."""

    phase: str
    planned: int
    sent: int
    answered: int
    venue_orders: int
    fills: int
    rows: int | None
    behind: int | None


More = Mapping[str, str]
"""Further things worth a line, by name."""


class Progress:
    """Shows what *now* and *more* say, inside a ``with`` block; outside a terminal, whenever :meth:`look` is called."""

    def __init__(self, console: Console, now: Callable[[], Counts | str], more: Callable[[], More] = dict) -> None:
        self._console = console
        self._now = now
        self._more = more
        self._began_s = time.monotonic()
        self._line_s = 0.0
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def look(self) -> None:
        """Prints a line if there is no terminal and the last line is old; on a terminal the table renews itself."""
        now_s = time.monotonic()
        if not self._console.is_terminal and now_s - self._line_s >= LINE_EVERY_S:
            self._line_s = now_s
            text = line(self._now(), now_s - self._began_s, self._more())
            self._console.print(text, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        return table(self._now(), time.monotonic() - self._began_s, self._more())


def starting(states: Sequence[State]) -> str:
    """What is being waited for while processes start."""
    waiting = [state.name for state in states if state.what != "ready"]
    return f"starting {', '.join(waiting)}" if waiting else "starting"


def line(counts: Counts | str, seconds: float, more: More = NOTHING) -> str:
    """The counts in one line."""
    if isinstance(counts, str):
        return f"{seconds:6.1f} s  {counts}"
    behind = "" if counts.behind is None else f", {counts.behind:,} events behind"
    rows = "?" if counts.rows is None else f"{counts.rows:,}"
    return (
        f"{seconds:6.1f} s  {counts.phase}: {counts.sent:,} sent, {counts.answered:,} answered, "
        f"{counts.venue_orders:,} orders at the venue, {counts.fills:,} fills, {rows} rows in ClickHouse{behind}"
        + "".join(f"; {name}: {text}" for name, text in more.items())
    )


def table(counts: Counts | str, seconds: float, more: More = NOTHING) -> Table:
    """The counts as a table with bars."""
    rows = Table.grid(padding=(0, 2))
    if isinstance(counts, str):
        rows.add_row(f"[bold]{counts}[/]", f"{seconds:.0f} s")
        return rows
    rows.add_row(f"[bold]{counts.phase}[/]", "", f"{seconds:.0f} s")
    for name, number in (("sent", counts.sent), ("answered", counts.answered)):
        rows.add_row(
            name, f"[bold]{number:,}[/]", ProgressBar(max(1, counts.planned), min(number, counts.planned), width=40)
        )
    rows.add_row("orders at the venue", f"{counts.venue_orders:,}")
    rows.add_row("fills", f"{counts.fills:,}")
    behind = "" if counts.behind is None else f"{counts.behind:,} events behind"
    rows.add_row("rows in ClickHouse", "?" if counts.rows is None else f"{counts.rows:,}", behind)
    for name, text in more.items():
        rows.add_row(name, "", text)
    return rows
