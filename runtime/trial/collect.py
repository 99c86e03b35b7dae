"""Collecting the evidence of a run: topics read committed to their ends, tables from their changelogs, ClickHouse."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import clickhouse_connect
import confluent_kafka
import msgspec

from runtime import kafka
from runtime.trial import wire
from runtime.trial.oracle.evidence import Balances, Record, Rows, Tables

#: The message that each topic should hold; anything else in it is bad input.
MESSAGES: Final[Mapping[str, str]] = {
    "order-commands": "order_command",
    "transfers": "transfer",
    "venue-reports": "venue_report",
    "order-events": "order_event",
    "ledger-entries": "journal_entry",
    "dead-letters": "dead_letter",
}
#: … and each of those that are a venue's own.
REQUESTS: Final = "venue-requests."
VENUE_REQUEST: Final = "venue_request"
#: The topics that others write: what stands in them is compared byte for byte with what was sent.
INPUTS: Final = ("order-commands", "transfers")
BALANCES: Final = "fillstream-balances-changelog"
ORDERS: Final = "fillstream-orders-changelog"
POSITIONS: Final = "fillstream-positions-changelog"
#: What workers read, and have a position in.
READ: Final = (*INPUTS, "venue-reports", "ticks")
WORKERS: Final = "fillstream"
#: How long nothing more may come before a topic's end.
READ_S: Final = 60.0
BATCH: Final = 5_000


class UnreadableError(Exception):
    """The evidence could not be read to its end; the message says where it stopped."""


class Clickhouse(msgspec.Struct, frozen=True):
    """Where the ClickHouse of the run answers, and in which database the rows are."""

    host: str
    port: int
    database: str

    def client(self) -> Any:
        return clickhouse_connect.get_client(host=self.host, port=self.port, database=self.database)


def topics(venues: Iterable[str]) -> list[str]:
    """All that is evidence in a run on *venues*."""
    return [*MESSAGES, *(REQUESTS + venue for venue in venues)]


def records(bootstrap: str, partitions: int, topics: Sequence[str]) -> dict[str, list[Record]]:
    """Every committed record of *topics*, in the order of each partition. Raises UnreadableError.

    Millions of them: bytes that were decoded and that nobody compares are dropped.
    """
    found: dict[str, list[Record]] = {topic: [] for topic in topics}
    for message in _messages(bootstrap, [(topic, number) for topic in topics for number in range(partitions)]):
        found[message.topic()].append(_record(message))
    return found


def tables(bootstrap: str, partitions: int) -> Tables:
    """What the changelogs would restore: the last row of each key, balances added up over the partitions.

    Clocks tick on meanwhile. So what the group has committed is read before the positions, which it must not pass.
    """
    committed = _committed(bootstrap, [(topic, number) for topic in READ for number in range(partitions)])
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for _, row in _last_rows(bootstrap, partitions, BALANCES, "balance"):
        account = row["owner"], row["asset"]
        available, reserved = sums.get(account, (0, 0))
        sums[account] = available + wire.units(row["available"]), reserved + wire.units(row["reserved"])
    orders = {
        (row["user_id"], row["order_id"]): (row["status"], wire.units(row["filled_quantity"]))
        for _, row in _last_rows(bootstrap, partitions, ORDERS, "order")
    }
    positions = {
        (row["topic"], partition): row["next_offset"]
        for partition, row in _last_rows(bootstrap, partitions, POSITIONS, "position")
    }
    return Tables(balances=sums, orders=orders, positions=positions, committed=committed)


def _last_rows(bootstrap: str, partitions: int, topic: str, expected: str) -> Iterator[tuple[int, wire.Avro]]:
    """The last row of each key, and its partition; those that were deleted are left out."""
    last: dict[tuple[int, bytes], bytes | None] = {}
    for message in _messages(bootstrap, [(topic, number) for number in range(partitions)]):
        last[message.partition(), message.key()] = message.value()
    for (partition, _), value in last.items():
        name, row = wire.decode(value) if value else ("", {})
        if name == expected:
            yield partition, row


def _committed(bootstrap: str, inputs: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """What the workers' group has committed, where it has committed anything."""
    consumer = _consumer(bootstrap, WORKERS)
    try:
        found = kafka.committed(consumer, [confluent_kafka.TopicPartition(*at) for at in inputs], READ_S)
    except confluent_kafka.KafkaException as error:
        raise UnreadableError(f"the offsets of group {WORKERS}: {error}") from error
    finally:
        consumer.close()
    return {(at.topic, at.partition): at.offset for at in found if at.offset >= 0}


def rows(clickhouse: Clickhouse) -> Rows:
    """What ClickHouse holds, row by row of the raw tables, and what its views say."""
    client = clickhouse.client()
    try:
        stored = client.query(
            "SELECT _topic, _partition, groupArray(_offset) FROM stored_records GROUP BY _topic, _partition"
        )
        return Rows(
            offsets={(topic, partition): offsets for topic, partition, offsets in stored.result_rows},
            balances=_balances(client, "SELECT owner, asset, available, reserved FROM balances"),
            totals=_balances(
                client,
                "SELECT owner, asset, sumIf(amount, account = 'AVAILABLE'), sumIf(amount, account = 'RESERVED') "
                "FROM ledger_totals GROUP BY owner, asset",
            ),
            orders=dict(client.query("SELECT status, count() FROM orders_current GROUP BY status").result_rows),
        )
    finally:
        client.close()


def _balances(client: Any, query: str) -> Balances:
    return {
        (owner, asset): (_units(available), _units(reserved))
        for owner, asset, available, reserved in client.query(query).result_rows
    }


def _units(value: Any) -> int:
    return wire.units(wire.amount(value))


def _consumer(bootstrap: str, group: str) -> Any:
    return confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        },
        logger=wire.KAFKA_LOG,
    )


def _messages(bootstrap: str, partitions: Sequence[tuple[str, int]]) -> Iterator[Any]:
    consumer = _consumer(bootstrap, "fillstream-trial-oracle")
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for topic, number in partitions])
    unread = set(partitions)
    deadline_s = time.monotonic() + READ_S
    try:
        while unread:
            if time.monotonic() > deadline_s:
                raise UnreadableError(f"not read to their ends, and nothing more for {READ_S:g} s: {sorted(unread)}")
            for message in consumer.consume(BATCH, 0.1):
                error = message.error()
                if error is None:
                    deadline_s = time.monotonic() + READ_S
                    yield message
                elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001  # the library has no other name for it
                    unread.discard((message.topic(), message.partition()))
                elif error.fatal():
                    raise UnreadableError(str(error))
    finally:
        consumer.close()


def _record(message: Any) -> Record:
    topic = message.topic()
    expected = VENUE_REQUEST if topic.startswith(REQUESTS) else MESSAGES[topic]
    fields = _fields(message.value(), expected)
    return Record(
        topic=topic,
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value() if fields is None or topic in INPUTS else None,
        fields=fields,
    )


def _fields(value: bytes | None, expected: str) -> wire.Avro | None:
    try:
        name, fields = wire.decode(value or b"")
    except wire.MalformedError:
        return None
    if name != expected:
        return None
    return {name: value for name, value in fields.items() if value is not None}
