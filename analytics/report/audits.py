"""The audits of ``analytics/queries``: each looks for what must never be, and finds nothing when all is well."""

from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

import msgspec

from analytics import sql
from analytics.client import ClickHouseError

_FOLDER: Final = "queries"


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
    folder = resources.files("analytics").joinpath(_FOLDER)
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.startswith("audit_"):
            yield _audit(client, file.name, file.read_text())


def _audit(client: Any, name: str, text: str) -> Audit:
    source = f"analytics/{_FOLDER}/{name}"
    question = sql.head(text).split(" No rows when")[0]
    (statement,) = sql.statements(text)
    try:
        return Audit(source, question, findings=len(client.query(statement).result_rows))
    except ClickHouseError as error:
        return Audit(source, question, fault=f"not answered: {error}")
