"""How many records a second the sink carries into ClickHouse with all views on, what each costs, and how late they are.

    python -m benchmarks.sink [--quick]

First the topics are filled and the sink, started as in production, drains them into the embedded ClickHouse: from its
first partition to ClickHouse's last yes. What it takes to start is measured before, on empty topics, and taken off.
Sink and ClickHouse share the first core at first, and have all of them the second time. Then records come at the rate
of 2,000 commands a second, and every row says how old its record was when it was written. At the end ClickHouse must
hold each record once, and the roll-ups must add up to the same.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import clickhouse_connect
import httpx
import msgspec
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from analytics.mapping import table_of
from benchmarks.processes import Measured
from benchmarks.results import ROOT, Result
from benchmarks.sink_load import PARTITIONS, VENUE, Load, produce
from runtime import kafka, process, telemetry, topics
from runtime import settings as settings_
from runtime.broker import EmbeddedBroker
from runtime.settings import Settings

COMMANDS_PER_S: Final = 2_000
_SLOTS_PER_S: Final = 20
_STORED: Final = "fillstream_sink_records_total"
_DONE_WITHIN_S: Final = 600.0
_LOOK_EVERY_S: Final = 0.05


class Drained(msgspec.Struct, frozen=True):
    """What it took."""

    records: int
    seconds: float
    sink_cpu_s: float
    clickhouse_cpu_s: float

    @property
    def per_s(self) -> float:
        return self.records / self.seconds

    def per_100k(self, cpu_s: float) -> float:
        return cpu_s / self.records * 1e5


class Installation:
    """Sink and ClickHouse as processes of their own, on a broker that is there."""

    def __init__(self, settings: Settings, prefix: tuple[str, ...]) -> None:
        self.settings = settings
        self._port = int(settings.clickhouse_url.rpartition(":")[2])
        self.clickhouse = self._process(prefix, "clickhouse", "--port", str(self._port))
        self.sink = self._process(prefix, "sink")

    def _process(self, prefix: tuple[str, ...], *command: str) -> Measured:
        own = settings_.environment(self.settings) | {"PYTHONPATH": str(ROOT)}
        return Measured(
            [*prefix, sys.executable, "-m", "runtime", *command],
            log=self.settings.var / f"{command[0]}.log",
            environment=os.environ | own,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """ClickHouse, until the end of the block; and whatever sink is started in it."""
        self.clickhouse.start()
        try:
            await_(lambda: process.listening(self._port), self.clickhouse)
            yield
        finally:
            self.sink.stop()
            self.clickhouse.stop()

    def start_sink(self) -> None:
        """Until it owns its partitions."""
        seen = self._lives()
        self.sink.start()
        await_(lambda: self._lives() > seen, self.sink)

    def _lives(self) -> int:
        """How often a sink has been given partitions."""
        return self.sink.log.read_text().count("partitions_assigned") if self.sink.log.exists() else 0

    def stored(self) -> int:
        """How many records ClickHouse has acknowledged to the sink that runs."""
        record = telemetry.read_run_file(self.settings.var, "sink")
        if record is None:
            return 0
        families = text_string_to_metric_families(httpx.get(record.metrics).text)
        return round(sum(s.value for family in families for s in family.samples if s.name == _STORED))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        client = clickhouse_connect.get_client(host="127.0.0.1", port=self._port, database="fillstream")
        with contextlib.closing(client):
            return [tuple(row) for row in client.query(sql).result_rows]


def await_(what: Callable[[], bool], process_: Measured) -> None:
    """Wait until *what* is true. Raises RuntimeError if the process ends first, or it takes too long."""
    give_up = time.monotonic() + _DONE_WITHIN_S
    while not what():
        if not process_.running or time.monotonic() > give_up:
            raise RuntimeError(f"it doesn't go on; the end of {process_.log}:\n{process_.log_end()}")
        time.sleep(_LOOK_EVERY_S)


def drain(at: Installation, load: Load, fill: Callable[[], None]) -> Drained:
    """Have all that *fill* produces stored."""
    at.start_sink()
    start_cpu_s = at.sink.cpu_s()
    at.sink.stop()
    fill()
    clickhouse_cpu_s = at.clickhouse.cpu_s()
    at.start_sink()
    began_s, total = time.monotonic(), load.counts.total()
    await_(lambda: at.stored() >= total, at.sink)
    seconds = time.monotonic() - began_s
    return Drained(total, seconds, at.sink.cpu_s() - start_cpu_s, at.clickhouse.cpu_s() - clickhouse_cpu_s)


def steady(at: Installation, load: Load, producer: Producer, seconds: float) -> dict[str, float]:
    """Records at the rate of COMMANDS_PER_S; milliseconds from a record's time in Kafka to its row's in ClickHouse."""
    waves = list(load.waves(round(seconds * COMMANDS_PER_S), COMMANDS_PER_S // _SLOTS_PER_S))
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    for number, wave in enumerate(waves):
        time.sleep(max(0.0, began_s + number / _SLOTS_PER_S - time.monotonic()))
        produce(producer, wave)
    producer.flush()
    await_(lambda: at.stored() >= load.counts.total(), at.sink)
    names = sorted({table_of(topic).name for topic in load.counts})
    rows = " UNION ALL ".join(f"SELECT _timestamp, _ingested_at FROM {name}" for name in names)  # noqa: S608  # ours
    age_ms = "dateDiff('microsecond', _timestamp, _ingested_at) / 1000"
    found = at.query(
        f"SELECT quantilesExact(0.5, 0.99, 0.999)({age_ms}) FROM ({rows}) "  # noqa: S608  # ours
        f"WHERE _timestamp >= fromUnixTimestamp64Milli({began_ms})"
    )
    return dict(zip(("p50", "p99", "p99_9"), map(float, found[0][0]), strict=True))


def check(at: Installation, load: Load, orders: int) -> None:
    """Every record is stored once, and the roll-ups say the same. Raises AssertionError."""
    found = dict(at.query("SELECT _topic, uniqExact(_partition, _offset) FROM stored_records GROUP BY _topic"))
    assert found == dict(load.counts), f"stored {found}, produced {dict(load.counts)}"
    rows, distinct = at.query("SELECT count(), uniqExact(_topic, _partition, _offset, line) FROM stored_records")[0]
    assert rows == distinct, f"{rows} rows of {distinct} records"
    counted = at.query("SELECT sum(events) FROM order_events_1m")[0][0]
    assert counted == load.counts["order-events"], "the roll-up of events"
    postings = at.query("SELECT (SELECT sum(postings) FROM ledger_totals), (SELECT count() FROM ledger_entries)")[0]
    assert postings[0] == postings[1], "the roll-up of postings"
    filled = at.query("SELECT countIf(status = 'FILLED') FROM orders_current")[0][0]
    assert filled == orders, f"{filled} of {orders} orders are filled"


def measure(quick: bool, tell: Callable[[str], object] = lambda _: None) -> list[Result]:
    """A drain on one core, then a drain and a steady rate on all."""
    orders, seconds = (12_000, 5.0) if quick else (60_000, 30.0)
    with _laid_out(("taskset", "--cpu-list", "0")) as (at, load, producer):
        tell("the sink drains its topics on one core")
        pinned = _drained("drain, one core", at, load, producer, orders)
        check(at, load, orders)
    with _laid_out(()) as (at, load, producer):
        tell("the sink drains its topics")
        free = _drained("drain", at, load, producer, orders)
        tell(f"the sink at {COMMANDS_PER_S:,} commands a second")
        latency_ms = steady(at, load, producer, seconds)
        check(at, load, orders + round(seconds * COMMANDS_PER_S))
    return [pinned, free, Result(work="sink", variant="steady", latency_ms=latency_ms, verified=True)]


@contextlib.contextmanager
def _laid_out(prefix: tuple[str, ...]) -> Iterator[tuple[Installation, Load, Producer]]:
    """Broker, topics, ClickHouse and a sink that isn't started yet, until the end of the block."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(EmbeddedBroker(folder / "kafka", jar_cache=ROOT / "var" / "kafka"))
        settings = settings_.load(
            bootstrap_servers=broker.bootstrap,
            partitions=PARTITIONS,
            var=folder / "var",
            clickhouse_url=f"http://127.0.0.1:{process.free_port()}",
        )
        topics.ensure(settings, (VENUE,))
        at = Installation(settings, prefix)
        stack.enter_context(at.running())
        yield at, Load(), Producer(kafka.producer(settings, queue_buffering_max_messages=2_000_000))


def _drained(variant: str, at: Installation, load: Load, producer: Producer, orders: int) -> Result:
    def fill() -> None:
        for wave in load.waves(orders):
            produce(producer, wave)
        producer.flush()

    found = drain(at, load, fill)
    sink, clickhouse = found.per_100k(found.sink_cpu_s), found.per_100k(found.clickhouse_cpu_s)
    return Result(
        work="sink",
        variant=variant,
        rate=round(found.per_s),
        cpu_s_per_100k=round(sink + clickhouse, 2),
        rss_mib=round(at.sink.resident_mib_max()),
        verified=True,
        detail={
            "sink_cpu_s_per_100k": round(sink, 2),
            "clickhouse_cpu_s_per_100k": round(clickhouse, 2),
            "per_s_of_one_core": round(1e5 / (sink + clickhouse)),
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sink", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer orders, fewer seconds")
    found = measure(parser.parse_args().quick)
    Console().print_json(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
