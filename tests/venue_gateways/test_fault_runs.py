"""Hundreds of orders at each venue's simulator while it lies all the time: no order twice, and no outcome left open."""

import pytest

from domain.messages import OrderStatus
from tests.venue_gateways import fault_run
from venue_gateways.simulator import faults


@pytest.mark.long  # minutes each: test_dialects_in_the_loop.py has the short form
@pytest.mark.parametrize("venue", fault_run.VENUES)
def test_a_venue_that_lies_all_the_time_takes_no_order_twice_and_leaves_none_unknown(broker, tmp_path, venue):
    outcome = fault_run.run(broker, tmp_path, venue)
    assert outcome.wrong == []
    assert outcome.statuses[OrderStatus.UNKNOWN] == 0
    assert outcome.unknown > 0
    assert set(outcome.faults) == set(faults.NAMES)
