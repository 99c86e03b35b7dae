"""The report's page: boards of panels, each with its question, its unit and where its answer comes from."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from importlib import resources
from string import Template
from typing import Any, Final

import msgspec

from analytics.boards.macros import Span
from analytics.boards.panels import Board, Kind, StoredPanel, Unit, unit_of, words
from analytics.report import answers, numerals, plots
from analytics.report.answers import Answer
from analytics.report.audits import Audit

#: What a unit is called below a plot, and in the head of a table.
_UNIT_WORDS: Final[Mapping[Unit, tuple[str, str]]] = {
    Unit.COUNT: ("", ""),
    Unit.MILLISECONDS: ("milliseconds", "ms"),
    Unit.SECONDS: ("seconds", "s"),
    Unit.PERCENT: ("percent", "%"),
    Unit.BASIS_POINTS: ("basis points", "bp"),
    Unit.PER_SECOND: ("a second", "/s"),
    Unit.BYTES: ("bytes", "B"),
    Unit.AMOUNT: ("units of the asset", ""),
}
#: A table of more columns than this has a row of its own.
_COLUMNS_BESIDE: Final = 5


class Report(msgspec.Struct, frozen=True):
    """All that the page shows. *span* is what its panels were asked about."""

    span: Span
    made_at: datetime
    database: str
    boards: Sequence[tuple[Board, Sequence[Answer]]]
    audits: Sequence[Audit]

    @property
    def findings(self) -> int:
        """What wants looking at: figures out of bounds, audits with findings, questions without an answer."""
        every = [answer for _, panels in self.boards for answer in panels]
        return (
            sum(answer.fault is not None for answer in every)
            + sum(len(_out_of_bounds(answer)) for answer in every)
            + sum(not audit.holds for audit in self.audits)
        )


def render(report: Report) -> str:
    """The whole page: one file that asks the network for nothing."""
    template = Template(resources.files("analytics").joinpath("report", "page.html").read_text())
    count = report.findings
    return template.substitute(
        lead=f"{_day(report.span.from_s)} to {_day(report.span.to_s)} UTC",
        tone="bad" if count else "",
        verdict=f"{count} to look at" if count else "nothing to look at",
        contents="".join(f'<li><a href="#{board.name}">{escape(board.title)}</a></li>' for board, _ in report.boards),
        boards="".join(_board(report, board, panels) for board, panels in report.boards),
        end=f"Made at {numerals.instant(report.made_at)} UTC from the database <code>{escape(report.database)}</code>. "
        "Point at a plot to read its values.",
    )


def _board(report: Report, board: Board, panels: Sequence[Answer]) -> str:
    figures = "".join(_panel(answer, report.span) for answer in panels)
    if board.name == "money" and report.audits:
        figures += _audits(report.audits)
    return (
        f'<section id="{board.name}"><h2>{escape(board.title)}</h2><p>{escape(board.about)}</p>'
        f'<div class="panels">{figures}</div></section>'
    )


def _panel(answer: Answer, span: Span) -> str:
    panel = answer.panel
    wide = "wide" if panel.kind is Kind.FIGURES or len(answer.columns) > _COLUMNS_BESIDE else ""
    state = "fault" if answer.fault is not None else "empty" if answers.is_empty(answer) else "shown"
    return (
        f'<figure class="{wide}" data-kind="{panel.kind}" data-state="{state}">'
        f"<figcaption><h3>{escape(panel.title)}</h3><p>{escape(panel.question)}</p></figcaption>{_body(answer, span)}"
        f"<footer><span>{escape(_unit(panel, span))}</span>"
        f"<details><summary><code>{escape(panel.source)}</code></summary><pre>{escape(panel.text)}</pre></details>"
        "</footer></figure>"
    )


def _body(answer: Answer, span: Span) -> str:
    if answer.fault is not None:
        return f'<p class="fault">Not answered: {escape(answer.fault)}</p>'
    if answers.is_empty(answer):
        return '<p class="empty">Nothing in this time.</p>'
    return _DRAWN[answer.panel.kind](answer, span)


def _bars(answer: Answer, _span: Span) -> str:
    return plots.bars({str(name) or "(none)": float(value) for name, value in answer.rows}, answer.panel.unit)


def _cards(answer: Answer, _span: Span) -> str:
    bad = _out_of_bounds(answer)
    cards = "".join(
        f'<div class="{"look" if column in bad else ""}"><b>{escape(numerals.cell(value, unit_of(column)))}</b>'
        f"<span>{escape(words(column))}</span></div>"
        for column, value in zip(answer.columns, answer.rows[0], strict=True)
    )
    return f'<div class="cards">{cards}</div>'


def _table(answer: Answer, _span: Span) -> str:
    """Columns of numbers are set flush right, so that their sizes can be compared at a glance."""
    numeric = [
        all(row[place] is None or isinstance(row[place], int | float | Decimal) for row in answer.rows)
        for place in range(len(answer.columns))
    ]
    tones = [' class="n"' if right else "" for right in numeric]
    head = "".join(f"<th{tone}>{escape(_head(name))}</th>" for tone, name in zip(tones, answer.columns, strict=True))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{tone}>{escape(numerals.plain(value, unit_of(name)))}</td>"
            for tone, name, value in zip(tones, answer.columns, row, strict=True)
        )
        + "</tr>"
        for row in answer.rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


_DRAWN: Final[Mapping[Kind, Callable[[Answer, Span], str]]] = {
    Kind.LINES: lambda answer, span: plots.lines(answers.series(answer), span, answer.panel.unit),
    Kind.COLUMNS: lambda answer, span: plots.columns(answers.series(answer), span, answer.panel.unit),
    Kind.BARS: _bars,
    Kind.FIGURES: _cards,
    Kind.TABLE: _table,
}


def _head(column: str) -> str:
    _, symbol = _UNIT_WORDS[unit_of(column)]
    return f"{words(column)}, {symbol}" if symbol else words(column)


def _audits(audits: Sequence[Audit]) -> str:
    rows = "".join(
        f'<li class="{"" if audit.holds else "look"}">{escape(audit.question)} '
        + ("" if audit.holds else f"<b>{escape(audit.fault or f'{audit.findings:,} found')}</b> ")
        + f"<code>{escape(audit.source)}</code></li>"
        for audit in audits
    )
    return (
        '<figure class="wide" data-kind="AUDITS" data-state="shown"><figcaption><h3>Audits</h3>'
        "<p>Is there anything, in all that is stored, that must never be?</p></figcaption>"
        f'<ul class="checks">{rows}</ul></figure>'
    )


def _out_of_bounds(answer: Answer) -> set[str]:
    """The columns of figures that want looking at."""
    if answer.panel.kind is not Kind.FIGURES or not answer.rows:
        return set()
    values: dict[str, Any] = dict(zip(answer.columns, answer.rows[0], strict=True))
    return {name for name, most in answer.panel.harmless_to.items() if (values.get(name) or 0) > most}


def _unit(panel: StoredPanel, span: Span) -> str:
    """What the numbers of *panel* count, and by which stretches of time; beside the numbers where they differ."""
    unit, _ = _UNIT_WORDS[panel.unit]
    every = numerals.seconds(span.interval_s)
    return {
        Kind.LINES: f"{unit}, by {every}" if unit else f"by {every}",
        Kind.COLUMNS: f"{unit}, every {every}" if unit else f"a count, every {every}",
        Kind.BARS: unit or "a count, and its share of all",
    }.get(panel.kind, "")


def _day(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}"
