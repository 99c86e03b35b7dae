"""What ClickHouse answered to a panel, in the shape in which the panel is shown."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from analytics.boards.panels import Kind, StoredPanel
from analytics.report.numerals import in_utc

#: More series than this are told apart by nobody: the rest are one.
SERIES_MAX: Final = 8
REST: Final = "others"


class Answer(msgspec.Struct, frozen=True):
    """The rows that came, or why none did (*fault*)."""

    panel: StoredPanel
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    fault: str | None = None
    elapsed_ms: float = 0.0


class Series(msgspec.Struct, frozen=True):
    """Values by the instants at which their intervals begin, in seconds from the epoch."""

    name: str
    values: Mapping[int, float]

    @property
    def total(self) -> float:
        return sum(self.values.values())

    @property
    def most(self) -> float:
        return max(self.values.values(), default=0.0)

    @property
    def least(self) -> float:
        return min(self.values.values(), default=0.0)


def is_empty(answer: Answer) -> bool:
    """Whether there is nothing to show."""
    if answer.panel.kind in {Kind.LINES, Kind.COLUMNS}:
        return not series(answer)
    return not answer.rows


def series(answer: Answer) -> list[Series]:
    """The rows of time, name and value as series, by name. Where they are many, the small ones are added up, or, where
    a sum would mean nothing, left out.
    """
    found: dict[str, dict[int, float]] = {}
    for time, name, value in answer.rows:
        if value is not None and math.isfinite(value):
            found.setdefault(str(name), {})[_seconds(time)] = float(value)
    every = [Series(name, values) for name, values in found.items()]
    if len(every) > SERIES_MAX and answer.panel.kind is Kind.COLUMNS:
        ranked = sorted(every, key=lambda one: one.total, reverse=True)
        every = [*ranked[: SERIES_MAX - 1], _together(ranked[SERIES_MAX - 1 :])]
    elif len(every) > SERIES_MAX:
        every = sorted(every, key=lambda one: one.most, reverse=True)[:SERIES_MAX]
    return sorted(every, key=lambda one: (one.name == REST, one.name))


def _together(many: Sequence[Series]) -> Series:
    values: dict[int, float] = {}
    for one in many:
        for at_s, value in one.values.items():
            values[at_s] = values.get(at_s, 0.0) + value
    return Series(REST, values)


def _seconds(at: datetime) -> int:
    return int(in_utc(at).timestamp())
