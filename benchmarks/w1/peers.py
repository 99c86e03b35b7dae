"""What the peers need and this project doesn't: Kafka Streams compiled, Quix Streams in an environment of its own.

Each is kept in ``var/bench`` under the hash of its sources, so it is made once. The first time needs the network.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.results import FOLDER
from runtime import jars
from runtime.exits import Unavailable

_HERE: Final = Path(__file__).parent
_MADE_WITHIN_S: Final = 600


def kafka_streams() -> list[str]:
    """The command that runs W1 in Kafka Streams. Raises Unavailable."""
    project = _HERE / "kafka_streams"
    sources = sorted(path for path in project.rglob("*") if path.is_file())
    folder = _made(_named("kafka-streams", sources), lambda folder: _compile(project, folder))
    path = f"{folder / 'classes'}:{folder / 'lib'}/*"
    return [jars.java(), "-Xms256m", "-Xmx1g", "-cp", path, "fillstream.w1.Main"]


def quix_python() -> str:
    """An interpreter that has Quix Streams. Raises Unavailable."""
    lock = _HERE / "requirements-quix.lock"
    folder = _named("quix", [lock])
    return str(_made(folder, lambda folder: _install(lock, folder)) / "bin" / "python")


def _named(name: str, sources: Sequence[Path]) -> Path:
    content = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources))
    return FOLDER.absolute() / f"{name}-{content.hexdigest()[:12]}"


def _made(folder: Path, make: Callable[[Path], None]) -> Path:
    """*folder*, made unless it has been made to the end before."""
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        complete.touch()
    return folder


def _compile(project: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("Kafka Streams is compiled by Maven, and there is no mvn on PATH: install Apache Maven")
    with tempfile.TemporaryDirectory() as work:
        copy = shutil.copytree(project, Path(work) / "project")
        command = [
            maven,
            "--batch-mode",
            "--no-transfer-progress",
            "--strict-checksums",
            "--file",
            str(copy / "pom.xml"),
        ]
        command += ["compile", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        _run([*command, f"-DoutputDirectory={folder / 'lib'}"], folder / "maven.log")
        shutil.copytree(copy / "target" / "classes", folder / "classes")


def _install(lock: Path, folder: Path) -> None:
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], folder.with_suffix(".log"))
    python = str(folder / "bin" / "python")
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement", str(lock)]
    _run([python, "-m", "pip", "install", *options], folder / "pip.log")


def _run(command: Sequence[str], log: Path) -> None:
    with log.open("wb") as output:
        try:
            done = subprocess.run(command, stdout=output, stderr=output, check=False, timeout=_MADE_WITHIN_S)  # noqa: S603  # our own command
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"{command[0]} didn't end within {_MADE_WITHIN_S} s; what it said is in {log}") from error
    if done.returncode:
        end = " ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise Unavailable(
            f"{command[0]} ended with {done.returncode} (needs the network once; all of it: {log}): {end}"
        )
