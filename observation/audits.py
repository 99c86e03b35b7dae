"""The checks that analysts have as ``analytics/queries/audit_*.sql``, asked again and again: rows are breaks."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import structlog

from analytics.client import ClickHouseError
from analytics.questions import Question
from observation.metrics import ProbeMetrics

_ROWS_MAX: Final = 1_000

Rows: TypeAlias = Sequence[Sequence[Any]]
Query: TypeAlias = Callable[[str], Rows]

log = structlog.get_logger()


def breaks(rows: Rows, again: Rows) -> int:
    """How many of *rows* are still there in a second look: what was only on its way has arrived, or is another."""
    return len(set(map(_identity, rows)) & set(map(_identity, again)))


def _identity(row: Iterable[Any]) -> tuple[str, ...]:
    """A row as text. Lists are sorted, because ClickHouse gathers them in any order."""
    return tuple(repr(sorted(value, key=repr)) if isinstance(value, list) else repr(value) for value in row)


class Audits:
    """Runs all *audits* in turn. *pause* waits before a second look, and says whether there is time for one."""

    def __init__(self, audits: Sequence[Question], metrics: ProbeMetrics, pause: Callable[[], bool]) -> None:
        self._audits = audits
        self._metrics = metrics
        self._pause = pause

    def run(self, query: Query) -> None:
        """Raises the ClickHouseError of the last that failed, once all have been asked."""
        failed: ClickHouseError | None = None
        for audit in self._audits:
            try:
                found = self._found(audit, query)
            except ClickHouseError as error:
                failed = error
                self._metrics.audit_runs.labels(audit.check, "failed").inc()
                continue
            if found is None:
                return
            self._metrics.audit_breaks.labels(audit.check).set(found)
            self._metrics.audit_succeeded.labels(audit.check).set(time.time())
            self._metrics.audit_runs.labels(audit.check, "broken" if found else "clean").inc()
            if found:
                log.error("audit_broken", check=audit.check, breaks=found, most_shown=_ROWS_MAX)
        if failed is not None:
            raise failed

    def _found(self, audit: Question, query: Query) -> int | None:
        """None if it was told to end meanwhile."""
        statement = f"SELECT * FROM ({audit.statement}) LIMIT {_ROWS_MAX}"  # noqa: S608  # a file of this program
        rows = query(statement)
        if not rows:
            return 0
        if not self._pause():
            return None
        return breaks(rows, query(statement))
