"""How each kind of fault is done, and undone: one function a kind, given the stage, the length and a die."""

import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Final, TypeAlias

import msgspec
import structlog

from runtime.chaos.proxy import Ill
from runtime.chaos.stage import Stage, exits_within

#: Does the fault, undoes it after so many seconds, and says who was hit.
Deed: TypeAlias = Callable[[Stage, float, Random], str]

WORKERS: Final = ("worker-0", "worker-1")
THIRD_WORKER: Final = "worker-2"
GATEWAYS: Final = ("gateway-simulated", "gateway-simulated-1")
BURST_KILLS: Final = 3
#: How long after its launch a process is hit again: while it imports, joins, fences, restores.
BURST_AFTER_S: Final = (0.1, 2.5)
#: A worker that others have replaced must notice it so soon after it wakes up, and end.
ZOMBIE_ENDS_WITHIN_S: Final = 2.0
#: How long a zombie that has not ended is watched for the report's sake.
ZOMBIE_WATCHED_S: Final = 15.0

log = structlog.get_logger()


def kill(*names: str) -> Deed:
    """SIGKILL to one of *names* while it works."""

    def deed(stage: Stage, _length_s: float, dice: Random) -> str:
        name = dice.choice(names)
        _kill(stage, name)
        return name

    return deed


def kill_recovering(*names: str) -> Deed:
    """SIGKILL to one of *names*, and again each time it is coming back."""

    def deed(stage: Stage, _length_s: float, dice: Random) -> str:
        name = dice.choice(names)
        pid, partitions = _kill(stage, name)
        for _ in range(BURST_KILLS - 1):
            pid = stage.pid(name, ready=False, other_than=pid)
            stage.wait(dice.uniform(*BURST_AFTER_S))
            at_us = stage.kill(name, pid)
            stage.recoveries.expect(f"{_kind(name)} killed in recovery", name, at_us, partitions)
        return name

    return deed


def stop(*names: str) -> Deed:
    """SIGSTOP for the fault's length, then SIGCONT."""

    def deed(stage: Stage, length_s: float, dice: Random) -> str:
        name = dice.choice(names)
        pid, partitions = stage.at_work(name)
        with stage.stopped(name, pid):
            stage.wait(length_s)
        stage.recoveries.expect(f"{_kind(name)} stopped, from its waking", name, time.time_ns() // 1_000, partitions)
        return name

    return deed


def stop_past_session(stage: Stage, length_s: float, dice: Random) -> str:
    """SIGSTOP of a worker until others have its partitions; once awake, it must find itself fenced and end.

    If nobody has taken any of them over, since the others were away too, it is no zombie and may go on. What was hit
    before is waited for: sessions end only where there is a broker that counts them.
    """
    stage.await_recovery()
    name = dice.choice(WORKERS)
    pid, partitions = stage.at_work(name)
    with stage.stopped(name, pid) as at_us:
        stage.recoveries.expect("worker stopped past its session", name, at_us, partitions)
        stage.wait(length_s)
        taken = partitions & set().union(*(stage.partitions(other) for other in WORKERS if other != name))
    if not taken:
        return name
    woken_s = time.monotonic()
    if exits_within(pid, ZOMBIE_ENDS_WITHIN_S) is None:
        later_s = exits_within(pid, ZOMBIE_WATCHED_S)
        ended = f"ended after {time.monotonic() - woken_s:.1f} s" if later_s is not None else "went on"
        owned = sorted(stage.partitions(name)) if later_s is None else []
        stage.violations.append(
            f"{name} ({pid}), stopped for {length_s:.1f} s with partitions {sorted(partitions)}, {ended}, "
            f"owning {owned}, and not within {ZOMBIE_ENDS_WITHIN_S:g} s of SIGCONT"
        )
    stage.zombie_exits_s.append(round(time.monotonic() - woken_s, 3))
    return name


def take_down(*names: str) -> Deed:
    """One of *names* is killed, and stays away for the fault's length."""

    def deed(stage: Stage, length_s: float, dice: Random) -> str:
        name = dice.choice(names)
        stage.take_down(name, kill=True)
        try:
            stage.wait(length_s)
        finally:
            stage.bring_up(name)
        return name

    return deed


def join_and_leave(stage: Stage, length_s: float, _dice: Random) -> str:
    """Another worker joins, takes its share of the partitions, and leaves: two rebalances."""
    stage.bring_up(THIRD_WORKER)
    try:
        stage.pid(THIRD_WORKER)
        stage.wait(length_s)
        partitions = stage.partitions(THIRD_WORKER)
        stage.recoveries.expect("worker left", THIRD_WORKER, time.time_ns() // 1_000, partitions)
    finally:
        stage.take_down(THIRD_WORKER, kill=False)
    return THIRD_WORKER


def path(name: str, ill: Ill, delay_s: float = 0.0) -> Deed:
    """The connections to *name* are *ill*."""

    def deed(stage: Stage, length_s: float, _dice: Random) -> str:
        with stage.paths[name].suffering(ill, delay_s):
            stage.wait(length_s)
        return f"path to {name}"

    return deed


class Lie(msgspec.Struct, frozen=True):
    """The venue itself errs by *plan*: probabilities and figures as ``PUT /simulator/faults`` takes them."""

    plan: Mapping[str, float]

    def __call__(self, stage: Stage, length_s: float, dice: Random) -> str:
        with stage.lying_venue({"seed": dice.randrange(1 << 31), **self.plan}):
            stage.wait(length_s)
        return "simulator"


def lie(**plan: float) -> Lie:
    return Lie(plan)


def _kill(stage: Stage, name: str) -> tuple[int, set[int]]:
    """Kills *name*, whose partitions are expected back; its process ID and those partitions."""
    pid, partitions = stage.at_work(name)
    at_us = stage.kill(name, pid)
    stage.recoveries.expect(f"{_kind(name)} killed", name, at_us, partitions)
    return pid, partitions


def _kind(name: str) -> str:
    return name.partition("-")[0]
