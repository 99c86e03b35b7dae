"""The sink on a real broker and a real ClickHouse, killed, stalled, fenced, starved and poisoned."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from analytics import intents, sink
from analytics.intents import Intent, digest_of, metadata_of
from analytics.mapping import TABLES, VERSION, Record
from analytics.migrate import migrate
from analytics.rows import fault_of
from analytics.sink import group_of
from domain.messages import (
    Account,
    EntryKind,
    EventKind,
    JournalEntry,
    OrderCommand,
    OrderEvent,
    OrderStatus,
    Posting,
    Tick,
)
from domain.money import ONE
from runtime import kafka
from runtime.process import StopRequest
from runtime.settings import SettingsError
from schemas import codec
from tests.analytics.stage import PARTITIONS, Service, Stage, eventually, unique_database
from tests.schemas import samples

TABLES_OF_SUMS = ("order_events", "ledger_entries", "ledger_totals", "order_events_1m", "order_states")
NOW = int(time.time() * 1_000_000)  # rows of long ago are dropped by their tables' TTL


def events(count: int, start: int = 0, user: str = "user") -> list[OrderEvent]:
    """Three events of each order."""
    statuses = (OrderStatus.NEW, OrderStatus.OPEN, OrderStatus.CANCELED)
    return [
        OrderEvent(
            f"{user}-{n // 3 % 10}",
            "order-commands",
            0,
            n,
            0,
            NOW + n,
            EventKind.ORDER_OPENED,
            order_id=f"order-{n // 3}",
            sequence=n % 3 + 1,
            status=statuses[n % 3],
        )
        for n in range(start, start + count)
    ]


def entries(count: int, start: int = 0) -> list[JournalEntry]:
    """Each gives the user *n* cents."""
    return [
        JournalEntry(
            f"user-{n % 10}",
            "transfers",
            0,
            n,
            0,
            NOW + n,
            EntryKind.CREDIT,
            f"transfer-{n}",
            (
                Posting("treasury", Account.AVAILABLE, "USD", -n * ONE // 100),
                Posting(f"user:user-{n % 10}", Account.AVAILABLE, "USD", n * ONE // 100),
            ),
        )
        for n in range(start, start + count)
    ]


@contextmanager
def load(stage: Stage, seconds_between: float = 0.1) -> Iterator[list[int]]:
    """Events, entries and garbage, in transactions, until the end of the block; the list holds how many events."""
    stop, sent = Event(), [0]

    def produce() -> None:
        while not stop.is_set():
            stage.send("order-events", [*events(90, sent[0]), b"garbage"], chunk=45)
            stage.send("ledger-entries", entries(90, sent[0]), chunk=45)
            sent[0] += 90
            stop.wait(seconds_between)

    thread = Thread(target=produce)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def assert_exact(stage: Stage, count: int) -> None:
    """Every event and entry is stored once, in the tables and in everything that is rolled up from them."""
    assert stage.rows("SELECT count(), uniqExact(_partition, _offset) FROM order_events") == [(count, count)]
    assert stage.rows("SELECT count(), uniqExact(_partition, _offset, line) FROM ledger_entries") == [
        (2 * count, 2 * count)
    ]
    assert stage.value("SELECT sum(events) FROM order_events_1m") == count
    cents = sum(range(count))
    assert stage.rows("SELECT sum(amount * 100), sum(postings) FROM ledger_totals WHERE owner != 'treasury'") == [
        (cents, count)
    ]
    assert stage.value("SELECT sum(available * 100) FROM balances WHERE owner != 'treasury'") == cents
    assert stage.rows("SELECT count(), sum(sequence), countIf(status = 'CANCELED') FROM orders_current") == [
        (count // 3, count, count // 3)
    ]
    assert stage.rows("SELECT count(), uniqExact(_topic, _partition, _offset) FROM dead_letters") == [
        (count // 90, count // 90)
    ]


# ── exactly once ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bare(stage: Stage) -> Stage:
    """A stage on which no merge removes what was stored twice before anybody has seen it."""
    migrate(stage.writer, stage.settings.clickhouse_database)
    for table in TABLES_OF_SUMS:
        stage.writer.command(f"SYSTEM STOP MERGES {stage.settings.clickhouse_database}.{table}")
    return stage


def test_a_batch_whose_fate_is_unknown_is_written_again_with_its_bounds(stage):
    sink = stage.sink()
    eventually(lambda: "partitions_assigned" in sink.log())
    stage.service.child.pause()
    try:
        stage.send("order-events", events(30), partition=1)
        commit = eventually(lambda: with_intent(stage, "order-events", 1))
        time.sleep(0.3)  # the insert is on its way to a server that doesn't answer
        sink.kill()
    finally:
        stage.service.child.resume()
    stage.send("order-events", events(60, 30), partition=1)
    again = stage.sink()
    stage.drained()
    assert stage.rows("SELECT count(), uniqExact(_offset) FROM order_events") == [(90, 90)]
    found = intents.intent_of(commit.offset, commit.metadata)
    assert f'"offsets":"{found.first}-{found.last}"' in again.log()


def with_intent(stage: Stage, topic: str, partition: int) -> TopicPartition | None:
    commit = stage.committed(topic, partition)
    return commit if intents.intent_of(commit.offset, commit.metadata) else None


def test_two_owners_of_one_name_store_nothing_twice(bare):
    """A second process takes over while the first sleeps in the middle of its work; one of the two has to go."""
    stage = bare
    with load(stage) as sent:
        first = stage.sink()
        eventually(lambda: stage.stored("order_events") > 0)
        first.pause()
        before = sent[0]
        second = stage.sink()
        eventually(lambda: stage.stored("order_events") > before + 180)
        first.resume()
        gone = eventually(lambda: next((sink for sink in (first, second) if not sink.alive), None))
        assert gone.wait(within_s=60) == 75
        assert "fenced" in gone.log()
    stage.drained()
    assert_exact(stage, sent[0])


def test_two_sinks_share_the_partitions_and_hand_them_over(bare):
    stage = bare
    with load(stage) as sent:
        first = stage.sink()
        eventually(lambda: stage.stored("order_events") > 0)
        second = stage.sink(sink_id="sink-1", process_name="sink-1")
        eventually(lambda: "partitions_assigned" in second.log())
        before = sent[0]
        eventually(lambda: stage.stored("order_events") > before)
        assert second.stop() == 0
        second.kill()
        before = sent[0]
        eventually(lambda: stage.stored("order_events") > before)
    stage.drained()
    assert first.alive
    assert_exact(stage, sent[0])


def test_clickhouse_may_come_late_and_die(stage):
    stage.service.child.kill()
    sink = stage.sink()
    eventually(lambda: "clickhouse_away" in sink.log())
    with load(stage) as sent:
        stage.service.start()
        eventually(lambda: stage.stored("order_events") > 0)
        stage.service.child.kill()
        before = sent[0]
        eventually(lambda: "insert_failed" in sink.log())
        stage.service.start()
        eventually(lambda: stage.stored("order_events") > before)
    stage.drained()
    assert sink.alive
    assert_exact(stage, sent[0])


def test_a_stop_leaves_nothing_to_do_again(stage):
    sink = stage.sink()
    stage.send("order-events", events(300), chunk=50)
    eventually(lambda: stage.stored("order_events") > 0)
    assert sink.stop() == 0
    commits = [stage.committed("order-events", partition) for partition in range(PARTITIONS)]
    assert [commit.metadata or "" for commit in commits] == [""] * PARTITIONS
    again = stage.sink()
    stage.drained()
    assert "intent_replayed" not in again.log()
    assert stage.stored("order_events") == 300


# ── all of it ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def calm(service: Service, log_broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose sink just runs. Tests on it tell their own rows by users and offsets."""
    stage = Stage(service, log_broker, unique_database(), tmp_path_factory.mktemp("calm"))
    stage.skip_the_past()
    stage.sink()
    eventually(lambda: "partitions_assigned" in stage.sinks[0].log())
    yield stage
    assert stage.sinks[0].stop() == 0
    stage.close()


def test_every_topic_but_ticks_arrives_and_lag_reads_zero(calm):
    names = {
        "order-commands": "order_command",
        "transfers": "transfer",
        "venue-requests.simulated": "venue_request",
        "venue-reports": "venue_report",
        "order-events": "order_event",
        "ledger-entries": "journal_entry",
        "dead-letters": "dead_letter",
    }
    count = "SELECT _topic, uniqExact(_partition, _offset) FROM stored_records GROUP BY _topic"
    calm.drained()
    before = dict(calm.rows(count))
    for topic, name in names.items():
        calm.send(topic, [samples.message(name, seed) for seed in range(12)], chunk=4)
    calm.send("ticks", [Tick(NOW)])
    calm.drained()
    without_rows = sum(not samples.message("journal_entry", seed).postings for seed in range(12))
    after = dict(calm.rows(count))
    assert {topic: after[topic] - before.get(topic, 0) for topic in after} == {
        topic: 12 - (without_rows if topic == "ledger-entries" else 0) for topic in names
    }
    assert set(calm.lag().values()) == {0}


def test_aborted_transactions_leave_no_row_and_no_lag(calm):
    calm.send("order-events", events(30, user="kept"), chunk=30)
    calm.send("order-events", events(30, user="aborted"), chunk=30, aborted=True)
    calm.drained()
    assert calm.value("SELECT countIf(user_id LIKE 'kept-%') FROM order_events") == 30
    assert calm.value("SELECT countIf(user_id LIKE 'aborted-%') FROM order_events") == 0


def test_a_record_nobody_can_take_is_a_dead_letter_and_its_batch_goes_in(calm):
    calm.drained()
    start = calm.ends()["order-events", 2]
    too_late = OrderEvent("u", "t", 0, 0, 0, 1 << 62, EventKind.ORDER_OPENED)
    messages = [*events(20, user="before"), b"garbage", None, too_late, *events(20, user="after")]
    calm.send("order-events", messages, partition=2)
    calm.drained()
    assert calm.value("SELECT countIf(match(user_id, '^(before|after)-')) FROM order_events") == 40
    found = calm.rows(
        "SELECT reason, stage, source_topic, source_partition, _topic, value, _offset FROM dead_letters "
        f"WHERE _topic = 'order-events' AND _partition = 2 AND _offset >= {start} ORDER BY _offset"
    )
    assert [row[0] for row in found] == ["NOT_WIRE_FORMAT", "EMPTY", "OUT_OF_RANGE"]
    assert {row[1:5] for row in found} == {("sink", "order-events", 2, "order-events")}
    assert found[0][5] == "garbage"
    assert [row[6] for row in found] == [start + 20, start + 21, start + 22]


def test_metrics_say_what_happened(calm):
    calm.drained()
    stored = (
        "fillstream_sink_records_total[('result', 'stored'), ('table', 'order_commands'), ('topic', 'order-commands')]"
    )
    dead = stored.replace("'stored'", "'dead_letter'").replace("order_commands", "dead_letters")
    count = "fillstream_sink_freshness_seconds_count[('topic', 'order-commands')]"
    in_time = "fillstream_sink_freshness_seconds_bucket[('le', '300.0'), ('topic', 'order-commands')]"
    names = (stored, dead, count, in_time)
    before = calm.metrics()
    commands = [samples.message("order_command", seed) for seed in range(200)]
    sound = [c for c in commands if fault_of(c, TABLES[OrderCommand]) is None][:60]
    calm.send("order-commands", [*sound, b"x", b"y", b"z"])
    calm.drained()
    time.sleep(1.2)  # figures are taken once a second
    found = calm.metrics()
    assert [found[name] - before.get(name, 0) for name in names] == [60, 3, 63, 63]
    assert found["fillstream_sink_insert_total[('result', 'ok'), ('table', 'order_commands')]"] >= 1
    assert found["fillstream_sink_insert_seconds_count[('table', 'order_commands')]"] >= 1
    for (topic, partition), end in calm.ends().items():
        label = f"[('partition', '{partition}'), ('topic', '{topic}')]"
        assert found[f"fillstream_sink_consumer_lag_seconds{label}"] == 0
        assert found[f"fillstream_sink_consumer_lag_records{label}"] == 0
        assert found[f"fillstream_sink_committed_offset{label}"] == end
        assert found[f"fillstream_sink_high_watermark{label}"] == end
        assert found[f"fillstream_sink_stopped{label}"] == 0
    assert found["fillstream_sink_lag_collect_timestamp_seconds"] == pytest.approx(time.time(), abs=5)
    assert found["fillstream_sink_buffer_bytes"] == 0


# ── lost records ────────────────────────────────────────────────────────────────────────────────────────────────────


def delete_before(stage: Stage, topic: str, partition: int, offset: int) -> None:
    admin = AdminClient(kafka.client(stage.settings))
    for future in admin.delete_records([TopicPartition(topic, partition, offset)]).values():
        future.result(10)


def commit(stage: Stage, topic: str, partition: int, offset: int, metadata: str) -> None:
    consumer = Consumer(kafka.consumer(stage.settings, group_of(stage.settings)))
    consumer.commit(offsets=[TopicPartition(topic, partition, offset, metadata)], asynchronous=False)
    consumer.close()


def test_lost_records_stop_their_partition_with_an_alert_and_no_other(stage):
    """Partition 0 has lost a part of an unfinished batch, 1 its committed offset; 2 has all of its unfinished batch."""
    starts = {partition: stage.ends()["order-events", partition] for partition in range(3)}
    for partition, start in starts.items():
        stage.send("order-events", events(30), partition=partition)
        records = [Record(start + n, 0, b"key", codec.encode(event)) for n, event in enumerate(events(10))]
        if partition != 1:
            intent = Intent(start, start + 9, 10, digest_of(records), VERSION)
            commit(stage, "order-events", partition, start, metadata_of(intent))
    for partition in (0, 1):
        delete_before(stage, "order-events", partition, starts[partition] + 5)
    sink = stage.sink()
    eventually(lambda: sink.log().count("partition_stopped") == 2)
    eventually(lambda: stage.stored("order_events") == 30)
    assert stage.value("SELECT groupUniqArray(_partition) FROM order_events") == [2]
    assert sink.log().count("intent_replayed") == 1
    time.sleep(1.2)  # figures are taken once a second
    stopped = {name for name, value in stage.metrics().items() if name.startswith("fillstream_sink_stopped") and value}
    assert stopped == {f"fillstream_sink_stopped[('partition', '{n}'), ('topic', 'order-events')]" for n in (0, 1)}
    assert sink.stop() == 0
    lag = stage.lag()
    assert (lag["order-events", 0], lag["order-events", 1], lag["order-events", 2]) == (30, 30, 0)

    gaps = [
        f"--accept-gap=order-events:{partition}:{starts[partition]}:{starts[partition] + 5}" for partition in (0, 1)
    ]
    again = stage.sink(*gaps)
    stage.drained()
    assert again.log().count("gap_accepted") == 2
    assert stage.rows("SELECT _partition, count() FROM order_events GROUP BY _partition ORDER BY _partition") == [
        (0, 25),
        (1, 25),
        (2, 30),
    ]


# ── bounds, figures, set-up ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_clickhouse_that_does_not_answer_stops_reading_but_not_the_poll_loop(stage):
    sink = stage.sink(sink_batch_rows_max=100)
    eventually(lambda: "partitions_assigned" in sink.log())
    stage.service.child.pause()
    try:
        stage.send("order-events", events(12_000))
        eventually(lambda: sum(v for n, v in stage.metrics().items() if "sink_paused" in n) == PARTITIONS)
        found = stage.metrics()
        assert found["fillstream_sink_buffer_bytes"] < 20_000_000
        time.sleep(4)  # longer than the group waits for a member that doesn't poll or beat
        assert "partitions_given_up" not in sink.log()
    finally:
        stage.service.child.resume()
    stage.drained()
    assert stage.rows("SELECT count(), uniqExact(_partition, _offset) FROM order_events") == [(12_000, 12_000)]


def test_a_wrong_password_is_told_with_what_to_do(service):
    settings = service.settings.model_copy(update={"clickhouse_password": SecretStr("wrong")})
    with StopRequest() as stop, pytest.raises(SettingsError, match="set clickhouse_username and clickhouse_password"):
        sink._connected(settings, stop)
