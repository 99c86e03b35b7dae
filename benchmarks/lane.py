"""What the lane alone costs: a worker that counts records per user, with 8 partitions of 4 inputs.

``python -m benchmarks.lane`` prints the records a second of a backlog, and how long after producing a record its answer
can be read (read committed) at steady rates. The broker, the worker and this driver share the machine.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from runtime import kafka, process, topics
from runtime.broker import EmbeddedBroker
from runtime.settings import Settings
from tests.streaming.counting import Plan

_PARTITIONS: Final = 8
_INPUTS: Final = ("commands", "transfers", "reports", "ticks")
_USERS: Final = 1_000
_RATES: Final = (500, 2_000)


class Bench:
    """One worker on its own topics, and the clients that drive and watch it."""

    def __init__(self, bootstrap: str, folder: str) -> None:
        self.plan = Plan(
            name=f"bench-{uuid.uuid4().hex[:6]}",
            bootstrap=bootstrap,
            worker="worker-0",
            var=folder,
            partitions=_PARTITIONS,
            inputs=_INPUTS,
            chunk_records_max=5_000,
        )
        self.settings = Settings(bootstrap_servers=bootstrap, partitions=_PARTITIONS)
        topics.create(self.settings, self.plan.topics)
        self._out = self.plan.topic("out").name
        self._producer = Producer(kafka.producer(self.settings))
        self._reader = Consumer(kafka.consumer(self.settings, "bench", fetch_wait_max_ms=5))
        self._reader.assign([TopicPartition(self._out, number, 0) for number in range(_PARTITIONS)])

    def produce(self, number: int, kind: str = _INPUTS[0]) -> None:
        topic, key = self.plan.topic(kind).name, f"user-{number % _USERS}".encode()
        while True:
            try:
                self._producer.produce(topic, str(time.perf_counter_ns()).encode(), key)
                break
            except BufferError:
                self._producer.poll(0.1)

    def backlog(self, count: int) -> None:
        for number in range(count):
            self.produce(number)
        self._producer.flush()

    def steady(self, rate: int, seconds: float) -> None:
        """Produces *rate* records a second, evenly, and a tick a second in each partition."""
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            delay = began + number / rate - time.perf_counter()
            if delay > 0:
                time.sleep(delay)
            self.produce(number)
            if number % rate == 0:
                for partition in range(_PARTITIONS):
                    self._producer.produce(self.plan.topic("ticks").name, b"", b"tick", partition)
            self._producer.poll(0)
        self._producer.flush()

    def answers(self, count: int, within_s: float) -> Iterator[tuple[int, int]]:
        """When each of *count* answers was produced as a record, and read, in nanoseconds."""
        deadline = time.monotonic() + within_s
        while count > 0 and time.monotonic() < deadline:
            for answer in self._reader.consume(1_000, 0.01):
                stamp = answer.value().rpartition(b":")[2]
                if stamp:
                    count -= 1
                    yield int(stamp), time.perf_counter_ns()
        if count > 0:
            raise TimeoutError(f"{count} answers are missing")

    @contextlib.contextmanager
    def worker(self) -> Iterator[None]:
        command = [sys.executable, "-m", "tests.streaming.counting", msgspec.json.encode(self.plan).decode()]
        with Path(self.plan.var, "worker.log").open("wb") as log:
            running = subprocess.Popen(command, stderr=log)  # noqa: S603  # our own command
        try:
            yield
        finally:
            process.stop(running, grace_s=10)


def throughput(bench: Bench, count: int) -> None:
    bench.backlog(count)
    with bench.worker():
        read = [at for _, at in bench.answers(count, 120)]
    seconds = (read[-1] - read[0]) / 1e9
    print(f"backlog of {count:,}: {count / seconds:,.0f} records/s")  # noqa: T201  # it is what this program is for


def latency(bench: Bench, rate: int, seconds: float) -> None:
    driver = threading.Thread(target=bench.steady, args=(rate, seconds))
    driver.start()
    spent_ms = [(read - produced) / 1e6 for produced, read in bench.answers(int(rate * seconds), seconds + 30)]
    driver.join()
    skipped = spent_ms[rate:]  # the first second warms up
    cuts = statistics.quantiles(skipped, n=100)
    print(f"{rate:,}/s: p50 {cuts[49]:.1f} ms, p90 {cuts[89]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(skipped):.1f} ms")  # noqa: T201


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bootstrap", help="a running broker; an embedded one unless given")
    arguments.add_argument("--records", type=int, default=300_000, help="size of the backlog")
    arguments.add_argument("--seconds", type=float, default=10.0, help="how long each steady rate lasts")
    chosen = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bootstrap = chosen.bootstrap
        if bootstrap is None:
            jar_cache = Settings().var / "kafka"
            bootstrap = stack.enter_context(EmbeddedBroker(Path(folder, "kafka"), jar_cache=jar_cache)).bootstrap
        throughput(Bench(bootstrap, folder), chosen.records)
        bench = Bench(bootstrap, folder)
        with bench.worker():
            bench.backlog(_PARTITIONS)
            list(bench.answers(_PARTITIONS, 30))
            for rate in _RATES:
                latency(bench, rate, chosen.seconds)


if __name__ == "__main__":
    main()
