"""A chaos run in small: every process real, faults of every kind, nothing lost and nothing done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
#: A session that a run of half a minute can outlast.
QUICK = {
    "FILLSTREAM_SESSION_TIMEOUT_MS": "6000",
    "FILLSTREAM_RECEIVE_WINDOW_MS": "2500",
    "FILLSTREAM_UNKNOWN_BOUND_S": "13.5",
    "COLUMNS": "160",
}


def command(folder, **options):
    environment = (
        os.environ
        | QUICK
        | {
            "FILLSTREAM_VAR": str(folder),
            "FILLSTREAM_JAR_CACHE": str(ROOT / "var" / "kafka"),
        }
    )
    flags = [f"--{name}={value}" for name, value in options.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "runtime", "chaos", *flags],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(240)
def test_nothing_is_lost_and_nothing_done_twice_while_everything_breaks(tmp_path):
    with command(tmp_path, minutes=0.75, rate=60, seed=906) as running:
        output, _ = running.communicate(timeout=220)
    assert running.returncode == 0, output

    report = json.loads((tmp_path / "chaos" / "report.json").read_text())
    assert report["violations"] == 0
    assert all(report["checks"].values())
    assert report["commands"] == 2_700
    assert report["unknown_left"] == 0
    assert {"worker_killed_in_recovery", "worker_stopped_past_session", "broker_killed"} <= report["faults"].keys()
    assert {"gateway_killed", "gateway_away", "sink_killed", "clickhouse_killed"} <= report["faults"].keys()
    assert report["kills_and_stalls"] >= 10
    assert report["zombie_exits_s"]
    assert report["recovery_by_kind_s"]
    assert (tmp_path / "chaos" / "index.html").read_text().count("<svg") == 2
    log = (tmp_path / "chaos" / "commands.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["topic"] == "order-commands" for line in log) == report["commands"]


@pytest.mark.timeout(120)
def test_an_interrupted_run_ends_soon_and_leaves_nobody_behind(tmp_path):
    with command(tmp_path, minutes=5, rate=20) as running:
        started = tmp_path / "chaos" / "state" / "run" / "worker-1.json"
        deadline_s = time.monotonic() + 60
        while not started.exists() and time.monotonic() < deadline_s:
            time.sleep(0.1)
        pids = [json.loads(file.read_text())["pid"] for file in started.parent.glob("*.json")]
        assert pids
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=50)
    assert running.returncode == 130, output
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
