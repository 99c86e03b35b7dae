"""The report of a real ClickHouse: every question has an answer, and the page opens in a real browser."""

import json
import os
import re
import subprocess
import sys
from collections import Counter

import msgspec
import pytest

from analytics.boards.boards import BOARDS
from analytics.boards.macros import Span, UnknownMacro, expanded
from analytics.boards.panels import Kind
from analytics.report import asking, audits, command
from domain.messages import EventKind
from runtime.exits import Exit, Unavailable
from runtime.settings import Settings, SettingsError, environment
from tests.analytics.report import browser
from tests.analytics.report.data import told
from tests.analytics.stage import ROOT, unique_database
from tests.analytics.story import Story

PANELS = [panel for board in BOARDS for panel in board.stored]
EVIL = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>"
#: What the browser is asked about each figure: how many marks it has, and how many of them one can see.
FIGURES = """
[...document.querySelectorAll("figure")].map(figure => {
  const marks = [...figure.querySelectorAll(".mark")].map(mark => mark.getBoundingClientRect());
  return {kind: figure.dataset.kind, state: figure.dataset.state, marks: marks.length,
          seen: marks.filter(box => box.width > 0 || box.height > 0).length,
          text: figure.querySelector("figcaption p").textContent.length};
})
"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PAPER = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def story():
    found = Story(seed=11, orders=300)
    place = next(n for n, event in enumerate(found.events) if event.kind is EventKind.COMMAND_REJECTED)
    found.events[place] = msgspec.structs.replace(found.events[place], reason=EVIL)
    return found


@pytest.fixture(scope="module")
def settings(service, story, tmp_path_factory):
    """Of whoever makes a report of a database with a story in it."""
    var = tmp_path_factory.mktemp("report")
    return service.settings.model_copy(update={"clickhouse_database": told(service, story), "var": var})


@pytest.fixture(scope="module")
def client(service, settings):
    return service.client(writer=True, database=settings.clickhouse_database)


@pytest.fixture(scope="module")
def minutes(story):
    """Whole minutes around the story."""
    times_s = [event.occurred_at // 1_000_000 for event in story.events]
    return min(times_s) // 60 * 60 - 60, max(times_s) // 60 * 60 + 119


@pytest.fixture(scope="module")
def page(settings):
    """As the command makes it, in a process of its own."""
    out = settings.var / "page.html"
    line = [sys.executable, "-m", "runtime", "report", "--out", str(out)]
    own = os.environ | environment(settings) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, env=own, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out}: {len(PANELS)} panels")
    return out


@pytest.mark.parametrize("interval_s", [1, 60, 900])
def test_every_panel_has_an_answer_of_its_kind(client, minutes, interval_s):
    span = Span(*minutes, interval_s)
    for panel in PANELS:
        answer = asking.ask(client, panel, span)
        assert answer.fault is None, (panel.file, answer.fault)
        if not answer.rows:  # the client names no columns then
            continue
        match panel.kind:
            case Kind.LINES | Kind.COLUMNS:
                assert answer.columns == ("time", "series", "value"), panel.file
            case Kind.BARS:
                assert answer.columns == ("name", "value"), panel.file
            case Kind.FIGURES:
                assert len(answer.rows) == 1, panel.file
                assert set(panel.harmless_to) <= set(answer.columns), panel.file


def test_a_closer_look_counts_the_same(client, minutes):
    """Roll-ups by minute and the rows that they are made of."""
    looks = {
        panel.file: [counted(asking.ask(client, panel, Span(*minutes, width))) for width in (10, 60)]
        for panel in PANELS
        if panel.kind is Kind.COLUMNS
    }
    assert sum(bool(far) for _, far in looks.values()) >= 4
    for file, (close, far) in looks.items():
        assert close == pytest.approx(far), file


def counted(answer):
    totals = Counter()
    for _, series, value in answer.rows:
        totals[series] += float(value)
    return dict(totals)


def test_the_answers_are_those_of_the_story(client, minutes, story):
    (panel,) = [panel for panel in PANELS if panel.file == "pipeline/answers.sql"]
    assert counted(asking.ask(client, panel, Span(*minutes, 60))) == Counter(
        str(event.answer) for event in story.events if event.answer is not None
    )


def test_nothing_is_told_of_a_time_without_events(client, minutes):
    before = Span(minutes[0] - 7_200, minutes[0] - 3_600, 60)
    shown = [panel.file for panel in PANELS if panel.kind is Kind.COLUMNS and asking.ask(client, panel, before).rows]
    assert shown == []


def test_audits_of_a_consistent_story_find_nothing(client):
    found = list(audits.every(client))
    assert len(found) >= 6
    assert [audit for audit in found if not audit.holds] == []


def test_the_time_is_that_of_what_is_stored_unless_told(client, minutes):
    now_s = minutes[1] + 10 * 86_400
    span = asking.span(client, None, None, now_s)
    assert minutes[0] <= span.from_s < span.to_s <= now_s
    assert span.duration_s < 3_600, "no more than there is"
    asked = asking.span(client, minutes[0] - 100, minutes[1], now_s)
    assert (asked.from_s, asked.to_s) == (minutes[0] - 120, minutes[1]), "from a whole minute on, as roll-ups are"


def test_an_empty_database_makes_a_page_that_says_so(service, settings):
    from analytics.migrate import migrate

    database = unique_database()
    migrate(service.client(writer=True), database)
    empty = settings.model_copy(update={"clickhouse_database": database})
    out = settings.var / "empty.html"
    assert command.main(empty, out=out) == Exit.OK
    assert "nothing to look at" in out.read_text()
    assert 'class="mark' not in out.read_text()


def test_a_question_without_an_answer_leaves_the_others_and_fails_the_command(service, settings, capsys):
    database = unique_database()
    writer = service.client(writer=True)
    writer.command(f"CREATE DATABASE {database} ENGINE = Atomic")
    broken = settings.model_copy(update={"clickhouse_database": database})
    with pytest.raises(Unavailable, match="has made its tables"):
        command.main(broken)
    for table in asking.TABLES:
        writer.command(f"CREATE TABLE {database}.{table} AS {settings.clickhouse_database}.{table}")
    assert command.main(broken) == Exit.CHECK_FAILED
    assert "execution/fills.sql" in capsys.readouterr().err
    states = re.findall(r'data-state="(\w+)"', (broken.var / "report" / "index.html").read_text())
    assert {"fault", "empty"} <= set(states)


def test_without_clickhouse_it_says_what_to_do(settings):
    nowhere = settings.model_copy(update={"clickhouse_url": "http://127.0.0.1:9"})
    with pytest.raises(Unavailable, match="FILLSTREAM_CLICKHOUSE_URL"):
        command.main(nowhere)


def test_what_runs_here_is_found_without_any_setting(settings, minutes):
    own = settings.model_fields_set - {"clickhouse_url"}
    here = Settings(**{name: getattr(settings, name) for name in own})
    (here.var / "endpoints.json").write_text(json.dumps({"clickhouse": settings.clickhouse_url, "metrics": {}}))
    try:
        assert command.main(here, from_us=minutes[0] * 1_000_000, out=here.var / "found.html") == Exit.OK
        (here.var / "endpoints.json").write_text("{}")
        with pytest.raises(SettingsError, match=r"endpoints\.json"):
            command.main(here)
    finally:
        (here.var / "endpoints.json").unlink()


def test_a_time_that_ends_before_it_begins_is_refused(settings):
    with pytest.raises(SettingsError, match="--from"):
        command.main(settings, from_us=2_000_000, to_us=1_000_000)


def test_an_unknown_macro_is_refused():
    with pytest.raises(UnknownMacro, match="timeFliter"):
        expanded("SELECT 1 WHERE $__timeFliter(at)", Span(0, 60))


def test_no_panel_names_another_database():
    assert [panel.file for panel in PANELS if re.search(r"\b(fillstream|default|system)\.", panel.statement)] == []


@pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium is installed (Debian: apt install chromium)")
def test_the_page_opens_in_a_browser_without_a_complaint_and_shows_its_plots(page, tmp_path):
    with browser.chromium(tmp_path) as tab:
        tab.size(1_280, 900)
        tab.scheme("light")
        tab.open(page)
        figures = tab.value(FIGURES)
        light, wide = tab.value(PAPER), tab.value(OVERFLOW)
        picture = tab.screenshot()
        tab.scheme("dark")
        dark = tab.value(PAPER)
        tab.size(360, 740)
        narrow = tab.value(OVERFLOW)

        assert tab.complaints == []
        assert tab.requests == [page.as_uri()]
        assert tab.value("window.broken") is None
        assert tab.value("document.querySelectorAll('script, img').length") == 0
    assert len(figures) == len(PANELS) + 1  # and the audits
    assert all(figure["text"] for figure in figures)
    assert {figure["state"] for figure in figures} <= {"shown", "empty"}
    drawn = [
        figure for figure in figures if figure["kind"] in {"LINES", "COLUMNS", "BARS"} and figure["state"] == "shown"
    ]
    assert {figure["kind"] for figure in drawn} == {"LINES", "COLUMNS", "BARS"}
    assert all(figure["marks"] == figure["seen"] > 0 for figure in drawn), drawn
    assert (wide, narrow) == (0, 0)
    assert light != dark
    assert len(picture) > 50_000
