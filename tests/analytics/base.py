"""A ClickHouse database in which tests store messages as the sink does."""

import random
import time
from collections import Counter
from decimal import Decimal
from importlib import resources
from typing import Any

from analytics.mapping import Record
from analytics.rows import Mapper
from domain.messages import Message
from schemas import codec
from tests.schemas import samples

AUDITS = sorted(
    file.name for file in resources.files("analytics").joinpath("queries").iterdir() if file.name.startswith("audit_")
)
PER_BATCH = 300


class Base:
    """A migrated database and what was stored in it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._stored: list[tuple[str, list[Record]]] = []
        self._ends: Counter[str] = Counter()

    def store(self, topic: str, messages: list[Message], *, shuffled_by: random.Random | None = None) -> None:
        """As the sink does: batches under tokens. Later batches may come first."""
        start = self._ends[topic]
        now_ms = int(time.time() * 1_000)
        records = [Record(start + n, now_ms, b"k", codec.encode(message)) for n, message in enumerate(messages)]
        self._ends[topic] += len(messages)
        batches = [records[n : n + PER_BATCH] for n in range(0, len(records), PER_BATCH)]
        if shuffled_by:
            shuffled_by.shuffle(batches)
        for batch in batches:
            self._stored.append((topic, batch))
            self.insert(topic, batch, f"{topic}:{batch[0].offset}")

    def insert(self, topic: str, batch: list[Record], token: str) -> None:
        rows = Mapper().rows(topic, 0, batch)
        assert rows.dead == 0
        self.client.insert_arrow(
            rows.table,
            rows.stored,
            settings={
                "insert_deduplication_token": token,
                "async_insert": 0,
                "deduplicate_blocks_in_dependent_materialized_views": 1,
            },
        )

    def store_again(self, *, other_tokens: bool) -> None:
        for number, (topic, batch) in enumerate(self._stored):
            self.insert(topic, batch, f"again-{number}" if other_tokens else f"{topic}:{batch[0].offset}")

    def merge(self) -> None:
        tables = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        for (table,) in self.client.query(tables).result_rows:
            self.client.command(f"OPTIMIZE TABLE {table} FINAL")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(query).result_rows]

    def ask(self, file: str) -> list[dict[str, Any]]:
        text = resources.files("analytics").joinpath("queries", file).read_text().strip().removesuffix(";")
        period = {"since": "1970-01-01 00:00:00", "until": "2100-01-01 00:00:00"} if "{since:" in text else None
        return list(self.client.query(text, parameters=period).named_results())


def decimal(units: int) -> Decimal:
    return Decimal(units).scaleb(-18, context=samples.EXACT)
