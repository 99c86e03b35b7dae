"""The sink killed under load, again and again: every table and every roll-up exact. And the control."""

import time
from random import Random

import pytest

from tests.analytics.stage import Stage, eventually
from tests.analytics.traffic import Traffic

SEED = 20
KILLS = [3, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


def traffic_for(stage: Stage, kills: int) -> Traffic:
    """More than can be sent before the last kill, on a stage without merges."""
    traffic = Traffic(stage, waves=150 * kills)
    traffic.hold_merges()
    return traffic


def kill_under_load(stage: Stage, traffic: Traffic, kills: int) -> None:
    """Kill the sink at any moment of its work while records come in; then let it come to the end of them."""
    moments = Random(SEED)
    with traffic.flowing():
        for _ in range(kills):
            before = stage.stored("order_events")
            sink = stage.sink()
            eventually(lambda before=before: stage.stored("order_events") > before, within_s=60)
            time.sleep(moments.uniform(0.0, 0.6))
            assert sink.alive, sink.log()
            sink.kill()
    stage.sink()
    stage.drained(120)


@pytest.mark.parametrize("kills", KILLS)
def test_killed_under_load_it_stores_every_record_once(stage, kills):
    traffic = traffic_for(stage, kills)
    kill_under_load(stage, traffic, kills)
    assert traffic.differences() == []
    assert stage.stored("order_events") > 20 * kills
    assert any("intent_replayed" in sink.log() for sink in stage.sinks)


#: Each kill doubles what was on its way then, if anything was: after so many, something was.
KILLS_UNGUARDED = [6, KILLS[1]]
ROLL_UPS = {"order_events_1m", "ledger_totals", "fills_1m", "venue_latency_1m", "pipeline_latency_1m"}


@pytest.mark.parametrize("kills", KILLS_UNGUARDED)
def test_the_same_where_tokens_are_forgotten_stores_records_twice(stage, kills):
    """The control: without it, the test above could pass for the wrong reason."""
    traffic = traffic_for(stage, kills)
    traffic.forget_tokens()
    kill_under_load(stage, traffic, kills)
    differences = set(traffic.differences())
    assert ROLL_UPS & differences, "a roll-up counts twice"
    assert differences - ROLL_UPS, "a raw table has rows twice"
