"""The broker's disk is full for a while: it halts, the others wait or are restarted, and nothing is lost or done twice.

The disk is a small file system in memory. Where none can be mounted, for want of rights, the test is skipped.
"""

import errno
import subprocess
import threading
import time
from pathlib import Path

import pytest

from runtime import settings as settings_module
from runtime import supervisor
from runtime.trial import oracle
from runtime.trial.plan import Shape
from runtime.trial.run import Run

JAR_CACHE = Path(__file__).parent.parent.parent / "var" / "kafka"
DISK_MIB = 64
SHAPE = Shape(commands=900, users=60, rate=60.0, seed=5, partitions=2)
FULL_FROM_S = 4.0
FULL_S = 6.0
QUICK = {"session_timeout_ms": 6_000, "receive_window_ms": 2_500, "unknown_bound_s": 13.5, "partitions": 2}


@pytest.fixture
def small_disk(tmp_path):
    """What the broker of an installation in ``tmp_path`` will write to."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


class Ballast(threading.Thread):
    """Takes all of a disk that is left, after a while, for a while."""

    def __init__(self, disk):
        super().__init__(daemon=True)
        self.bytes = 0
        self._file = disk / "ballast"
        self._stopping = threading.Event()

    def stop(self):
        self._stopping.set()
        if self.is_alive():
            self.join()

    def run(self):
        self._stopping.wait(FULL_FROM_S)
        try:
            with self._file.open("ab", buffering=0) as file:
                until_s = time.monotonic() + FULL_S
                while time.monotonic() < until_s and not self._stopping.wait(0.02):
                    self._fill(file)
        finally:
            self._file.unlink()

    def _fill(self, file):
        """Whatever the broker gives up meanwhile is taken as well."""
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    self.bytes += file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_full_disk_of_the_brokers_loses_nothing_and_does_nothing_twice(tmp_path, small_disk):
    settings = settings_module.Settings(var=tmp_path, jar_cache=JAR_CACHE, **QUICK)
    ballast = Ballast(small_disk)
    with supervisor.local(settings, simulator={"seed": 5}) as running, Run(running, SHAPE, tmp_path) as run:
        run.perform(ballast)
        run.settle(120.0)
        deaths = {state.name: state.restarts for state in running.states()}
        evidence = run.evidence()
    assert ballast.bytes > DISK_MIB << 18  # it was most of the disk
    assert deaths["broker"] >= 1
    log = (tmp_path / "log" / "broker.log").read_text()
    assert "can't write to" in log
    assert "process_failed" not in log  # it isn't fillstream's fault
    assert len(evidence.sent) >= SHAPE.commands
    assert [(check.name, check.faults[:3]) for check in oracle.judge(evidence, 2) if not check.holds] == []
