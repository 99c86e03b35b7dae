"""Reading topics once, from their first record to where they end now: what commands do that only look."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime import kafka
from runtime.exits import Unavailable
from runtime.settings import Settings
from runtime.topics import unreachable

_GROUP: Final = "operator-reading"  # librdkafka wants a name; nothing joins or commits under it
_BATCH_RECORDS: Final = 5_000
_POLL_S: Final = 0.02
_REQUEST_TIMEOUT_S: Final = 20.0
_STALLED_AFTER_S: Final = 30.0


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one partition: from the offset *first* up to *end* (excluded)."""

    topic: str
    partition: int
    first: int
    end: int


def spans(settings: Settings, topic: str, partition: int | None = None) -> Sequence[Span]:
    """Each partition of *topic*, or only the one asked for, as it is now.

    Raises Unavailable if no broker answers, or has no such partition.
    """
    consumer = _consumer(settings)
    try:
        described = consumer.list_topics(topic, timeout=_REQUEST_TIMEOUT_S).topics[topic]
        if partition is not None and partition not in described.partitions:
            raise Unavailable(
                f"there is no partition {partition} of topic {topic}: `fillstream topics` tells which are"
            )
        if described.error is not None:
            raise Unavailable(f"topic {topic} can't be read ({described.error.str()}): `fillstream topics` makes it")
        numbers = sorted(described.partitions) if partition is None else [partition]
        return [_span(consumer, topic, number) for number in numbers]
    except KafkaException as error:
        raise unreachable(settings, error) from error
    finally:
        consumer.close()


def cluster(settings: Settings) -> str:
    """The cluster's ID. Raises Unavailable if no broker answers."""
    consumer = _consumer(settings)
    try:
        return str(consumer.list_topics(timeout=_REQUEST_TIMEOUT_S).cluster_id)
    except KafkaException as error:
        raise unreachable(settings, error) from error
    finally:
        consumer.close()


def read(settings: Settings, *wanted: Span) -> Iterator[Message]:
    """The committed records of *wanted*, those of a partition in their order.

    Raises Unavailable if the broker stops to answer. A transaction that is still open ends its partition early.
    """
    unread = {(span.topic, span.partition): span.end for span in wanted if span.end > span.first}
    if not unread:
        return
    consumer = _consumer(settings)
    try:
        consumer.assign([TopicPartition(span.topic, span.partition, span.first) for span in wanted])
        moved = time.monotonic()
        while unread:
            batch = consumer.consume(_BATCH_RECORDS, _POLL_S)
            for message in batch:
                place = message.topic(), message.partition()
                if place not in unread:
                    continue  # it has grown meanwhile, or it is an error of no partition, after which it goes on
                if message.error() is not None:
                    _expect_end(message)
                    del unread[place]
                    continue
                end = unread[place]
                if message.offset() < end:
                    yield message
                if message.offset() + 1 >= end:
                    del unread[place]
            if batch:
                moved = time.monotonic()
            elif time.monotonic() - moved > _STALLED_AFTER_S:
                raise Unavailable(f"nothing read for {_STALLED_AFTER_S:.0f} s, still to come: {sorted(unread)}")
    finally:
        consumer.close()


def _consumer(settings: Settings) -> Consumer:
    """Its log is silent: what matters of it comes as an error."""
    return Consumer(
        kafka.consumer(
            settings,
            _GROUP,
            enable_partition_eof=True,
            auto_offset_reset="error",
            queued_max_messages_kbytes=16_384,  # several may read at once
            fetch_wait_max_ms=10,  # the end is told after one fetch of nothing
        )
        | {"log_level": 0}
    )


def _span(consumer: Consumer, topic: str, partition: int) -> Span:
    first, end = kafka.watermarks(consumer, TopicPartition(topic, partition), _REQUEST_TIMEOUT_S)
    return Span(topic=topic, partition=partition, first=first, end=end)


def _expect_end(message: Message) -> None:
    """Raises Unavailable for any error but that there is nothing more."""
    error = message.error()
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for it
        raise Unavailable(f"{message.topic()}[{message.partition()}] can't be read: {error.str()}")
