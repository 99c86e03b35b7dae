"""Grafana's macros in SQL, expanded as its ClickHouse plugin does: the same file serves a dashboard and a report."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

_MACRO: Final = re.compile(r"\$__(\w+)(?:\(([^()]*)\))?")


class UnknownMacro(ValueError):  # noqa: N818  # as the standard library names such things
    """SQL asks for a macro that isn't known here."""


class Span(msgspec.Struct, frozen=True):
    """The time in question, in seconds from the epoch, both ends included, and the width of its intervals."""

    from_s: int
    to_s: int
    interval_s: int = 60

    @property
    def duration_s(self) -> int:
        return self.to_s - self.from_s


def _time_filter(span: Span, column: str) -> str:
    return f"{column} >= toDateTime({span.from_s}) AND {column} <= toDateTime({span.to_s})"


def _time_interval(span: Span, column: str) -> str:
    return f"toStartOfInterval(toDateTime({column}), INTERVAL {span.interval_s} second)"


_MACROS: Final[Mapping[str, Callable[[Span, str], str]]] = {
    "timeFilter": _time_filter,
    "timeInterval": _time_interval,
    "fromTime": lambda span, _: f"toDateTime({span.from_s})",
    "toTime": lambda span, _: f"toDateTime({span.to_s})",
    "interval_s": lambda span, _: str(span.interval_s),
}


def expanded(statement: str, span: Span) -> str:
    """*statement* for the time of *span*. Raises UnknownMacro."""

    def replaced(found: re.Match[str]) -> str:
        name, column = found[1], found[2] or ""
        if name not in _MACROS:
            raise UnknownMacro(f"$__{name} is none of {', '.join(sorted(_MACROS))}")
        return _MACROS[name](span, column.strip())

    return _MACRO.sub(replaced, statement)
