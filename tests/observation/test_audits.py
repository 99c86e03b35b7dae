"""Audits: each file of analysts' checks is asked, and what was only on its way is no break."""

import pytest
from prometheus_client import CollectorRegistry

from analytics import questions
from analytics.client import ClickHouseError
from analytics.questions import Question
from observation import audits
from observation.audits import Audits
from observation.metrics import ProbeMetrics

CLEAN, BROKEN = Question("audit_clean", "SELECT 1"), Question("audit_broken", "SELECT 2")


class Answers:
    """Answers a statement with what is due next for it."""

    def __init__(self, **due):
        self.due = due
        self.asked = []

    def __call__(self, statement):
        name = next(audit.check for audit in (CLEAN, BROKEN) if audit.statement in statement)
        self.asked.append(name)
        answer = self.due[name].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def run(registry):
    metrics = ProbeMetrics(registry)

    def start(query, *, pause=lambda: True):
        Audits([CLEAN, BROKEN], metrics, pause).run(query)

    return start


def breaks(registry, check):
    return registry.get_sample_value("fillstream_audit_breaks", {"check": check})


def runs(registry, check, result):
    return registry.get_sample_value("fillstream_audit_runs_total", {"check": check, "result": result})


def test_every_check_of_analysts_is_run():
    found = questions.audits()
    assert {"zero_sum", "sequence_gaps", "duplicates", "rollups"} <= {audit.check for audit in found}
    assert all(audit.statement and ";" not in audit.statement for audit in found)


def test_rows_that_are_still_there_in_a_second_look_are_breaks(registry, run):
    query = Answers(clean=[[]], broken=[[(1, "a"), (2, "b")], [(2, "b"), (3, "c")]])
    run(query)
    assert query.asked == ["clean", "broken", "broken"]
    assert (breaks(registry, "clean"), breaks(registry, "broken")) == (0.0, 1.0)
    assert (runs(registry, "clean", "clean"), runs(registry, "broken", "broken")) == (1.0, 1.0)


def test_lists_in_another_order_are_the_same_row():
    assert audits.breaks([(1, ["a", "b"])], [(1, ["b", "a"])]) == 1
    assert audits.breaks([(1, ["a", "b"])], [(1, ["a"])]) == 0


def test_a_check_that_fails_leaves_the_others_and_its_last_figures(registry, run):
    run(Answers(clean=[[]], broken=[[(1,)], [(1,)]]))
    stamp = registry.get_sample_value("fillstream_audit_succeeded_timestamp_seconds", {"check": "clean"})
    with pytest.raises(ClickHouseError):
        run(Answers(clean=[ClickHouseError("away")], broken=[[]]))
    assert (breaks(registry, "clean"), breaks(registry, "broken")) == (0.0, 0.0)
    assert runs(registry, "clean", "failed") == 1.0
    assert registry.get_sample_value("fillstream_audit_succeeded_timestamp_seconds", {"check": "clean"}) == stamp


def test_a_run_that_is_told_to_end_says_nothing(registry, run):
    run(Answers(clean=[[]], broken=[[(1,)]]), pause=lambda: False)
    assert breaks(registry, "broken") is None
