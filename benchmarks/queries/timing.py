"""How long a question takes over HTTP, and what it costs the service."""

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import msgspec

from analytics import questions as asked
from analytics.boards.boards import BOARDS
from analytics.boards.macros import Span, expanded
from analytics.boards.panels import StoredPanel
from benchmarks.queries.filling import Service

#: Spans of time that dashboards are looked at for, and the width of their intervals in seconds.
SPANS: Final = {"hour": (3_600, 60), "day": (86_400, 600), "week": (604_800, 3_600)}

_TIMEOUT_S: Final = 60
_SLOW_S: Final = 2.0  # what takes so long is asked three times only


class Question(msgspec.Struct, frozen=True):
    name: str
    statement: str
    span: str = ""
    parameters: dict[str, str] = {}
    is_panel: bool = False


class Timing(msgspec.Struct, frozen=True):
    """What a question took; CPU time is the service's, per query."""

    name: str
    span: str
    is_panel: bool
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_ms: float | None = None
    rows_read: int = 0
    rows: int = 0
    error: str = ""


def questions(until_s: int) -> Iterator[Question]:
    """Every panel of the boards for every span, and every file of analytics/queries for the last day."""
    for board in BOARDS:
        for panel in board.panels:
            if isinstance(panel, StoredPanel):
                for span, (seconds, interval_s) in SPANS.items():
                    statement = expanded(panel.statement, Span(until_s - seconds, until_s, interval_s))
                    yield Question(panel.file.removesuffix(".sql"), statement, span, is_panel=_on_board(panel, seconds))
    since, until = (datetime.fromtimestamp(at_s, UTC).strftime("%F %T") for at_s in (until_s - 86_400, until_s))
    named = {"param_since": since, "param_until": until, "param_instant": until, "param_quote_age_s_max": "60"}
    for question in asked.load():
        yield Question(question.name, question.statement, "day", named)


def _on_board(panel: StoredPanel, seconds: int) -> bool:
    """Whether a board ever asks it for so long a time."""
    return not panel.report_only and (panel.last_hours == 0 or seconds <= panel.last_hours * 3_600)


def measure(service: Service, question: Question, rounds: int, tell: Callable[[str], object]) -> Timing:
    """Ask *question* once to warm up and then *rounds* times, each for itself."""
    tell(f"{question.name} {question.span}")
    asking = Asking(service, question)
    started_s = time.perf_counter()
    asking.ask()
    rounds = 3 if time.perf_counter() - started_s > _SLOW_S else rounds
    before_s, times_ms = service.process.cpu_s(), []
    for _ in range(rounds if not asking.error else 0):
        started_s = time.perf_counter()
        asking.ask()
        times_ms.append((time.perf_counter() - started_s) * 1_000)
    asking.close()
    found = Timing(question.name, question.span, question.is_panel, error=asking.error)
    if asking.error:
        return found
    return msgspec.structs.replace(
        found,
        p50_ms=statistics.median(times_ms),
        p99_ms=percentile(times_ms, 0.99),
        cpu_ms=(service.process.cpu_s() - before_s) * 1_000 / rounds,
        rows_read=asking.rows_read,
        rows=asking.rows,
    )


def percentile(values: list[float], share: float) -> float:
    """The least value that at most *share* of all are below of."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Asking:
    """A connection that stays open, and one question to ask on it, as somebody without a name."""

    def __init__(self, service: Service, question: Question) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=_TIMEOUT_S)
        url = {"database": service.settings.clickhouse_database, "max_execution_time": str(_TIMEOUT_S)}
        self._path = "/?" + urlencode({**url, "default_format": "JSONCompactEachRow", **question.parameters})
        self._body = question.statement.encode()
        self.error = ""
        self.rows_read = 0
        self.rows = 0

    def ask(self) -> None:
        self._connection.request("POST", self._path, self._body)
        response = self._connection.getresponse()
        try:
            content = response.read()
        except http.client.IncompleteRead as broken_off:  # past a limit of readers, when part of it was on its way
            self.error = (broken_off.partial.decode(errors="replace").splitlines() or ["broken off"])[-1][:200]
            self._connection.close()
            return
        if response.status != http.client.OK:
            self.error = content.decode(errors="replace").splitlines()[0][:200]
            return
        self.rows = content.count(b"\n")
        self.rows_read = int(json.loads(response.headers.get("X-ClickHouse-Summary", "{}")).get("read_rows", 0))

    def close(self) -> None:
        self._connection.close()
