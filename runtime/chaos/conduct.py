"""A chaos run from its first process to its last line: start behind proxies, trade, break, mend, judge, tell."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

from runtime import jars, process, supervisor
from runtime.chaos import page, report, show
from runtime.chaos.deeds import GATEWAYS
from runtime.chaos.faults import FAULTS, VENUE
from runtime.chaos.page import Material
from runtime.chaos.proxy import Proxy
from runtime.chaos.recovery import Recoveries
from runtime.chaos.saboteur import Saboteur
from runtime.chaos.schedule import schedule
from runtime.chaos.stage import BROKER, Stage
from runtime.settings import Settings
from runtime.supervisor import Supervisor
from runtime.trial import oracle
from runtime.trial.oracle.evidence import Check, Evidence
from runtime.trial.plan import Shape
from runtime.trial.run import Run
from runtime.trial.scene import Scene, played

#: How long a system that was beaten up may take to come to rest: outcomes have to be proven, the last ones slowly.
SETTLE_S: Final = 240.0
#: Ended orders and given answers are remembered for so long after the run: repeats are to be recognised throughout.
REMEMBERED_S: Final = 3_600
USERS_MAX: Final = 1_000
COMMANDS_PER_USER: Final = 10
MADE_BY_RUNS: Final = ("commands.jsonl", "report.json", "index.html", "chaos.log")


def main(settings: Settings, *, minutes: float = 20.0, seed: int = 1, rate: float = 170.0, keep: bool = False) -> int:
    """Runs it in ``var/chaos``; 0 if nothing was lost and nothing done twice, 1 otherwise.

    With *keep*, processes go on at the end until Ctrl-C. Raises Unavailable if something needed is missing, or if
    another one runs in the same place.
    """
    commands = max(1, int(minutes * 60 * rate))
    users = min(USERS_MAX, max(1, commands // COMMANDS_PER_USER))
    shape = Shape(commands=commands, users=users, rate=rate, seed=seed, partitions=settings.partitions)
    return played(settings, "chaos", MADE_BY_RUNS, lambda scene: Chaos(settings, scene).play(shape, keep=keep))


class Chaos:
    """One run, on its scene."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._settings = settings
        self._scene = scene

    def play(self, shape: Shape, *, keep: bool) -> Sequence[Check]:
        """Starts everything, breaks it, judges, tells, and stops everything."""
        scene = self._scene
        with contextlib.ExitStack() as cleanup:
            running, paths = self._installed(shape, cleanup)
            scene.start(running)
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
            with Run(running, shape, scene.folder, stage.recoveries.hear) as run:
                checks = self._perform(run, saboteur)
            if keep:
                scene.stay(running)
        return checks

    def _installed(self, shape: Shape, cleanup: contextlib.ExitStack) -> tuple[Supervisor, Mapping[str, Proxy]]:
        """Everything with proxies before the broker and the venue, and a worker to spare; only those are started."""
        remembered_s = int(shape.duration_s) + REMEMBERED_S
        own = self._settings.model_copy(
            update={
                "var": self._scene.folder / "state",
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
            gateways=len(GATEWAYS),
            simulator={"seed": shape.seed},
        )
        return running, paths

    def _perform(self, run: Run, saboteur: Saboteur) -> Sequence[Check]:
        scene = self._scene
        with scene.following(run, lambda: show.now(saboteur)):
            with scene.timed("run"):
                run.perform(saboteur)
            with scene.timed("settle"):
                run.settle(SETTLE_S)
            with scene.timed("read"):
                evidence = run.evidence()
        with scene.timed("judge"):
            checks = (
                *oracle.judge(evidence, run.shape.partitions),
                *report.own_checks(saboteur.stage, saboteur.happened),
            )
        self._tell(self._material(run, saboteur, evidence, checks))
        return checks

    def _material(self, run: Run, saboteur: Saboteur, evidence: Evidence, checks: Sequence[Check]) -> Material:
        stage = saboteur.stage
        figures = report.make(
            evidence,
            checks,
            seed=run.shape.seed,
            seconds={name: round(seconds, 1) for name, seconds in self._scene.seconds.items()},
            happened=saboteur.happened,
            stage=stage,
            recoveries=stage.recoveries,
        )
        return Material(
            report=figures,
            checks=checks,
            started_us=run.started_us,
            moments_us=run.moments_us(evidence),
            happened=saboteur.happened,
            blows=stage.blows,
            recoveries=stage.recoveries.done,
        )

    def _tell(self, material: Material) -> None:
        html, figures = self._scene.folder / "index.html", self._scene.folder / "report.json"
        report.write(material.report, figures)
        html.write_text(page.render(material), encoding="utf-8")
        show.show(self._scene.console, material.report, material.checks)
        show.verdict(self._scene.console, material.report, material.checks, html, figures)
