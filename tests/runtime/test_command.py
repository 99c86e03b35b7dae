"""The fillstream command: help everywhere, exit codes that mean something, options that the processes know."""

import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from runtime import __main__ as command
from runtime import services
from runtime.commands import running
from runtime.exits import CheckFailed, Exit, Unavailable
from runtime.process import free_port, listening
from runtime.settings import Settings, SettingsError

ROOT = Path(__file__).parent.parent.parent


def named(app: typer.Typer, *above: str) -> list[str]:
    """The commands of *app* and of what is below it, as words on the command line."""
    names = [" ".join((*above, each.name or each.callback.__name__)) for each in app.registered_commands]
    for each in app.registered_groups:
        names += named(each.typer_instance, *([each.name] if isinstance(each.name, str) else []))
    return names


NAMES = sorted(named(command.app))


@pytest.fixture
def invoke():
    runner = CliRunner()
    return lambda *words: runner.invoke(command.app, list(words), env={"TERMINAL_WIDTH": "200", "COLUMNS": "200"})


@pytest.fixture
def asked(monkeypatch):
    """What the command would run, as (name, options)."""
    calls = []
    monkeypatch.setattr(running, "run", lambda name, **options: calls.append((name, options)))
    return calls


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(invoke, name):
    result = invoke(*name.split(), "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert len(result.stdout.split("Options")[0].split()) > 6, "a usage line is no explanation"


def test_without_a_command_all_are_listed(invoke):
    shown = invoke().output
    assert all(name.split()[0] in shown for name in NAMES)
    assert set(running.ENTRIES) <= set(NAMES)


@pytest.mark.parametrize("name", sorted(running.ENTRIES))
def test_a_command_hands_its_process_only_options_that_it_knows(invoke, asked, name):
    record = "order-commands:0:1"
    arguments = {
        "gateway": ["simulated"],
        "reconcile": ["simulated"],
        "dlq show": [record],
        "dlq replay": [record],
        "venue sign": ["binance", "--path", "/api/v3/order"],
        "venue request": ["binance", "--order", "order.json"],
        "venue cancel-all": ["binance"],
        "venue seal": ["credentials.toml", "keystore", "--passphrase", "passphrase"],
    }.get(name, [])
    result = invoke(*name.split(), *arguments)
    assert result.exit_code == 0, result.output
    ((entry, options),) = asked
    assert entry == name
    main = importlib.import_module(running.ENTRIES[name]).main
    inspect.signature(main).bind(Settings(), **options)
    if name == "up":
        services.Options(**options)


def test_what_the_supervisor_launches_is_a_command_line_that_exists(invoke, asked, tmp_path):
    installation = services.local(Settings(var=tmp_path), services.Options(simulator={"seed": 3}), {})
    launched = [service for step in installation.steps if not callable(step) for service in step]
    for service in launched:
        python, flag, module, *words = service.command
        assert (python, flag, module) == (sys.executable, "-m", "runtime")
        result = invoke(*words)
        assert result.exit_code == 0, f"{words}: {result.output}"
    assert [name for name, _ in asked] == [service.command[3] for service in launched]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x is wrong"), Exit.USAGE),
        (CheckFailed("two findings"), Exit.CHECK_FAILED),
        (Unavailable("nobody there"), Exit.TEMPORARY),
    ],
)
def test_each_kind_of_failure_has_its_exit_code_and_one_plain_line(invoke, monkeypatch, error, code):
    def fail(*_arguments):
        raise error

    monkeypatch.setattr(running.telemetry, "configure_logging", fail)
    result = invoke("sink")
    assert result.exit_code == code
    assert str(error) in result.stderr
    assert "Traceback" not in result.stderr


def test_a_fault_of_ours_is_logged_with_its_traceback():
    script = (
        "from runtime import __main__ as c; from runtime.commands import running; "
        "running.ENTRIES['sink'] = 'no_such_module'; "
        "import sys; sys.argv[1:] = ['sink']; c.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.INTERNAL
    assert "ModuleNotFoundError" in json.loads(done.stderr.splitlines()[-1])["exception"]


def test_wrong_usage_is_refused_with_two(invoke):
    assert invoke("gateway").exit_code == Exit.USAGE
    assert invoke("broker", "--port", "70000").exit_code == Exit.USAGE
    assert invoke("nonsense").exit_code == Exit.USAGE


def test_settings_that_cannot_be_used_are_one_line_and_two(invoke, monkeypatch):
    monkeypatch.setenv("FILLSTREAM_PARTITIONZ", "8")
    result = invoke("sink")
    assert result.exit_code == Exit.USAGE
    assert result.stderr == (
        "fillstream: settings: FILLSTREAM_PARTITIONZ sets nothing; did you mean FILLSTREAM_PARTITIONS?\n"
    )


def test_an_unreachable_broker_is_temporary(monkeypatch, invoke):
    monkeypatch.setattr("runtime.topics._TIMEOUT_S", 1)
    monkeypatch.setenv("FILLSTREAM_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(running.telemetry, "configure_logging", lambda *_: None)
    result = invoke("topics")
    assert result.exit_code == Exit.TEMPORARY
    assert "no answer from Kafka" in result.stderr


def test_the_settings_in_effect_are_shown_without_secrets(invoke, monkeypatch):
    monkeypatch.setenv("FILLSTREAM_CLICKHOUSE_PASSWORD", "hunter2")
    monkeypatch.setenv("FILLSTREAM_PARTITIONS", "3")
    table = invoke("settings").stdout
    assert "FILLSTREAM_PARTITIONS" in table
    assert "**********" in table
    shown = json.loads(invoke("settings", "--json").stdout)
    assert shown["partitions"] == 3
    assert "hunter2" not in table + json.dumps(shown)


def test_the_version_is_the_projects(invoke):
    assert invoke("version").stdout.strip().count(".") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_broker_command_cleanly(tmp_path, number):
    port = free_port()
    environment = os.environ | {"FILLSTREAM_VAR": str(tmp_path), "FILLSTREAM_JAR_CACHE": str(ROOT / "var" / "kafka")}
    started = subprocess.Popen(
        [sys.executable, "-m", "runtime", "broker", f"--port={port}"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started as process:
        for line in process.stderr:
            if json.loads(line)["event"] == "broker_ready":
                break
        time.sleep(0.1)
        process.send_signal(number)
        process.stderr.read()
        assert process.wait(20) == Exit.OK
    assert not listening(port)
