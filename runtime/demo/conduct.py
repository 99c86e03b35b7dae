"""The demo from its first process to its last line: start, run, saturate if asked, judge, tell."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from runtime import jars, supervisor
from runtime.demo import questions, report, saturation, show
from runtime.demo import summary as figures
from runtime.demo.kills import Killer
from runtime.demo.plots import Course
from runtime.demo.report import Material
from runtime.demo.saturation import PUBLISHED, Usage
from runtime.demo.summary import Kill, Timing
from runtime.settings import Settings
from runtime.trial import oracle
from runtime.trial.oracle.evidence import Check, Evidence
from runtime.trial.plan import VENUE, Shape
from runtime.trial.run import Run
from runtime.trial.scene import Scene, played

#: How long a run may take to come to rest. Orders of unknown outcome are proven within half a minute.
SETTLE_S: Final = 60.0
#: The same after processes were killed: what they had in hand is asked for again until there is proof.
SETTLE_AFTER_KILLS_S: Final = 120.0
MADE_BY_RUNS: Final = ("commands.jsonl", "summary.json", "report.html", "demo.log")

#: As much as the venues' limits have room for.
AT_VENUES: Final = Shape(commands=1_000, users=100, rate=20.0)
#: What a gateway has to be told of its account; and that it is to keep no more back for cancels than is allowed to be
#: left unused.
ACCOUNTS: Final[Mapping[str, object]] = {
    "kraken_tier": "pro",
    "coinbase_requests_per_s": PUBLISHED["requests_per_s"],
    "cancel_share": 0.05,
}


class Programme(msgspec.Struct, frozen=True, kw_only=True):
    """What is to happen in a demo: for how long *venues* are saturated, if there are any but the one that is nobody's;
    whether processes are killed, and whether they go on at the end.
    """

    venues: tuple[str, ...] = ()
    saturated_s: float = 0.0
    kill: bool = False
    keep: bool = False


def main(  # noqa: PLR0913  # the options of the command
    settings: Settings,
    *,
    commands: int | None = None,
    users: int | None = None,
    rate: float | None = None,
    seed: int = 1,
    venues: tuple[str, ...] = (),
    saturate: float = 42.0,
    kill: bool = False,
    keep: bool = False,
) -> int:
    """Runs the demo in ``var/demo``; 0 if every check holds, 1 if one doesn't.

    With *venues*, it is on simulators of these, at the limits that they publish: *commands*, *users* and their *rate*
    are fewer by default, and for *saturate* seconds each venue is asked for more than it allows. With *kill*, processes
    are killed meanwhile; with *keep*, they go on at the end until Ctrl-C. Raises Unavailable if something needed is
    missing, or if another demo runs in the same place; SettingsError for a venue that can't be simulated.
    """
    usual = AT_VENUES if venues else Shape()
    shape = Shape(
        commands=commands or usual.commands,
        users=users or usual.users,
        rate=rate or usual.rate,
        seed=seed,
        partitions=settings.partitions,
    )
    programme = Programme(venues=venues, saturated_s=saturate if venues else 0.0, kill=kill, keep=keep)
    return played(settings, "demo", MADE_BY_RUNS, lambda scene: Demo(settings, scene).play(shape, programme))


class Demo:
    """One demo, on its scene."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._settings = settings
        self._scene = scene

    def play(self, shape: Shape, programme: Programme) -> Sequence[Check]:
        """Starts everything, runs, judges, tells, and stops everything."""
        scene = self._scene
        update = {"var": scene.folder / "state", "jar_cache": jars.cache_folder(self._settings).absolute()}
        if programme.venues:
            own = self._settings.model_copy(update={**update, **ACCOUNTS})
            running = supervisor.local(own, venues=programme.venues, simulator={"seed": shape.seed, **PUBLISHED})
        else:
            running = supervisor.local(self._settings.model_copy(update=update), simulator={"seed": shape.seed})
        with contextlib.ExitStack() as cleanup:
            scene.start(running)
            cleanup.callback(running.stop)
            with Run(running, shape, scene.folder) as run:
                material = self._perform(run, programme)
            self._tell(material)
            if programme.keep:
                scene.stay(running)
        return material.checks

    def _perform(self, run: Run, programme: Programme) -> Material:
        scene = self._scene
        usage: dict[str, Usage] = {}
        with scene.following(run):
            killer = Killer(run.shape.duration_s, run.alive, programme.venues or (VENUE,)) if programme.kill else None
            with scene.timed("run"):
                run.perform(killer)
            if programme.saturated_s:
                with scene.timed("saturate"):
                    usage = saturation.saturate(run, programme.saturated_s)
            with scene.timed("settle"):
                run.settle(SETTLE_AFTER_KILLS_S if killer else SETTLE_S)
            with scene.timed("read"):
                evidence = run.evidence()
        with scene.timed("judge"):
            checks = [*oracle.judge(evidence, run.shape.partitions)]
            checks += [saturation.no_limit_was_passed(evidence)] if programme.venues else []
            checks += [saturation.published_rates_are_used(usage)] if usage else []
        return self._material(run, evidence, checks, killer.kills if killer else [], usage)

    def _material(
        self,
        run: Run,
        evidence: Evidence,
        checks: Sequence[Check],
        kills: Sequence[Kill],
        usage: Mapping[str, Usage],
    ) -> Material:
        mirror = run.watcher.mirror
        latencies_us = figures.latencies(evidence, mirror)
        summary = figures.summarise(
            evidence,
            checks,
            latencies_us=latencies_us,
            timing=Timing(run.started_us, max(mirror.answered_us.values(), default=0), self._scene.seconds),
            kills=kills,
            usage=usage,
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
