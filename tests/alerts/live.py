"""The whole system with a real Prometheus: stop the sink, stop the gateway, slow the venue; see who is told, and when.

``python -m tests.alerts.live`` takes about ten minutes; 0 if each fault makes the right alerts fire and end, and pages
nobody about anything else. Durations of the rules are divided (see :mod:`tests.alerts.prometheus`); the system's own
times are the real ones.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import httpx
import msgspec

from runtime import jars, settings, supervisor
from runtime.soak.traffic import Steady, Traffic
from runtime.supervisor import Supervisor
from runtime.trial.exchange import Exchange
from runtime.trial.plan import VENUE, Shape
from tests.alerts import prometheus
from tests.alerts.prometheus import ROOT, Server, wait_for

DIVISOR = 20
RECORDS_PER_S = 8.0
PARTITIONS = 4
#: Canaries and audits have to come round, and what waited while processes started burns budgets of short histories.
WARM_UP_S = 45.0
CALM_WITHIN_S = 240.0
FIRES_WITHIN_S = 120.0
#: The page of a budget goes on for its half an hour, here 90 s, and what was late has to be made up for.
ENDS_WITHIN_S = 300.0
#: Nobody is woken for so long before it counts as over: what was late is told of once it has come.
QUIET_FOR_S = 10.0
LOOK_EVERY_S = 0.5
SLOW = {"delay": 1.0, "delay_ms": 4_000, "operations": ["place", "cancel"]}


class Told(msgspec.Struct, frozen=True):
    """An alert that fires: its name, whether it is a page, and whom or what it is about."""

    alert: str
    severity: str
    about: str

    def __str__(self) -> str:
        return f"{self.alert}({self.about})"


class Fault(msgspec.Struct, frozen=True):
    """What is done *of* whom to *begin* and to *end* it, which alerts must fire, and which may besides."""

    name: str
    of: str
    begin: Callable[[Supervisor], None]
    end: Callable[[Supervisor], None]
    must: frozenset[Told]
    may: frozenset[str]


def page(alert: str, about: str) -> Told:
    return Told(alert, "page", about)


def ticket(alert: str, about: str) -> Told:
    return Told(alert, "ticket", about)


def sent(name: str, number: int) -> Callable[[Supervisor], None]:
    """Signals the process *name*. One that comes back to find its partitions gone may have ended: then it is new."""

    def signal_it(running: Supervisor) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pids[name], number)

    return signal_it


def faults_set(plan: dict[str, object]) -> Callable[[Supervisor], None]:
    def put(running: Supervisor) -> None:
        httpx.put(f"{running.endpoints.venues[VENUE].url}/simulator/faults", json=plan).raise_for_status()

    return put


#: Behind whom nothing is read, records wait. What that spends of the budgets is told as well.
BEHIND = {"ProcessDown", "PartitionStalled", "LagHigh", "LagGrowing", "LagCritical", "LagBudgetBurns", "CanaryLate"}
FAULTS = (
    Fault(
        "the sink is stopped",
        "sink",
        sent("sink", signal.SIGSTOP),
        sent("sink", signal.SIGCONT),
        must=frozenset({page("ServiceDown", "sink"), page("PartitionStopped", "fillstream-sink")}),
        may=frozenset({*BEHIND, "FreshnessBudgetBurns"}),
    ),
    Fault(
        "the gateway is stopped",
        "gateway",
        sent("gateway-simulated", signal.SIGSTOP),
        sent("gateway-simulated", signal.SIGCONT),
        must=frozenset(
            {page("ServiceDown", "gateway-simulated"), page("PartitionStopped", "fillstream-gateway-simulated")}
        ),
        may=frozenset(
            {*BEHIND, "DrainSlow", "PartitionsUnowned", "StreamDown", "LeaseExpired", "ThrottleStarved"}
            # calls under way were answered after it woke up, or never
            | {"VenueLatencyBudgetBurns", "VenueAvailabilityBudgetBurns", "VenueSlow", "UnknownOrdersMany"}
        ),
    ),
    Fault(
        "the venue is slow",
        "venue",
        faults_set(SLOW),
        faults_set({}),
        must=frozenset({page("VenueLatencyBudgetBurns", "simulated"), ticket("VenueSlow", "simulated")}),
        may=frozenset({"ThrottleStarved", "DrainSlow"}),
    ),
)


def told(alert: dict) -> Told:
    labels = alert["labels"]
    about = next((labels[name] for name in ("group", "venue", "job") if name in labels), "")
    return Told(labels["alertname"], labels["severity"], about)


class Watch:
    """Everything that fires, and since and until when, in seconds after a fault."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.began_s = self._woken_s = time.monotonic()
        self.first: dict[Told, float] = {}
        self.last: dict[Told, float] = {}

    def look(self) -> set[Told]:
        now_s = time.monotonic() - self.began_s
        firing = {told(alert) for alert in self._server.firing()}
        for each in firing:
            self.first.setdefault(each, now_s)
            self.last[each] = now_s
        if any(map(_wakes, firing)):
            self._woken_s = time.monotonic()
        time.sleep(LOOK_EVERY_S)
        return firing

    def quiet(self, over: Collection[Told] = ()) -> bool:
        """Whether nobody has been woken for a while, and none of *over* fires any more."""
        still = self.look().intersection(over)
        return not still and time.monotonic() - self._woken_s > QUIET_FOR_S


def calm(server: Server) -> list[str]:
    """Waits until nobody is woken any more. Returns who is."""
    time.sleep(WARM_UP_S)
    watch = Watch(server)
    try:
        wait_for(watch.quiet, "", CALM_WITHIN_S)
    except TimeoutError:
        return [f"before any fault: {each} must not page" for each in watch.look() if _wakes(each)]
    return []


def tried(fault: Fault, running: Supervisor, server: Server) -> list[str]:
    """Does it, waits for the alerts, heals, waits for their end. Returns what was wrong, and prints what was seen."""
    watch, wrong = Watch(server), []
    fault.begin(running)
    try:
        wait_for(lambda: watch.look() is not None and fault.must <= watch.first.keys(), "", FIRES_WITHIN_S)
    except TimeoutError:
        silent = ", ".join(map(str, fault.must - watch.first.keys()))
        wrong.append(f"{fault.name}: {silent} did not fire within {FIRES_WITHIN_S:.0f} s")
    finally:
        fault.end(running)
    healed_s = time.monotonic() - watch.began_s
    over = {each for each in fault.must if each.severity == "ticket"}
    try:
        wait_for(lambda: watch.quiet(over), "", ENDS_WITHIN_S)
    except TimeoutError:
        wrong.append(f"{fault.name}: still firing after {ENDS_WITHIN_S:.0f} s: {', '.join(map(str, watch.look()))}")
    strange = {each for each in watch.first if _wakes(each) and each not in fault.must and each.alert not in fault.may}
    wrong += [f"{fault.name}: {each} must not page" for each in strange]
    say(f"\n{fault.name}; healed after {healed_s:.0f} s")
    for each, at_s in sorted(watch.first.items(), key=lambda item: item[1]):
        ended = f"ended {max(watch.last[each] - healed_s, 0.0):.0f} s after healing"
        mark = "must" if each in fault.must else "strange" if each in strange else ""
        say(f"  {each!s:60} {each.severity:6}  fired after {at_s:5.1f} s, {ended}  {mark}")
    return wrong


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _wakes(each: Told) -> bool:
    return each.severity == "page"


@contextlib.contextmanager
def traffic(running: Supervisor) -> Iterator[None]:
    """Orders and cancels of some users, evenly, all along."""
    exchange = Exchange(running.endpoints.venues[VENUE].url)
    try:
        markets = exchange.markets()
    finally:
        exchange.close()
    shape = Shape(
        commands=1_000_000_000, users=50, partitions=PARTITIONS, start_us=time.time_ns() // 1_000, lifetime_s=30.0
    )
    crowd = Traffic(running.endpoints.bootstrap, shape, markets, Steady(RECORDS_PER_S, time.monotonic()))
    crowd.start()
    try:
        yield
    finally:
        crowd.stop()


def own_settings(var: Path) -> settings.Settings:
    """Looks and canaries come as much more often as the rules' times are shorter, within reason."""
    return settings.Settings(
        var=var,
        jar_cache=jars.cache_folder(settings.load()).absolute(),
        partitions=PARTITIONS,
        probe_lag_interval_s=1.0,
        probe_canary_interval_s=2.0,
        probe_audit_interval_s=20.0,
    )


def main(var: Path, divisor: int = DIVISOR, only: str | None = None) -> int:
    """All faults, one after the other, or *only* that of one; 1 if anything was wrong."""
    shutil.rmtree(var, ignore_errors=True)
    with (
        supervisor.local(own_settings(var), workers=1, probe=True) as running,
        traffic(running),
        prometheus.running(var / "prometheus", running.endpoints.metrics, divisor) as server,
    ):
        wrong = calm(server)
        for fault in FAULTS:
            if only in {None, fault.of}:
                wrong += tried(fault, running, server)
    say("\n".join(["", *wrong]) if wrong else "\nall as it must be")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--var", type=Path, default=ROOT / "var" / "alerts", help="folder of everything; emptied first")
    parser.add_argument("--divisor", type=int, default=DIVISOR, help="how much shorter the rules' times are")
    parser.add_argument("--only", choices=[fault.of for fault in FAULTS], help="the fault of one, not of all")
    options = parser.parse_args()
    sys.exit(main(options.var.absolute(), options.divisor, options.only))
