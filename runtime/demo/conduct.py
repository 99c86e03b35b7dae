"""The demo from its first process to its last line: start, run, judge, tell."""

import contextlib
import fcntl
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog
from rich.console import Console

from runtime import jars, supervisor, telemetry
from runtime.demo import questions, report, show
from runtime.demo import summary as figures
from runtime.demo.kills import Killer
from runtime.demo.plots import Course
from runtime.demo.report import Material
from runtime.demo.summary import Kill, Timing
from runtime.exits import Exit, Unavailable
from runtime.process import StopRequest
from runtime.settings import Settings
from runtime.supervisor import Cancelled
from runtime.trial import oracle
from runtime.trial.oracle.evidence import Check, Evidence
from runtime.trial.plan import Shape
from runtime.trial.progress import Progress, starting
from runtime.trial.run import Run, Stopped

#: How long a run may take to come to rest. Orders of unknown outcome are proven within half a minute.
SETTLE_S: Final = 60.0
#: The same after processes were killed: what they had in hand is asked for again until there is proof.
SETTLE_AFTER_KILLS_S: Final = 120.0
#: What a shell expects of a program that Ctrl-C has ended.
INTERRUPTED: Final = 130
MADE_BY_RUNS: Final = ("commands.jsonl", "summary.json", "report.html", "demo.log")

log = structlog.get_logger()


def main(  # the options of the command
    settings: Settings,
    *,
    commands: int = 20_000,
    users: int = 1_000,
    rate: float = 650.0,
    seed: int = 1,
    kill: bool = False,
    keep: bool = False,
) -> int:
    """Runs the demo in ``var/demo``; 0 if every check holds, 1 if one doesn't.

    With *kill*, processes are killed meanwhile; with *keep*, they go on at the end until Ctrl-C. Raises Unavailable if
    something needed is missing, or if another demo runs in the same place.
    """
    console = Console()
    shape = Shape(commands=commands, users=users, rate=rate, seed=seed, partitions=settings.partitions)
    folder = settings.var.absolute() / "demo"
    with contextlib.ExitStack() as cleanup:
        cleanup.enter_context(_alone(folder))
        _clean(folder)
        output = cleanup.enter_context((folder / "demo.log").open("w"))
        telemetry.configure_logging(settings, "demo", output)
        cleanup.callback(telemetry.configure_logging, settings, "demo")  # what is said later is said aloud
        stop = cleanup.enter_context(StopRequest())
        try:
            stage = Stage(settings, folder, console, stop)
            return stage.play(shape, kill=kill, keep=keep)
        except (Stopped, Cancelled):
            console.print("stopped")
            return INTERRUPTED


class Stage:
    """Where a demo takes place: a folder, a terminal, and somebody who may end it."""

    def __init__(self, settings: Settings, folder: Path, console: Console, stop: StopRequest) -> None:
        self._settings = settings
        self._folder = folder
        self._console = console
        self._stop = stop
        self._seconds: dict[str, float] = {}

    def play(self, shape: Shape, *, kill: bool, keep: bool) -> int:
        """Starts everything, runs, judges, tells, and stops everything."""
        own = self._settings.model_copy(
            update={"var": self._folder / "state", "jar_cache": jars.cache_folder(self._settings).absolute()}
        )
        running = supervisor.local(own, simulator={"seed": shape.seed})
        with contextlib.ExitStack() as cleanup:
            with self._timed("start"), Progress(self._console, lambda: starting(running.states())) as progress:
                running.start(cancelled=lambda: self._cancelled(progress))
            cleanup.callback(running.stop)
            with Run(running, shape, self._folder) as run:
                material = self._perform(run, kill=kill)
            checks = material.checks
            self._tell(material)
            if keep:
                self._console.print(f"everything goes on until Ctrl-C: {running.endpoints_file}")
                while not self._stop.wait(3_600):
                    pass
        return Exit.OK if all(check.holds for check in checks) else Exit.CHECK_FAILED

    def _perform(self, run: Run, *, kill: bool) -> Material:
        with Progress(self._console, run.counts) as progress:
            run.look = lambda: self._look(progress)
            killer = Killer(run.shape.duration_s, run.alive) if kill else None
            with self._timed("run"):
                run.perform(killer)
            with self._timed("settle"):
                run.settle(SETTLE_AFTER_KILLS_S if killer else SETTLE_S)
            with self._timed("read"):
                evidence = run.evidence()
        with self._timed("judge"):
            checks = oracle.judge(evidence, run.shape.partitions)
        return self._material(run, evidence, checks, killer.kills if killer else [])

    def _material(self, run: Run, evidence: Evidence, checks: Sequence[Check], kills: Sequence[Kill]) -> Material:
        mirror = run.watcher.mirror
        latencies_us = figures.latencies(evidence, mirror)
        moments = {
            "commands": [sent.sent_us for sent in evidence.sent if sent.sent_us >= run.started_us],
            "answers": [at_us for at_us in mirror.answered_us.values() if at_us >= run.started_us],
            "orders at the venue": [line["at_us"] for line in evidence.lines("order_accepted")],
            "fills": [line["at_us"] for line in evidence.lines("fill")],
        }
        summary = figures.summarise(
            evidence,
            checks,
            latencies_us=latencies_us,
            timing=Timing(run.started_us, max(mirror.answered_us.values(), default=0), self._seconds),
            kills=kills,
            seed=run.shape.seed,
        )
        client = run.clickhouse.client()
        return Material(
            summary=summary,
            checks=checks,
            course=Course(run.started_us, moments, kills),
            latencies_us=latencies_us,
            accounts=evidence.replayed,
            queries=questions.ask(client),
        )

    def _tell(self, material: Material) -> None:
        page, numbers = self._folder / "report.html", self._folder / "summary.json"
        figures.write(material.summary, numbers)
        page.write_text(report.render(material), encoding="utf-8")
        show.show(self._console, material.summary, material.checks, material.queries)
        show.verdict(self._console, material.checks, page, numbers)

    def _cancelled(self, progress: Progress) -> bool:
        progress.look()
        return self._stop.requested

    def _look(self, progress: Progress) -> None:
        progress.look()
        if self._stop.requested:
            raise Stopped

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began_s = time.monotonic()
        yield
        self._seconds[name] = time.monotonic() - began_s
        log.info("part_done", part=name, seconds=round(self._seconds[name], 1))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds *folder* for this demo. Raises Unavailable if another one is running in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"another demo runs in {folder}: stop it first, or set FILLSTREAM_VAR") from error
        yield


def _clean(folder: Path) -> None:
    """Removes what an earlier demo left, so that nothing of it can be taken for this one's."""
    shutil.rmtree(folder / "state", ignore_errors=True)
    for name in MADE_BY_RUNS:
        (folder / name).unlink(missing_ok=True)
