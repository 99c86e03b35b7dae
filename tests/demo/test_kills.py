"""The demo's kills: who, how often, and with how much patience."""

import os
import signal
import subprocess
import sys

from runtime.demo import kills
from runtime.demo.kills import Killer

VICTIMS = kills.victims(["simulated"])


def test_every_victim_is_killed_once_in_its_turn(monkeypatch):
    processes = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in VICTIMS]
    by_pid = {process.pid: process for process in processes}

    def alive():
        """Each name's next process once the one before is dead, as a supervisor has it."""
        named = zip(reversed(VICTIMS), reversed(processes), strict=True)
        return {name: process.pid for name, process in named if process.returncode is None}

    def kill(pid, number, *, really=os.kill):
        really(pid, number)
        by_pid[pid].wait(10)

    monkeypatch.setattr(os, "kill", kill)
    killer = Killer(0.5, alive, ["simulated"])
    try:
        killer.start()
        killer.join()
        assert [process.returncode for process in processes] == [-signal.SIGKILL] * len(VICTIMS)
        assert [kill.process for kill in killer.kills] == VICTIMS
    finally:
        monkeypatch.undo()
        for process in processes:
            process.kill()
            process.communicate()


def test_workers_gateway_and_sink_are_killed_three_times_each():
    kinds = [victim.partition("-")[0] for victim in VICTIMS]
    assert {kind: kinds.count(kind) for kind in kinds} == {"worker": 3, "gateway": 3, "sink": 3}


def test_each_venues_gateway_is_killed_in_its_turn():
    found = kills.victims(["binance", "coinbase", "kraken"])
    assert [name for name in found if "gateway" in name] == ["gateway-binance", "gateway-coinbase", "gateway-kraken"]
    assert [name for name in found if "worker" in name] == ["worker-0", "worker-1", "worker-0"]


def test_a_victim_that_never_comes_back_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(kills, "PATIENCE_S", 0.0)
    killer = Killer(0.01, dict, ["simulated"])
    killer.start()
    killer.join()
    assert killer.kills == []
