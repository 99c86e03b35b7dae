"""A database that holds a season, stored as the sink stores it, and what it answers."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from analytics.mapping import Record
from analytics.migrate import Migration, migrate
from analytics.rows import Mapper
from schemas import codec
from tests.analytics.questions.season import Stored

SETTINGS = {"async_insert": 0, "deduplicate_blocks_in_dependent_materialized_views": 1}


class Database:
    """A database named *name*. *client* works in it, and may write."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name
        self._mapper = Mapper()

    def migrate(self, migrations: Sequence[Migration] | None = None) -> None:
        migrate(self._client, self._name, migrations)

    def store(self, logs: Mapping[tuple[str, int], Sequence[Stored]], *, per_batch: int) -> None:
        """Store records of topics and partitions, so many in a batch, each batch under its token."""
        for (topic, partition), log in logs.items():
            for start in range(0, len(log), per_batch):
                batch = log[start : start + per_batch]
                records = [Record(r.offset, r.timestamp_ms, b"key", codec.encode(r.message)) for r in batch]
                rows = self._mapper.rows(topic, partition, records)
                assert rows.dead == 0
                token = f"{topic}:{partition}:{records[0].offset}-{records[-1].offset}"
                settings = {**SETTINGS, "insert_deduplication_token": token}
                self._client.insert_arrow(rows.table, rows.stored, settings=settings)

    def stop_merging(self) -> None:
        """Keep parts as they are inserted, so that what is stored twice stays there twice."""
        for table in self._tables():
            self._client.command(f"SYSTEM STOP MERGES {table}")

    def merge(self) -> None:
        for table in self._tables():
            self._client.command(f"SYSTEM START MERGES {table}")
            self._client.command(f"OPTIMIZE TABLE {table} FINAL")

    def _tables(self) -> list[str]:
        tables = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        return [f"{self._name}.{row['name']}" for row in self.rows(tables)]

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        return list(self._client.query(query, parameters=parameters).named_results())

    def ask(self, file: str, **parameters: Any) -> list[dict[str, Any]]:
        """The answer of a file of ``analytics/queries``."""
        return self.rows(text_of(file).strip().removesuffix(";"), **parameters)


def text_of(file: str) -> str:
    return resources.files("analytics").joinpath("queries", file).read_text()
