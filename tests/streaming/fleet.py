"""Workers of the counting application as processes, what goes into them, and what must have come out."""

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from domain.state import Balance
from runtime import kafka, process, topics
from runtime.settings import Settings
from schemas import codec
from tests.streaming.counting import Plan


class Worker:
    """One process. Its log is at hand when a test wants to know why."""

    def __init__(self, plan: Plan, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        command = [sys.executable, "-m", "tests.streaming.counting", msgspec.json.encode(plan).decode()]
        with log.open("ab") as output:
            self._process: subprocess.Popen[bytes] = process.spawn(
                command, output=output, environment=os.environ | environment
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        return process.stop(self._process, grace_s=15)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self, within_s: float = 60) -> int:
        return self._process.wait(within_s)

    def events(self, name: str) -> list[dict[str, object]]:
        """The lines of its log that tell of *name*."""
        lines = self._log.read_text().splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in parsed if line.get("event") == name]

    def complaints(self) -> list[str]:
        """The lines of its log that say why it stopped."""
        return [line for line in self._log.read_text().splitlines() if '"level":"critical"' in line.replace(" ", "")]


class Fleet:
    """The topics of one counting application on *bootstrap*, and its workers. To be used as a context manager."""

    def __init__(self, bootstrap: str, name: str, folder: Path, **plan: object) -> None:
        self._folder = folder
        self._workers: list[Worker] = []
        self.plan = msgspec.convert(
            {"name": name, "bootstrap": bootstrap, "worker": "", "var": str(folder / "var"), **plan}, Plan
        )
        self.settings = Settings(bootstrap_servers=bootstrap, partitions=self.plan.partitions)
        self.produced: collections.Counter[bytes] = collections.Counter()
        self._producer: Producer | None = None

    def __enter__(self) -> Self:
        topics.create(self.settings, self.plan.topics)
        self._producer = Producer(kafka.producer(self.settings))
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            if worker.running:
                worker.kill()
            print(*worker.complaints(), sep="\n")  # noqa: T201  # pytest shows it if the test has failed

    def start(
        self, worker: str = "worker-0", *, environment: dict[str, str] | None = None, **changes: object
    ) -> Worker:
        plan = msgspec.structs.replace(self.plan, worker=worker, **changes)
        started = Worker(plan, self._folder / f"{worker}-{len(self._workers)}.log", environment or {})
        self._workers.append(started)
        return started

    def produce(self, count: int, *, users: int = 20, value: bytes = b"") -> None:
        """*count* records to each input."""
        assert self._producer is not None
        for number in range(count):
            user = f"user-{number % users}".encode()
            for kind in self.plan.inputs:
                self._producer.produce(self.plan.topic(kind).name, value, user)
                self.produced[user] += 1
            self._producer.poll(0)
        self._producer.flush()

    def answers(self, count: int, within_s: float = 30, *, settle_s: float = 0.0) -> list[tuple[str, int, bytes]]:
        """Source, number and user of each answer: *count* of them, and any that come within *settle_s* more."""
        found: list[tuple[str, int, bytes]] = []
        with self.reader(self.plan.topic("out").name) as reader:
            deadline = time.monotonic() + within_s
            while len(found) < count and time.monotonic() < deadline:
                found += map(_parsed, reader.consume(5_000, 0.1))
            found += map(_parsed, reader.consume(5_000, settle_s) if settle_s else ())
        return found

    def totals(self) -> dict[bytes, int]:
        """The count of each user in the table, as the changelog has it."""
        rows: dict[bytes, int] = {}
        with self.reader(self.plan.counts.name, partition_eof=True) as reader:
            ended = 0
            while ended < self.plan.partitions:
                for record in reader.consume(5_000, 0.2):
                    if record.error():
                        ended += 1
                    else:
                        rows[record.key()] = codec.decode(record.value(), Balance).available
        return rows

    @contextlib.contextmanager
    def reader(self, topic: str, *, partition_eof: bool = False) -> Iterator[Consumer]:
        """A consumer at the beginning of all partitions of *topic*."""
        reader = Consumer(
            kafka.consumer(self.settings, "test", enable_partition_eof=partition_eof, fetch_wait_max_ms=50)
        )
        reader.assign([TopicPartition(topic, number, 0) for number in range(self.plan.partitions)])
        try:
            yield reader
        finally:
            reader.close()

    def verify(self, within_s: float = 40) -> None:
        """Every record was answered once; every user's answers count up without a gap; the table says the same."""
        expected = sum(self.produced.values())
        answers = self.answers(expected, within_s, settle_s=0.7)
        sources = collections.Counter(source for source, _, _ in answers)
        assert not [source for source, times in sources.items() if times > 1]
        assert len(answers) == expected
        numbers: dict[bytes, list[int]] = collections.defaultdict(list)
        for _, number, user in answers:
            numbers[user].append(number)
        assert {user: sorted(each) for user, each in numbers.items()} == {
            user: list(range(1, count + 1)) for user, count in self.produced.items()
        }
        assert self.totals() == dict(self.produced)


def _parsed(answer: Message) -> tuple[str, int, bytes]:
    source, offset, number, _ = answer.value().split(b":")
    return f"{source.decode()}:{answer.partition()}:{offset.decode()}", int(number), answer.key()


def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    """Waits for *condition*; fails if it takes too long."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it didn't come about in time"
        time.sleep(0.05)
