"""What faults get their hands on: processes by name, the paths between them, the venue's own lies, and a clock."""

import contextlib
import json
import os
import re
import select
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import structlog

from runtime import process
from runtime.chaos.proxy import Proxy
from runtime.chaos.recovery import Recoveries
from runtime.supervisor import Supervisor
from runtime.trial.plan import VENUE

#: Who is being restarted when its turn comes is waited for at most this long.
PATIENCE_S: Final = 30.0
LOOK_EVERY_S: Final = 0.02
WORK_WITHIN_S: Final = 10.0
RECOVERED_WITHIN_S: Final = 15.0
ASK_WITHIN_S: Final = 2.0
BROKER: Final = "broker"
_OWNED: Final = re.compile(r'^fillstream_lane_position\{[^}]*partition="(\d+)"', re.MULTILINE)

log = structlog.get_logger()


class Absent(Exception):  # noqa: N818  # it says what is the matter
    """The victim didn't come back in time to be a victim again."""


class Interrupted(Exception):  # noqa: N818  # a wish, not an error
    """The run is to end: whatever is broken is to be mended at once."""


class Blow(msgspec.Struct, frozen=True):
    """One signal that hit a process: SIGKILL, or SIGSTOP until a later SIGCONT."""

    process: str
    pid: int
    signal: str
    at_us: int


class Stage:
    """Faults act through this alone, so that it knows every process that was hit. Used by several threads."""

    def __init__(
        self,
        running: Supervisor,
        paths: Mapping[str, Proxy],
        recoveries: Recoveries,
        *,
        partitions: int,
        session_timeout_s: float,
    ) -> None:
        self.blows: list[Blow] = []
        self.violations: list[str] = []
        self.zombie_exits_s: list[float] = []
        self.paths = paths
        self.recoveries = recoveries
        self.session_timeout_s = session_timeout_s
        self._partitions = partitions
        self._running = running
        self._ending = threading.Event()

    def end(self) -> None:
        """Whoever waits here is interrupted."""
        self._ending.set()

    def wait(self, seconds: float) -> None:
        """Raises Interrupted if the run ends meanwhile."""
        if self._ending.wait(max(0.0, seconds)):
            raise Interrupted

    def await_recovery(self) -> None:
        """Wait until every partition that was hit has been heard of again; those that are quiet get 15 s."""
        deadline_s = time.monotonic() + RECOVERED_WITHIN_S
        while self.recoveries.pending and time.monotonic() < deadline_s:
            self.wait(LOOK_EVERY_S)

    # ── processes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def pid(self, name: str, *, ready: bool = True, other_than: int = 0) -> int:
        """The process ID of *name*, once it is at work or has at least been launched. Raises Absent."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            for state in self._running.states():
                if state.name == name and state.pid not in {None, other_than} and (state.what == "ready" or not ready):
                    return _java(state.pid) if name == BROKER else state.pid
            self.wait(LOOK_EVERY_S)
        raise Absent(f"{name} was not there within {PATIENCE_S:g} s")

    def at_work(self, name: str) -> tuple[int, set[int]]:
        """The process ID of *name* and its partitions: a worker gets WORK_WITHIN_S to have some. Raises Absent."""
        deadline_s = time.monotonic() + WORK_WITHIN_S
        while True:
            pid, partitions = self.pid(name), self.partitions(name)
            if partitions or not name.startswith("worker-") or time.monotonic() > deadline_s:
                return pid, partitions
            self.wait(LOOK_EVERY_S * 10)

    def kill(self, name: str, pid: int) -> int:
        """SIGKILL to *pid*, which is *name*'s; returns the instant. Raises Absent if it has died by itself."""
        return self._hit(name, pid, signal.SIGKILL)

    @contextlib.contextmanager
    def stopped(self, name: str, pid: int) -> Iterator[int]:
        """SIGSTOP to *pid*, SIGCONT at the end of the block; gives the instant of the first. Raises Absent."""
        at_us = self._hit(name, pid, signal.SIGSTOP)
        try:
            yield at_us
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def partitions(self, name: str) -> set[int]:
        """The partitions that live in *name*: all in the broker, what it says it owns in a worker, none elsewhere."""
        if not name.startswith("worker-"):
            return set(range(self._partitions)) if name == BROKER else set()
        try:
            with urllib.request.urlopen(self._running.endpoints.metrics[name], timeout=ASK_WITHIN_S) as answer:  # noqa: S310  # our own address
                text = answer.read().decode()
        except OSError:
            return set()
        return {int(number) for number in _OWNED.findall(text)}

    def take_down(self, name: str, *, kill: bool) -> None:
        """End *name* and keep it down until :meth:`bring_up`."""
        if kill:
            self.kill(name, self.pid(name))
        self._running.take_down(name)

    def bring_up(self, name: str) -> None:
        self._running.bring_up(name)

    def _hit(self, name: str, pid: int, number: signal.Signals) -> int:
        at_us = time.time_ns() // 1_000
        try:
            os.kill(pid, number)
        except ProcessLookupError as error:
            raise Absent(f"{name} ({pid}) was gone already") from error
        self.blows.append(Blow(process=name, pid=pid, signal=number.name, at_us=at_us))
        log.warning("blow", process=name, pid=pid, signal=number.name)
        return at_us

    # ── the venue ──────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def lying_venue(self, plan: Mapping[str, object]) -> Iterator[None]:
        """The simulated venue errs by *plan* (``PUT /simulator/faults``) for as long as the block runs."""
        self._plan_faults(plan)
        try:
            yield
        finally:
            self._plan_faults({})

    def _plan_faults(self, plan: Mapping[str, object]) -> None:
        request = urllib.request.Request(  # noqa: S310  # our own address
            f"{self._running.endpoints.venues[VENUE].url}/simulator/faults", json.dumps(plan).encode(), method="PUT"
        )
        urllib.request.urlopen(request, timeout=ASK_WITHIN_S).close()  # noqa: S310


def exits_within(pid: int, within_s: float) -> float | None:
    """How many seconds from now *pid* ends, or None if not *within_s*."""
    began_s = time.monotonic()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0.0
    try:
        ended, _, _ = select.select([handle], [], [], within_s)
        return time.monotonic() - began_s if ended else None
    finally:
        os.close(handle)


def _java(wrapper: int) -> int:
    """The broker itself: the child of the process that looks after it."""
    if started := process.children(wrapper):
        return started[0]
    raise Absent(f"the broker's process {wrapper} has no child")
