"""The audits of ``analytics/queries``: each looks for what must never be, and finds nothing when all is well."""

from collections.abc import Iterator
from typing import Any

import msgspec

from analytics import questions
from analytics.client import ClickHouseError
from analytics.questions import Question


class Audit(msgspec.Struct, frozen=True):
    """What came of an audit: rows that it found, or why it could not look."""

    source: str
    question: str
    findings: int = 0
    fault: str | None = None

    @property
    def holds(self) -> bool:
        return self.findings == 0 and self.fault is None


def every(client: Any) -> Iterator[Audit]:
    """All of them, one after the other."""
    for question in questions.audits():
        yield _audit(client, question)


def _audit(client: Any, question: Question) -> Audit:
    asked = question.head.split(" No rows when")[0]
    try:
        return Audit(question.source, asked, findings=len(client.query(question.statement).result_rows))
    except ClickHouseError as error:
        return Audit(question.source, asked, fault=f"not answered: {error}")
