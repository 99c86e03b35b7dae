"""Results are kept by work and variant, held against the goals, and written where they are read."""

import time

import pytest

from benchmarks import goals, results
from benchmarks.machine import Machine
from benchmarks.page import DOCUMENT, Report
from benchmarks.results import Result

MACHINE = Machine(processor="Test", cores=2, memory_gib=8)


def w1(variant: str, rate: float, **more: object) -> Result:
    return Result(work="W1", variant=variant, rate=rate, **({"verified": True} | more))


def report(*found: Result) -> Report:
    return Report(results=found, machine=MACHINE)


def first(*found: Result) -> goals.Line:
    """The first goal: throughput against Kafka Streams, at least three times."""
    return goals.lines(found)[0]


def test_a_result_takes_the_place_of_the_former_one_of_its_work_and_variant(tmp_path):
    file = tmp_path / "new" / "results.json"
    results.write([w1("a", 1.0), w1("b", 2.0)], file)
    results.write([w1("a", 3.0), Result(work="W2", variant="a")], file)
    assert [(result.work, result.variant, result.rate) for result in results.load(file)] == [
        ("W1", "a", 3.0),
        ("W1", "b", 2.0),
        ("W2", "a", None),
    ]


def test_a_result_says_when_it_was_taken(tmp_path):
    file = tmp_path / "results.json"
    results.write([w1("a", 1.0, detail={"title": "A"})], file)
    [kept] = results.load(file)
    assert kept.detail == {"title": "A", "date": time.strftime("%Y-%m-%d")}


def test_there_are_no_results_before_the_first_run(tmp_path):
    assert results.load(tmp_path / "results.json") == []


@pytest.mark.parametrize(("rate", "reached"), [(30.0, True), (29.9, False)])
def test_a_goal_is_reached_from_its_bound_on(rate, reached):
    assert first(w1("fillstream-1", rate), w1("kafka-streams-1", 10.0)).reached is reached


def test_less_is_better_where_a_goal_says_at_most():
    line = goals.lines([w1("fillstream-1", 1.0, recovery_s=4.1)])[10]
    assert (line.goal, line.measured, line.reached) == ("≤ 4 s", "4.1 s", False)


def test_wrong_outputs_reach_no_goal():
    assert first(w1("fillstream-1", 99.0, verified=False), w1("kafka-streams-1", 10.0)).reached is None


def test_a_goal_without_results_was_not_measured():
    assert first(w1("fillstream-1", 99.0)).measured == "not measured"


def test_percentiles_and_details_are_figures_too():
    ours = w1("fillstream-1", 1.0, latency_ms={"p50": 20.0, "p99": 70.0, "p99_9": 90.0})
    memory = Result(work="memory", variant="open orders", verified=True, detail={"kib_per_open_order": 1.1})
    shown = {line.measured for line in goals.lines([ours, memory])}
    assert {"20 ms", "70 ms", "1.1 KiB"} <= shown


def test_the_document_keeps_its_words_and_gets_new_figures():
    text = DOCUMENT.read_text()
    written = report(w1("fillstream-1", 12_345.0)).document(text)
    assert "| fillstream-1 | 12,345 |" in written
    assert "On 2 cores of Test, 8 GiB" in written
    assert written.partition("<!--")[0] == text.partition("<!--")[0]
    assert written.rpartition("-->")[2] == text.rpartition("-->")[2]
    assert report(w1("fillstream-1", 12_345.0)).document(written) == written


def test_a_document_that_has_lost_its_markers_is_left_alone():
    with pytest.raises(ValueError, match="has lost the line"):
        report().document("# How fast\n")


def test_the_page_says_what_failed_and_draws_what_can_be_compared():
    failed = w1("b<", 1.0, verified=False, detail={"failed": "stalled <after> 3"})
    page = report(w1("fillstream-1", 2.0), failed).page()
    assert "stalled &lt;after&gt; 3" in page
    assert "b<" not in page
    assert page.count("<svg") == 1
