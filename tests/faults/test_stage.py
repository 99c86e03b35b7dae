"""Faults hit whom they name, mend what they broke, and tell of a zombie that lives on: on real processes."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest

from runtime.chaos import deeds, faults, stage
from runtime.chaos.deeds import WORKERS
from runtime.chaos.faults import Fault
from runtime.chaos.recovery import Recoveries
from runtime.chaos.saboteur import Saboteur
from runtime.chaos.schedule import Act, Terms, Track
from runtime.chaos.stage import Absent, Interrupted, Stage, exits_within
from runtime.services import Endpoints, Installation, Service
from runtime.supervisor import Supervisor

SLEEP = "import time; time.sleep(300)"
#: Ends when it wakes up; removes a file as soon as it is able to.
FENCED = (
    "import os, signal, sys, time; signal.signal(signal.SIGCONT, lambda *_: os._exit(70)); "
    "os.unlink(sys.argv[1]); time.sleep(300)"
)


def service(name, code=SLEEP, asleep=None):
    """A process that is ready once *asleep* is gone."""
    return Service(
        name=name,
        command=(sys.executable, "-c", code, str(asleep)),
        environment=dict(os.environ),
        ready=lambda _pid: asleep is None or not asleep.exists(),
    )


@pytest.fixture
def stage_of(tmp_path):
    """A stage with these services, stopped at the end."""
    running = []

    def make(*services):
        endpoints = Endpoints(
            bootstrap="", clickhouse="", venues={},
            metrics={one.name: (tmp_path / f"{one.name}.prom").as_uri() for one in services},
        )  # fmt: skip
        supervisor = Supervisor(Installation(var=tmp_path, steps=(services,), endpoints=endpoints))
        running.append(supervisor)
        supervisor.start()
        return Stage(supervisor, {}, Recoveries(), partitions=4, session_timeout_s=1.0)

    yield make
    for each in running:
        each.stop()


def owns(folder, name, *partitions):
    lines = [f'fillstream_lane_position{{partition="{number}",topic="ticks"}} 7.0\n' for number in partitions]
    (folder / f"{name}.prom").write_text("# HELP x\n" + "".join(lines))


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_kill_hits_one_process_and_waits_for_its_partitions(stage_of, tmp_path):
    theatre = stage_of(*map(service, WORKERS))
    owns(tmp_path, "worker-0", 1, 3)
    bystander = theatre.pid("worker-1")
    assert deeds.kill("worker-0")(theatre, 0.0, Random(1)) == "worker-0"
    (blow,) = theatre.blows
    assert (blow.process, blow.signal) == ("worker-0", "SIGKILL")
    assert theatre.pid("worker-0", other_than=blow.pid) != blow.pid
    assert theatre.pid("worker-1") == bystander
    assert theatre.recoveries.pending == ["worker killed of worker-0: nothing from [1, 3]"]


def test_a_worker_gets_a_moment_to_be_at_work_before_it_is_hit(stage_of, tmp_path, monkeypatch):
    theatre = stage_of(*map(service, WORKERS))
    threading.Timer(0.4, owns, (tmp_path, "worker-1", 3)).start()
    assert theatre.at_work("worker-1")[1] == {3}
    monkeypatch.setattr(stage, "WORK_WITHIN_S", 0.1)
    assert theatre.at_work("worker-0")[1] == set()


def test_a_burst_kills_again_whoever_comes_back(stage_of, monkeypatch):
    monkeypatch.setattr(deeds, "BURST_AFTER_S", (0.0, 0.05))
    theatre = stage_of(service("sink"))
    deeds.kill_recovering("sink")(theatre, 0.0, Random(1))
    assert len({blow.pid for blow in theatre.blows}) == len(theatre.blows) == deeds.BURST_KILLS


def test_who_is_stopped_goes_on_afterwards_also_when_the_run_is_interrupted(stage_of):
    theatre = stage_of(service("sink"))
    pid = theatre.pid("sink")
    threading.Timer(0.3, theatre.end).start()
    with pytest.raises(Interrupted):
        deeds.stop("sink")(theatre, 60.0, Random(1))
    assert [blow.signal for blow in theatre.blows] == ["SIGSTOP"]
    assert state_of(pid) != "T"


def test_a_zombie_that_ends_is_fine(stage_of, tmp_path):
    asleep = {name: tmp_path / name for name in WORKERS}
    for name, mark in asleep.items():
        owns(tmp_path, name, 2)
        mark.touch()
    theatre = stage_of(*(service(name, FENCED, mark) for name, mark in asleep.items()))
    name = deeds.stop_past_session(theatre, 0.5, Random(1))
    assert theatre.violations == []
    assert len(theatre.zombie_exits_s) == 1
    assert theatre.recoveries.pending == [f"worker stopped past its session of {name}: nothing from [2]"]


def test_nobody_is_stopped_before_all_is_back(stage_of, tmp_path, monkeypatch):
    monkeypatch.setattr(deeds, "ZOMBIE_ENDS_WITHIN_S", 0.1)
    theatre = stage_of(*map(service, WORKERS))
    owns(tmp_path, "worker-0", 2)
    owns(tmp_path, "worker-1", 3)
    theatre.recoveries.expect("broker killed", "broker", 1, {3})
    began_us = time.time_ns() // 1_000
    threading.Timer(0.5, theatre.recoveries.hear, (3, 2, 3)).start()
    deeds.stop_past_session(theatre, 0.1, Random(1))
    (blow,) = theatre.blows
    assert blow.at_us - began_us >= 500_000
    theatre.recoveries.expect("broker killed", "broker", 1, {3})
    monkeypatch.setattr(stage, "RECOVERED_WITHIN_S", 0.1)
    deeds.stop_past_session(theatre, 0.1, Random(1))
    assert len(theatre.blows) == 2, "what is never heard of is not waited for for ever"


def test_a_zombie_that_lives_on_is_told(stage_of, tmp_path, monkeypatch):
    monkeypatch.setattr(deeds, "ZOMBIE_ENDS_WITHIN_S", 0.1)
    monkeypatch.setattr(deeds, "ZOMBIE_WATCHED_S", 0.1)
    theatre = stage_of(*map(service, WORKERS))
    owns(tmp_path, "worker-0", 2)
    owns(tmp_path, "worker-1", 2)
    deeds.stop_past_session(theatre, 0.1, Random(1))
    (told,) = theatre.violations
    assert "went on, owning [2]" in told


def test_who_was_stopped_is_no_zombie_where_nobody_took_over(stage_of, tmp_path, monkeypatch):
    monkeypatch.setattr(deeds, "ZOMBIE_ENDS_WITHIN_S", 0.1)
    theatre = stage_of(*map(service, WORKERS))
    owns(tmp_path, "worker-0", 1)
    owns(tmp_path, "worker-1", 2)
    deeds.stop_past_session(theatre, 0.1, Random(1))
    assert theatre.violations == []
    assert theatre.zombie_exits_s == []


def test_who_is_taken_down_stays_away_for_as_long_as_was_said(stage_of):
    theatre = stage_of(service("clickhouse"))
    former, began_s = theatre.pid("clickhouse"), time.monotonic()
    deeds.take_down("clickhouse")(theatre, 1.0, Random(1))
    assert theatre.pid("clickhouse", other_than=former) != former
    assert time.monotonic() - began_s >= 1.0


def test_a_victim_that_never_comes_is_told_and_the_next_fault_follows(stage_of, monkeypatch):
    monkeypatch.setattr(stage, "PATIENCE_S", 0.1)
    table = {
        name: Fault("", deeds.kill(name), Terms(name=name, track=Track.ANALYTICS, times=1))
        for name in ("nobody", "sink")
    }
    monkeypatch.setattr(faults, "BY_NAME", table)
    theatre = stage_of(service("sink"))
    saboteur = Saboteur(theatre, {Track.ANALYTICS: [Act(0.0, "nobody", 0.0, 1), Act(0.1, "sink", 0.0, 1)]})
    saboteur.start()
    deadline_s = time.monotonic() + 60
    while saboteur.is_alive() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert [(one.fault, bool(one.failed)) for one in saboteur.happened] == [("nobody", True), ("sink", False)]
    assert [blow.process for blow in theatre.blows] == ["sink"]


def test_a_process_that_is_gone_is_absent(stage_of):
    theatre = stage_of(service("sink"))
    pid = theatre.pid("sink")
    os.kill(pid, signal.SIGKILL)
    assert exits_within(pid, 5.0) is not None
    theatre.pid("sink", other_than=pid)  # the supervisor has seen it
    with pytest.raises(Absent):
        theatre.kill("sink", pid)


def test_a_process_that_lives_does_not_end_in_time():
    assert exits_within(os.getpid(), 0.01) is None
