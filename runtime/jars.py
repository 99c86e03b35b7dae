"""Apache Kafka's jars, resolved once by Maven from ``pom.xml`` and kept by the hash of that file."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import Final

import structlog

from runtime.exits import Exit, Unavailable
from runtime.settings import Settings

JAVA_VERSION_MIN: Final = 17
_MAVEN_TIMEOUT_S: Final = 600

log = structlog.get_logger()


def java() -> str:
    """The path of a Java that can run the broker: ``JAVA_HOME``'s, or the first on ``PATH``. Raises Unavailable."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    where = f"in JAVA_HOME ({home})" if home else "on PATH"
    wanted = f"the embedded Kafka broker needs Java {JAVA_VERSION_MIN} or later"
    if found is None:
        raise Unavailable(f"{wanted}, and there is no java {where}: install a JDK or JRE, for example openjdk-17-jre")
    shown = subprocess.run([found, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr  # noqa: S603  # a path just looked up
    version = re.search(r'version "(?:1\.)?(\d+)', shown)
    if version is None or int(version[1]) < JAVA_VERSION_MIN:
        raise Unavailable(
            f"{wanted}, and {found} is {version[1] if version else 'unknown'}: set JAVA_HOME to a later one"
        )
    return found


def cache_folder(settings: Settings) -> Path:
    """Where the jars are kept."""
    return settings.jar_cache or settings.var / "kafka"


def resolve(cache: Path) -> Path:
    """The folder in *cache* that holds the jars. Runs Maven if it isn't there yet. Raises Unavailable.

    Several processes may ask at once: each fills a folder of its own, and the first to finish gives it the name.
    """
    cache = cache.absolute()  # Maven takes a relative path from the pom's folder
    pom = resources.files("runtime").joinpath("pom.xml").read_bytes()
    folder = cache / f"libs-{hashlib.sha256(pom).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable(
            "the embedded Kafka broker's jars are fetched by Maven, and there is no mvn on PATH: install Apache Maven"
        )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="resolving-") as work:
        part = Path(work) / "libs"
        (Path(work) / "pom.xml").write_bytes(pom)
        log.info("kafka_jars_resolving", folder=str(folder), note="Maven fetches about 45 MB, once")
        _run_maven(maven, Path(work) / "pom.xml", part, cache / "maven.log")
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():  # if it is, somebody else was first
                raise
    log.info("kafka_jars_resolved", folder=str(folder), jars=len(list(folder.glob("*.jar"))))
    return folder


def main(settings: Settings) -> int:
    """Have everything here that the embedded broker needs."""
    java()
    resolve(cache_folder(settings))
    return Exit.OK


def _run_maven(maven: str, pom: Path, output: Path, log_file: Path) -> None:
    command = [maven, "--batch-mode", "--no-transfer-progress", "--strict-checksums", "--file", str(pom)]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={output}"]
    with log_file.open("wb") as file:
        try:
            code = subprocess.run(command, stdout=file, stderr=file, check=False, timeout=_MAVEN_TIMEOUT_S).returncode  # noqa: S603  # our own command
        except subprocess.TimeoutExpired:
            code = None
    if code == 0 and any(output.glob("kafka_*.jar")):
        return
    why = f"gave up after {_MAVEN_TIMEOUT_S} s" if code is None else f"ended with {code}"
    errors = [line for line in log_file.read_text(errors="replace").splitlines() if "ERROR" in line][:3]
    raise Unavailable(
        f"Maven {why} while fetching Kafka's jars (needs the network once; all it said: {log_file}). "
        + " ".join(errors or ["It named no error."])
    )
