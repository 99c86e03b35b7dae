"""Every process logs one format, shows its metrics, says where it is, and never shows a secret."""

import json
import logging
import os
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import structlog

from runtime import telemetry
from runtime.process import free_port
from runtime.settings import Settings, SettingsError

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _restored_logging():
    root, secrets = logging.getLogger(), set(telemetry._secrets)
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before
    logging.captureWarnings(capture=False)
    for name in telemetry._CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET)
    telemetry._secrets.clear()
    telemetry._secrets.update(secrets)
    structlog.reset_defaults()


@pytest.fixture
def lines(tmp_path):
    """Starts telemetry and reads what is logged as parsed JSON."""
    path = tmp_path / "out.log"
    with path.open("w+") as output:
        running = telemetry.start(Settings(var=tmp_path, clickhouse_password="hunter2"), "sink", output)
        yield lambda: output.flush() or [json.loads(line) for line in path.read_text().splitlines()]
        running.close()


def test_both_ways_of_logging_make_the_same_lines(lines):
    structlog.get_logger().info("order_refused", order_id="o-1")
    logging.getLogger("faust").warning("rebalanced %s", "late", extra={"partitions": 8})
    ours, theirs = lines()[-2:]
    assert (ours["event"], ours["order_id"], ours["level"], ours["process"]) == ("order_refused", "o-1", "info", "sink")
    assert (theirs["event"], theirs["partitions"], theirs["level"]) == ("rebalanced late", 8, "warning")
    assert (theirs["process"], theirs["logger"]) == ("sink", "faust")
    assert ours["at"].endswith("Z")
    assert set(ours) - {"order_id"} == set(theirs) - {"partitions", "logger"}


def test_a_library_that_repeats_itself_is_written_now_and_then_with_how_often(lines):
    clock = iter([0, 1, 2, 2, 11, 12])
    handler = logging.getLogger().handlers[0]
    handler.filters = [telemetry.Thinned(10, lambda: next(clock))]
    logger = logging.getLogger("library")
    for number in range(3):
        logger.error("no connection to node %s", number)
    logger.error("something else")
    logger.error("no connection to node %s", 3)
    logger.error("no connection to node %s", 4)
    logger.info("told every time")
    logger.info("told every time")
    try:
        int("away")
    except ValueError:
        logger.exception("no connection to node %s", 5)
    found = [(line["event"], line.get("repeats")) for line in lines() if line.get("logger") == "library"]
    assert found == [
        ("no connection to node 0", None),
        ("something else", None),
        ("no connection to node 3", 2),
        *[("told every time", None)] * 2,
        ("no connection to node 5", None),
    ]


def test_a_secret_never_shows_wherever_it_is(lines):
    telemetry.hide("s3cr3t-of-the-venue")
    secret_inside = {"url": "http://default:hunter2@x", "nested": ["s3cr3t-of-the-venue"]}
    try:
        int("bad password hunter2")
    except ValueError:
        structlog.get_logger().exception("failed", detail=secret_inside, signature="abcdef", API_KEY="ghijkl")
    logging.getLogger("httpx").warning("GET /?k=hunter2")
    text = json.dumps(lines())
    for secret in ("hunter2", "s3cr3t-of-the-venue", "abcdef", "ghijkl"):
        assert secret not in text
    assert "ValueError" in lines()[-2]["exception"]


def test_libraries_that_log_each_request_are_quiet(lines):
    logging.getLogger("httpx").info("HTTP Request: GET …signature=abc")
    assert all("HTTP Request" not in line["event"] for line in lines())


def test_the_run_file_leads_to_the_metrics(tmp_path, lines):
    record = telemetry.read_run_file(tmp_path, "sink")
    assert (record.process, record.pid) == ("sink", os.getpid())
    with urllib.request.urlopen(record.metrics, timeout=30) as answer:
        assert b"process_start_time_seconds" in answer.read()
    assert telemetry.read_run_file(tmp_path, "nobody") is None
    assert lines()[0]["event"] == "process_started"


def test_a_process_may_be_given_another_name(tmp_path):
    running = telemetry.start(Settings(var=tmp_path, process_name="worker-7"), "worker")
    running.close()
    assert telemetry.read_run_file(tmp_path, "worker-7").process == "worker-7"
    assert telemetry.read_run_file(tmp_path, "worker") is None


def test_a_taken_metrics_port_is_named(tmp_path):
    running = telemetry.start(Settings(var=tmp_path, metrics_port=free_port()), "first")
    port = running.record.metrics.split(":")[2].split("/")[0]
    try:
        with pytest.raises(SettingsError, match=rf"127\.0\.0\.1:{port} .*metrics_port"):
            telemetry.start(Settings(var=tmp_path, metrics_port=int(port)), "second")
    finally:
        running.close()


def test_a_file_is_replaced_whole_and_with_its_mode(tmp_path):
    path = tmp_path / "deep" / "file"
    telemetry.write_atomically(path, b"old")
    telemetry.write_atomically(path, b"new", mode=0o400)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert list(path.parent.iterdir()) == [path]


def test_the_console_format_shows_no_local_variables_in_a_traceback():
    script = (
        "import sys; from pathlib import Path; import structlog; from runtime import settings, telemetry\n"
        "telemetry.configure_logging(settings.Settings(log_format='console'), 'x')\n"
        "def fail(token): raise ValueError('boom')\n"
        "try: fail('to' + 'ken-value')\n"
        "except ValueError: structlog.get_logger().exception('failed')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "boom" in done.stderr
    assert "token-value" not in done.stderr
    assert done.stdout == ""


def test_a_secret_too_short_to_hide_does_not_garble_the_log(lines):
    telemetry.hide("o")
    structlog.get_logger().info("order_opened")

    assert "order_opened" == lines()[-1]["event"]
