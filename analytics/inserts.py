"""Writes batches into ClickHouse, in threads of its own, so that a slow server never keeps Kafka waiting."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec
import pyarrow as pa
import structlog

from analytics import mapping
from analytics.client import ClickHouseError
from analytics.lanes import Batch
from analytics.mapping import SchemaNotKnown
from analytics.metrics import SinkMetrics

_THREADS: Final = 2  # while one batch is being mapped, another is being written

#: How every batch is written. The views' tables drop a repeated block by the same token as the table itself; without
#: that, an insert that broke off between table and view would leave the view short, or count it twice.
_SETTINGS: Final = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "throw_on_max_partitions_per_insert_block": 0,
}

log = structlog.get_logger()


class Stored(msgspec.Struct, frozen=True):
    """ClickHouse has the batch."""

    table: str
    records: int
    dead: int


class Failed(msgspec.Struct, frozen=True):
    """It may have it or not: the same insert again is right in both cases."""

    detail: str


class Inserter:
    """Threads that map and write. At most one batch of a partition may be with them at a time."""

    def __init__(self, client: Any, database: str, metrics: SinkMetrics, newest_schema_id: int | None) -> None:
        self._client = client
        self._database = database
        self._metrics = metrics
        self._newest_schema_id = newest_schema_id
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="insert")

    def write(self, batch: Batch) -> Future[Stored | Failed]:
        return self._threads.submit(self._write, batch)

    def close(self) -> None:
        """Wait for what is being written (no longer than the client's timeout), and forget what waits."""
        self._threads.shutdown(cancel_futures=True)

    def _write(self, batch: Batch) -> Stored | Failed:
        try:
            rows = mapping.rows_of(batch.topic, batch.partition, batch.records, self._newest_schema_id)
            if rows.dead_letters is not None:
                self._insert(mapping.DEAD_LETTERS, rows.dead_letters, f"{batch.token}:dlq")
            if rows.stored is not None:
                self._insert(rows.table, rows.stored, batch.token)
        except (ClickHouseError, OSError, SchemaNotKnown) as error:
            return Failed(str(error))
        return Stored(rows.table, rows.records, rows.dead)

    def _insert(self, table: str, rows: pa.Table, token: str) -> None:
        started = time.perf_counter()
        settings = {**_SETTINGS, "insert_deduplication_token": token}
        try:
            self._client.insert_arrow(table, rows, database=self._database, settings=settings)
        except (ClickHouseError, OSError):
            self._metrics.inserts.labels(table, "retry").inc()
            raise
        self._metrics.inserts.labels(table, "ok").inc()
        self._metrics.insert_seconds.labels(table).observe(time.perf_counter() - started)
