"""Three questions to ClickHouse that the demo asks at its end, and their answers as text."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from runtime.demo.report import Query

#: Files of ``analytics/queries``, by what they answer.
QUESTIONS: Final = {
    "Orders and fills by symbol": "symbols.sql",
    "How fast the venue answers": "venue_latency.sql",
    "Fees and volume": "fees.sql",
}
ROWS_SHOWN: Final = 8


def ask(client: Any) -> list[Query]:
    """The answers, each cut to its first rows."""
    return [_ask(client, title, file) for title, file in QUESTIONS.items()]


def _ask(client: Any, title: str, file: str) -> Query:
    sql = resources.files("analytics").joinpath("queries", file).read_text().strip()
    period = {"since": datetime.fromtimestamp(0, UTC), "until": datetime.now(UTC)} if "{since:" in sql else None
    result = client.query(sql.rstrip(";"), parameters=period)
    rows: Sequence[Sequence[Any]] = result.result_rows[:ROWS_SHOWN]
    return Query(title=title, sql=sql, columns=result.column_names, rows=[[text(cell) for cell in row] for row in rows])


def text(cell: Any) -> str:
    """A cell as people read it: no exponents, no idle zeros, no more decimals than mean something."""
    if isinstance(cell, float):
        return f"{cell:,.3f}".rstrip("0").rstrip(".")
    if isinstance(cell, Decimal):
        numeral = f"{cell:,f}"
        return numeral.rstrip("0").rstrip(".") if "." in numeral else numeral
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    if isinstance(cell, datetime):
        return f"{cell:%H:%M:%S}"
    if isinstance(cell, list | tuple):
        return ", ".join(text(part) for part in cell)
    return str(cell)
