"""The whole demo in small: broker, workers, gateway, venue, sink and ClickHouse as processes, and every check."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMANDS = 1_500


@pytest.mark.timeout(240)
def test_every_check_holds_on_the_real_parts(tmp_path):
    environment = os.environ | {
        "FILLSTREAM_VAR": str(tmp_path),
        "FILLSTREAM_JAR_CACHE": str(ROOT / "var" / "kafka"),
        "COLUMNS": "160",
    }
    command = [
        sys.executable,
        "-m",
        "runtime",
        "demo",
        f"--commands={COMMANDS}",
        "--users=150",
        "--rate=200",
        "--seed=7",
    ]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert all(summary["checks"].values())
    assert summary["commands"] == COMMANDS
    assert summary["venue_orders_sent_twice"] == 0
    assert summary["fill_mismatches"] == 0
    assert summary["clickhouse_duplicates"] == 0
    assert set(summary["ledger_imbalance"].values()) == {"0"}
    assert min(summary["answers"].values()) > 0
    assert sum(summary["answers"].values()) + summary["dead_letters"] >= COMMANDS
    assert summary["venue_orders"] > COMMANDS / 4
    assert summary["venue_fills"] > 0
    assert {"FILLED", "CANCELED", "OPEN"} <= summary["orders"].keys()
    assert {"accept", "venue", "fill"} <= summary["latency_ms"].keys()
    assert (tmp_path / "demo" / "report.html").read_text().count("<svg") == 5
    assert "checks hold" in done.stdout
