"""What the tests of analytics play on: a ClickHouse service, a sink that can be killed, and a log to fill."""

import datetime as dt
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from analytics.sink import group_of
from domain.messages import Message
from runtime import kafka, process, telemetry
from runtime.settings import Settings, environment
from schemas import codec

ROOT = Path(__file__).parent.parent.parent
READY_WITHIN_S = 90.0
TOPICS = (
    *("order-commands", "transfers", "venue-reports", "order-events", "ledger-entries", "dead-letters"),
    *("quotes", "venue-balances", "venue-requests.simulated"),
)
PARTITIONS = 3
PLACES = [TopicPartition(topic, number) for topic in TOPICS for number in range(PARTITIONS)]


def moment(us: int) -> str:
    """Microseconds since the epoch as ClickHouse reads them."""
    instant = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)
    return instant.replace(tzinfo=None).isoformat(" ", "microseconds")


def unique_database() -> str:
    return f"test_{uuid.uuid4().hex[:8]}"


def eventually(what: Callable[[], Any], within_s: float = 90.0, every_s: float = 0.1) -> Any:
    """The first true value of *what*; fails if there is none in time."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
        time.sleep(every_s)


class Child:
    """A process of fillstream's own: ``fillstream <command>``."""

    def __init__(self, settings: Settings, log: Path, *command: str) -> None:
        self._log = log
        env = {**os.environ, **environment(settings), "PYTHONPATH": str(ROOT)}
        with log.open("ab") as output:
            self._process = process.spawn([sys.executable, "-m", "runtime", *command], output=output, environment=env)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        return process.stop(self._process, grace_s=20)

    def wait(self, within_s: float) -> int:
        return self._process.wait(within_s)


class Service:
    """The embedded ClickHouse on its own folder and port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = process.free_port()
        self.settings = Settings(
            var=folder / "var",
            clickhouse_url=f"http://127.0.0.1:{self.port}",
            clickhouse_username="fillstream",
            clickhouse_password="only for tests",
        )
        self.child: Child | None = None

    def start(self) -> None:
        self.child = Child(self.settings, self._folder / "clickhouse.log", "clickhouse", "--port", str(self.port))
        eventually(lambda: process.listening(self.port) or not self.child.alive, READY_WITHIN_S)
        assert self.child.alive, self.child.log()

    def mend(self) -> None:
        """Running again, whatever a test that failed has left."""
        assert self.child is not None
        if self.child.alive:
            self.child.resume()
        else:
            self.start()

    def client(self, *, writer: bool = False, database: str = "__default__") -> Any:
        who = {"username": "fillstream", "password": "only for tests"} if writer else {}
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, database=database, autogenerate_session_id=False, **who
        )


class Stage:
    """One test's database and group on the shared broker and service. The group starts at what is yet to come."""

    def __init__(self, service: Service, bootstrap: str, database: str, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self.settings = service.settings.model_copy(
            update={
                "bootstrap_servers": bootstrap,
                "clickhouse_database": database,
                "sink_batch_wait_ms": 100,
                "session_timeout_ms": 3_000,
                "var": folder / "var",
            }
        )
        self.sinks: list[Child] = []
        self._producers: dict[bool, Producer] = {}
        service.mend()
        self.writer = service.client(writer=True)

    # ── Kafka ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def skip_the_past(self) -> None:
        """Commit the ends of all partitions, as if the group had read so far."""
        ends = [TopicPartition(*key, end) for key, end in self.ends().items()]
        self._observer.commit(offsets=ends, asynchronous=False)

    def ends(self) -> dict[tuple[str, int], int]:
        """Where each partition ends."""
        return {(at.topic, at.partition): kafka.watermarks(self._observer, at)[1] for at in PLACES}

    def lag(self) -> dict[tuple[str, int], int]:
        """Per partition, the broker's end less the committed offset."""
        committed = self._observer.committed(PLACES, timeout=30)
        ends = self.ends()
        return {key: ends[key] - offset for key, offset in (((p.topic, p.partition), p.offset) for p in committed)}

    def committed(self, topic: str, partition: int) -> TopicPartition:
        return self._observer.committed([TopicPartition(topic, partition)], timeout=30)[0]

    @cached_property
    def _observer(self) -> Consumer:
        """A client that knows the group's commits, and is no member of it.

        Partitions end, to it, after all records: a transaction is committed a moment before its records are readable,
        and until then a reader of committed ones has no lag.
        """
        return Consumer(kafka.consumer(self.settings, group_of(self.settings), isolation_level="read_uncommitted"))

    def send(
        self,
        topic: str,
        messages: Iterable[Message | bytes | None],
        partition: int | None = None,
        *,
        chunk: int = 0,
        aborted: bool = False,
    ) -> None:
        """Put messages (or any bytes) into *topic*, round the partitions; in transactions of *chunk* records if set."""
        producer = self._producer(transactional=chunk > 0)
        end = Producer.abort_transaction if aborted else Producer.commit_transaction
        if chunk:
            producer.begin_transaction()
        for number, message in enumerate(messages):
            value = codec.encode(message) if isinstance(message, Message) else message
            where = number % PARTITIONS if partition is None else partition
            producer.produce(topic, value, key=b"key", partition=where)
            producer.poll(0)
            if chunk and number % chunk == chunk - 1:
                end(producer)
                producer.begin_transaction()
        if chunk:
            end(producer)
        assert producer.flush(20) == 0

    def _producer(self, *, transactional: bool) -> Producer:
        """One of each kind: a transactional one costs more than the records of a test."""
        if transactional not in self._producers:
            more = {"transactional_id": f"test-{uuid.uuid4().hex}"} if transactional else {}
            self._producers[transactional] = Producer(kafka.producer(self.settings, **more))
            if transactional:
                self._producers[transactional].init_transactions()
        return self._producers[transactional]

    # ── the sink ────────────────────────────────────────────────────────────────────────────────────────────────────

    def sink(self, *options: str, **changes: Any) -> Child:
        settings = self.settings.model_copy(update=changes)
        child = Child(settings, self.folder / f"sink-{len(self.sinks)}.log", "sink", *options)
        self.sinks.append(child)
        return child

    def metrics(self) -> dict[str, float]:
        """The samples of the sink that started last, by name and labels."""
        record = telemetry.read_run_file(self.settings.var, "sink")
        assert record is not None
        text = httpx.get(record.metrics).text
        return {
            f"{sample.name}{sorted(sample.labels.items()) if sample.labels else ''}": sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def drained(self, within_s: float = 60.0) -> None:
        """Wait until no partition has lag. The committed offset then is behind all that is stored."""
        eventually(lambda: all(lag <= 0 for lag in self.lag().values()), within_s, every_s=0.2)

    def close(self) -> None:
        for sink in self.sinks:
            if sink.alive:
                sink.kill()
        self._producers.clear()
        self._observer.close()
        self.service.mend()
        self.writer.command(f"DROP DATABASE IF EXISTS {self.settings.clickhouse_database} SYNC")
        self.writer.close()

    # ── ClickHouse ──────────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        settings = {"database": self.settings.clickhouse_database}
        return [tuple(row) for row in self.writer.query(query, parameters=parameters, settings=settings).result_rows]

    def stored(self, table: str) -> int:
        """How many rows *table* has; none while there is no such table or no server."""
        try:
            return int(self.value(f"SELECT count() FROM {table}"))
        except ClickHouseError:
            return 0

    def value(self, query: str) -> Any:
        return self.rows(query)[0][0]
