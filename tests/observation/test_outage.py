"""Going on while something is away: said once, waited for within bounds, and anything else is an end."""

import threading

import pytest
from structlog.testing import capture_logs

from observation.outage import Loop, wait_s
from runtime.exits import Unavailable


def run(work, *, every_s=0.0):
    loop = Loop("part", work, every_s, threading.Event())
    with capture_logs() as logs:
        loop.start()
        loop.join(20)
    assert not loop.is_alive()
    return loop, [(entry["event"], entry["part"]) for entry in logs]


def test_an_outage_is_said_once_and_its_end_once(monkeypatch):
    monkeypatch.setattr("observation.outage._WAIT_FIRST_S", 0.001)
    outcomes = iter([Unavailable("away"), Unavailable("away"), Unavailable("still"), None, ZeroDivisionError()])

    def work():
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    _, said = run(work)
    assert said == [("probe_interrupted", "part"), ("probe_resumed", "part")]


def test_what_does_not_pass_ends_all():
    def work():
        raise ZeroDivisionError

    loop, _ = run(work)
    assert isinstance(loop.error, ZeroDivisionError)
    assert loop._stop_event.is_set()


@pytest.mark.parametrize(("every_s", "longest_s"), [(0.0, 15.0), (5.0, 15.0), (300.0, 300.0)])
def test_the_wait_doubles_up_to_a_bound(every_s, longest_s):
    waits = [wait_s(failures, every_s) for failures in range(1, 100)]
    assert waits[:3] == [0.5, 1.0, 2.0]
    assert waits == sorted(waits)
    assert waits[-1] == longest_s
