"""The demo from its first process to its last line: start, run, judge, tell."""

import contextlib
from collections.abc import Sequence
from typing import Final

from runtime import jars, supervisor
from runtime.demo import questions, report, show
from runtime.demo import summary as figures
from runtime.demo.kills import Killer
from runtime.demo.plots import Course
from runtime.demo.report import Material
from runtime.demo.summary import Kill, Timing
from runtime.settings import Settings
from runtime.trial import oracle
from runtime.trial.oracle.evidence import Check, Evidence
from runtime.trial.plan import Shape
from runtime.trial.run import Run
from runtime.trial.scene import Scene, played

#: How long a run may take to come to rest. Orders of unknown outcome are proven within half a minute.
SETTLE_S: Final = 60.0
#: The same after processes were killed: what they had in hand is asked for again until there is proof.
SETTLE_AFTER_KILLS_S: Final = 120.0
MADE_BY_RUNS: Final = ("commands.jsonl", "summary.json", "report.html", "demo.log")


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
    shape = Shape(commands=commands, users=users, rate=rate, seed=seed, partitions=settings.partitions)
    return played(settings, "demo", MADE_BY_RUNS, lambda scene: Demo(settings, scene).play(shape, kill=kill, keep=keep))


class Demo:
    """One demo, on its scene."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._settings = settings
        self._scene = scene

    def play(self, shape: Shape, *, kill: bool, keep: bool) -> Sequence[Check]:
        """Starts everything, runs, judges, tells, and stops everything."""
        scene = self._scene
        own = self._settings.model_copy(
            update={"var": scene.folder / "state", "jar_cache": jars.cache_folder(self._settings).absolute()}
        )
        running = supervisor.local(own, simulator={"seed": shape.seed})
        with contextlib.ExitStack() as cleanup:
            scene.start(running)
            cleanup.callback(running.stop)
            with Run(running, shape, scene.folder) as run:
                material = self._perform(run, kill=kill)
            self._tell(material)
            if keep:
                scene.stay(running)
        return material.checks

    def _perform(self, run: Run, *, kill: bool) -> Material:
        scene = self._scene
        with scene.following(run):
            killer = Killer(run.shape.duration_s, run.alive) if kill else None
            with scene.timed("run"):
                run.perform(killer)
            with scene.timed("settle"):
                run.settle(SETTLE_AFTER_KILLS_S if killer else SETTLE_S)
            with scene.timed("read"):
                evidence = run.evidence()
        with scene.timed("judge"):
            checks = oracle.judge(evidence, run.shape.partitions)
        return self._material(run, evidence, checks, killer.kills if killer else [])

    def _material(self, run: Run, evidence: Evidence, checks: Sequence[Check], kills: Sequence[Kill]) -> Material:
        mirror = run.watcher.mirror
        latencies_us = figures.latencies(evidence, mirror)
        summary = figures.summarise(
            evidence,
            checks,
            latencies_us=latencies_us,
            timing=Timing(run.started_us, max(mirror.answered_us.values(), default=0), self._scene.seconds),
            kills=kills,
            seed=run.shape.seed,
        )
        client = run.clickhouse.client()
        return Material(
            summary=summary,
            checks=checks,
            course=Course(run.started_us, run.moments_us(evidence), kills),
            latencies_us=latencies_us,
            accounts=evidence.replayed,
            queries=questions.ask(client),
        )

    def _tell(self, material: Material) -> None:
        page, numbers = self._scene.folder / "report.html", self._scene.folder / "summary.json"
        figures.write(material.summary, numbers)
        page.write_text(report.render(material), encoding="utf-8")
        show.show(self._scene.console, material.summary, material.checks, material.queries)
        show.verdict(self._scene.console, material.checks, page, numbers)
