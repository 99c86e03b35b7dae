"""Prometheus beside an installation on this machine: the binaries, the configuration, and a server with short times.

``python -m tests.alerts.prometheus`` watches what ``make up`` runs, by the rules of docker/prometheus/.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import yaml

from runtime import process
from runtime.services import Endpoints

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docker" / "prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(?:^|(?<=[\[ ]))(\d+)(ms|s|m|h|d)(?=[\]) \n]|$)")
_START_WITHIN_S = 90.0


class Missing(Exception):  # noqa: N818  # it says what is the matter
    """A program isn't installed; the message says what to do."""


def binary(name: str) -> str:
    """The path of prometheus or promtool. Raises Missing."""
    found = shutil.which(name, path=ROOT / "var" / "tools" / "usr" / "bin") or shutil.which(name)
    if found is None:
        raise Missing(f"{name} is missing: docker/prometheus/install.sh fetches it, where there is apt")
    return found


def alerts() -> Iterator[dict]:
    """Every alerting rule, with the *file* that it is in."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from ({**rule, "file": path.name} for rule in group["rules"] if "alert" in rule)


def job_of(process_name: str) -> str:
    """What can stand in for each other is one job: worker-0 is a worker, gateway-kraken-1 a gateway-kraken."""
    return re.sub(r"-\d+$", "", process_name)


def shortened(duration: str, divisor: int) -> str:
    """Each duration in *duration*, of which there may be several, divided; a rule's ``[5m]`` by 60 is ``[5s]``."""

    def divided(match: re.Match) -> str:
        return f"{max(int(match[1]) * _UNIT_MS[match[2]] // divisor, 1)}ms"

    return _DURATION.sub(divided, duration)


def write_configuration(folder: Path, metrics: dict[str, str], divisor: int = 1) -> Path:
    """The configuration of docker/prometheus/ with *metrics* (addresses by process) as targets; returns its path.

    Every duration is divided by *divisor*: intervals, the windows and offsets of expressions, ``for``. Thresholds stay,
    also those in seconds: they are promises about the system, which isn't any faster.
    """
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {name: shortened(value, divisor) for name, value in config["global"].items()}
    config["scrape_configs"][0]["static_configs"] = [
        {"targets": [url.split("/")[2]], "labels": {"job": job_of(name), "instance": name}}
        for name, url in metrics.items()
    ]
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    for path in RULES:
        rules = yaml.safe_load(path.read_text())
        for rule in (rule for group in rules["groups"] for rule in group["rules"]):
            rule["expr"] = shortened(rule["expr"], divisor)
            if "for" in rule:
                rule["for"] = shortened(rule["for"], divisor)
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules, sort_keys=False))
    target = folder / "prometheus.yml"
    target.write_text(yaml.safe_dump(config, sort_keys=False))
    return target


def command(config: Path, port: int) -> list[str]:
    """Prometheus on the loopback interface, with its data beside *config*."""
    return [
        binary("prometheus"), f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.tsdb.path={config.parent / 'data'}", "--log.level=warn",
    ]  # fmt: skip


class Server:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def firing(self) -> list[dict]:
        """The alerts that fire now: their labels, annotations and values."""
        return [alert for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"]

    def query(self, expression: str) -> list[dict]:
        """The instant vector of *expression*."""
        return self._get("query", query=expression)["result"]

    def _get(self, what: str, **parameters: str) -> dict:
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=parameters, timeout=30.0)
        answer.raise_for_status()
        return answer.json()["data"]


@contextlib.contextmanager
def running(folder: Path, metrics: dict[str, str], divisor: int = 1) -> Iterator[Server]:
    """A Prometheus over *metrics*, ready; stopped at the end of the block."""
    port = process.free_port()
    config = write_configuration(folder, metrics, divisor)
    with (folder / "prometheus.log").open("wb") as log:
        child = process.spawn(command(config, port), output=log, environment=os.environ)
        try:
            wait_for(lambda: _ready(port), "Prometheus to be ready", within_s=_START_WITHIN_S)
            yield Server(f"http://127.0.0.1:{port}")
        finally:
            child.terminate()
            process.finish(child, within_s=10.0)


def wait_for(true: Callable[[], bool], what: str, within_s: float) -> float:
    """Ask five times a second until it is *true*; returns after how many seconds. Raises TimeoutError."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.2)
    return time.monotonic() - began


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", timeout=1.0).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def main() -> int:
    """Run Prometheus over what var/endpoints.json names until Ctrl-C."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--var", type=Path, default=ROOT / "var", help="the folder of the installation")
    parser.add_argument("--port", type=int, default=9090)
    options = parser.parse_args()
    try:
        endpoints = msgspec.json.decode((options.var / "endpoints.json").read_bytes(), type=Endpoints)
    except FileNotFoundError:
        sys.stderr.write("nothing runs here: make up, then again\n")
        return 75
    config = write_configuration(options.var.absolute() / "prometheus", endpoints.metrics)
    sys.stdout.write(f"http://127.0.0.1:{options.port}/alerts\n")
    sys.stdout.flush()
    return subprocess.run(command(config, options.port), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
