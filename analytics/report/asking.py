"""Asking ClickHouse: which time there is anything about, and every panel's question."""

import time
from collections.abc import Sequence
from typing import Any, Final

from analytics.boards import macros
from analytics.boards.macros import Span
from analytics.boards.panels import StoredPanel
from analytics.client import ClickHouseError
from analytics.report import scales
from analytics.report.answers import Answer

DAY_S: Final = 86_400
#: The tables that hold the first and the last word about anything. The smallest and the largest time of each is known
#: from its parts.
TABLES: Final = ("order_commands", "order_events", "venue_reports", "transfers", "ledger_entries")
_BOUNDS: Final = " UNION ALL ".join(
    f"SELECT toUnixTimestamp(min(_timestamp)) AS first, toUnixTimestamp(max(_timestamp)) AS last "  # noqa: S608  # ours
    f"FROM {table} HAVING count() > 0"
    for table in TABLES
)


def span(client: Any, from_s: int | None, to_s: int | None, now_s: int) -> Span:
    """The time to report on: as asked, or the last day of which anything is stored, or all there is of it.

    It begins with a whole minute, as the roll-ups do. Raises ClickHouseError.
    """
    found: Sequence[tuple[int, int]] = client.query(_BOUNDS).result_rows
    first_s = min((first for first, _ in found), default=now_s - DAY_S)
    last_s = min(max((last for _, last in found), default=now_s), now_s)
    end_s = last_s + 1 if to_s is None else to_s
    start_s = max(end_s - DAY_S, min(first_s, end_s - 1)) if from_s is None else from_s
    start_s -= start_s % 60
    return Span(start_s, end_s, scales.interval_s(end_s - start_s))


def ask(client: Any, panel: StoredPanel, over: Span) -> Answer:
    """What ClickHouse answers to *panel*. An error of its is the answer's fault: the other panels are worth having."""
    began_s = time.monotonic()
    try:
        result = client.query(macros.expanded(panel.statement, over))
    except ClickHouseError as error:
        return Answer(panel, fault=str(error).splitlines()[0])
    elapsed_ms = (time.monotonic() - began_s) * 1_000
    return Answer(panel, tuple(result.column_names), result.result_rows, elapsed_ms=elapsed_ms)
