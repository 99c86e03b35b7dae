"""One start of one variant, on topics of its own that go when it ends."""

import os
import secrets
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchmarks.processes import Measured
from benchmarks.results import FOLDER, ROOT
from benchmarks.w1 import place
from benchmarks.w1.cluster import Cluster
from benchmarks.w1.place import READY, TABLES
from benchmarks.w1.variants import Variant

SESSION_TIMEOUT_MS: Final = 10_000

_READY_WITHIN_S: Final = 60.0
_SETTLED_FOR_S: Final = 1.0
_COMPACTED: Final = {"cleanup.policy": "compact"}


class RunFailed(Exception):  # noqa: N818  # a verdict on a variant, not on this program
    """A variant ended, stalled, or wrote what it shouldn't have."""


class Run:
    """Topics and processes of *variant* between ``with`` and its end. Nothing is started before ``start``."""

    def __init__(self, cluster: Cluster, variant: Variant) -> None:
        self.cluster = cluster
        self.variant = variant
        application = f"w1-{variant.name}-{secrets.token_hex(3)}"
        bootstrap = cluster.settings.bootstrap_servers
        self.place = place.of(application, bootstrap, FOLDER / "state", session_timeout_ms=SESSION_TIMEOUT_MS)
        self._processes = [self._process(number) for number in range(variant.workers)]

    def __enter__(self) -> Self:
        topics: dict[str, dict[str, str]] = {
            self.place.commands: {},
            self.place.events: {"message.timestamp.type": "LogAppendTime"},
            self.place.requests: {},
        }
        if not self.variant.makes_tables:
            topics |= {self.place.changelog(table): _COMPACTED for table in (*TABLES, "positions")}
        self.cluster.create(topics)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if kind is None:
            for process in self._processes:
                process.log.unlink(missing_ok=True)
        self.cluster.delete(self.place.application)
        shutil.rmtree(self.place.state, ignore_errors=True)

    def start(self) -> None:
        """Starts every process, once more if it was killed."""
        for process in self._processes:
            process.start()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def await_ready(self) -> None:
        """Waits until every member has joined and has had its partitions for a second. Raises RunFailed."""
        deadline, since = time.monotonic() + _READY_WITHIN_S, None
        while since is None or time.monotonic() - since < _SETTLED_FOR_S:
            self.check()
            since = (since or time.monotonic()) if self._joined() else None
            if time.monotonic() > deadline:
                raise self.failed(f"not ready within {_READY_WITHIN_S:.0f} s")
            time.sleep(0.1)

    def check(self) -> None:
        """Raises RunFailed if a process has ended."""
        for number, process in enumerate(self._processes):
            if not process.running:
                raise self.failed(f"process {number} ended by itself")

    def failed(self, why: str) -> RunFailed:
        """A failure, with the end of every log."""
        ends = "\n".join(f"{process.log}:\n{process.log_end()}" for process in self._processes)
        return RunFailed(f"{self.variant.name}: {why}\n{ends}")

    def cpu_s(self) -> float:
        return sum(process.cpu_s() for process in self._processes)

    def resident_mib_max(self) -> float:
        return sum(process.resident_mib_max() for process in self._processes)

    def _joined(self) -> bool:
        if self.variant.members:
            return self.cluster.joined(self.place.application) == self.variant.members
        return all(READY in process.log_end() for process in self._processes)

    def _process(self, number: int) -> Measured:
        own = self.place._replace(worker=number, threads=self.variant.threads)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | own.environment()
        log = FOLDER / "logs" / f"{self.place.application}-{number}.log"
        return Measured(self.variant.command(), log=Path(log), environment=environment | dict(self.variant.environment))
