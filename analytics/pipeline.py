"""From the poll to the commit: every partition of every topic into ClickHouse, each record exactly once.

Why it holds: an intent is taken by the broker only from the current owner of the group's membership, so two owners can
differ about one range at most; both write that range as the same batch under the same token, and ClickHouse drops the
second. The poll loop waits for nobody: commits are answered while polling, inserts happen in threads of their own.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from analytics import intents, mapping
from analytics.gaps import Gap as AcceptedGap
from analytics.inserts import Failed, Inserter, Outcome, Stored, Unreadable
from analytics.intents import Intent
from analytics.lanes import Batch, Gap, Lane, Limits, Phase, Stop
from analytics.mapping import Record
from analytics.metrics import LaneState, SinkMetrics
from runtime import kafka
from runtime.process import StopRequest

_POLL_S: Final = 0.05
_POLL_RECORDS: Final = 5_000
_BUFFER_BYTES_MAX: Final = 64 << 20
_BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_STOP_WITHIN_S: Final = 12.0
_COMMITTED_WITHIN_S: Final = 15.0
_START_OVER_AFTER_S: Final = 5.0
_OBSERVE_EVERY_S: Final = 1.0
_LOG_START_WITHIN_S: Final = 2.0

#: The broker's ways of saying that somebody else owns the partition now, or is about to.
_NOT_OWNER: Final = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001  # the library has no other name for its own errors
        KafkaError._FENCED,  # noqa: SLF001  # as above
    }
)

log = structlog.get_logger()


def backoff_s(attempts: int) -> float:
    """How long to wait before the next try, after so many. There is always a next one: the records wait in Kafka."""
    return _BACKOFF_S[min(attempts, len(_BACKOFF_S) - 1)]


class Pipeline:
    """Reads all topics, a lane a partition, and writes their batches. All methods run in the thread of `run`."""

    def __init__(
        self,
        configuration: dict[str, Any],
        limits: Limits,
        inserter: Callable[[SinkMetrics], Inserter],
        accepted: Mapping[tuple[str, int], AcceptedGap] | None = None,
    ) -> None:
        self._limits = limits
        self._accepted = accepted or {}
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._writing: dict[tuple[str, int], tuple[Batch, Future[Outcome]]] = {}
        self._metrics = SinkMetrics()
        self._observed_s = 0.0
        self._inserter = inserter(self._metrics)
        self._consumer = Consumer(configuration | {"on_commit": self._on_commit})

    def run(self, subscription: Sequence[str], stop: StopRequest) -> None:
        """Read and write until *stop*. Raises KafkaException if Kafka won't have this consumer any more."""
        self._consumer.subscribe(
            list(subscription), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        try:
            while not stop.requested:
                self._take(self._consumer.consume(_POLL_RECORDS, _POLL_S))
                self._advance()
            self._finish()
        finally:
            self._lanes.clear()
            self._consumer.close()
            self._inserter.close()
        log.info("sink_stopped")

    def _finish(self) -> None:
        """Let end what is being written, and commit what is clean. What takes longer is found by its intent."""
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        for lane in self._lanes.values():
            lane.leave()
        while self._writing and time.monotonic() < deadline_s:
            self._take(self._consumer.consume(1, _POLL_S))
            self._collect(time.monotonic())
        self._commit_clean(self._lanes.values())

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, messages: Iterable[Any]) -> None:
        now_s = time.monotonic()
        for message in messages:
            error = message.error()
            lane = self._lanes.get((message.topic(), message.partition()))
            if error is not None:
                self._note(error, lane, message.offset())
            elif lane is not None:
                stamp = message.timestamp()[1]
                lane.take(Record(message.offset(), max(stamp, 0), message.key(), message.value()), now_s)

    def _note(self, error: KafkaError, lane: Lane | None, offset: int) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the library has no other name for it
            if lane is not None:
                lane.reached_end(offset)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  # as above
            if lane is not None:
                self._stop_lane(lane, Stop.GAP, f"the committed offset {lane.stored_to} is not in the log any more")
        elif error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001  # as above
            raise KafkaException(error)
        else:
            log.warning("kafka_error", detail=str(error))

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _advance(self) -> None:
        """Every lane's next step that is due."""
        now_s = time.monotonic()
        self._collect(now_s)
        commits = []
        for lane in self._lanes.values():
            try:
                commits += self._due_commits(lane, now_s)
            except Gap as gap:
                self._stop_lane(lane, Stop.GAP, str(gap))
            if lane.phase is Phase.WRITING and lane.key not in self._writing and now_s >= lane.retry_at_s:
                self._write(lane)
        self._commit(commits)
        self._balance_buffers()
        self._observe(now_s)
        if due := [lane for lane in self._lanes.values() if lane.phase is Phase.REFUSED and now_s >= lane.retry_at_s]:
            self._start_over(due)

    def _due_commits(self, lane: Lane, now_s: float) -> list[TopicPartition]:
        """The commit of a new intent, of one that failed, or of none after an idle while. Raises Gap."""
        if lane.phase is Phase.INTENT and lane.attempts and now_s >= lane.retry_at_s:
            batch = lane.batch
        else:
            batch = lane.next_batch(self._limits, now_s)
        if batch is not None:
            lane.retry_at_s = float("inf")  # until the answer is here
            return [_commit_of(lane, batch.intent.first, batch.metadata)]
        idle = lane.idle_offset(self._limits, now_s)
        if idle is None or now_s < lane.retry_at_s:
            return []
        lane.idle_commit = idle
        return [_commit_of(lane, idle, intents.NOTHING)]

    def _write(self, lane: Lane) -> None:
        assert lane.batch is not None, "a lane that writes has a batch"
        self._writing[lane.key] = lane.batch, self._inserter.write(lane.batch)

    def _collect(self, now_s: float) -> None:
        """What the inserts came to. One of a lane that went to another owner in the meantime is of no interest."""
        for key, (batch, future) in list(self._writing.items()):
            if not future.done():
                continue
            del self._writing[key]
            lane = self._lanes.get(key)
            if lane is None or lane.batch is not batch:
                continue
            match future.result():
                case Failed(detail):
                    delay_s = backoff_s(lane.attempts)
                    lane.failed(now_s + delay_s)
                    log.warning("insert_failed", topic=key[0], partition=key[1], detail=detail, retry_in_s=delay_s)
                case Unreadable(detail):
                    self._wait_for_schema(lane, detail, now_s)
                case Stored() as stored:
                    self._count(batch, stored)
                    lane.stored(now_s)

    def _wait_for_schema(self, lane: Lane, detail: str, now_s: float) -> None:
        """Look again from time to time, and say so once."""
        lane.failed(now_s + backoff_s(lane.attempts))
        if not lane.unreadable:
            log.error(
                "schema_not_known",
                topic=lane.topic,
                partition=lane.partition,
                detail=detail,
                todo="register the schema, or start a release that has it; if it will never come, make its records "
                "dead letters: fillstream sink --give-up-schema ID",
            )
        lane.unreadable = True

    def _count(self, batch: Batch, stored: Stored) -> None:
        if stored.records:
            self._metrics.records.labels(batch.topic, stored.table, "stored").inc(stored.records)
        if stored.dead:
            self._metrics.records.labels(batch.topic, mapping.DEAD_LETTERS, "dead_letter").inc(stored.dead)
            log.warning("records_dead_lettered", topic=batch.topic, partition=batch.partition, count=stored.dead)
        self._metrics.freshness.observe(
            batch.topic, (record.timestamp_ms for record in batch.records), time.time() * 1_000
        )

    def _balance_buffers(self) -> None:
        """Stop reading what is far ahead of ClickHouse until it has caught up; a replay is read to its end first."""
        size = sum(lane.size_bytes for lane in self._lanes.values())
        for lane in self._lanes.values():
            far_ahead = lane.buffered >= 2 * self._limits.records_max or size >= _BUFFER_BYTES_MAX
            low = lane.buffered < self._limits.records_max and size < _BUFFER_BYTES_MAX // 2
            if lane.unreadable or (far_ahead and lane.buffered):
                if not lane.paused and lane.intent is None:
                    lane.paused = True
                    self._consumer.pause([TopicPartition(*lane.key)])
            elif lane.paused and low:
                lane.paused = False
                self._consumer.resume([TopicPartition(*lane.key)])

    def _stop_lane(self, lane: Lane, why: Stop, detail: str) -> None:
        """Read no more of it, and say what to do. No other partition minds."""
        todo = (
            f"see whether {mapping.table_of(lane.topic).name} has rows of this stretch and where the log begins now "
            f"(offset {self._log_start(lane)}); then go on behind what is lost or stored: "
            f"fillstream sink --accept-gap {lane.topic}:{lane.partition}:{lane.stored_to}:TO"
            if why is Stop.GAP
            else "start a release with that version of the mapping, stop it (SIGTERM) once it has no lag, then this one"
        )
        lane.stop(why)
        self._consumer.pause([TopicPartition(*lane.key)])
        log.error("partition_stopped", topic=lane.topic, partition=lane.partition, reason=why, detail=detail, todo=todo)

    def _log_start(self, lane: Lane) -> int | str:
        """The first offset that there still is."""
        try:
            low, _ = self._consumer.get_watermark_offsets(TopicPartition(*lane.key), timeout=_LOG_START_WITHIN_S)
        except KafkaException:
            return "unknown"
        return int(low)

    # ── committing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _commit(self, commits: list[TopicPartition]) -> None:
        """Ask for the commits; the answers come to `_on_commit` while polling, so that no broker can stop the loop."""
        if not commits:
            return
        try:
            self._consumer.commit(offsets=commits, asynchronous=True)
        except KafkaException as error:
            for commit in commits:
                self._answered(commit, error.args[0])

    def _on_commit(self, error: KafkaError | None, commits: Iterable[TopicPartition]) -> None:
        for commit in commits:
            self._answered(commit, commit.error or error)

    def _answered(self, commit: TopicPartition, error: KafkaError | None) -> None:
        """The broker's answer to a commit. One that asks for what nobody waits for any more is of no interest."""
        lane = self._lanes.get((commit.topic, commit.partition))
        metadata = commit.metadata or intents.NOTHING
        if lane is None:
            return
        if lane.phase is Phase.INTENT and lane.batch is not None and lane.batch.metadata == metadata:
            self._intent_answered(lane, error)
        elif not metadata and lane.idle_commit == commit.offset:
            if error is None:
                lane.idle_committed(commit.offset)
            else:
                lane.idle_commit = None
                lane.retry_at_s = time.monotonic() + backoff_s(0)

    def _intent_answered(self, lane: Lane, error: KafkaError | None) -> None:
        if error is None:
            batch = lane.intent_committed()
            lane.retry_at_s = 0.0
            lane.attempts = 0
            if batch.replayed:
                self._metrics.replayed.inc()
                log.info(
                    "intent_replayed",
                    topic=lane.topic,
                    partition=lane.partition,
                    offsets=f"{batch.intent.first}-{batch.intent.last}",
                    records=batch.intent.records,
                )
            self._write(lane)
        elif error.code() in _NOT_OWNER:
            self._metrics.refused.inc()
            log.warning("commit_refused", topic=lane.topic, partition=lane.partition, detail=str(error))
            lane.refused(time.monotonic() + _START_OVER_AFTER_S)
        else:
            lane.failed(time.monotonic() + backoff_s(lane.attempts))
            log.warning("commit_failed", topic=lane.topic, partition=lane.partition, detail=str(error))

    # ── owning ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        starts = [self._lane_at(commit) for commit in kafka.committed(self._consumer, partitions, _COMMITTED_WITHIN_S)]
        self._consumer.assign(starts)
        self._consumer.resume(starts)  # what another owner, or this one in a former life, paused
        log.info("partitions_assigned", count=len(starts))
        self._stop_other_versions(starts)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Another owner goes on where the intents say; what is clean is committed, so that it need not look back."""
        lanes = [lane for p in partitions if (lane := self._lanes.get((p.topic, p.partition))) is not None]
        self._commit_clean(lanes)
        self._on_lost(_consumer, partitions)

    def _commit_clean(self, lanes: Iterable[Lane]) -> None:
        """Commit without intents, and wait for it: the last that is done before these lanes are given up."""
        clean = [_commit_of(lane, lane.clean_offset, intents.NOTHING) for lane in lanes if lane.clean_offset]
        try:
            if clean:
                self._consumer.commit(offsets=clean, asynchronous=False)
        except KafkaException as error:
            log.info("commit_failed", detail=str(error))  # the next owner writes the last batches again, in vain

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._lanes.pop((partition.topic, partition.partition), None)
        log.info("partitions_given_up", count=len(partitions))

    def _start_over(self, lanes: Sequence[Lane]) -> None:
        """Begin again where the broker says. For lanes that were refused a commit, and yet not taken away since."""
        partitions = [TopicPartition(*lane.key) for lane in lanes]
        for commit in kafka.committed(self._consumer, partitions, _COMMITTED_WITHIN_S):
            self._consumer.seek(self._lane_at(commit))
        self._consumer.resume(partitions)
        self._stop_other_versions(partitions)

    def _stop_other_versions(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop what only another release can finish: the rows of one batch must all come of one mapping."""
        for lane in [self._lanes[partition.topic, partition.partition] for partition in partitions]:
            intent = lane.intent
            if intent is not None and intent.version != mapping.VERSION:
                self._stop_lane(
                    lane,
                    Stop.VERSION,
                    f"offsets {intent.first} to {intent.last} were begun under version {intent.version} of the "
                    f"mapping, and this is version {mapping.VERSION}",
                )

    def _lane_at(self, commit: TopicPartition) -> TopicPartition:
        """A new lane that begins at this commit; returns where to read from."""
        start = commit.offset if commit.offset >= 0 else None
        intent = None if start is None else intents.intent_of(start, commit.metadata)
        start, intent = self._behind_gap(commit, start, intent)
        lane = Lane(commit.topic, commit.partition, start, intent, time.monotonic())
        self._lanes[lane.key] = lane
        return TopicPartition(lane.topic, lane.partition, OFFSET_BEGINNING if start is None else start)

    def _behind_gap(
        self, commit: TopicPartition, start: int | None, intent: Intent | None
    ) -> tuple[int | None, Intent | None]:
        """Where to go on, and what is unfinished there, if a gap that begins at this commit is accepted."""
        gap = self._accepted.get((commit.topic, commit.partition))
        if gap is None or gap.first != start:
            return start, intent
        log.warning("gap_accepted", topic=gap.topic, partition=gap.partition, offsets=f"{gap.first}-{gap.end - 1}")
        return gap.end, None

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _observe(self, now_s: float) -> None:
        """Take down where everything stands, once a second: the consumer answers no other thread while it polls."""
        if now_s - self._observed_s >= _OBSERVE_EVERY_S:
            self._observed_s = now_s
            self._metrics.observe([self._state(lane) for lane in self._lanes.values()])

    def _state(self, lane: Lane) -> LaneState:
        return LaneState(
            topic=lane.topic,
            partition=lane.partition,
            stored_to=lane.stored_to,
            high_watermark=self._high_watermark(lane),
            head_ms=lane.head_ms,
            size_bytes=lane.size_bytes,
            paused=_why_paused(lane),
            stopped=lane.phase is Phase.STOPPED,
        )

    def _high_watermark(self, lane: Lane) -> int | None:
        """The end of the partition as the last fetch saw it."""
        _, high = self._consumer.get_watermark_offsets(TopicPartition(*lane.key), cached=True)
        return high if high >= 0 else None


def _why_paused(lane: Lane) -> str | None:
    if lane.stopped is not None:
        return lane.stopped.value
    if lane.unreadable:
        return "schema"
    return "buffer" if lane.paused else None


def _commit_of(lane: Lane, offset: int, metadata: str) -> TopicPartition:
    return TopicPartition(lane.topic, lane.partition, offset, metadata)
