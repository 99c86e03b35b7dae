"""The figures and the page: counted from the evidence, complete, self-contained, and safe to open."""

import io
import json
from xml.etree import ElementTree as ET

import msgspec
import pytest
from rich.console import Console

from runtime.demo import report, show, summary
from runtime.demo.plots import Course
from runtime.demo.questions import text
from runtime.demo.report import Material, Query
from runtime.demo.saturation import Usage
from runtime.demo.summary import Kill, Timing, VenueFigures
from runtime.trial import progress
from runtime.trial.oracle.evidence import Check, Evidence, Record, Rows, Tables
from runtime.trial.plan import Expect, Sent
from runtime.trial.progress import Counts
from runtime.trial.watch import Mirror

CHECKS = (Check("all_is_well", "5 things"), Check("nothing_is_wrong", "2 things", ("<b>this</b> is",)))


def record(topic, offset, **fields):
    return Record(topic, 0, offset, 0, None, None, fields)


def answer(offset, answer, **fields):
    source = {"source_topic": "order-commands", "source_partition": 0, "source_offset": offset}
    return record("order-events", offset, answer=answer, user_id="u", kind="X", **source, **fields)


@pytest.fixture
def evidence():
    sent = [
        Sent("order-commands", 0, n, 1_000_000 + n, "cancel", Expect.ANSWER, "u", f"c-{n}", None, "") for n in range(4)
    ]
    sent.append(Sent("transfers", 0, 0, 0, "transfer", Expect.ANSWER, "u", "t", None, ""))
    order = {"order_id": "o", "sequence": 1, "status": "OPEN", "client_order_id": "cid"}
    events = [
        answer(0, "ACCEPTED", **order),
        answer(1, "REJECTED", reason="ORDER_ENDED"),
        answer(2, "REJECTED", reason="ORDER_ENDED"),
        answer(3, "DUPLICATE"),
    ]
    reports = [record("venue-reports", 0, client_order_id="cid", sent_at=100, received_at=2_100, throttle_wait_us=7)]
    journal = [
        {"venue": "v", "event": "order_accepted", "client_order_id": "cid", "at_us": 1_050_000, "quantity": "1"},
        {
            "venue": "v",
            "event": "fill",
            "client_order_id": "cid",
            "symbol": "BTC-USD",
            "trade_id": "1",
            "at_us": 2_000_000,
        },
    ]
    rows = Rows({("order-events", 0): [0, 1, 2, 3, 3]}, {}, {}, {})
    records = {"order-events": events, "venue-reports": reports}
    return Evidence(sent=sent, records=records, journal=journal, tables=Tables({}, {}, {}, {}), rows=rows)


@pytest.fixture
def mirror():
    mirror = Mirror()
    mirror.answered_us = {("order-commands", 0, 0): 1_030_000, ("transfers", 0, 0): 5}
    mirror.filled_us = {("cid", "BTC-USD", "1"): 2_040_000}
    return mirror


@pytest.fixture
def figures(evidence, mirror):
    return summary.summarise(
        evidence,
        CHECKS,
        latencies_us=summary.latencies(evidence, mirror),
        timing=Timing(1_000_000, 3_000_000, {"run": 2.04}),
        kills=[Kill("sink", 1_500_000), Kill("sink", 1_600_000)],
        usage={"v": Usage("orders", 50, 49)},
        seed=3,
    )


@pytest.fixture
def material(figures, evidence, mirror):
    course = Course(1_000_000, {"answers": [1_100_000, 2_500_000], "fills": []}, [Kill("sink", 1_500_000)])
    accounts = {("user:u", "USD"): (7, 3), ("treasury", "USD"): (-9, 0), ("fees:v", "USD"): (-1, 0)}
    queries = [Query("A <question>", "SELECT '<&>'", ["name", "n"], [["<script>", "1,234"]])]
    latencies_us = summary.latencies(evidence, mirror)
    return Material(figures, CHECKS, course, latencies_us, accounts, queries)


def test_the_figures_are_counted_from_the_evidence(figures):
    assert figures.commands == 4
    assert figures.transfers == 1
    assert figures.answers == {"accepted": 1, "rejected": 2, "duplicate": 1}
    assert figures.rejects == {"ORDER_ENDED": 2}
    assert figures.orders == {"OPEN": 1}
    assert (figures.venue_orders, figures.venue_orders_sent_twice, figures.venue_fills) == (1, 0, 1)
    assert (figures.clickhouse_events, figures.clickhouse_duplicates) == (5, 1)
    assert figures.commands_per_second == 2.0
    assert figures.kills == {"sink": 2}
    assert figures.venues == {"v": VenueFigures(1, 1, 0, "orders", 50, 49, 0.98)}
    assert figures.checks == {"all_is_well": True, "nothing_is_wrong": False}
    assert figures.faults == {"nothing_is_wrong": ["<b>this</b> is"]}


def test_an_order_that_the_venue_accepted_twice_is_counted(evidence):
    evidence.journal.append(dict(evidence.journal[0]))
    timing = Timing(0, 1_000_000, {})
    figures = summary.summarise(evidence, CHECKS, latencies_us={}, timing=timing, kills=[], usage={}, seed=1)
    assert (figures.venue_orders, figures.venue_orders_sent_twice) == (2, 1)


def test_each_latency_is_between_the_instants_it_names(evidence, mirror):
    assert summary.latencies(evidence, mirror) == {
        "accept": [30_000],
        "venue": [50_000],
        "fill": [40_000],
        "call": [2_000],
        "throttle": [7],
    }


def test_percentiles_are_of_values_that_occurred():
    found = summary.percentiles([n * 1_000 for n in range(1, 101)])
    assert (found.p50, found.p99, found.max, found.count) == (51.0, 100.0, 100.0, 100)
    assert summary.percentiles([5_000]).p99 == 5.0


def test_faults_beyond_twenty_are_counted_not_told():
    told = summary._told([str(n) for n in range(50)])
    assert len(told) == 21
    assert told[-1] == "… and 30 more"


def test_summary_json_has_all_that_is_promised(figures, tmp_path):
    summary.write(figures, tmp_path / "summary.json")
    written = json.loads((tmp_path / "summary.json").read_text())
    promised = {
        *("commands", "answers", "dead_letters", "orders", "venue_orders", "venue_orders_sent_twice"),
        *("ledger_imbalance", "fill_mismatches", "clickhouse_events", "clickhouse_duplicates"),
        *("commands_per_second", "latency_ms", "checks"),
    }
    assert promised <= written.keys()
    assert {"p50", "p99"} <= written["latency_ms"]["accept"].keys()


def test_the_page_loads_nothing_from_elsewhere_and_escapes_what_it_shows(material):
    page = report.render(material)
    assert page.count("<svg") == 5
    assert "<script" not in page
    assert "<b>this</b>" not in page
    assert "&lt;b&gt;this&lt;/b&gt; is" in page
    links = [part.split('"')[0] for part in page.split('href="')[1:] + page.split('src="')[1:]]
    assert all(link.startswith("#") for link in links)


def test_each_plot_is_well_formed_svg_as_wide_as_its_place(material):
    page = report.render(material)
    for part in page.split("<svg")[1:]:
        root = ET.fromstring("<svg" + part.split("</svg>")[0] + "</svg>")
        assert "viewBox" in root.attrib
        assert "width" not in root.attrib


def test_the_page_says_at_its_head_whether_all_is_well(material):
    assert "1 of 2 checks failed" in report.render(material)


def test_the_terminal_shows_every_part(material):
    out = io.StringIO()
    console = Console(file=out, width=160)
    show.show(console, material.summary, material.checks, material.queries)
    show.verdict(console, material.checks, report="var/demo/report.html", figures="var/demo/summary.json")
    shown = out.getvalue()
    for part in ("ORDER_ENDED", "OPEN", "accept", "nothing is wrong", "<b>this</b> is", "<script>", "report.html"):
        assert part in shown
    assert "1 of 2 checks failed: nothing_is_wrong" in shown


def test_venues_are_shown_where_there_are_several(material):
    venues = {"v": VenueFigures(1, 1, 0, "orders", 50, 49, 0.98), "w": VenueFigures(7, 2, 3)}
    several = msgspec.structs.replace(material.summary, venues=venues)
    out = io.StringIO()
    show.show(Console(file=out, width=160), several, material.checks, [])
    assert "1 orders, 1 fills, 0 requests too many; orders: 49 of 50 used, 98.0%" in out.getvalue()
    assert "7 orders, 2 fills, 3 requests too many" in out.getvalue()
    page = report.render(msgspec.structs.replace(material, summary=several))
    assert "<h2>Venues</h2>" in page
    assert "98.0%" in page
    assert "<h2>Venues</h2>" not in report.render(material)


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal():
    out = io.StringIO()
    counts = Counts("trading", 10, 5, 4, 3, 2, None, None)
    with progress.Progress(Console(file=out), lambda: counts) as shown:
        shown.look()
        shown.look()
    assert out.getvalue().count("\n") == 1
    assert "trading: 5 sent, 4 answered, 3 orders at the venue, 2 fills, ? rows" in out.getvalue()


def test_progress_is_a_table_on_a_terminal():
    out = io.StringIO()
    counts = Counts("trading", 10, 5, 4, 3, 2, 1_234, 7)
    with progress.Progress(Console(file=out, force_terminal=True, width=100), lambda: counts):
        pass
    assert "7 events behind" in out.getvalue()
    assert "1,234" in out.getvalue()


@pytest.mark.parametrize(
    ("cell", "shown"), [(1234, "1,234"), (0.5, "0.5"), (12.0, "12"), ([1, 2.5], "1, 2.5"), ("x", "x"), (None, "None")]
)
def test_cells_are_shown_as_people_read_them(cell, shown):
    assert text(cell) == shown
