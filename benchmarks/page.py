"""What the results look like: the page with plots, the table in the documentation, and the one on the terminal."""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import goals, latency, plots
from benchmarks.machine import Machine
from benchmarks.results import FOLDER, ROOT, Result

PAGE: Final = FOLDER / "index.html"
DOCUMENT: Final = ROOT / "docs" / "performance.md"

_BEGIN: Final = "<!-- figures: written by make bench -->"
_END: Final = "<!-- end of figures -->"
#: Details that the headings or the text explain.
_TOLD: Final = {"commands", "latency_rate", "cpu_s_per_100k_with_start", "broker_cpu_s_per_100k", "backlog_done_s"}
_LATENCY: Final = "latency"
_MARKS: Final = {True: "reached", False: "missed", None: ""}

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px }
th, td { border-bottom: 1px solid #e6ebf1; padding: .3rem .8rem .3rem 0; text-align: right; white-space: nowrap }
th { white-space: normal; vertical-align: bottom }
th:first-child, td:first-child { text-align: left }
h3 { margin: 1.6rem 0 0 } .hint { color: #8a97a6 } .missed, .wrong { color: #dc2626 } .reached { color: #0d9488 }
svg { max-width: 100%; height: auto }
"""


class _Column(msgspec.Struct, frozen=True):
    heading: str
    cell: Callable[[Result], str]


def _number(name: str, form: str) -> Callable[[Result], str]:
    def cell(result: Result) -> str:
        value = getattr(result, name)
        return "" if value is None else format(value, form)

    return cell


def _latency(result: Result) -> str:
    if result.latency_ms is None:
        return ""
    figures = " / ".join(f"{value:,.0f}" for value in result.latency_ms.values())
    rate = result.detail.get("latency_rate")
    return figures if rate in {None, 2_000.0} else f"{figures} at {rate:,.0f}/s"


def _more(result: Result) -> Iterator[str]:
    """Whatever else is known of it but words, which are told elsewhere."""
    for name, value in result.detail.items():
        if name not in _TOLD and not isinstance(value, str):
            figure = f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"
            yield f"{name.replace('_', ' ')} {figure}"


_COLUMNS: Final = (
    _Column("variant", lambda result: str(result.detail.get("title", result.variant))),
    _Column("guarantee", lambda result: str(result.detail.get("guarantee", ""))),
    _Column("commands", lambda result: f"{result.detail['commands']:,.0f}" if "commands" in result.detail else ""),
    _Column("per second", _number("rate", ",.0f")),
    _Column("CPU s / 100,000", _number("cpu_s_per_100k", ".2f")),
    _Column("MiB", _number("rss_mib", ",.0f")),
    _Column("latency p50 / p99 / p99.9, ms", _latency),
    _Column("back after kill −9, s", _number("recovery_s", ".1f")),
    _Column("more", lambda result: "; ".join(_more(result))),
    _Column("rounds", lambda result: str(result.rounds)),
    _Column("verified", lambda result: "yes" if result.verified else "NO"),
)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All results, and on what they were taken."""

    results: Sequence[Result]
    machine: Machine

    @property
    def by_work(self) -> list[tuple[str, list[Result]]]:
        """The results of each work together, W1 first and then as they came."""
        works = dict.fromkeys(("W1", "W2", *(result.work for result in self.results)))
        found = [(work, [result for result in self.results if result.work == work]) for work in works]
        return [(work, results) for work, results in found if results]

    def page(self) -> str:
        """The page, all in one file."""
        sections = "".join(_section(work, found) for work, found in self.by_work)
        return (
            "<!doctype html><html lang=en><meta charset=utf-8><title>fillstream: how fast</title>"
            f"<style>{_STYLE}</style><h1>fillstream: how fast</h1><p>{html.escape(self._where)}</p>"
            f"<h2>Goals</h2>{_goals(self.results)}{sections}</html>\n"
        )

    def document(self, text: str) -> str:
        """*text* with the tables between its two markers written anew. Raises ValueError if it hasn't got them."""
        before, begin, rest = text.partition(_BEGIN)
        _, end, after = rest.partition(_END)
        if not begin or not end:
            raise ValueError(f"{DOCUMENT.name} has lost the line {_BEGIN!r} or {_END!r} that the figures go between")
        return f"{before}{begin}\n\n{self._tables()}\n{end}{after}"

    def _tables(self) -> str:
        lines = goals.lines(self.results)
        rows = [(line.what, line.goal, line.measured, _MARKS[line.reached]) for line in lines]
        parts = [f"{self._where}\n", _markdown(("what", "goal", "measured", ""), rows)]
        for work, found in self.by_work:
            columns = _used(found)
            cells = [[column.cell(result) for column in columns] for result in found]
            parts += [f"\n**{work}**, {_dates(found)}\n", _markdown([column.heading for column in columns], cells)]
        return "\n".join(parts)

    @property
    def _where(self) -> str:
        return f"On {self.machine}; broker and driver share them."

    def show(self, console: Console) -> None:
        """The goals and every result, on a terminal."""
        reached = Table("goal", title="goals")
        for heading in ("wanted", "measured", ""):
            reached.add_column(heading, justify="right")
        for line in goals.lines(self.results):
            reached.add_row(line.what, line.goal, line.measured, _MARKS[line.reached])
        for work, found in self.by_work:
            table = Table(title=work)
            for number, column in enumerate(columns := _used(found)):
                table.add_column(column.heading, justify="right" if number else "left")
            for result in found:
                table.add_row(*(column.cell(result) for column in columns))
            console.print(table)
        console.print(reached)


def _section(work: str, found: Sequence[Result]) -> str:
    columns = _used(found)
    head = [column.heading for column in columns]
    table = _table(head, ([column.cell(result) for column in columns] for result in found))
    drawn = "".join(
        f'<h3>{html.escape(chart.title)} <span class="hint">{chart.better}</span></h3>'
        + _unique(chart.svg(), f"{work}{number}")
        for number, chart in enumerate(plots.charts(found))
    )
    failures = "".join(
        f'<p class="wrong">{html.escape(result.variant)}: {html.escape(str(result.detail["failed"]))}</p>'
        for result in found
        if "failed" in result.detail
    )
    curves = latency.load() if work == _LATENCY else []
    if curves:
        drawn = _unique(plots.latencies(curves), work)  # they say more than bars
    title = f'<h2>{html.escape(work)} <span class="hint">{_dates(found)}</span></h2>'
    return f"{title}{table}{failures}{drawn}"


def _dates(found: Sequence[Result]) -> str:
    """When these were taken, the first and the last."""
    dates = sorted({str(result.detail["date"]) for result in found if "date" in result.detail})
    return " to ".join(dict.fromkeys((*dates[:1], *dates[-1:])))


def _goals(results: Sequence[Result]) -> str:
    lines = goals.lines(results)
    rows = ((line.what, line.goal, line.measured, _MARKS[line.reached]) for line in lines)
    return _table(("what", "goal", "measured", ""), rows)


def _used(found: Sequence[Result]) -> list[_Column]:
    """The columns in which any of these has something to say."""
    return [column for column in _COLUMNS if any(column.cell(result) for result in found)]


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag} class={_class(cell)}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    return f"<table>{line(headings, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _class(cell: str) -> str:
    return {"NO": "wrong", "missed": "missed", "reached": "reached"}.get(cell, '""')


def _markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _unique(svg: str, name: str) -> str:
    """*svg* with identifiers that no other drawing of the page has."""
    mark = re.sub(r"\W", "", name)
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{mark}-", svg)


def write(report: Report, *, document: bool) -> None:
    """Writes the page and, if wanted, the tables in the *document*."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(report.page())
    if document:
        DOCUMENT.write_text(report.document(DOCUMENT.read_text()))
