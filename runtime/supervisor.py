"""Keeps the processes of an installation alive: starts them in order, restarts what dies, stops them in reverse."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TextIO

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from runtime import launcher, process, services, status, telemetry
from runtime.exits import Exit, Unavailable
from runtime.launcher import Launch, Launcher
from runtime.process import Child
from runtime.services import Endpoints, Installation, Service
from runtime.settings import Settings
from runtime.status import State

DEATHS = Counter("fillstream_supervisor_deaths", "Processes that ended without being told to", ["process"])
READY = Gauge("fillstream_supervisor_ready", "1 while the process does its work", ["process"])

_BACKOFF_FIRST_S: Final = 0.1
_BACKOFF_MAX_S: Final = 30.0
_HEALTHY_AFTER_S: Final = 20.0  # who has run so long has its earlier deaths forgiven
_DEATHS_WHILE_STARTING_MAX: Final = 3
_START_WITHIN_S: Final = 120.0
_STOP_WITHIN_S: Final = 15.0
_LOOK_EVERY_S: Final = 0.1

log = structlog.get_logger()


class Cancelled(Exception):  # noqa: N818  # a wish, not an error
    """The start was told to stop half-way; everything has been stopped again."""


def backoff_s(deaths: int) -> float:
    """How long to wait before the start that follows so many deaths in a row."""
    return min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2.0 ** min(deaths - 1, 16))


class Supervisor:
    """Runs an installation between :meth:`start` and :meth:`stop`, or in a ``with`` block, from threads of its own.

    Nothing survives the process it runs in, however that ends. One supervisor at a time may use a ``var`` folder.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._groups: list[list[_Child]] = []
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._claim = contextlib.ExitStack()
        self._launcher = Launcher(installation.var / "log" / "fork_server.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoints(self) -> Endpoints:
        return self.installation.endpoints

    @property
    def endpoints_file(self) -> Path:
        """There from when all is ready until all has stopped (longer only if the supervisor was killed)."""
        return self.installation.var / "endpoints.json"

    @property
    def pids(self) -> dict[str, int]:
        """The process IDs of what is alive, by name."""
        return {state.name: state.pid for state in self.states() if state.pid is not None}

    def states(self) -> list[State]:
        """How each process is doing, in the order of starting."""
        return [child.state() for group in self._groups for child in group]

    def take_down(self, name: str, *, kill: bool = False) -> None:
        """End the process *name*, by SIGKILL if *kill*, and leave it down until :meth:`bring_up`. Doesn't wait."""
        self._child(name).take_down(kill=kill)

    def bring_up(self, name: str) -> None:
        """Start *name*, which was taken down or is a spare. Doesn't wait."""
        self._child(name).bring_up()

    def start(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Start everything and wait until it is ready, which *cancelled* may end early.

        Raises Unavailable, CheckFailed or Cancelled; whatever was started by then has been stopped.
        """
        var = self.installation.var
        taken = f"another `fillstream up` or demo runs in {var}: stop it first"
        self._claim.enter_context(process.locked(var / "run" / "supervisor.lock", taken))
        self._claim.callback(self.endpoints_file.unlink, missing_ok=True)
        try:
            if any(service.forked for step in self.installation.steps if not callable(step) for service in step):
                self._launcher.prepare()
            for step in self.installation.steps:
                if callable(step):
                    step()
                else:
                    self._start_group(step, cancelled)
            telemetry.write_atomically(self.endpoints_file, msgspec.json.format(msgspec.json.encode(self.endpoints)))
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()
        log.info("installation_ready", **msgspec.to_builtins(self.endpoints))

    def stop(self) -> None:
        """Stop everything in reverse order: SIGTERM, and SIGKILL for what hasn't ended after 15 s."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        while self._groups:
            _stop_all(self._groups[-1])
            self._groups.pop()
        self._launcher.close()
        self._claim.close()

    def _child(self, name: str) -> "_Child":
        return next(child for group in self._groups for child in group if child.name == name)

    def _start_group(self, group: Iterable[Service], cancelled: Callable[[], bool]) -> None:
        folder = self.installation.var / "log"
        children = [_Child(service, folder / f"{service.name}.log", self._launcher) for service in group]
        self._groups.append(children)
        deadline = time.monotonic() + _START_WITHIN_S
        while True:
            self._look()
            waiting = [child for child in children if child.wanted and not child.ready]
            if not waiting:
                return
            if cancelled():
                raise Cancelled
            late = time.monotonic() > deadline
            for child in waiting:
                if late or child.deaths >= _DEATHS_WHILE_STARTING_MAX:
                    what = f"isn't ready after {_START_WITHIN_S:.0f} s" if late else "keeps ending"
                    raise Unavailable(f"{child.name} {what}; the end of {child.log_file}:\n{child.log_end()}")
            time.sleep(_LOOK_EVERY_S / 2)

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        for group in self._groups:
            for child in group:
                child.look(time.monotonic())


class _Child:
    """One service through all its runs."""

    def __init__(self, service: Service, log_file: Path, launch: Launch = launcher.spawned) -> None:
        self.name = service.name
        self.log_file = log_file
        self.ready = False
        self.deaths = 0  # in a row
        self.restarts = 0
        self._service = service
        self._start = launch
        self._process: Child | None = None
        self.wanted = not service.spare
        self._changes_at = 0.0  # when it was started, or is to be started
        log_file.parent.mkdir(parents=True, exist_ok=True)
        if log_file.exists():
            log_file.replace(log_file.with_suffix(".log.1"))

    def look(self, now: float) -> None:
        """Do what is due: start, note a death, note that it is ready."""
        if self._process is None:
            if self.wanted and now >= self._changes_at:
                self._launch(now)
        elif (code := self._process.poll()) is not None:
            self._bury(now, code)
        elif not self.ready and self._service.ready(self._process.pid):
            self.ready = True
            READY.labels(self.name).set(1)
            log.info("process_ready", name=self.name, pid=self._process.pid)

    def take_down(self, *, kill: bool) -> None:
        self.wanted = False
        running = self._process
        if running is not None and running.poll() is None:
            (running.kill if kill else running.terminate)()

    def bring_up(self) -> None:
        self._changes_at = time.monotonic()
        self.wanted = True

    def terminate(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def finish(self, deadline: float) -> None:
        """Wait for its end until *deadline*, then make one."""
        if self._process is not None:
            code = process.finish(self._process, within_s=max(0.0, deadline - time.monotonic()))
            READY.labels(self.name).set(0)
            log.info("process_stopped", name=self.name, code=code)
            self._process = None

    def state(self) -> State:
        running = self._process
        what: Literal["ready", "starting", "waiting"]
        what = "waiting" if running is None else "ready" if self.ready else "starting"
        return State(
            name=self.name,
            what=what,
            pid=running.pid if running is not None else None,
            restarts=self.restarts,
            since=self._changes_at,
            log_file=self.log_file,
        )

    def log_end(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-10:])

    def _launch(self, now: float) -> None:
        with self.log_file.open("ab") as output:
            self._process = self._start(self._service, output)
        self._changes_at = now
        log.info("process_launched", name=self.name, pid=self._process.pid, restarts=self.restarts)

    def _bury(self, now: float, code: int) -> None:
        if not self.wanted:
            self.ready, self._process = False, None
            READY.labels(self.name).set(0)
            log.info("process_taken_down", name=self.name, code=code)
            return
        lived_s = now - self._changes_at
        self.deaths = 1 if lived_s > _HEALTHY_AFTER_S else self.deaths + 1
        self.restarts += 1
        self.ready = False
        self._process = None
        self._changes_at = now + backoff_s(self.deaths)
        DEATHS.labels(self.name).inc()
        READY.labels(self.name).set(0)
        log.warning(
            "process_died", name=self.name, code=code, lived_s=round(lived_s, 1), again_in_s=backoff_s(self.deaths)
        )


def _stop_all(children: Iterable[_Child]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + _STOP_WITHIN_S
    for child in children:
        child.finish(deadline)


def local(settings: Settings, metrics: Mapping[str, str] | None = None, **options: Any) -> Supervisor:
    """A supervisor of everything on this machine, under ``settings.var``.

    *options* are those of :class:`runtime.services.Options`; *metrics* are addresses to publish besides the processes'.
    """
    return Supervisor(services.local(settings, services.Options(**options), metrics or {}))


def main(settings: Settings, **options: Any) -> int:
    """Keep everything running until SIGTERM or Ctrl-C (``fillstream up``). On a terminal, show how it is doing."""
    with contextlib.ExitStack() as cleanup:
        output: TextIO = sys.stderr
        if sys.stdout.isatty():
            log_file = settings.var / "log" / "supervisor.log"
            log_file.parent.mkdir(parents=True, exist_ok=True)
            output = cleanup.enter_context(log_file.open("a"))
        running = telemetry.start(settings, "supervisor", output)
        supervisor = local(settings, {"supervisor": running.record.metrics}, **options)
        stop = cleanup.enter_context(process.StopRequest())
        if output is not sys.stderr:
            cleanup.enter_context(status.live(supervisor.states, supervisor.endpoints_file))
        try:
            supervisor.start(cancelled=lambda: stop.requested)
        except Cancelled:
            return Exit.OK
        cleanup.callback(supervisor.stop)
        while not stop.wait(3_600):
            pass
    return Exit.OK
