"""A chaos run from its first process to its last line: start behind proxies, trade, break, mend, judge, tell."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog
from rich.console import Console

from runtime import jars, process, supervisor, telemetry
from runtime.chaos import page, report, show
from runtime.chaos.faults import FAULTS, VENUE
from runtime.chaos.page import Material
from runtime.chaos.proxy import Proxy
from runtime.chaos.recovery import Recoveries
from runtime.chaos.saboteur import Saboteur
from runtime.chaos.schedule import schedule
from runtime.chaos.stage import BROKER, Stage
from runtime.exits import Exit
from runtime.process import StopRequest
from runtime.settings import Settings
from runtime.supervisor import Cancelled, Supervisor
from runtime.trial import oracle
from runtime.trial.oracle.evidence import Check, Evidence
from runtime.trial.plan import Shape
from runtime.trial.progress import Progress, starting
from runtime.trial.run import Run, Stopped

#: What a shell expects of a program that Ctrl-C has ended.
INTERRUPTED: Final = 130
#: How long a system that was beaten up may take to come to rest: outcomes have to be proven, the last ones slowly.
SETTLE_S: Final = 240.0
#: Ended orders and given answers are remembered for so long after the run: repeats are to be recognised throughout.
REMEMBERED_S: Final = 3_600
USERS_MAX: Final = 1_000
COMMANDS_PER_USER: Final = 10
MADE_BY_RUNS: Final = ("commands.jsonl", "report.json", "index.html", "chaos.log")

log = structlog.get_logger()


def main(settings: Settings, *, minutes: float = 20.0, seed: int = 1, rate: float = 170.0, keep: bool = False) -> int:
    """Runs it in ``var/chaos``; 0 if nothing was lost and nothing done twice, 1 otherwise.

    With *keep*, processes go on at the end until Ctrl-C. Raises Unavailable if something needed is missing, or if
    another one runs in the same place.
    """
    console = Console()
    commands = max(1, int(minutes * 60 * rate))
    users = min(USERS_MAX, max(1, commands // COMMANDS_PER_USER))
    shape = Shape(commands=commands, users=users, rate=rate, seed=seed, partitions=settings.partitions)
    folder = settings.var.absolute() / "chaos"
    with contextlib.ExitStack() as cleanup:
        taken = f"another chaos runs in {folder}: stop it first, or set FILLSTREAM_VAR"
        cleanup.enter_context(process.locked(folder / "lock", taken))
        _clean(folder)
        output = cleanup.enter_context((folder / "chaos.log").open("w"))
        telemetry.configure_logging(settings, "chaos", output)
        cleanup.callback(telemetry.configure_logging, settings, "chaos")  # what is said later is said aloud
        stop = cleanup.enter_context(StopRequest())
        try:
            return Conductor(settings, folder, console, stop).play(shape, keep=keep)
        except (Stopped, Cancelled):
            console.print("stopped")
            return INTERRUPTED


class Conductor:
    """Where a run takes place: a folder, a terminal, and somebody who may end it."""

    def __init__(self, settings: Settings, folder: Path, console: Console, stop: StopRequest) -> None:
        self._settings = settings
        self._folder = folder
        self._console = console
        self._stop = stop
        self._seconds: dict[str, float] = {}

    def play(self, shape: Shape, *, keep: bool) -> int:
        """Starts everything, breaks it, judges, tells, and stops everything."""
        with contextlib.ExitStack() as cleanup:
            running, paths = self._installed(shape, cleanup)
            with self._timed("start"), Progress(self._console, lambda: starting(running.states())) as progress:
                running.start(cancelled=lambda: self._cancelled(progress))
            cleanup.callback(running.stop)
            stage = Stage(
                running,
                paths,
                Recoveries(),
                partitions=shape.partitions,
                session_timeout_s=self._settings.session_timeout_ms / 1_000,
            )
            acts = schedule([fault.terms for fault in FAULTS], shape.seed, shape.duration_s, stage.session_timeout_s)
            saboteur = Saboteur(stage, acts)
            with Run(running, shape, self._folder, stage.recoveries.hear) as run:
                checks = self._perform(run, saboteur)
            if keep:
                self._console.print(f"everything goes on until Ctrl-C: {running.endpoints_file}")
                while not self._stop.wait(3_600):
                    pass
        return Exit.OK if all(check.holds for check in checks) else Exit.CHECK_FAILED

    def _installed(self, shape: Shape, cleanup: contextlib.ExitStack) -> tuple[Supervisor, Mapping[str, Proxy]]:
        """Everything with proxies before the broker and the venue, and a worker to spare; nothing started but those."""
        remembered_s = int(shape.duration_s) + REMEMBERED_S
        own = self._settings.model_copy(
            update={
                "var": self._folder / "state",
                "jar_cache": jars.cache_folder(self._settings).absolute(),
                "order_retention_s": remembered_s,
                "answer_retention_s": remembered_s,
            }
        )
        broker, broker_proxy, venue, venue_proxy = process.free_ports(4)
        paths = {
            BROKER: cleanup.enter_context(Proxy(BROKER, broker_proxy, broker)),
            VENUE: cleanup.enter_context(Proxy(VENUE, venue_proxy, venue)),
        }
        running = supervisor.local(
            own,
            broker_port=broker,
            broker_proxy_port=broker_proxy,
            simulator_port=venue,
            venue_proxy_port=venue_proxy,
            spare_workers=1,
            simulator={"seed": shape.seed},
        )
        return running, paths

    def _perform(self, run: Run, saboteur: Saboteur) -> Sequence[Check]:
        with Progress(self._console, run.counts, lambda: show.now(saboteur)) as progress:
            run.look = lambda: self._look(progress)
            with self._timed("run"):
                run.perform(saboteur)
            with self._timed("settle"):
                run.settle(SETTLE_S)
            with self._timed("read"):
                evidence = run.evidence()
        with self._timed("judge"):
            checks = (
                *oracle.judge(evidence, run.shape.partitions),
                *report.own_checks(saboteur.stage, saboteur.happened),
            )
        self._tell(self._material(run, saboteur, evidence, checks))
        return checks

    def _material(self, run: Run, saboteur: Saboteur, evidence: Evidence, checks: Sequence[Check]) -> Material:
        stage = saboteur.stage
        answered_us = run.watcher.mirror.answered_us.values()
        moments = {
            "commands": [sent.sent_us for sent in evidence.sent if sent.sent_us >= run.started_us],
            "answers": [at_us for at_us in answered_us if at_us >= run.started_us],
            "orders at the venue": [line["at_us"] for line in evidence.lines("order_accepted")],
            "fills": [line["at_us"] for line in evidence.lines("fill")],
        }
        figures = report.make(
            evidence,
            checks,
            seed=run.shape.seed,
            seconds=self._seconds,
            happened=saboteur.happened,
            stage=stage,
            recoveries=stage.recoveries,
        )
        return Material(
            report=figures,
            checks=checks,
            started_us=run.started_us,
            moments_us=moments,
            happened=saboteur.happened,
            blows=stage.blows,
            recoveries=stage.recoveries.done,
        )

    def _tell(self, material: Material) -> None:
        html, figures = self._folder / "index.html", self._folder / "report.json"
        report.write(material.report, figures)
        html.write_text(page.render(material), encoding="utf-8")
        show.show(self._console, material.report, material.checks)
        show.verdict(self._console, material.report, material.checks, html, figures)

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
        self._seconds[name] = round(time.monotonic() - began_s, 1)
        log.info("part_done", part=name, seconds=self._seconds[name])


def _clean(folder: Path) -> None:
    """Removes what an earlier run left, so that nothing of it can be taken for this one's."""
    shutil.rmtree(folder / "state", ignore_errors=True)
    for name in MADE_BY_RUNS:
        (folder / name).unlink(missing_ok=True)
