"""Plots as SVG that is as wide as its place: marks stretch, and the words around them stay as large as all words."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from analytics.boards.macros import Span
from analytics.boards.panels import Unit
from analytics.report import numerals, scales
from analytics.report.answers import Series

WIDTH: Final = 1_000
HEIGHT: Final = 200
#: A column leaves this share of its interval empty.
_GAP: Final = 0.18
#: A line goes on over so many empty intervals: nothing may have happened in them.
_BRIDGED: Final = 3
#: Words beyond this share of the width end where the plot does.
_EDGE: Final = 0.96
#: Names that have a colour wherever they are; the others take turns.
_TONES: Final[Mapping[str, str]] = {
    "ACCEPTED": "c2",
    "FILLED": "c2",
    "REJECTED": "c9",
    "DUPLICATE": "c5",
    "OPEN": "c1",
    "PARTIALLY_FILLED": "c8",
    "PAUSED": "c4",
    "CANCELED": "c5",
    "EXPIRED": "c5",
    "UNKNOWN": "c3",
    "p50": "c1",
    "p90": "c4",
    "p99": "c3",
}
_COLORS: Final = 8


def lines(every: Sequence[Series], span: Span, unit: Unit) -> str:
    """A line for each series, broken where nothing is known."""
    ticks = _levels(max(one.most for one in every), min(one.least for one in every), unit)
    frame = _Frame(span, ticks)
    marks = "".join(
        f'<path class="mark line {tone(place, one.name)}" d="{_path(run, frame)}"/>'
        for place, one in enumerate(every)
        for run in _runs(one.values, span.interval_s)
    )
    return _figure(every, frame, unit, marks)


def columns(every: Sequence[Series], span: Span, unit: Unit) -> str:
    """What there was in each interval, one series on the other."""
    below: dict[int, float] = {}
    stacked = []
    for place, one in enumerate(every):
        for at_s, value in sorted(one.values.items()):
            start = below.get(at_s, 0.0)
            below[at_s] = start + value
            stacked.append((tone(place, one.name), at_s, start, below[at_s]))
    ticks = _levels(max(below.values()), 0.0, unit)
    frame = _Frame(span, ticks)
    marks = "".join(
        f'<rect class="mark {color}" x="{frame.x(at_s, _GAP / 2):.1f}" y="{frame.y(end):.1f}"'
        f' width="{frame.width * (1 - _GAP):.2f}" height="{frame.y(start) - frame.y(end):.1f}"/>'
        for color, at_s, start, end in stacked
    )
    return _figure(every, frame, unit, marks)


def bars(values: Mapping[str, float], unit: Unit) -> str:
    """A bar for each name, with its share of all."""
    most, total = max(values.values()), sum(values.values())
    rows = "".join(
        f'<li><span class="name">{escape(name)}</span><span class="track"><i class="mark {tone(0, name)}"'
        f' style="width:{max(0.4, 100 * value / most if most > 0 else 0):.1f}%"></i></span>'
        f"<b>{escape(numerals.FORMATS[unit](value))}</b><small>{_share(value, total)}</small></li>"
        for name, value in values.items()
    )
    return f'<ol class="bars">{rows}</ol>'


def tone(place: int, name: str) -> str:
    """The colour of a series: its name's own, or that of its place."""
    return _TONES.get(name, f"c{place % _COLORS + 1}")


class _Frame:
    """From instants and values to the drawing's coordinates."""

    def __init__(self, span: Span, ticks: Sequence[float]) -> None:
        self.span = span
        self.ticks = ticks
        self.starts_s = span.from_s // span.interval_s * span.interval_s
        self.ends_s = (span.to_s // span.interval_s + 1) * span.interval_s

    @property
    def duration_s(self) -> int:
        return self.ends_s - self.starts_s

    @property
    def width(self) -> float:
        """Of an interval."""
        return WIDTH * self.span.interval_s / self.duration_s

    def x(self, at_s: float, share: float = 0.0) -> float:
        """Where the interval that begins at *at_s* has passed a *share* of its width."""
        return (at_s - self.starts_s + share * self.span.interval_s) / self.duration_s * WIDTH

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return HEIGHT * (high - value) / (high - low)


def _levels(most: float, least: float, unit: Unit) -> list[float]:
    per_s = {Unit.SECONDS: 1, Unit.MILLISECONDS: 1_000}.get(unit)
    if per_s is None:
        return scales.levels(most, least)
    return [level * per_s for level in scales.durations_s(most / per_s, least / per_s)]


def _runs(values: Mapping[int, float], interval_s: int) -> list[list[tuple[int, float]]]:
    """The points of a line, split where it breaks."""
    runs: list[list[tuple[int, float]]] = []
    for at_s, value in sorted(values.items()):
        if runs and at_s - runs[-1][-1][0] <= _BRIDGED * interval_s:
            runs[-1].append((at_s, value))
        else:
            runs.append([(at_s, value)])
    return runs


def _path(run: Sequence[tuple[int, float]], frame: _Frame) -> str:
    points = [f"{frame.x(at_s, 0.5):.1f} {frame.y(value):.1f}" for at_s, value in run]
    return f"M{points[0]}h.01" if len(points) == 1 else "M" + "L".join(points)


def _figure(every: Sequence[Series], frame: _Frame, unit: Unit, marks: str) -> str:
    grid = "".join(
        f'<path class="{"zero" if tick == 0 else "grid"}" d="M0 {frame.y(tick):.1f}H{WIDTH}"/>' for tick in frame.ticks
    )
    axis = numerals.short if unit in {Unit.COUNT, Unit.AMOUNT} else numerals.FORMATS[unit]
    heights = "".join(
        f'<li style="top:{100 * frame.y(tick) / HEIGHT:.1f}%">{escape(axis(tick))}</li>' for tick in frame.ticks
    )
    duration_s = frame.duration_s
    times = "".join(
        f'<li class="{"last" if place > _EDGE else ""}" style="left:{place:.1%}">'
        f"{scales.time_label(at_s, duration_s)}</li>"
        for at_s in scales.times(frame.starts_s, frame.ends_s)
        for place in [frame.x(at_s) / WIDTH]
    )
    return (
        f'<div class="plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f"{grid}{marks}{_slots(every, frame, unit)}</svg>"
        f'<ol class="levels">{heights}</ol><ol class="times">{times}</ol></div>{_legend(every)}'
    )


def _slots(every: Sequence[Series], frame: _Frame, unit: Unit) -> str:
    """What to read where one points at an interval."""
    told = numerals.FORMATS[unit]
    instants = sorted({at_s for one in every for at_s in one.values})
    return "".join(
        f'<g class="slot"><rect x="{frame.x(at_s):.1f}" y="0" width="{frame.width:.2f}" height="{HEIGHT}"/><title>'
        + escape(
            "\n".join(
                [
                    scales.time_label(at_s, frame.duration_s),
                    *(f"{one.name}: {told(one.values[at_s])}" for one in every if at_s in one.values),
                ]
            )
        )
        + "</title></g>"
        for at_s in instants
    )


def _legend(every: Sequence[Series]) -> str:
    names = "".join(
        f'<li><i class="{tone(place, one.name)}"></i>{escape(one.name)}</li>' for place, one in enumerate(every)
    )
    return f'<ul class="legend">{names}</ul>'


def _share(value: float, total: float) -> str:
    return f"{100 * value / total:.1f} %" if total > 0 else ""
