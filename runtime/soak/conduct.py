"""A soak from its first process to its last line: find out what the machine can take, hold a share of it, watch."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog

from runtime import jars, supervisor
from runtime.exits import Unavailable
from runtime.settings import Settings
from runtime.soak import page, processes, report
from runtime.soak.backlog import Backlog, fullness
from runtime.soak.report import Course, Look
from runtime.soak.traffic import Flood, Pace, Steady, Traffic
from runtime.supervisor import Supervisor
from runtime.trial.exchange import Exchange
from runtime.trial.oracle.evidence import Check
from runtime.trial.plan import VENUE, Shape
from runtime.trial.scene import Scene, played

#: The share of what the machine can take that a soak asks of it, unless it is told a rate.
LOAD_SHARE: Final = 0.7
FLOOD_WARM_UP_S: Final = 20.0
FLOOD_S: Final = 30.0
#: Before memory is looked at: everything has been imported, every cache is full, and as much ends as begins.
WARM_UP_S: Final = 600.0
#: A short soak has a shorter one.
WARM_UP_SHARE_MAX: Final = 0.5
LOOK_EVERY_S: Final = 5.0
SHOW_EVERY_S: Final = 0.2
USERS: Final = 1_000
#: More than anybody waits for: traffic has no end of its own.
ENDLESS: Final = 1_000_000_000
#: What ends is forgotten soon, so that tables are as large after two minutes as after two hours.
LIFETIME_S: Final = 30.0
FORGETFUL: Final = {"order_retention_s": 30, "answer_retention_s": 60, "facts_remembered_max": 20_000}
MADE_BY_RUNS: Final = ("report.json", "index.html", "soak.log")

log = structlog.get_logger()


def main(settings: Settings, *, minutes: float = 30.0, rate: float = 0.0, seed: int = 1) -> int:
    """Runs it in ``var/soak``, for *minutes* after the warm-up; 0 if nothing grew that must not, 1 otherwise.

    A *rate* of 0 is LOAD_SHARE of what the machine can take, which is found out before. Raises Unavailable if something
    needed is missing, or if another one runs in the same place.
    """
    return played(settings, "soak", MADE_BY_RUNS, lambda scene: Soak(settings, scene, seed).play(minutes * 60.0, rate))


class Soak:
    """One soak, on its scene."""

    def __init__(self, settings: Settings, scene: Scene, seed: int) -> None:
        self._settings = settings
        self._scene = scene
        self._seed = seed

    def play(self, duration_s: float, rate: float) -> Sequence[Check]:
        """Starts everything, asks of it what it can take and then less, tells, and stops everything."""
        warm_up_s = min(WARM_UP_S, duration_s * WARM_UP_SHARE_MAX)
        capacity = None if rate else self._capacity()
        wanted = rate or (capacity or 0.0) * LOAD_SHARE
        looks: list[Look] = []
        with self._installed("steady") as running, self._scene.timed("soak"):
            pace = Steady(wanted, time.monotonic())
            with self._traffic(running, pace) as traffic:
                self._watch(running, traffic, looks, warm_up_s + duration_s)
        course = Course(looks=looks, warm_up_s=warm_up_s, wanted=wanted, capacity=capacity, refused=traffic.refused)
        return self._tell(course)

    def _capacity(self) -> float:
        """How many records a second the whole system takes for as long as there are always some that wait.

        An installation of its own is asked, or what was taken there in passing would hide what grows afterwards.
        """
        with self._installed("capacity") as running, self._scene.timed("capacity"):
            backlog = Backlog(running.endpoints.bootstrap, self._settings.partitions)

            def fill() -> float:
                waiting = backlog.look()
                return 1.0 if waiting is None else fullness(waiting)

            with (
                self._traffic(running, Flood(fill)) as traffic,
                self._scene.showing(lambda: f"finding out what this machine can take: {traffic.sent:,} so far") as show,
            ):
                _pass_time(time.monotonic() + FLOOD_WARM_UP_S, show)
                before, began_s = traffic.sent, time.monotonic()
                _pass_time(began_s + FLOOD_S, show)
                found = (traffic.sent - before) / (time.monotonic() - began_s)
        log.info("capacity_found", records_per_second=round(found, 1))
        if found <= 0:
            raise Unavailable(f"nothing was taken within {FLOOD_S:g} s: see {self._scene.folder}/state")
        return found

    @contextlib.contextmanager
    def _installed(self, name: str) -> Iterator[Supervisor]:
        """Everything, running, on a folder of its own."""
        own = self._settings.model_copy(
            update={
                "var": self._scene.folder / "state" / name,
                "jar_cache": jars.cache_folder(self._settings).absolute(),
                **FORGETFUL,
            }
        )
        running = supervisor.local(own, simulator={"seed": self._seed})
        self._scene.start(running)
        try:
            yield running
        finally:
            running.stop()

    @contextlib.contextmanager
    def _traffic(self, running: Supervisor, pace: Pace) -> Iterator[Traffic]:
        exchange = Exchange(running.endpoints.venues[VENUE].url)
        try:
            markets = exchange.markets()
        finally:
            exchange.close()
        shape = Shape(
            commands=ENDLESS,
            users=USERS,
            rate=1.0,
            seed=self._seed,
            partitions=self._settings.partitions,
            start_us=time.time_ns() // 1_000,
            lifetime_s=LIFETIME_S,
        )
        traffic = Traffic(running.endpoints.bootstrap, shape, markets, pace)
        traffic.start()
        try:
            yield traffic
        finally:
            traffic.stop()

    def _watch(self, running: Supervisor, traffic: Traffic, looks: list[Look], duration_s: float) -> None:
        """Looks at everything every few seconds, into *looks*. Raises Stopped if somebody asks for the end."""
        backlog = Backlog(running.endpoints.bootstrap, self._settings.partitions)
        began_s = time.monotonic()
        with self._scene.showing(lambda: report.line(looks, duration_s)) as show:
            while (at_s := time.monotonic() - began_s) < duration_s:
                look = Look(
                    at_s=round(at_s, 2),
                    sent=traffic.sent,
                    memory_mib=processes.memory_mib(running),
                    orders=processes.orders(running),
                    waiting=backlog.look() or {},
                    restarts=processes.restarts(running),
                )
                looks.append(look)
                _pass_time(began_s + len(looks) * LOOK_EVERY_S, show)

    def _tell(self, course: Course) -> Sequence[Check]:
        html, figures = self._scene.folder / "index.html", self._scene.folder / "report.json"
        checks = report.checks(course)
        made = report.make(course, checks, self._seed, self._scene.seconds)
        report.write(made, figures)
        html.write_text(page.render(made, course, checks), encoding="utf-8")
        report.show(self._scene.console, made, checks)
        self._scene.console.print(f"figures: {figures}", f"page:    {html}", sep="\n", soft_wrap=True, highlight=False)
        return checks


def _pass_time(until_s: float, show: Callable[[], None]) -> None:
    """Shows how things stand meanwhile."""
    while time.monotonic() < until_s:
        time.sleep(SHOW_EVERY_S)
        show()
