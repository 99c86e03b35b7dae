"""Writing a batch: what a half-done insert leaves, and what the next attempt makes of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from analytics.inserts import Failed, Inserter, Outcome, Stored, Unreadable
from analytics.intents import Intent, digest_of
from analytics.lanes import Batch
from analytics.mapping import VERSION, Record
from analytics.metrics import SinkMetrics
from analytics.migrate import migrate
from analytics.rows import Mapper
from schemas import codec
from tests.analytics.stage import Service, unique_database
from tests.analytics.story import Story
from tests.schemas import samples


class Writing:
    """An inserter into a database of its own, and its figures."""

    def __init__(self, client: Any, database: str, newest_schema_id: int | None = None) -> None:
        self.client, self.database, self.registry = client, database, CollectorRegistry()
        self.inserter = Inserter(client, database, SinkMetrics(self.registry), Mapper(newest_schema_id))

    def write(self, batch: Batch) -> Outcome:
        return self.inserter.write(batch).result(20)

    def value(self, query: str) -> Any:
        return self.client.query(query, settings={"database": self.database}).result_rows[0][0]

    def command(self, statement: str) -> None:
        self.client.command(statement, settings={"database": self.database})


@pytest.fixture
def writing(service: Service) -> Iterator[Writing]:
    name, client = unique_database(), service.client(writer=True)
    migrate(client, name)
    built = Writing(client, name)
    yield built
    built.inserter.close()
    client.command(f"DROP DATABASE {name} SYNC")
    client.close()


def batch_of(topic: str, values: list[bytes]) -> Batch:
    records = [Record(offset, 1_790_000_000_000, b"k", value) for offset, value in enumerate(values)]
    intent = Intent(0, len(records) - 1, len(records), digest_of(records), VERSION)
    return Batch(topic, 0, intent, records, 0, replayed=False)


@pytest.fixture
def entries() -> Batch:
    return batch_of("ledger-entries", [codec.encode(entry) for entry in Story(seed=1, orders=50).entries])


def break_a_view(writing: Writing) -> None:
    """From now on, every insert into the ledger fails after its rows are in the table."""
    writing.command("CREATE TABLE sinkhole (owner String, x UInt8) ENGINE = MergeTree ORDER BY owner")
    writing.command(
        "CREATE MATERIALIZED VIEW broken TO sinkhole AS SELECT owner, throwIf(owner != '', 'broken') AS x "
        "FROM ledger_entries"
    )


def test_an_insert_that_broke_off_between_table_and_views_is_completed_and_not_doubled(writing, entries):
    break_a_view(writing)
    failed = writing.write(entries)
    assert isinstance(failed, Failed)
    assert "broken" in failed.detail
    written = writing.value("SELECT count() FROM ledger_entries")
    assert written > 0, "the table has what the view has not: else this proves nothing"
    writing.command("DROP VIEW broken")
    for _ in range(2):
        assert isinstance(writing.write(entries), Stored)
        assert writing.value("SELECT count() FROM ledger_entries") == written
        assert writing.value("SELECT sum(postings) FROM ledger_totals") == written


def test_a_batch_that_comes_again_after_the_server_has_started_anew_is_counted_once_by_every_roll_up(service, writing):
    story = Story(seed=2, orders=50)
    batches = [batch_of(topic, [codec.encode(each) for each in told]) for topic, told in story.records().items()]
    for batch in batches:
        assert isinstance(writing.write(batch), Stored)
    totals = rolled_up(writing)
    assert all(totals.values())
    assert service.child.stop() == 0
    service.start()
    for batch in batches:
        assert isinstance(writing.write(batch), Stored)
    assert rolled_up(writing) == totals


def rolled_up(writing: Writing) -> dict[str, Any]:
    sums = {"order_events_1m": "events", "fills_1m": "fills", "pipeline_latency_1m": "events"}
    sums |= {"ledger_totals": "postings", "venue_latency_1m": "calls"}
    found = {table: writing.value(f"SELECT sum({column}) FROM {table}") for table, column in sums.items()}
    return found | {table: writing.value(f"SELECT count() FROM {table}") for table in ("order_states", "fills_booked")}


def test_dead_letters_and_rows_of_one_batch_are_each_stored_once(writing):
    good = codec.encode(Story(seed=1, orders=3).events[0])
    batch = batch_of("order-events", [good, b"x", good, b"y"])
    for _ in range(2):
        assert writing.write(batch) == Stored("order_events", 2, 2)
    assert writing.value("SELECT count() FROM order_events") == 2
    assert writing.value("SELECT count() FROM dead_letters") == 2


def test_a_dead_letter_that_can_not_be_read_is_a_dead_letter_beside_the_others(writing):
    good = codec.encode(samples.message("dead_letter", 8))
    for _ in range(2):
        assert writing.write(batch_of("dead-letters", [good, b"x"])) == Stored("dead_letters", 1, 1)
    assert writing.value("SELECT count() FROM dead_letters") == 2
    assert writing.value("SELECT groupUniqArray(_topic) FROM dead_letters") == ["dead-letters"]


def test_a_server_that_refuses_is_counted_and_tried_again(writing, entries):
    writing.command("RENAME TABLE ledger_entries TO elsewhere")
    assert isinstance(writing.write(entries), Failed)
    writing.command("RENAME TABLE elsewhere TO ledger_entries")
    assert isinstance(writing.write(entries), Stored)
    count = "fillstream_sink_insert_total"
    assert [
        writing.registry.get_sample_value(count, {"table": "ledger_entries", "result": result})
        for result in ("retry", "ok")
    ] == [1, 1]


def test_of_a_batch_with_a_schema_that_is_not_known_yet_nothing_is_written(service):
    client = service.client(writer=True)
    newer = b"\0" + (99).to_bytes(4, "big") + b"..."
    found = Writing(client, "nowhere", newest_schema_id=12).write(batch_of("order-events", [newer]))
    assert isinstance(found, Unreadable)
    assert "offset 0" in found.detail
    client.close()


def test_a_batch_of_many_months_goes_in(writing):
    """More than ClickHouse takes in one insert unless told otherwise: a producer's clock may be anywhere."""
    event = codec.encode(Story(seed=1, orders=3).events[0])
    month_ms = 31 * 86_400_000
    records = [Record(n, 4_000_000_000_000 + n * month_ms, b"k", event) for n in range(120)]
    batch = Batch("order-events", 0, Intent(0, 119, 120, digest_of(records), VERSION), records, 0, replayed=False)
    assert writing.write(batch) == Stored("order_events", 120, 0)
