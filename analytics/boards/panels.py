"""What a panel is: a question, where its answer comes from, and how it is to be shown."""

import functools
from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from typing import Final

import msgspec

from analytics import sql


class Kind(StrEnum):
    """How an answer is shown, and so which columns it has."""

    LINES = "LINES"  # time, series, value: a line each
    COLUMNS = "COLUMNS"  # time, series, value: what there was in each interval, stacked
    BARS = "BARS"  # name, value: a bar each, the longest first
    FIGURES = "FIGURES"  # one row: a card for each column
    TABLE = "TABLE"  # anything


class Unit(StrEnum):
    """Of a panel's values."""

    COUNT = "COUNT"
    MILLISECONDS = "MILLISECONDS"
    SECONDS = "SECONDS"
    PERCENT = "PERCENT"
    BASIS_POINTS = "BASIS_POINTS"
    PER_SECOND = "PER_SECOND"
    BYTES = "BYTES"
    AMOUNT = "AMOUNT"  # of an asset, which the panel names


#: The unit of a column of figures or of a table is the end of its name, as everywhere; no such end: it counts.
UNITS_BY_SUFFIX: Final[Mapping[str, Unit]] = {
    "_ms": Unit.MILLISECONDS,
    "_s": Unit.SECONDS,
    "_percent": Unit.PERCENT,
    "_basis_points": Unit.BASIS_POINTS,
    "_bytes": Unit.BYTES,
}


class StoredPanel(msgspec.Struct, frozen=True, kw_only=True):
    """A question to ClickHouse: *file* is in this folder, and the first paragraph of its head is the question.

    *harmless_to* names columns of FIGURES of which more than so much wants looking at. *last_hours* is for what reads
    every order or fill of the time in question: a board in Grafana, which asks anew every half a minute, asks for so
    many hours, a report for all of its time. What is *report_only* reads every fill there ever was.
    """

    title: str
    file: str
    kind: Kind
    unit: Unit = Unit.COUNT
    harmless_to: Mapping[str, float] = {}
    last_hours: int = 0
    report_only: bool = False

    @property
    def question(self) -> str:
        return sql.head(_text(self.file).partition("\n--\n")[0])

    @property
    def statement(self) -> str:
        """With Grafana's macros for the time in question (macros.py)."""
        (statement,) = sql.statements(_text(self.file))
        return statement

    @property
    def text(self) -> str:
        """The file as it is read by people."""
        return _text(self.file)

    @property
    def source(self) -> str:
        return f"analytics/boards/{self.file}"


class LivePanel(msgspec.Struct, frozen=True, kw_only=True):
    """A question to Prometheus: expressions by what their lines are called, in Grafana's ``{{label}}`` notation."""

    title: str
    question: str
    kind: Kind
    expressions: Mapping[str, str]
    unit: Unit = Unit.COUNT


Panel = StoredPanel | LivePanel


class Board(msgspec.Struct, frozen=True):
    """Panels about one subject. *name* is a folder here, a file of Grafana's, and a part of an address."""

    name: str
    title: str
    about: str
    panels: tuple[Panel, ...]

    @property
    def stored(self) -> tuple[StoredPanel, ...]:
        return tuple(panel for panel in self.panels if isinstance(panel, StoredPanel))


def unit_of(column: str) -> Unit:
    """The unit that a column's name ends with."""
    return next((unit for suffix, unit in UNITS_BY_SUFFIX.items() if column.endswith(suffix)), Unit.COUNT)


def words(column: str) -> str:
    """What people call *column*: without its unit, which stands beside the number."""
    suffix = next((suffix for suffix in UNITS_BY_SUFFIX if column.endswith(suffix)), "")
    return column.removesuffix(suffix).replace("_", " ")


@functools.cache
def _text(file: str) -> str:
    return resources.files("analytics").joinpath("boards", file).read_text().strip()
