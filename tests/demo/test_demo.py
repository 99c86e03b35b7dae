"""The whole demo in small: broker, workers, gateway, venue, sink and ClickHouse as processes, and every check."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMANDS = 1_500
VENUES = ("binance", "coinbase", "kraken")


@pytest.fixture
def demo(tmp_path):
    """Runs a demo, all of whose checks must hold; gives its summary, and what it printed."""

    def run(*options):
        own = {"FILLSTREAM_VAR": str(tmp_path), "FILLSTREAM_JAR_CACHE": str(ROOT / "var" / "kafka"), "COLUMNS": "160"}
        command = [sys.executable, "-m", "runtime", "demo", *options]
        done = subprocess.run(
            command, env=os.environ | own, cwd=ROOT, capture_output=True, text=True, timeout=220, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
        assert all(summary["checks"].values())
        return summary, done.stdout

    return run


@pytest.mark.timeout(240)
def test_every_check_holds_on_the_real_parts(demo, tmp_path):
    summary, shown = demo(f"--commands={COMMANDS}", "--users=150", "--rate=200", "--seed=7")
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
    assert "checks hold" in shown


@pytest.mark.timeout(240)
def test_every_check_holds_on_three_venues_at_once(demo):
    summary, shown = demo(
        f"--venues={','.join(VENUES)}", "--saturate=0", "--commands=200", "--users=20", "--rate=50", "--seed=5"
    )
    assert summary["venues"].keys() == set(VENUES)
    assert all(venue["orders"] > 10 for venue in summary["venues"].values())
    assert all(venue["fills"] > 0 for venue in summary["venues"].values())
    assert summary["venue_rate_limited"] == 0
    assert summary["checks"]["no_limit_was_passed"]
    assert "requests too many" in shown
