"""The plots of the page, as inline SVG: bars of one figure of several variants, and curves of latency."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
import msgspec
from matplotlib.figure import Figure

from benchmarks import latency
from benchmarks.latency import Curve
from benchmarks.results import Result
from runtime.trial.drawing import BLUE, FAINT, INK, STYLE

_BAR_INCHES: Final = 0.32
_SECOND: Final = "#93b4f5"


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One plot: its title, which way is better, and a row for each variant that has the figure.

    A row has one value, or two that share it: the second reaches further, as a p99 does beyond a p50.
    """

    title: str
    better: str
    form: str
    rows: Mapping[str, Sequence[float]]
    spreads: Mapping[str, tuple[float, float]] = {}

    def svg(self) -> str:
        with _drawing(_BAR_INCHES * len(self.rows) + 0.5) as (axes, drawn):
            axes.grid(axis="y", visible=False)
            names = list(self.rows)
            for place, (name, values) in enumerate(self.rows.items()):
                for value, color in reversed(list(zip(values, _colors(name), strict=False))):
                    axes.barh(place, value, color=color, height=0.66)
                axes.annotate(
                    self._text(values),
                    (max(values), place),
                    xytext=(5, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=9,
                )
                if name in self.spreads:
                    axes.hlines(place, *self.spreads[name], color=INK, linewidth=1.2)
            axes.set_yticks(range(len(names)), names)
            axes.margins(x=0.18)
            axes.set_xlim(left=0)
            axes.invert_yaxis()
        return drawn()

    def _text(self, values: Sequence[float]) -> str:
        return " / ".join(format(value, self.form) for value in values)


def charts(results: Sequence[Result]) -> list[Chart]:
    """What is plotted of one work: the figures in which variants can be compared."""
    every = [
        _chart(results, "rate", "Throughput a second", "more is better", ",.0f"),
        _chart(results, "cpu_s_per_100k", "CPU seconds for 100,000", "less is better", ",.2f"),
        _chart(results, "rss_mib", "Memory at its highest, MiB", "less is better", ",.0f"),
        Chart(
            title="Latency in milliseconds, from when it was due: p50 / p99",
            better="less is better",
            form=",.0f",
            rows={
                _name(result) + _at(result): (result.latency_ms["p50"], result.latency_ms["p99"])
                for result in results
                if result.latency_ms
            },
        ),
        _chart(results, "recovery_s", "From kill −9 to the first new commit, seconds", "less is better", ",.1f"),
    ]
    return [chart for chart in every if len(chart.rows) > 1]


def latencies(curves: Sequence[Curve]) -> str:
    """How many commands took longer than so many milliseconds, at each rate."""
    with _drawing(3.6) as (axes, drawn):
        latency.plot(axes, curves)
    return drawn()


@contextmanager
def _drawing(height: float) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Axes to draw on, and what gives the drawing once the block has ended."""
    out = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, height), layout="constrained")
        yield figure.add_subplot(), lambda: out.getvalue()[out.getvalue().index("<svg") :]
        figure.savefig(out, format="svg", metadata={"Date": None})


def _chart(results: Sequence[Result], figure: str, title: str, better: str, form: str) -> Chart:
    shown = {_name(result): result for result in results if getattr(result, figure) is not None}
    return Chart(
        title=title,
        better=better,
        form=form,
        rows={name: (getattr(result, figure),) for name, result in shown.items()},
        spreads={name: result.spread[figure] for name, result in shown.items() if figure in result.spread},
    )


def _name(result: Result) -> str:
    return str(result.detail.get("title", result.variant))


def _at(result: Result) -> str:
    """The rate at which latency was measured, if that is said to be one of its own."""
    rate = result.detail.get("latency_rate")
    return f" at {rate:,.0f}/s" if isinstance(rate, float) else ""


def _colors(name: str) -> tuple[str, str]:
    return (BLUE, _SECOND) if name.startswith("fillstream") else (FAINT, "#d3dae2")
