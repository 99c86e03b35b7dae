"""``fillstream dlq list``: dead letters as a table for people, or as JSON for programs."""

import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.messages import Replay
from runtime import kafka
from runtime.dlq import letters
from runtime.dlq.letters import Letter
from runtime.dlq.selection import Selection
from runtime.exits import Exit
from runtime.plain import iso
from runtime.settings import Settings


def main(settings: Settings, *, selection: Selection, limit: int, as_json: bool) -> int:
    """Prints the newest *limit* of the letters that pass *selection*, oldest first."""
    kafka.take_schema_ids(settings)
    found = letters.find(settings, selection)
    shown = found[-limit:]
    if as_json:
        typer.echo(json.dumps([summary(letter) for letter in shown], indent=2))
        return Exit.OK
    console = Console()
    if shown:
        console.print(_table(shown))
    replayed = sum(bool(letter.replays) for letter in found)
    rest = f"; the newest {limit:,} are shown, --limit shows more" if len(found) > limit else ""
    console.print(f"{len(found):,} dead letters, {replayed:,} of them replayed{rest}", highlight=False)
    return Exit.OK


def summary(letter: Letter) -> dict[str, Any]:
    """A letter in short, as JSON has it."""
    dead = letter.dead
    return {
        "coordinate": str(letter.coordinate),
        "occurred_at": iso(dead.occurred_at),
        "stage": dead.stage,
        "reason": dead.reason,
        "detail": dead.detail,
        "key": letter.key,
        "user_id": letter.user(),
        "replays": [_replay(replay) for replay in letter.replays],
    }


def _replay(replay: Replay) -> dict[str, Any]:
    return {
        "replayed_at": iso(replay.replayed_at),
        "actor": replay.actor,
        "command_id": replay.command_id,
        "corrected": replay.corrected,
    }


def printable(text: str) -> str:
    """*text* without what would move a terminal's cursor: it came from strangers."""
    return "".join(each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text)


def _table(shown: Sequence[Letter]) -> Table:
    table = Table(title="Dead letters", title_justify="left")
    for name in ("record", "buried", "stage", "reason", "key", "detail", "replayed"):
        table.add_column(name, overflow="fold", no_wrap=name in {"record", "reason"})
    for letter in shown:
        dead = letter.dead
        again = "\n".join(f"{iso(replay.replayed_at)} {replay.actor}: {replay.command_id}" for replay in letter.replays)
        cells = (str(letter.coordinate), iso(dead.occurred_at), dead.stage, dead.reason, letter.key, dead.detail, again)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table
