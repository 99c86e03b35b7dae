"""The benchmark of the decision core measures whole orders, and leaves no stopwatch behind."""

import pytest

from benchmarks import decide
from benchmarks.decide import BORDERS, KINDS, MAKERS, STAGES, Load

LOAD = Load(orders=7, users=2, in_flight=3)


def functions() -> list[object]:
    return [getattr(owner, name) for _, owner, name in BORDERS + MAKERS]


def test_each_kind_of_input_has_a_figure():
    assert set(decide.totals(LOAD)) == set(KINDS)


def test_each_stage_of_each_kind_is_reached_and_the_functions_are_put_back():
    before = functions()
    found = decide.stages(LOAD)
    assert {kind: set(stages) for kind, stages in found.items()} == {kind: set(STAGES) for kind in KINDS}
    assert functions() == before


def test_orders_that_were_not_filled_are_no_figure():
    worker = decide.Worker(1)
    worker.check(0)
    worker.feed(decide.topics.ORDER_COMMANDS, decide.placements(worker.users, range(2)))
    with pytest.raises(RuntimeError, match=r"of 2 orders, there are .*PENDING_SUBMISSION.*: 2"):
        worker.check(2)
