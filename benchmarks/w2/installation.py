"""fillstream as W2 measures it: a broker of its own, workers as they are started in production, and the driver."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.processes import Measured
from benchmarks.results import ROOT
from benchmarks.w2 import workload
from benchmarks.w2.driver import Driven, Plan
from benchmarks.w2.workload import Lot
from runtime import kafka, topics
from runtime import settings as settings_
from runtime.broker import EmbeddedBroker
from runtime.settings import Settings
from schemas import codec
from schemas.topics import APPLICATION, INPUTS, TRANSFERS

#: Orders under way in all partitions together while a rate is measured: enough to keep every worker busy.
WINDOW: Final = 16_000
_READ_WITHIN_S: Final = 600.0
_ASK_WITHIN_S: Final = 20.0
_ASK_EVERY_S: Final = 0.1


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What playing one lot took: CPU of all workers from its first command until its last input was read."""

    lot: Lot
    worker_cpu_s: float
    driven: Driven

    @property
    def cpu_us_per_order(self) -> float:
        return self.worker_cpu_s / self.lot.count * 1e6

    @property
    def driver_cpu_share(self) -> float:
        return self.driven.cpu_s / self.driven.seconds


class Installation:
    """Topics, users with money, and workers that can be started, killed and asked."""

    def __init__(self, settings: Settings, folder: Path, users: int) -> None:
        self.settings = settings
        self.folder = folder
        self.users = users
        self.lots: list[Lot] = []
        self.workers: list[Measured] = []
        self._killed: set[Measured] = set()
        self._group = Consumer(kafka.consumer(settings, APPLICATION))  # asks for the group's offsets, never joins it

    def prepare(self) -> None:
        """Makes the topics and gives every user money; no worker has read of it yet."""
        topics.ensure(self.settings, (workload.VENUE,))
        producer = Producer(kafka.producer(self.settings, queue_buffering_max_messages=1_000_000))
        for transfer in workload.transfers(self.users):
            producer.produce(TRANSFERS.name, codec.encode(transfer), transfer.user_id)
        producer.flush()

    def start_worker(self) -> Measured:
        """Starts one more worker."""
        name = f"worker-{len(self.workers)}"
        more = settings_.environment(self.settings) | {
            "FILLSTREAM_VAR": str(self.folder),
            "FILLSTREAM_WORKER_ID": name,
            "FILLSTREAM_PROCESS_NAME": name,
            "PYTHONPATH": str(ROOT),
        }
        worker = Measured(
            [sys.executable, "-m", "runtime", "worker"],
            log=self.folder / f"{name}.log",
            environment=os.environ | more,
        )
        self.workers.append(worker)
        worker.start()
        return worker

    def kill(self, worker: Measured) -> None:
        """Kills one of the workers (SIGKILL); ``restart`` starts it again under its name."""
        self._killed.add(worker)
        worker.kill()

    def restart(self, worker: Measured) -> None:
        worker.start()
        self._killed.remove(worker)

    def stop_workers(self) -> None:
        for worker in self.workers:
            worker.stop()

    def cpu_s(self) -> float:
        """Of all workers that run."""
        return sum(worker.cpu_s() for worker in self.workers if worker.running)

    def following(self, count: int, *, rests: bool = False) -> Lot:
        """The next orders, which nobody has placed yet."""
        first = self.lots[-1].first + self.lots[-1].count if self.lots else 0
        lot = Lot(first=first, count=count, rests=rests)
        self.lots.append(lot)
        return lot

    def play(self, lot: Lot, *, window: int = WINDOW, rate: float | None = None) -> Spent:
        """Drives *lot* to its end and waits until everything has been read."""
        with self.driving(lot, window=window, rate=rate) as driver:
            before = self.cpu_s()
            driver.start()
            driven = driver.finish()
            self.await_read()
            return Spent(lot=lot, worker_cpu_s=self.cpu_s() - before, driven=driven)

    @contextlib.contextmanager
    def driving(self, lot: Lot, *, window: int = WINDOW, rate: float | None = None) -> Iterator["Driving"]:
        """A driver with *lot* encoded, about to start; ended when the context is."""
        stem = self.folder / f"driver-{lot.first}"
        plan = Plan(
            bootstrap=self.settings.bootstrap_servers,
            partitions=self.settings.partitions,
            users=self.users,
            lot=lot,
            window=max(1, window // self.settings.partitions),
            ready=str(stem.with_suffix(".ready")),
            done=str(stem.with_suffix(".done")),
            rate=rate,
        )
        driving = Driving(plan, stem.with_suffix(".log"), self._check_workers)
        try:
            driving.prepare()
            yield driving
        finally:
            driving.end()

    def await_read(self) -> None:
        """Returns when the group's offsets say that every input has been read to its end."""
        places = [
            TopicPartition(topic.name, number) for topic in INPUTS[:3] for number in range(self.settings.partitions)
        ]
        ends = [kafka.watermarks(self._group, place)[1] for place in places]

        def read() -> bool:
            standing = kafka.committed(self._group, places, _ASK_WITHIN_S)
            return all(place.offset >= end for place, end in zip(standing, ends, strict=True) if end)

        self.wait(read, "the inputs to be read")

    def wait(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _READ_WITHIN_S
        while not done():
            self._check_workers()
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {_READ_WITHIN_S:.0f} s for {what}")
            time.sleep(_ASK_EVERY_S)

    def _check_workers(self) -> None:
        for worker in self.workers:
            if worker not in self._killed and not worker.running:
                raise RuntimeError(f"a worker has ended by itself; the end of its log:\n{worker.log_end()}")

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self._group.close()


class Driving:
    """A driver process and the files by which it is talked to."""

    def __init__(self, plan: Plan, log: Path, check_workers: Callable[[], None]) -> None:
        self._ready, self._done = Path(plan.ready), Path(plan.done)
        self._check_workers = check_workers
        self._process = Measured(
            [sys.executable, "-m", "benchmarks.w2.driver", msgspec.json.encode(plan).decode()],
            log=log,
            environment=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def prepare(self) -> None:
        self._process.start()
        self._await(self._ready)

    def start(self) -> None:
        self._ready.unlink()

    @property
    def finished(self) -> bool:
        return self._done.exists()

    def finish(self) -> Driven:
        self._await(self._done)
        return msgspec.json.decode(self._done.read_bytes(), type=Driven)

    def end(self) -> None:
        self._process.kill()

    def _await(self, file: Path) -> None:
        deadline = time.monotonic() + _READ_WITHIN_S
        while not file.exists():
            self._check_workers()
            if not self._process.running:
                raise RuntimeError(f"the driver has ended; the end of its log:\n{self._process.log_end()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the driver didn't get as far as {file.name} in {_READ_WITHIN_S:.0f} s")
            time.sleep(_ASK_EVERY_S)


@contextlib.contextmanager
def installed(users: int, partitions: int = 8, broker: EmbeddedBroker | None = None) -> Iterator[Installation]:
    """An installation whose users have money, without workers yet: on *broker*, which has no topics of ours, or on one
    of its own.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if broker is None:
            broker = stack.enter_context(EmbeddedBroker(folder / "kafka", jar_cache=ROOT / "var" / "kafka"))
        settings = settings_.load(bootstrap_servers=broker.bootstrap, partitions=partitions)
        installation = Installation(settings, folder, users)
        stack.callback(installation.close)
        installation.prepare()
        yield installation
