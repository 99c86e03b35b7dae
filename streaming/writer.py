"""The transactional producer of one partition number: writes a chunk's records as one transaction, and fences.

The transactional ID belongs to the number, so a new owner's first call shuts out the former one for good. KIP-447
fences by consumer group instead, for programs that keep their positions there; ours are rows of the same transaction.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from runtime import kafka
from runtime.settings import Settings
from schemas import topics
from streaming.chunk import Outgoing

log = structlog.get_logger()

#: librdkafka writes its log to stderr by itself, in a format of its own. What matters also comes as an exception.
QUIET: Final = {"log_level": 2}

#: How long a transaction may take before the broker gives it up, and the process with it. A broker that pauses for less
#: costs time only; a crashed worker's open transaction holds up read-committed readers no longer than this.
TRANSACTION_TIMEOUT_S: Final = 20.0
_FENCE_TIMEOUT_S: Final = 60.0
_ABORT_TIMEOUT_S: Final = 5.0
_QUEUE_FULL_WAIT_S: Final = 0.05
_PATIENCE_S: Final = 1.0  # how long one call waits, before we look whether its result is still wanted

_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001  # librdkafka's own names
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError._FATAL,  # noqa: SLF001  # of a record, once the producer has been fenced
    }
)


#: Enough to be cheap for each, few enough that librdkafka has something to send while a chunk is decided.
_BATCH_RECORDS: Final = 500


class Fenced(Exception):  # noqa: N818  # Kafka's word
    """Another worker has taken this partition over; what this one has in memory is out of date."""


class Abandoned(Exception):  # noqa: N818  # not an error: the partition was taken away meanwhile
    """The partition is no longer wanted."""


class Writer:
    """The way out of one partition: transaction after transaction. To be used by one caller at a time."""

    def __init__(self, settings: Settings, transactional_id: str, partition: int, wanted: Callable[[], bool]) -> None:
        """Connects and fences: afterwards no earlier owner of *transactional_id* can commit, and none of its
        transactions is open. Blocks. Raises KafkaException if the broker doesn't let it within a minute, and Abandoned
        as soon as *wanted* says no.
        """
        self._partition = partition
        self._waiting: defaultdict[str, list[Outgoing]] = defaultdict(list)
        self._stuck = False
        self._refused: KafkaError | None = None
        self._producer = Producer(
            kafka.producer(
                settings,
                transactional_id=transactional_id,
                transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1_000),
                retry_backoff_ms=5,  # the next transaction's first call meets the last one's markers being written
                linger_ms=20,  # while a chunk is decided, records leave in large batches; a commit waits for none
                compression_type="lz4",
                queue_buffering_max_messages=1_000_000,
                delivery_report_only_error=True,
                message_max_bytes=topics.ROW_BYTES_MAX,
            )
            | QUIET
        )
        _persist(self._producer.init_transactions, time.monotonic() + _FENCE_TIMEOUT_S, wanted)
        self._producer.begin_transaction()  # nothing reaches the broker before the first record does

    def emit(self, topic: str, value: bytes | None, key: bytes | None) -> None:
        """Adds a record to the open transaction: to the partition of this writer's number. Never waits or fails.

        Records go to librdkafka by the batch, which sends them while more is being decided: one by one, each would wait
        for locks that librdkafka's own threads hold, with the interpreter's lock in hand. What it doesn't take comes up
        in commit.
        """
        waiting = self._waiting[topic]
        waiting.append({"key": key, "value": value})
        if len(waiting) >= _BATCH_RECORDS and not self._stuck:
            self._hand_over(topic)

    def emit_all(self, topic: str, records: list[Outgoing]) -> None:
        """As emit, for many."""
        self._waiting[topic] += records
        if records and not self._stuck:
            self._hand_over(topic)

    def commit(self) -> None:
        """Commits everything emitted since the last commit, or raises and leaves nothing of it. Blocks.

        Raises Fenced if the partition has another owner by now, KafkaException for whatever else went wrong.
        """
        deadline = time.monotonic() + TRANSACTION_TIMEOUT_S
        try:
            for topic in self._waiting:
                self._hand_over_with_patience(topic, deadline)
            _persist(self._producer.commit_transaction, deadline)
            self._producer.begin_transaction()
        except KafkaException as error:
            if error.args[0].code() in _FENCED:
                raise Fenced from error
            self.abort()
            raise

    def _hand_over(self, topic: str) -> None:
        """Gives librdkafka what waits for *topic*; what doesn't fit its queue goes on waiting."""
        records = self._waiting[topic]
        taken = self._producer.produce_batch(topic, records, partition=self._partition)
        self._stuck = taken < len(records)
        if self._stuck:
            errors = [record.pop("_error", None) for record in records]  # type: ignore[typeddict-item]  # its own addition
            error = next(filter(None, errors))
            if error.code() != KafkaError._QUEUE_FULL or any(errors[:taken]):  # noqa: SLF001  # or one has overtaken another
                self._refused = error
        del records[:taken]

    def _hand_over_with_patience(self, topic: str, deadline: float) -> None:
        """Waits for room in the producer's queue. Raises KafkaException if there is none until *deadline*."""
        while self._waiting[topic]:
            if self._refused is None:
                self._hand_over(topic)
            if self._refused is not None:
                raise KafkaException(self._refused)
            if self._stuck:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._QUEUE_FULL))  # noqa: SLF001
                self._producer.poll(_QUEUE_FULL_WAIT_S)

    def abort(self) -> None:
        """Best effort, so that readers needn't wait for what is lost: if it fails, the next owner's fencing does it."""
        try:
            self._producer.abort_transaction(_ABORT_TIMEOUT_S)
        except KafkaException as error:
            log.warning("abort_failed", error=str(error))


def _persist(call: Callable[[float], Any], deadline: float, wanted: Callable[[], bool] = lambda: True) -> None:
    """Repeats *call* as long as librdkafka says that repeating may help, until *deadline*. A timeout loses nothing."""
    while wanted():
        try:
            call(max(0.1, min(_PATIENCE_S, deadline - time.monotonic())))
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
        else:
            return
    raise Abandoned
