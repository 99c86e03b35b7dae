"""The page: what it shows of good answers, of none, and of faults; nothing that came from outside is markup."""

import math
import re
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser

import msgspec
import pytest

from analytics.boards.boards import BOARDS
from analytics.boards.macros import Span
from analytics.boards.panels import Kind, StoredPanel, Unit
from analytics.report import answers, page, plots
from analytics.report.answers import Answer, Series
from analytics.report.audits import Audit
from analytics.report.page import Report

SPAN = Span(1_767_225_600, 1_767_225_600 + 3_599, 60)
EVIL = "<script>alert(1)</script>&\"'"
VOID = {"meta", "link", "br", "path", "rect", "img", "hr"}


def at(minute):
    return datetime.fromtimestamp(SPAN.from_s + 60 * minute, UTC)


def a_panel(kind, **more):
    return msgspec.structs.replace(BOARDS[0].stored[0], title=f"A {kind} panel", kind=kind, **more)


def an_answer(kind, rows, columns=("time", "series", "value"), **more):
    return Answer(a_panel(kind, **more), columns, rows)


def a_report(*every, audits=()):
    return Report(
        SPAN, at(60), "fillstream", [(board, every if board.name == "money" else ()) for board in BOARDS], audits
    )


class Tags(HTMLParser):
    """Elements that are open, closed in order, and counted by name and class."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], Counter()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen[tag] += 1
        for name in (dict(attrs).get("class") or "").split():
            self.seen[f".{name}"] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


ANSWERS = {
    Kind.LINES: an_answer(Kind.LINES, [(at(n), "p50", 5.0 + n % 3) for n in range(10)]),
    Kind.COLUMNS: an_answer(Kind.COLUMNS, [(at(n), name, 3) for n in range(10) for name in ("ACCEPTED", "REJECTED")]),
    Kind.BARS: an_answer(Kind.BARS, [("FILLED", 30), ("OPEN", 10)], ("name", "value")),
    Kind.FIGURES: an_answer(Kind.FIGURES, [(1_234_567, 98.5, 0.0123)], ("orders", "good_percent", "p99_s")),
    Kind.TABLE: an_answer(Kind.TABLE, [("x", 1, 2.5)], ("name", "orders", "p99_ms")),
}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_panel_is_drawn_in_whole_elements(kind):
    tags = Tags(page.render(a_report(ANSWERS[kind]))).seen
    marks = {Kind.LINES: 1, Kind.COLUMNS: 20, Kind.BARS: 2}
    assert tags[".mark"] == marks.get(kind, 0)
    assert tags["figure"] == 1


@pytest.mark.parametrize("kind", Kind)
def test_no_rows_are_told_instead_of_drawn(kind):
    text = page.render(a_report(Answer(a_panel(kind), ("time", "series", "value"), [])))
    assert "Nothing in this time." in text
    assert Tags(text).seen["svg"] == 0
    assert 'data-state="empty"' in text


def test_a_question_without_an_answer_says_why_and_wants_looking_at():
    report = a_report(Answer(a_panel(Kind.LINES), fault=f"no such table {EVIL}"))
    text = page.render(report)
    assert report.findings == 1
    assert "1 to look at" in text
    assert "<script>" not in text


@pytest.mark.parametrize("kind", Kind)
def test_what_came_from_outside_is_no_markup(kind):
    cells = {
        Kind.LINES: ([(at(1), EVIL, 1.0)], ("time", "series", "value")),
        Kind.COLUMNS: ([(at(1), EVIL, 1.0)], ("time", "series", "value")),
        Kind.BARS: ([(EVIL, 1)], ("name", "value")),
        Kind.FIGURES: ([(EVIL,)], (EVIL,)),
        Kind.TABLE: ([(EVIL, [EVIL])], (EVIL, "many")),
    }
    rows, columns = cells[kind]
    text = page.render(a_report(an_answer(kind, rows, columns)))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    Tags(text)


def test_a_figure_out_of_bounds_is_marked_and_counted():
    answer = an_answer(Kind.FIGURES, [(3, 0, None)], ("bad", "fine", "unknown"))
    bounds = {"bad": 2, "fine": 0, "unknown": 0, "absent": 0}
    answer = msgspec.structs.replace(answer, panel=a_panel(Kind.FIGURES, harmless_to=bounds))
    report = a_report(answer)
    assert report.findings == 1
    assert Tags(page.render(report)).seen[".look"] == 1


def test_audits_are_told_with_what_they_found():
    audits = (Audit("a.sql", "All well?"), Audit("b.sql", "And here?", findings=3), Audit("c.sql", EVIL, fault=EVIL))
    report = a_report(audits=audits)
    text = page.render(report)
    assert report.findings == 2
    assert "3 found" in text
    assert "<script>" not in text
    assert Tags(text).seen[".look"] == 2


def test_the_page_needs_nothing_but_itself():
    text = page.render(a_report(*ANSWERS.values()))
    assert re.findall(r"(?:src|href)=\"(?!#|data:,\")[^\"]*", text) == []
    assert not re.search(r"@import|url\(|<script|https?://", text)


def test_a_line_breaks_where_nothing_is_known_for_long():
    values = {SPAN.from_s + 60 * n: 1.0 for n in (0, 1, 3, 20, 21, 40)}
    text = plots.lines([Series("p50", values)], SPAN, Unit.COUNT)
    assert text.count('class="mark line') == 3


def test_columns_are_stacked_one_on_the_other():
    every = [Series("a", {SPAN.from_s: 30.0}), Series("b", {SPAN.from_s: 70.0})]
    text = plots.columns(every, SPAN, Unit.COUNT)
    found = [tuple(map(float, one)) for one in re.findall(r'class="mark[^>]*y="([\d.]+)"[^>]*height="([\d.]+)"', text)]
    (first, second) = found
    assert first[0] + first[1] == plots.HEIGHT
    assert second[0] + second[1] == first[0]
    assert second[1] / first[1] == pytest.approx(7 / 3)


def test_many_series_become_a_few_and_a_sum_stays_the_sum():
    rows = [(at(minute), f"reason {n:02}", n) for minute in range(3) for n in range(1, 20)]
    found = answers.series(an_answer(Kind.COLUMNS, rows))
    assert len(found) == answers.SERIES_MAX
    assert found[-1].name == answers.REST
    assert sum(one.total for one in found) == 3 * sum(range(1, 20))


def test_of_many_lines_the_highest_are_shown():
    rows = [(at(0), f"line {n:02}", n) for n in range(20)]
    found = answers.series(an_answer(Kind.LINES, rows))
    assert [one.name for one in found] == [f"line {n:02}" for n in range(12, 20)]


def test_what_is_no_number_is_left_out_of_a_line():
    rows = [(at(0), "p50", math.nan), (at(1), "p50", None), (at(2), "p50", math.inf), (at(3), "p50", 2.0)]
    (only,) = answers.series(an_answer(Kind.LINES, rows))
    assert only.values == {SPAN.from_s + 180: 2.0}


def test_no_line_at_all_is_told_as_nothing():
    text = page.render(a_report(an_answer(Kind.LINES, [(at(0), "p50", math.nan)])))
    assert "Nothing in this time." in text


def test_every_stored_panel_says_its_question_unit_and_file():
    for board in BOARDS:
        for panel in board.stored:
            text = page._panel(Answer(panel), SPAN)
            assert f"analytics/boards/{panel.file}" in text
            assert panel.question.endswith((".", "?"))
            assert panel.kind in {Kind.TABLE, Kind.FIGURES} or page._unit(panel, SPAN)


def test_a_panel_is_a_file_and_each_file_a_panel():
    from importlib import resources

    folder = resources.files("analytics").joinpath("boards")
    files = {f"{board.name}/{file.name}" for board in BOARDS for file in folder.joinpath(board.name).iterdir()}
    named = [panel.file for board in BOARDS for panel in board.panels if isinstance(panel, StoredPanel)]
    assert sorted(named) == sorted(files)
