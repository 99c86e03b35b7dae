"""How the processes of an installation are doing, as a table that stays up to date on a terminal."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One process. It has no *pid* while it waits for its next start; *since* is that of ``time.monotonic``."""

    name: str
    what: Literal["ready", "starting", "waiting"]
    pid: int | None
    restarts: int
    since: float
    log_file: Path


_COLORS = {"ready": "green", "starting": "yellow", "waiting": "red"}


def live(states: Callable[[], Sequence[State]], endpoints_file: Path) -> AbstractContextManager[object]:
    """Show *states* on standard output, four times a second, for as long as the block runs."""
    return Live(
        get_renderable=lambda: table(states(), endpoints_file, time.monotonic()),
        console=Console(),
        refresh_per_second=4,
        redirect_stderr=False,
        transient=True,
    )


def table(states: Sequence[State], endpoints_file: Path, now: float) -> Table:
    """The table of *states* at *now*."""
    ready = endpoints_file.exists()
    rows = Table(
        title="fillstream",
        title_justify="left",
        caption=f"endpoints: {endpoints_file}   Ctrl-C stops everything" if ready else "starting …",
        caption_justify="left",
    )
    for name in ("process", "state", "for", "PID", "restarts", "log"):
        rows.add_column(name, justify="right" if name in {"for", "PID", "restarts"} else "left")
    for state in states:
        rows.add_row(
            state.name,
            f"[{_COLORS[state.what]}]{state.what}[/]",
            _duration(now - state.since) if state.pid is not None else f"in {max(0.0, state.since - now):.1f} s",
            str(state.pid or ""),
            str(state.restarts),
            str(state.log_file),
        )
    return rows


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
