"""A roll-up that counts a batch twice is found, and worked out anew; never beside a sink that is at work."""

import pytest

from analytics import rebuild
from runtime.exits import CheckFailed, Exit
from runtime.settings import SettingsError
from tests.analytics.stage import eventually
from tests.analytics.test_sink import assert_exact, entries, events

COUNT = 90


@pytest.fixture
def stored(stage):
    """A stage with events and entries in ClickHouse, and no sink."""
    sink = stage.sink()
    stage.send("order-events", [*events(COUNT), b"garbage"], chunk=45)
    stage.send("ledger-entries", entries(COUNT), chunk=45)
    eventually(lambda: stage.stored("order_events") == COUNT and stage.stored("ledger_entries") == 2 * COUNT)
    stage.drained()
    assert sink.stop() == 0
    return stage


def run(stage, *names, dry_run=False):
    return rebuild.main(stage.settings, names=names, dry_run=dry_run)


def alone(stage, *names):
    """The same, once the stopped sink's membership has ended."""
    eventually(lambda: _rebuilt(stage, *names), every_s=0.5)


def _rebuilt(stage, *names):
    try:
        return run(stage, *names) == Exit.OK
    except CheckFailed:
        return False


def double(stage, rollup):
    """As a server does that was killed between a batch and its token."""
    inside = {"database": stage.settings.clickhouse_database, "insert_deduplication_token": "once more"}
    stage.writer.command(f"INSERT INTO {rollup} SELECT * FROM {rollup}", settings=inside)


def test_what_a_roll_up_counts_twice_is_found_and_mended(stored, capsys):
    assert_exact(stored, COUNT)
    for rollup in ("order_events_1m", "ledger_totals"):
        double(stored, rollup)
    assert stored.value("SELECT sum(events) FROM order_events_1m") == 2 * COUNT
    assert run(stored, dry_run=True) == Exit.OK
    assert capsys.readouterr().out.split() == ["to", "be", "rebuilt:", "ledger_totals,", "order_events_1m"]
    alone(stored)
    assert_exact(stored, COUNT)
    assert run(stored) == Exit.OK
    assert "every roll-up agrees with the raw tables" in capsys.readouterr().out


def test_rows_that_are_stored_twice_count_once(stored):
    inside = {"database": stored.settings.clickhouse_database, "insert_deduplication_token": "once more"}
    stored.writer.command("SYSTEM STOP MERGES order_events", settings=inside)
    stored.writer.command("INSERT INTO order_events SELECT * FROM order_events", settings=inside)
    assert stored.value("SELECT sum(events) FROM order_events_1m") == 2 * COUNT
    alone(stored)
    assert stored.value("SELECT sum(events) FROM order_events_1m") == COUNT


def test_what_the_raw_tables_have_forgotten_stays(stored):
    inside = {"database": stored.settings.clickhouse_database}
    before = stored.rows("SELECT * FROM order_events_1m FINAL ORDER BY ALL")
    stored.writer.command("TRUNCATE TABLE order_events", settings=inside)
    alone(stored, "order_events_1m")
    assert stored.rows("SELECT * FROM order_events_1m FINAL ORDER BY ALL") == before


def test_every_roll_up_comes_out_as_it_was(stored):
    names = rebuild.rollups(stored.writer, stored.settings.clickhouse_database)
    assert {"order_events_1m", "ledger_totals", "venue_latency_1m", "fills_1m", "pipeline_latency_1m"} <= set(names)
    alone(stored, *names)
    assert_exact(stored, COUNT)
    assert stored.rows("SHOW TABLES LIKE '%\\_rebuilt'") == []


def test_beside_a_sink_nothing_is_rebuilt(stored):
    sink = stored.sink()
    eventually(lambda: "partitions_assigned" in sink.log())
    double(stored, "order_events_1m")
    with pytest.raises(CheckFailed, match="a sink is at work"):
        run(stored)
    assert stored.value("SELECT sum(events) FROM order_events_1m") == 2 * COUNT


def test_a_name_that_is_no_roll_up_s_is_refused(stored):
    with pytest.raises(SettingsError, match=r"no roll-up is called order_events; there are .*order_events_1m"):
        run(stored, "order_events")
