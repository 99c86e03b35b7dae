"""The container files say only what the code knows: commands, settings, folders, ports."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from runtime import __main__ as command
from runtime.commands import running
from runtime.settings import Settings, variable

ROOT = Path(__file__).parent.parent.parent
STACK = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
OURS = {name: service for name, service in STACK["services"].items() if service["image"] == "fillstream"}
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_service_of_ours_runs_a_command_that_exists(name, monkeypatch):
    calls = []
    monkeypatch.setattr(running, "run", lambda entry, **_options: calls.append(entry))
    result = CliRunner().invoke(command.app, OURS[name]["command"])
    assert result.exit_code == 0, result.output
    assert calls == [OURS[name]["command"][0]]


def test_each_setting_in_the_container_files_exists():
    known = {variable(name) for name in Settings.model_fields}
    for service in OURS.values():
        assert {name for name in service["environment"] if name.startswith("FILLSTREAM_")} <= known
    in_image = set(re.findall(r"FILLSTREAM_[A-Z_]+", DOCKERFILE))
    assert in_image
    assert in_image <= known


def test_every_process_is_in_the_stack():
    embedded = {"broker", "clickhouse", "up", "demo", "chaos", "soak", "jars"}
    venue = {f"venue {name}" for name in ("list", "request", "seal", "sign", "cancel-all")}
    analytics = {"analytics migrate", "analytics status", "analytics rebuild"}
    by_hand = (
        {"acls", "reconcile", "audit", "report", "doctor", "dlq list", "dlq show", "dlq replay"} | venue | analytics
    )
    assert {service["command"][0] for service in OURS.values()} == set(running.ENTRIES) - embedded - by_hand


def test_members_of_a_group_have_names_of_their_own():
    workers = [service["environment"] for service in OURS.values() if service["command"] == ["worker"]]
    assert len({worker["FILLSTREAM_WORKER_ID"] for worker in workers}) == len(workers) > 1


def test_services_wait_for_services_that_exist_and_can_tell_that_they_are_ready():
    for service in STACK["services"].values():
        for needed, how in service.get("depends_on", {}).items():
            other = STACK["services"][needed]
            if how["condition"] == "service_healthy":
                assert "test" in other.get("healthcheck", {}) or "HEALTHCHECK" in DOCKERFILE
                assert not other.get("healthcheck", {}).get("disable")


def test_nothing_is_published_beyond_this_machine():
    ports = [port for service in STACK["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_has_every_package_and_runs_without_privileges():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    copied = set(re.findall(r"^COPY (\w+) /app/\1$", DOCKERFILE, re.MULTILINE))
    assert copied == packages
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == packages | {"requirements.lock", "requirements-dev.lock", "pyproject.toml"}
    assert "--require-hashes" in DOCKERFILE
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)
    assert not (ROOT / "docker" / "__init__.py").exists(), "the folder would hide the docker library"
