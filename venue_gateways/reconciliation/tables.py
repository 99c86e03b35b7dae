"""Our live orders at one venue, read from the changelog of the orders table to its end."""

import time
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from domain import decision
from domain.lifecycle import LIVE, PAUSED
from domain.state import Order
from runtime import kafka
from runtime.exits import Unavailable
from runtime.settings import Settings
from schemas import codec, topics
from venue_gateways.reconciliation.differences import Ours

_GROUP: Final = f"{topics.APPLICATION}-reconcile"  # librdkafka wants a name; nothing joins or commits under it
_STALLED_AFTER_S: Final = 30.0
_BATCH_RECORDS: Final = 10_000
_AT_VENUE: Final = LIVE - {PAUSED}


def live_orders(settings: Settings, venue: str) -> list[Ours]:
    """All orders that are, or may be, at *venue* by what the workers have committed. Raises Unavailable."""
    rows = _read(settings, topics.ORDERS_CHANGELOG.name)
    found = []
    for (partition, _), value in rows.items():
        order = codec.decode(value, Order)
        if order.venue == venue and order.status in _AT_VENUE:
            found.append(Ours(decision.client_order_id(order, partition), partition, order))
    return found


def _read(settings: Settings, topic: str) -> dict[tuple[int, bytes], bytes]:
    """The last value of each key of each partition."""
    reader = Consumer(kafka.consumer(settings, _GROUP, enable_partition_eof=True))
    rows: dict[tuple[int, bytes], bytes] = {}
    left = set(range(settings.partitions))
    try:
        reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        heard = time.monotonic()
        while left:
            batch = reader.consume(_BATCH_RECORDS, 0.2)
            heard = time.monotonic() if batch else heard
            for message in batch:
                _take(message, rows, left)
            if time.monotonic() - heard > _STALLED_AFTER_S:
                raise Unavailable(f"{topic}: nothing read for {_STALLED_AFTER_S:.0f} s. Does the broker answer?")
    except KafkaException as error:
        raise Unavailable(f"{topic} can't be read: {error.args[0].str()}") from error
    finally:
        reader.close()
    return rows


def _take(message: Message, rows: dict[tuple[int, bytes], bytes], left: set[int]) -> None:
    partition, key, value = message.partition(), message.key(), message.value()
    error = message.error()
    if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for it
        left.discard(partition)
    elif error is not None:
        raise KafkaException(error)
    elif value is None:
        rows.pop((partition, key), None)
    else:
        rows[partition, key] = value
