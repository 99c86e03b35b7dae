"""Records of every kind in every topic, while a test does something to the sink; and what they must come to.

The reference is a second database, filled by one reader of the same topics that nobody disturbs: every table of the
sink's database, raw or rolled up, must hold exactly what the reference holds.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from analytics.mapping import DEAD_LETTERS, Record
from analytics.migrate import migrate
from analytics.rows import Mapper
from domain.messages import Message, Operation, OrderType, Transfer, TransferDirection, VenueRequest
from domain.money import ONE
from domain.observations import Quote, VenueBalance
from runtime import kafka
from tests.analytics.stage import PARTITIONS, Stage, unique_database
from tests.analytics.story import VENUE, Story

_READ_WITHIN_S = 60.0
#: Columns that say when a row was written, or follow from that.
_BY_THE_CLOCK = {"_ingested_at", "_version", "sink_us", "sink_us_max"}


class Traffic:
    """A story in waves, in transactions where agents write in transactions, with garbage in every wave."""

    def __init__(self, stage: Stage, waves: int) -> None:
        self._stage = stage
        self._starts = stage.ends()
        self._waves = self._told(Story(seed=7, orders=8 * waves), waves)
        self.sent = 0

    @contextmanager
    def flowing(self, seconds_between: float = 0.15) -> Iterator[None]:
        """A wave at a time until the end of the block, or of the story."""
        stop = Event()

        def produce() -> None:
            for wave in self._waves:
                if stop.is_set():
                    return
                for topic, messages in wave.items():
                    by_agents = topic in {"order-events", "ledger-entries", "venue-requests.simulated"}
                    self._stage.send(topic, messages, chunk=20 if by_agents else 0)
                self.sent += 1
                stop.wait(seconds_between)

        thread = Thread(target=produce)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def differences(self) -> list[str]:
        """The tables that don't hold exactly what the topics hold, raw ones and roll-ups."""
        reference = unique_database()
        try:
            migrate(self._stage.writer, reference)
            self._fill(reference)
            return [
                table
                for table in self._tables(reference)
                if self._contents(reference, table) != self._contents(self._stage.settings.clickhouse_database, table)
            ]
        finally:
            self._stage.writer.command(f"DROP DATABASE IF EXISTS {reference} SYNC")

    def hold_merges(self) -> None:
        """From now on no merge removes what was stored twice before anybody has seen it."""
        database = self._stage.settings.clickhouse_database
        migrate(self._stage.writer, database)
        for table in self._tables(database):
            self._stage.writer.command(f"SYSTEM STOP MERGES {database}.{table}")

    def forget_tokens(self) -> None:
        """From now on ClickHouse takes every insert, also one that it has had."""
        database = self._stage.settings.clickhouse_database
        for table in self._tables(database):
            self._stage.writer.command(
                f"ALTER TABLE {database}.{table} MODIFY SETTING non_replicated_deduplication_window = 0"
            )

    def _tables(self, database: str) -> list[str]:
        query = (
            "SELECT name FROM system.tables WHERE database = {d:String} AND engine LIKE '%MergeTree' "
            "AND name != 'migrations' ORDER BY name"
        )
        return [row[0] for row in self._stage.writer.query(query, parameters={"d": database}).result_rows]

    def _contents(self, database: str, table: str) -> Any:
        """How many rows, and a sum of digests of them. Raw tables as they are; roll-ups as they are once merged."""
        query = "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = {t:String}"
        columns = dict(self._stage.writer.query(query, parameters={"d": database, "t": table}).result_rows)
        raw = "_offset" in columns
        values = [
            f"finalizeAggregation(`{name}`)" if kind.startswith("AggregateFunction") else f"`{name}`"
            for name, kind in columns.items()
            if name not in _BY_THE_CLOCK
        ]
        rows = f"SELECT toString(tuple({', '.join(values)})) AS row FROM {database}.{table} {'' if raw else 'FINAL'}"
        return self._stage.writer.query(f"SELECT count(), sum(cityHash64(row)) FROM ({rows})").result_rows

    def _fill(self, reference: str) -> None:
        mapper = Mapper()
        for (topic, partition), records in self._read().items():
            rows = mapper.rows(topic, partition, records)
            for table, found in ((rows.table, rows.stored), (DEAD_LETTERS, rows.dead_letters)):
                if found is not None:
                    self._stage.writer.insert_arrow(table, found, database=reference, settings={"async_insert": 0})

    def _read(self) -> dict[tuple[str, int], list[Record]]:
        """What the topics hold since the traffic began, as a reader of committed records sees it."""
        ends = self._stage.ends()
        todo = {key: start for key, start in self._starts.items() if start < ends[key]}
        found: dict[tuple[str, int], list[Record]] = {key: [] for key in todo}
        reader = Consumer(kafka.consumer(self._stage.settings, unique_database(), enable_partition_eof=True))
        reader.assign([TopicPartition(*key, start) for key, start in todo.items()])
        give_up_s = time.monotonic() + _READ_WITHIN_S
        while todo:
            assert time.monotonic() < give_up_s, f"not read to their ends: {sorted(todo)}"
            for message in reader.consume(5_000, 0.2):
                key = message.topic(), message.partition()
                if message.error() is None:
                    found[key].append(Record(message.offset(), message.timestamp()[1], message.key(), message.value()))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    todo.pop(key, None)
        reader.close()
        return found

    @staticmethod
    def _told(story: Story, waves: int) -> Iterator[dict[str, list[Message | bytes]]]:
        """The story's lists, each in so many equal parts, and what it leaves out."""
        lists = story.records()
        for number in range(waves):
            wave: dict[str, list[Message | bytes]] = {
                topic: messages[len(messages) * number // waves : len(messages) * (number + 1) // waves]
                for topic, messages in lists.items()
            }
            wave["order-events"] = [*wave["order-events"], b"garbage"]
            now_us = time.time_ns() // 1_000
            wave["transfers"] = [
                Transfer(f"transfer-{number}-{n}", f"user-{n}", "USD", TransferDirection.CREDIT, 10**18 * n, now_us)
                for n in range(PARTITIONS)
            ]
            wave["venue-requests.simulated"] = [_request(command, now_us) for command in wave["order-commands"]]
            wave["quotes"] = [Quote(VENUE, "BTC-USD", ONE, n, ONE + n, n, now_us) for n in range(PARTITIONS)]
            wave["venue-balances"] = [VenueBalance(VENUE, "main", f"A{n}", n, 0, now_us) for n in range(PARTITIONS)]
            yield wave


def _request(command: Any, now_us: int) -> VenueRequest:
    place = command.command
    fields = {name: getattr(place, name) for name in ("order_id", "venue", "symbol", "side", "quantity", "price")}
    return msgspec.convert(
        fields
        | {
            "request_id": f"request-{place.order_id}",
            "client_order_id": f"client-{place.order_id}",
            "user_id": command.user_id,
            "operation": Operation.PLACE,
            "sequence": 1,
            "order_type": OrderType.LIMIT,
            "requested_at": now_us,
        },
        VenueRequest,
    )
