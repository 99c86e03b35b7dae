"""``fillstream report``: asks ClickHouse what the dashboards ask, and writes one page of HTML."""

import time
import webbrowser
from datetime import UTC, datetime
from pathlib import Path

import typer

from analytics.boards.boards import BOARDS
from analytics.client import ClickHouseError, connect, reaching
from analytics.report import asking, audits, page
from analytics.report.page import Report
from runtime import telemetry
from runtime.exits import Exit, Unavailable
from runtime.settings import Settings, SettingsError

_ANSWER_WITHIN_S = 60


def main(
    settings: Settings,
    from_us: int | None = None,
    to_us: int | None = None,
    out: Path | None = None,
    show: bool = False,
) -> int:
    """Write the page and say where it is. Raises SettingsError, Unavailable.

    Ends with a failed check if a question had no answer, because a page with holes should not pass for a good one.
    """
    now_s = int(time.time())
    from_s, to_s = (None if at_us is None else at_us // 1_000_000 for at_us in (from_us, to_us))
    if from_s is not None and from_s >= (now_s if to_s is None else to_s):
        raise SettingsError("--from must be before --to, and before now")
    report = _report(reaching(settings), from_s, to_s, now_s)
    file = out or settings.var / "report" / "index.html"
    telemetry.write_atomically(file, page.render(report).encode())
    every = [answer for _, panels in report.boards for answer in panels]
    unanswered = [answer for answer in every if answer.fault is not None]
    typer.echo(f"{file}: {len(every)} panels, {report.findings} things to look at")
    for answer in unanswered:
        typer.echo(f"  not answered: {answer.panel.source}: {answer.fault}", err=True)
    if show:
        webbrowser.open(file.resolve().as_uri())
    return Exit.CHECK_FAILED if unanswered else Exit.OK


def _report(settings: Settings, from_s: int | None, to_s: int | None, now_s: int) -> Report:
    """All answers. Raises Unavailable if ClickHouse doesn't answer, or has no tables."""
    try:
        client = connect(settings, database=settings.clickhouse_database, timeout_s=_ANSWER_WITHIN_S)
        try:
            span = asking.span(client, from_s, to_s, now_s)
            boards = [(board, [asking.ask(client, panel, span) for panel in board.stored]) for board in BOARDS]
            found = list(audits.every(client))
        finally:
            client.close()
    except ClickHouseError as error:
        raise Unavailable(
            f"ClickHouse at {settings.clickhouse_url} doesn't answer as it should ({str(error).splitlines()[0]}): "
            "see that it runs, that FILLSTREAM_CLICKHOUSE_URL is right, and that a sink has made its tables"
        ) from error
    return Report(span, datetime.fromtimestamp(now_s, UTC), settings.clickhouse_database, boards, found)
