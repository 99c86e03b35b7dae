"""Writes batches into ClickHouse, in threads of its own, so that a slow server never keeps Kafka waiting."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec
import pyarrow as pa
import structlog

from analytics.client import ClickHouseError
from analytics.lanes import Batch
from analytics.mapping import DEAD_LETTERS
from analytics.metrics import SinkMetrics
from analytics.refusals import Refusals, is_of_values
from analytics.rows import Fault, Mapper, SchemaNotKnown

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


class Unreadable(msgspec.Struct, frozen=True):
    """Nothing was written, since a record has a schema that isn't known yet; the batch waits for it."""

    detail: str


Outcome = Stored | Failed | Unreadable


class Inserter:
    """Threads that map and write. At most one batch of a partition may be with them at a time."""

    def __init__(self, client: Any, database: str, metrics: SinkMetrics, mapper: Mapper) -> None:
        self._client = client
        self._database = database
        self._metrics = metrics
        self._mapper = mapper
        self._refusals = Refusals(client, database, mapper)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="insert")

    def write(self, batch: Batch) -> Future[Outcome]:
        return self._threads.submit(self._write, batch)

    def close(self) -> None:
        """Wait for what is being written (no longer than the client's timeout), and forget what waits."""
        self._threads.shutdown(cancel_futures=True)

    def _write(self, batch: Batch) -> Outcome:
        try:
            return self._stored(batch)
        except SchemaNotKnown as error:
            return Unreadable(str(error))
        except (ClickHouseError, OSError) as error:
            return Failed(str(error))

    def _stored(self, batch: Batch) -> Stored:
        rows = self._mapper.rows(batch.topic, batch.partition, batch.records)
        if rows.dead_letters is not None:
            self._insert(DEAD_LETTERS, rows.dead_letters, f"{batch.token}:dlq")
        try:
            if rows.stored is not None:
                self._insert(rows.table, rows.stored, batch.token)
        except ClickHouseError as error:
            if not is_of_values(error):
                raise
            refused = self._refusals.find(batch)
            if not refused:
                raise  # by a view, perhaps: the table itself takes these rows, and may have them by now
            return self._without(batch, refused, rows.dead)
        return Stored(rows.table, rows.records, rows.dead)

    def _without(self, batch: Batch, refused: dict[int, Fault], dead: int) -> Stored:
        """Write the batch without the records that the server refuses. It took nothing of the whole one."""
        refused_records = [record for record in batch.records if record.offset in refused]
        letters = self._mapper.rows(batch.topic, batch.partition, refused_records, refused).dead_letters
        assert letters is not None, "a refused record is a dead letter"
        self._insert(DEAD_LETTERS, letters, f"{batch.token}:refused")
        rest = [record for record in batch.records if record.offset not in refused]
        rows = self._mapper.rows(batch.topic, batch.partition, rest)
        if rows.stored is not None:
            self._insert(rows.table, rows.stored, batch.token)
        return Stored(rows.table, rows.records, dead + len(refused))

    def _insert(self, table: str, rows: pa.Table, token: str) -> None:
        started = time.perf_counter()
        settings = {**_SETTINGS, "insert_deduplication_token": token}
        try:
            self._client.insert_arrow(table, rows, database=self._database, settings=settings)
        except (ClickHouseError, OSError) as error:
            self._metrics.inserts.labels(table, "refused" if is_of_values(error) else "retry").inc()
            raise
        self._metrics.inserts.labels(table, "ok").inc()
        self._metrics.insert_seconds.labels(table).observe(time.perf_counter() - started)
