"""How fast one worker is, on a real broker, transactions on: throughput, latency, memory, restart.

    python -m benchmarks.worker [--orders 200000] [--latency-seconds 20]

Everything runs on this machine, broker and driver included. Prints a table and writes ``var/bench/worker.json``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer

from domain.messages import (
    Answer,
    OrderCommand,
    OrderEvent,
    OrderType,
    PlaceOrder,
    Side,
    Transfer,
    TransferDirection,
)
from domain.money import parse
from runtime import kafka, process, topics
from runtime.broker import EmbeddedBroker
from runtime.settings import Settings
from schemas import codec
from schemas.topics import ORDER_COMMANDS, ORDER_EVENTS, TRANSFERS

ROOT = Path(__file__).parent.parent
USERS = 1_000
WAIT_S_MAX = 300.0


class Worker:
    """A worker process under test."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._environment = os.environ | {
            "FILLSTREAM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "FILLSTREAM_VAR": str(folder),
            "FILLSTREAM_WORKER_ID": "worker-0",
            "PYTHONPATH": str(ROOT),
        }
        self._log = (folder / "worker.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "runtime", "worker"]
        self._process = process.spawn(command, output=self._log, environment=self._environment)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        process.stop(self._process, grace_s=30)

    def resident_mib(self) -> float:
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_s(self) -> float:
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Answers:
    """Reads the answers as a downstream system does: committed records only."""

    def __init__(self, settings: Settings) -> None:
        config = kafka.consumer(settings, f"bench-{time.time_ns()}", fetch_wait_max_ms=10)
        self._consumer = Consumer(config)
        self._consumer.subscribe([ORDER_EVENTS.name])

    def take(self, wait_s: float) -> Iterator[tuple[float, OrderEvent]]:
        """The answers that are readable within *wait_s*, with the moment."""
        for message in self._consumer.consume(1_000, wait_s):
            event = codec.decode(message.value(), OrderEvent)
            if event.answer is not None:
                yield time.monotonic(), event

    def await_count(self, wanted: int) -> tuple[float, float]:
        """Waits for *wanted* more accepted answers; returns the moments of the first and of the last."""
        count, first, deadline = 0, 0.0, time.monotonic() + WAIT_S_MAX
        while time.monotonic() < deadline:
            for now, event in self.take(0.02):
                assert event.answer is Answer.ACCEPTED, event
                first, count = first or now, count + 1
                if count == wanted:
                    return first, now
        raise TimeoutError(f"{count} of {wanted} answers came")

    def close(self) -> None:
        self._consumer.close()


def give_money(producer: Producer) -> int:
    """Gives every user plenty of money."""
    for number in range(USERS):
        user = f"user-{number}"
        amount = parse("1000000000")
        transfer = Transfer(f"start-{user}", user, "USD", TransferDirection.CREDIT, amount, 0)
        producer.produce(TRANSFERS.name, codec.encode(transfer), user)
    producer.flush()
    return USERS


def place(number: int) -> tuple[bytes, bytes]:
    """Key and value of the place command *number*."""
    user = f"user-{number % USERS}"
    order = PlaceOrder(
        f"order-{number:09d}", "simulated", "BTC-USD", Side.BUY, OrderType.LIMIT, parse("0.001"), parse("30000")
    )
    return user.encode(), codec.encode(OrderCommand(f"command-{number:09d}", user, 0, order))


def produce(producer: Producer, numbers: range) -> None:
    """Writes place commands as fast as the broker takes them."""
    for number in numbers:
        key, value = place(number)
        while True:
            try:
                producer.produce(ORDER_COMMANDS.name, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def paced(producer: Producer, answers: Answers, numbers: range, rate: int) -> list[float]:
    """Milliseconds from the moment each command was due to its readable answer, at *rate* a second.

    Measured from when a command was due, not from when it was sent, so that a stall counts for all it delays.
    """
    due = {f"command-{number:09d}": index / rate for index, number in enumerate(numbers)}
    start, pending, latencies = time.monotonic() + 0.5, iter(numbers), []
    following = next(pending)
    while len(latencies) < len(numbers):
        while following is not None and start + due[f"command-{following:09d}"] <= time.monotonic():
            key, value = place(following)
            producer.produce(ORDER_COMMANDS.name, value, key)
            following = next(pending, None)
        producer.poll(0)
        for now, event in answers.take(0.001):
            if event.command_id in due:
                latencies.append((now - start - due[event.command_id]) * 1_000)
        if time.monotonic() - start > due[f"command-{numbers[-1]:09d}"] + WAIT_S_MAX / 10:
            raise TimeoutError(f"{len(latencies)} of {len(numbers)} answers came")
    return sorted(latencies)


def percentile(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)


def measure(orders: int, latency_seconds: int) -> dict[str, Any]:
    """All figures."""
    result: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedBroker(Path(name) / "kafka", jar_cache=ROOT / "var" / "kafka") as broker,
    ):
        settings = Settings(bootstrap_servers=broker.bootstrap, var=Path(name))
        topics.ensure(settings, ("simulated",))
        producer = Producer(kafka.producer(settings, queue_buffering_max_messages=1_000_000))
        worker, answers = Worker(settings, Path(name)), Answers(settings)
        worker.start()
        answers.await_count(give_money(producer))
        for rate in (500, 2_000):
            first = 10_000_000 + rate * 1_000
            latencies = paced(producer, answers, range(first, first + rate * latency_seconds), rate)
            result[f"latency_ms_at_{rate}"] = {"p50": percentile(latencies, 0.5), "p99": percentile(latencies, 0.99)}
        worker.stop()
        produce(producer, range(orders))
        worker.start()
        first, last = answers.await_count(orders)
        result["place_commands_per_second"] = round(orders / (last - first))
        result["cpu_s_per_100k"] = round(worker.cpu_s() / orders * 100_000, 2)
        result["resident_mib"] = round(worker.resident_mib())
        result["orders"] = orders
        worker.kill()
        killed = time.monotonic()
        produce(producer, range(20_000_000, 20_000_100))
        worker.start()
        result["restart_s"] = round(answers.await_count(1)[0] - killed, 1)
        worker.stop()
        answers.close()
    return result


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--orders", type=int, default=200_000)
    options.add_argument("--latency-seconds", type=int, default=15)
    chosen = options.parse_args()
    result = measure(chosen.orders, chosen.latency_seconds)
    target = ROOT / "var" / "bench" / "worker.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
    for key, value in result.items():
        print(f"{key:28} {value}")  # noqa: T201  # the output is the purpose


if __name__ == "__main__":
    main()
