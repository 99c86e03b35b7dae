"""Collecting the evidence of a run: topics read committed to their ends, tables from their changelogs, ClickHouse."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import clickhouse_connect
import confluent_kafka
import msgspec

from runtime.demo import wire
from runtime.demo.oracle.evidence import Balances, Record, Rows
from runtime.demo.plan import VENUE

TOPICS: Final = (
    "order-commands",
    "transfers",
    f"venue-requests.{VENUE}",
    "venue-reports",
    "order-events",
    "ledger-entries",
    "dead-letters",
)
#: The message that each topic should hold; anything else in it is bad input.
MESSAGES: Final[Mapping[str, str]] = {
    "order-commands": "order_command",
    "transfers": "transfer",
    f"venue-requests.{VENUE}": "venue_request",
    "venue-reports": "venue_report",
    "order-events": "order_event",
    "ledger-entries": "journal_entry",
    "dead-letters": "dead_letter",
}
BALANCES: Final = "fillstream-balances-changelog"
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


def records(bootstrap: str, partitions: int, topics: Sequence[str] = TOPICS) -> dict[str, list[Record]]:
    """Every committed record of *topics*, in the order of each partition. Raises UnreadableError."""
    found: dict[str, list[Record]] = {topic: [] for topic in topics}
    for message in _messages(bootstrap, [(topic, number) for topic in topics for number in range(partitions)]):
        found[message.topic()].append(_record(message))
    return found


def tables(bootstrap: str, partitions: int) -> Balances:
    """The balances that the changelog would restore: the last row of each key, added up over the partitions."""
    last: dict[tuple[int, bytes], bytes | None] = {}
    for message in _messages(bootstrap, [(BALANCES, number) for number in range(partitions)]):
        last[message.partition(), message.key()] = message.value()
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for value in last.values():
        name, row = wire.decode(value) if value else ("", {})
        if name == "balance":
            account = row["owner"], row["asset"]
            available, reserved = sums.get(account, (0, 0))
            sums[account] = available + wire.units(row["available"]), reserved + wire.units(row["reserved"])
    return sums


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


def _messages(bootstrap: str, partitions: Sequence[tuple[str, int]]) -> Iterator[Any]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "fillstream-demo-oracle",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        },
        logger=wire.KAFKA_LOG,
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for topic, number in partitions])
    unread = set(partitions)
    deadline_s = time.monotonic() + READ_S
    try:
        while unread:
            if time.monotonic() > deadline_s:
                raise UnreadableError(f"not read to their ends within {READ_S:g} s: {sorted(unread)}")
            for message in consumer.consume(BATCH, 0.1):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001  # the library has no other name for it
                    unread.discard((message.topic(), message.partition()))
                elif error.fatal():
                    raise UnreadableError(str(error))
    finally:
        consumer.close()


def _record(message: Any) -> Record:
    topic = message.topic()
    return Record(
        topic=topic,
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        fields=_fields(message.value(), MESSAGES[topic]),
    )


def _fields(value: bytes | None, expected: str) -> wire.Avro | None:
    try:
        name, fields = wire.decode(value or b"")
    except wire.MalformedError:
        return None
    if name != expected:
        return None
    return {name: value for name, value in fields.items() if value is not None}
