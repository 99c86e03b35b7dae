"""``fillstream venue list``: which venues there are, where, and what is particular about each."""

import json
from collections.abc import Mapping
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from runtime.exits import Exit
from runtime.settings import Settings
from venue_gateways import venues
from venue_gateways.debugging.dialects import dialect
from venue_gateways.venue import Repeat

_REPEATS: Final[Mapping[Repeat, str]] = {
    Repeat.SECOND_ORDER: "refused while the first is open, then a second order",
    Repeat.SAME_ORDER: "answered with the first order",
}


def main(settings: Settings, *, as_json: bool) -> int:
    """Show every venue."""
    found = [_venue(settings, name) for name in sorted(venues.VENUES)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _show(found)
    return Exit.OK


def _venue(settings: Settings, name: str) -> dict[str, Any]:
    venue = venues.find(name)
    adapter = venue.make(name, dialect(name).example(), settings)
    traits = adapter.traits
    return {
        "venue": name,
        "url": venue.url,
        "stream_url": venue.stream_url,
        "repeated_placement": traits.repeat.value,
        "executes_for_s": traits.late_us / 1_000_000,
        "cancels_by": "venue_order_id" if traits.changes_by_venue_order_id else "client_order_id",
        "ordered_calls": traits.ordered_calls,
        "stream_silence_max_s": traits.silence_max_s,
        "limits": [limit.name for limit in adapter.limits],
    }


def _show(found: list[dict[str, Any]]) -> None:
    for each in found:
        table = Table(title=each["venue"], title_justify="left", title_style="bold", show_header=False, box=None)
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        silence = each["stream_silence_max_s"]
        rows = (
            ("REST", each["url"] or "what venue_url is set to"),
            ("stream", each["stream_url"] or "what venue_stream_url is set to"),
            ("a placement sent again is", _REPEATS[Repeat(each["repeated_placement"])]),
            ("may execute for", f"{each['executes_for_s']:g} s after it was signed"),
            ("cancels name", "its own order ID" if each["cancels_by"] == "venue_order_id" else "our client order ID"),
            ("calls", "in the order in which they were signed" if each["ordered_calls"] else "in any order"),
            ("a silent stream is dead after", "never" if silence is None else f"{silence:g} s"),
            ("limits", ", ".join(each["limits"])),
        )
        for row in rows:
            table.add_row(*row)
        Console().print(table)
