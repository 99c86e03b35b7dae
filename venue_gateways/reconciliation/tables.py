"""What the workers have committed about one venue, read from Kafka to its end: live orders, and what trades moved."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from domain import decision
from domain.lifecycle import LIVE, PAUSED
from domain.messages import JournalEntry
from domain.state import Balance, Order
from runtime import kafka
from runtime.exits import Unavailable
from runtime.settings import Settings
from schemas import codec, topics
from venue_gateways.reconciliation import balances
from venue_gateways.reconciliation.balances import Range
from venue_gateways.reconciliation.differences import Ours

_GROUP: Final = f"{topics.APPLICATION}-reconcile"  # librdkafka wants a name; nothing joins or commits under it
_STALLED_AFTER_S: Final = 30.0
_BATCH_RECORDS: Final = 10_000
_POLL_S: Final = 0.05
#: Or what is left after it. OFFSET_BEGINNING takes half a second to be looked up.
_FIRST: Final = 0
_AT_VENUE: Final = LIVE - {PAUSED}


def live_orders(settings: Settings, venue: str) -> list[Ours]:
    """All orders that are, or may be, at *venue* by what the workers have committed. Raises Unavailable."""
    rows, _ = _rows(settings, topics.ORDERS_CHANGELOG.name)
    found = []
    for (partition, _), value in rows.items():
        order = codec.decode(value, Order)
        if order.venue == venue and order.status in _AT_VENUE:
            found.append(Ours(decision.client_order_id(order, partition), partition, order))
    return found


def booked(settings: Settings, venue: str) -> tuple[dict[str, int], Mapping[int, int]]:
    """By asset, what our trades have moved at *venue*, and where reading ended. Raises Unavailable."""
    rows, ends = _rows(settings, topics.BALANCES_CHANGELOG.name)
    return balances.booked((codec.decode(value, Balance) for value in rows.values()), venue), ends


def end_of_journal(settings: Settings) -> Mapping[int, int]:
    """The offsets at which the ledger's next entries will be. Raises Unavailable."""
    return _read(settings, topics.LEDGER_ENTRIES.name, dict.fromkeys(range(settings.partitions), OFFSET_END), _ignore)


def moved(settings: Settings, venue: str, since: Mapping[int, int]) -> dict[str, Range]:
    """By asset, what any part of the trades booked from *since* until now moved at *venue*. Raises Unavailable."""
    entries: list[JournalEntry] = []

    def take(message: Message) -> None:
        entries.append(codec.decode(message.value() or b"", JournalEntry))

    _read(settings, topics.LEDGER_ENTRIES.name, since, take)
    return balances.moved(entries, venue)


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(settings: Settings, topic: str) -> tuple[dict[tuple[int, bytes], bytes], Mapping[int, int]]:
    """The last value of each key of each partition, and where reading ended."""
    rows: dict[tuple[int, bytes], bytes] = {}

    def take(message: Message) -> None:
        row, value = (message.partition(), message.key()), message.value()
        if value is None:
            rows.pop(row, None)
        else:
            rows[row] = value

    ends = _read(settings, topic, dict.fromkeys(range(settings.partitions), _FIRST), take)
    return rows, ends


def _ignore(_message: Message) -> None:
    """Nothing is to be made of it."""


def _read(settings: Settings, topic: str, since: Mapping[int, int], take: Callable[[Message], None]) -> dict[int, int]:
    """Has each record from *since* to the end of its partition taken; returns the offsets of the ends."""
    soon = {"fetch_wait_max_ms": 10}  # the end is told after one fetch of nothing
    reader = Consumer(kafka.consumer(settings, _GROUP, enable_partition_eof=True, **soon))
    ends: dict[int, int] = {}
    try:
        reader.assign([TopicPartition(topic, partition, offset) for partition, offset in since.items()])
        heard = time.monotonic()
        while len(ends) < len(since):
            batch = reader.consume(_BATCH_RECORDS, _POLL_S)
            heard = time.monotonic() if batch else heard
            for message in batch:
                if message.error() is None:
                    take(message)
                else:
                    _expect_end(message.error())
                    ends[message.partition()] = message.offset()
            if time.monotonic() - heard > _STALLED_AFTER_S:
                raise Unavailable(f"{topic}: nothing read for {_STALLED_AFTER_S:.0f} s. Does the broker answer?")
    except KafkaException as error:
        raise Unavailable(f"{topic} can't be read: {error.args[0].str()}") from error
    finally:
        reader.close()
    return ends


def _expect_end(error: KafkaError) -> None:
    """Raises KafkaException for any error but that there is nothing more."""
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for it
        raise KafkaException(error)
