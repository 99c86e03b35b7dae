"""What the pipeline asks of Kafka and ClickHouse, step by step, where a real broker can't be made to answer so."""

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from prometheus_client import CollectorRegistry

from analytics import intents, metrics, pipeline
from analytics.gaps import Gap
from analytics.inserts import Failed, Stored, Unreadable
from analytics.lanes import Batch, Limits, Phase
from analytics.mapping import VERSION
from analytics.pipeline import Pipeline

TOPIC = "order-events"
KEY = (TOPIC, 0)
LIMITS = Limits(records_max=3, bytes_max=10_000, wait_s=0.0, idle_s=1.0)
ERRORS = KafkaError


class Message:
    """What the consumer returns."""

    def __init__(self, offset: int, error: KafkaError | None = None) -> None:
        self._offset, self._error = offset, error

    def topic(self) -> str:
        return TOPIC

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_000)

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes:
        return b"v"

    def error(self) -> KafkaError | None:
        return self._error


class Broker:
    """The consumer's side of a broker that answers commits when the test says so."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.answer = configuration["on_commit"]
        self.commits: list[TopicPartition] = []
        self.sync_commits: list[TopicPartition] = []
        self.stands_at = TopicPartition(TOPIC, 0, -1001)
        self.paused: set[tuple[str, int]] = set()
        self.sought: list[TopicPartition] = []
        self.assigned: list[TopicPartition] = []
        self.coordinator_moves = False

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        (self.commits if asynchronous else self.sync_commits).extend(offsets)

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout < 60
        if self.coordinator_moves:
            self.coordinator_moves = False
            raise KafkaException(KafkaError(ERRORS.NOT_COORDINATOR))
        return [self.stands_at for _ in partitions]

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = partitions

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {(p.topic, p.partition) for p in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {(p.topic, p.partition) for p in partitions}

    def seek(self, partition: TopicPartition) -> None:
        self.sought.append(partition)

    def get_watermark_offsets(
        self, _partition: TopicPartition, *, cached: bool = False, timeout: float = 60.0
    ) -> tuple[int, int]:
        assert cached or timeout < 5, "asking the broker blocks the poll loop"
        return 0, 100

    def close(self) -> None:
        pass


class Inserts:
    """Inserts that end when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Batch, Future[Stored | Failed]]] = []

    def write(self, batch: Batch) -> Future[Stored | Failed]:
        self.asked.append((batch, Future()))
        return self.asked[-1][1]

    def close(self) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s


class Play:
    """A pipeline that owns one partition, with everything around it in the test's hands."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, stands_at: TopicPartition | None = None, gap: Gap | None = None
    ) -> None:
        self.clock, self.inserts, self.registry = Clock(), Inserts(), CollectorRegistry()
        monkeypatch.setattr(pipeline, "time", self.clock)
        monkeypatch.setattr(pipeline, "Consumer", Broker)
        monkeypatch.setattr(pipeline, "SinkMetrics", lambda: metrics.SinkMetrics(self.registry))
        accepted = {KEY: gap} if gap else None
        self.pipeline = Pipeline({}, LIMITS, lambda _metrics: self.inserts, accepted)  # type: ignore[arg-type, return-value]
        self.broker: Broker = self.pipeline._consumer
        if stands_at is not None:
            self.broker.stands_at = stands_at
        self.assign()

    def assign(self) -> None:
        self.pipeline._on_assign(self.broker, [TopicPartition(*KEY)])

    def poll(self, *offsets: int, end: int | None = None) -> None:
        messages = [Message(offset) for offset in offsets]
        if end is not None:
            messages.append(Message(end, KafkaError(ERRORS._PARTITION_EOF)))
        self.pipeline._take(messages)
        self.pipeline._advance()

    def later(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.poll()

    def answer(self, error: int | None = None) -> None:
        """The broker's answer to the last commit."""
        self.broker.answer(None if error is None else KafkaError(error), [self.broker.commits[-1]])

    def gauge(self, name: str, **labels: str) -> float | None:
        """As of the last second."""
        self.later(1.1)
        return self.registry.get_sample_value(f"fillstream_sink_{name}", {"topic": TOPIC, "partition": "0", **labels})

    @property
    def lane(self) -> Any:
        return self.pipeline._lanes[KEY]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    return Play(monkeypatch)


def test_nothing_is_inserted_before_the_broker_has_taken_the_intent(play):
    play.poll(0, 1, 2)
    assert play.inserts.asked == []
    (commit,) = play.broker.commits
    assert (commit.offset, intents.intent_of(0, commit.metadata).last) == (0, 2)
    play.answer()
    (batch, _), = play.inserts.asked  # fmt: skip
    assert [record.offset for record in batch.records] == [0, 1, 2]


def test_the_next_intent_acknowledges_the_batch_before(play):
    play.poll(0, 1, 2, 3, 4, 5)
    play.answer()
    play.poll()
    assert len(play.broker.commits) == 1
    play.inserts.asked[0][1].set_result(Stored("order_events", 3, 0))
    play.poll()
    assert [commit.offset for commit in play.broker.commits] == [0, 3]


@pytest.mark.parametrize(
    "error",
    [
        ERRORS.UNKNOWN_MEMBER_ID,
        ERRORS.ILLEGAL_GENERATION,
        ERRORS.FENCED_INSTANCE_ID,
        ERRORS.REBALANCE_IN_PROGRESS,
        ERRORS._ASSIGNMENT_LOST,
    ],
)
def test_a_refused_intent_inserts_nothing_and_drops_what_was_read(play, error):
    play.poll(0, 1, 2, 3)
    play.answer(error)
    play.later(1)
    assert play.inserts.asked == []
    assert play.lane.buffered == 0
    assert play.lane.size_bytes == 0
    assert play.registry.get_sample_value("fillstream_sink_commit_refused_total") == 1


def test_a_partition_that_was_refused_and_stays_is_begun_again_where_the_broker_says(play):
    play.poll(0, 1, 2)
    metadata = play.broker.commits[0].metadata
    play.answer(ERRORS.REBALANCE_IN_PROGRESS)
    play.broker.stands_at = TopicPartition(TOPIC, 0, 0, metadata)  # the commit had got through all the same
    play.later(10)
    assert [p.offset for p in play.broker.sought] == [0]
    play.poll(0, 1, 2, 3)
    assert play.broker.commits[-1].metadata == metadata
    play.answer()
    assert play.inserts.asked[0][0].replayed


def test_a_partition_is_begun_where_the_broker_says_however_often_it_must_be_asked(play):
    play.broker.stands_at = TopicPartition(TOPIC, 0, 40)
    play.broker.coordinator_moves = True
    play.assign()
    assert [p.offset for p in play.broker.assigned] == [40]
    play.poll(40, 41, 42)
    play.answer(ERRORS.NOT_COORDINATOR)
    play.later(1)
    play.answer(ERRORS.REBALANCE_IN_PROGRESS)
    play.broker.coordinator_moves = True
    play.later(10)
    assert [p.offset for p in play.broker.sought] == [40]


def test_an_intent_whose_commit_failed_is_committed_again_as_it_was(play):
    play.poll(0, 1, 2)
    play.answer(ERRORS._TIMED_OUT)
    play.poll(3, 4, 5)
    assert len(play.broker.commits) == 1
    play.later(1)
    first, second = play.broker.commits
    assert (first.offset, first.metadata) == (second.offset, second.metadata)
    play.later(60)
    assert len(play.broker.commits) == 2  # its answer is awaited, however long that takes
    assert play.inserts.asked == []
    play.answer()
    assert len(play.inserts.asked) == 1


def test_a_commit_that_can_not_even_be_sent_is_tried_again(play, monkeypatch):
    sent: list[TopicPartition] = []

    def refuse(offsets: list[TopicPartition], **_: Any) -> None:
        sent.extend(offsets)
        raise KafkaException(KafkaError(ERRORS._STATE))

    with monkeypatch.context() as patch:
        patch.setattr(play.broker, "commit", refuse)
        play.poll(0, 1, 2)
    play.later(1)
    assert [commit.metadata for commit in play.broker.commits] == [commit.metadata for commit in sent]


def test_an_answer_is_not_waited_for_twice(play):
    play.poll(0, 1, 2)
    play.answer()
    play.answer()
    play.later(5)
    assert len(play.inserts.asked) == 1


def test_an_insert_that_failed_is_tried_again_under_the_same_token_with_growing_patience(play):
    play.poll(0, 1, 2)
    play.answer()
    waits = []
    for number in range(8):
        play.inserts.asked[number][1].set_result(Failed("away"))
        play.poll()
        waited = 0.0
        while len(play.inserts.asked) == number + 1:
            play.later(0.1)
            waited += 0.1
        waits.append(round(waited, 1))
    assert waits == pytest.approx([0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 10.0, 10.0], abs=0.15)
    assert len({batch.token for batch, _ in play.inserts.asked}) == 1
    assert len(play.broker.commits) == 1


def test_an_insert_that_hangs_keeps_nobody_waiting(play):
    play.poll(0, 1, 2)
    play.answer()
    for start in range(3, 12, 3):
        play.poll(start, start + 1, start + 2)
    assert len(play.inserts.asked) == 1
    assert play.broker.paused == {KEY}
    play.inserts.asked[0][1].set_result(Stored("order_events", 3, 0))
    play.poll()
    play.answer()
    play.inserts.asked[1][1].set_result(Stored("order_events", 3, 0))
    play.poll()
    play.answer()
    play.inserts.asked[2][1].set_result(Stored("order_events", 3, 0))
    play.poll()
    assert play.broker.paused == set()


def test_a_replay_is_read_to_its_end_however_much_is_buffered(monkeypatch):
    records = [pipeline.Record(n, 1_000, b"k", b"v") for n in range(20)]
    intent = intents.Intent(0, 19, 20, intents.digest_of(records), VERSION)
    play = Play(monkeypatch, TopicPartition(TOPIC, 0, 0, intents.metadata_of(intent)))
    play.poll(*range(15))
    assert play.broker.paused == set()
    play.poll(*range(15, 20))
    play.answer()
    assert len(play.inserts.asked[0][0].records) == 20


def test_what_ended_for_a_former_owner_is_of_no_interest(play):
    play.poll(0, 1, 2)
    play.answer()
    stale = play.inserts.asked[0][1]
    play.pipeline._on_lost(play.broker, [TopicPartition(*KEY)])
    play.broker.stands_at = play.broker.commits[0]
    play.assign()
    stale.set_result(Stored("order_events", 3, 0))
    play.poll()
    assert play.lane.stored_to == 0
    assert play.lane.intent is not None


def test_an_answer_to_a_former_owners_commit_starts_no_insert(play):
    play.poll(0, 1, 2)
    old = play.broker.commits[0]
    play.pipeline._on_lost(play.broker, [TopicPartition(*KEY)])
    play.broker.answer(None, [old])
    play.assign()
    play.poll(0, 1)  # another batch than before, at the same offset
    play.broker.answer(None, [old])
    assert play.inserts.asked == []


def test_revoked_partitions_are_committed_clean_and_lost_ones_not_at_all(play):
    play.poll(0, 1, 2)
    play.answer()
    play.inserts.asked[0][1].set_result(Stored("order_events", 3, 0))
    play.poll(end=5)
    play.pipeline._on_revoke(play.broker, [TopicPartition(*KEY)])
    assert [(commit.offset, commit.metadata) for commit in play.broker.sync_commits] == [(5, "")]
    play.assign()
    play.pipeline._on_lost(play.broker, [TopicPartition(*KEY)])
    assert len(play.broker.sync_commits) == 1


def test_a_partition_in_the_middle_of_a_batch_keeps_its_intent_when_it_is_revoked(play):
    play.poll(0, 1, 2)
    play.answer()
    play.pipeline._on_revoke(play.broker, [TopicPartition(*KEY)])
    assert play.broker.sync_commits == []


def test_a_partition_without_a_commit_is_read_from_its_beginning(play):
    assert [p.offset for p in play.broker.assigned] == [OFFSET_BEGINNING]


def test_an_idle_partition_is_committed_once_at_its_end(play):
    play.poll(0, 1, 2)
    play.answer()
    play.inserts.asked[0][1].set_result(Stored("order_events", 3, 0))
    play.poll(end=4)
    play.later(1.1)
    assert (play.broker.commits[-1].offset, play.broker.commits[-1].metadata) == (4, "")
    play.answer()
    play.later(5)
    assert len(play.broker.commits) == 2
    assert play.lane.stored_to == 4


def test_an_idle_commit_that_failed_is_tried_again(play):
    play.poll(end=4)
    play.later(1.1)
    play.answer(ERRORS._TIMED_OUT)
    play.later(1)
    assert [commit.offset for commit in play.broker.commits] == [4, 4]


def test_a_partition_with_a_schema_to_come_waits_and_says_so_once_and_goes_on_by_itself(play, capsys):
    play.poll(0, 1, 2)
    play.answer()
    for number in range(4):
        play.inserts.asked[number][1].set_result(Unreadable("offset 1: UNKNOWN_SCHEMA_ID"))
        play.poll()
        assert play.broker.paused == {KEY}
        assert play.gauge("unknown_schema") == 1
        assert play.gauge("paused", reason="schema") == 1
        play.later(10)
    assert "".join(capsys.readouterr()).count("schema_not_known") == 1
    assert len({batch.token for batch, _ in play.inserts.asked}) == 1
    play.inserts.asked[4][1].set_result(Stored("order_events", 3, 0))
    play.poll()
    assert play.broker.paused == set()
    assert play.gauge("unknown_schema") == 0
    assert play.gauge("paused", reason="schema") == 0


def unfinished(version: int) -> TopicPartition:
    records = [pipeline.Record(n, 1_000, b"k", b"v") for n in range(3)]
    intent = intents.Intent(0, 2, 3, intents.digest_of(records), version)
    return TopicPartition(TOPIC, 0, 0, intents.metadata_of(intent))


def test_a_batch_of_another_version_of_the_mapping_is_finished_by_nobody_but_that(monkeypatch, capsys):
    play = Play(monkeypatch, unfinished(VERSION + 1))
    play.poll(0, 1, 2, 3, end=4)
    play.later(5)
    assert (play.inserts.asked, play.broker.commits) == ([], [])
    assert play.broker.paused == {KEY}
    assert play.lane.phase is Phase.STOPPED
    assert play.gauge("stopped") == 1
    assert play.gauge("paused", reason="version") == 1
    assert play.gauge("retention_gap") == 0
    assert f"under version {VERSION + 1} of the mapping" in "".join(capsys.readouterr())


def test_lost_records_stop_their_partition_and_the_log_says_how_to_go_on(play, capsys):
    play.poll(0, 1, 2)
    play.answer()
    play.inserts.asked[0][1].set_result(Stored("order_events", 3, 0))
    play.poll()
    play.pipeline._take([Message(3, KafkaError(ERRORS._AUTO_OFFSET_RESET))])
    assert play.broker.paused == {KEY}
    assert play.gauge("retention_gap") == 1
    assert play.gauge("stopped") == 1
    assert f"--accept-gap {TOPIC}:0:3:TO" in "".join(capsys.readouterr())


@pytest.mark.parametrize("stands_at", [TopicPartition(TOPIC, 0, 0), unfinished(VERSION)])
def test_behind_an_accepted_gap_it_goes_on_without_the_unfinished_batch(monkeypatch, stands_at):
    play = Play(monkeypatch, stands_at, Gap(TOPIC, 0, 0, 5))
    assert [p.offset for p in play.broker.assigned] == [5]
    play.poll(5, 6, 7)
    play.answer()
    (batch, _), = play.inserts.asked  # fmt: skip
    assert (batch.intent.first, batch.replayed) == (5, False)


def test_a_gap_that_begins_elsewhere_is_not_the_accepted_one(monkeypatch):
    play = Play(monkeypatch, TopicPartition(TOPIC, 0, 2), Gap(TOPIC, 0, 0, 5))
    assert [p.offset for p in play.broker.assigned] == [2]


def test_a_fatal_error_ends_the_pipeline(play):
    with pytest.raises(KafkaException):
        play.pipeline._take([Message(0, KafkaError(ERRORS._FATAL))])


def test_other_errors_of_kafka_are_logged_and_passed_over(play, capsys):
    play.pipeline._take([Message(0, KafkaError(ERRORS._ALL_BROKERS_DOWN))])
    assert "kafka_error" in "".join(capsys.readouterr())


def test_a_sink_that_stops_while_it_writes_leaves_what_it_has_read_besides_to_the_next(play, monkeypatch):
    """The end of the log comes while the insert is waited for: it lies behind what was read and is not written."""
    play.poll(0, 1, 2)
    play.answer()
    play.poll(3)
    ((_, inserted),) = play.inserts.asked

    def consume(_count: int, _within_s: float) -> list[Message]:
        inserted.set_result(Stored("order_events", 3, 0))
        return [Message(4, KafkaError(ERRORS._PARTITION_EOF))]

    monkeypatch.setattr(play.broker, "consume", consume, raising=False)
    play.pipeline._finish()
    assert [(commit.offset, commit.metadata) for commit in play.broker.sync_commits] == [(3, "")]
