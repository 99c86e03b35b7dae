"""The transactional producer of one partition number: writes a chunk's records as one transaction, and fences.

The transactional ID belongs to the number, so a new owner's first call shuts out the former one for good. KIP-447
fences by consumer group instead, for programs that keep their positions there; ours are rows of the same transaction.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from runtime import kafka
from runtime.settings import Settings
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
    }
)


class Fenced(Exception):  # noqa: N818  # Kafka's word
    """Another worker has taken this partition over; what this one has in memory is out of date."""


class Abandoned(Exception):  # noqa: N818  # not an error: the partition was taken away meanwhile
    """The partition is no longer wanted."""


class Writer:
    """Blocks in every method: to be used in a thread, by one caller at a time."""

    def __init__(self, settings: Settings, transactional_id: str, wanted: Callable[[], bool]) -> None:
        """Connects and fences: afterwards no earlier owner of *transactional_id* can commit, and none of its
        transactions is open. Raises KafkaException if the broker doesn't let it within a minute, and Abandoned as soon
        as *wanted* says no.
        """
        self._producer = Producer(
            kafka.producer(
                settings,
                transactional_id=transactional_id,
                transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1_000),
                retry_backoff_ms=5,  # the next transaction's first call meets the last one's markers being written
                linger_ms=1,
                compression_type="lz4",
                queue_buffering_max_messages=1_000_000,
                delivery_report_only_error=True,
                message_max_bytes=8_000_000,  # a dead letter is a little larger than the largest record it can hold
            )
            | QUIET
        )
        _persist(self._producer.init_transactions, time.monotonic() + _FENCE_TIMEOUT_S, wanted)

    def write(self, outgoing: Sequence[Outgoing], partition: int) -> None:
        """Commits all of *outgoing*, each record to number *partition* of its topic, or raises and leaves nothing.

        Raises Fenced if the partition has another owner by now, KafkaException for whatever else went wrong.
        """
        deadline = time.monotonic() + TRANSACTION_TIMEOUT_S
        try:
            self._producer.begin_transaction()
            produce = self._producer.produce
            for record in outgoing:
                try:
                    produce(record.topic, record.value, record.key, partition)
                except BufferError:
                    self._produce_with_patience(record, partition, deadline)
            _persist(self._producer.commit_transaction, deadline)
        except KafkaException as error:
            if error.args[0].code() in _FENCED:
                raise Fenced from error
            self._abort()
            raise

    def _produce_with_patience(self, record: Outgoing, partition: int, deadline: float) -> None:
        """Waits for room in the producer's queue. Raises KafkaException if there is none until *deadline*."""
        while True:
            self._producer.poll(_QUEUE_FULL_WAIT_S)
            try:
                self._producer.produce(record.topic, record.value, record.key, partition)
            except BufferError as error:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._QUEUE_FULL)) from error  # noqa: SLF001
            else:
                return

    def _abort(self) -> None:
        """Best effort: if it fails, the next owner's fencing aborts the transaction."""
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
