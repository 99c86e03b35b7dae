"""A process under test is gone with its group, and its costs are known afterwards."""

import os
import sys
import time

import pytest

from benchmarks.processes import Measured
from tests.processes import runs

BUSY = "import time; held = bytearray(40_000_000)\nwhile time.process_time() < 0.2: pass\nprint('spent', flush=True)\n"


@pytest.fixture
def measured(tmp_path):
    made = []

    def make(program: str) -> Measured:
        made.append(Measured([sys.executable, "-c", program], log=tmp_path / "log", environment=os.environ))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.kill()


def await_log(process: Measured, word: str) -> None:
    deadline = time.monotonic() + 60
    while word not in process.log_end():
        assert time.monotonic() < deadline, process.log_end()
        time.sleep(0.01)


def test_costs_are_known_while_it_runs_and_after_its_end(measured):
    process = measured(BUSY + "time.sleep(60)")
    await_log(process, "spent")
    assert process.running
    assert 0.15 <= process.cpu_s() < 10
    assert process.resident_mib() > 38
    process.kill()
    assert not process.running
    assert process.cpu_s() >= 0.15
    assert process.resident_mib_max() > 38
    assert process.resident_mib() == 0


def test_a_kill_takes_the_whole_group(measured):
    child = "import subprocess, time\nprint(subprocess.Popen(['sleep', '60']).pid, 'child', flush=True)\n"
    process = measured(child + "time.sleep(60)")
    await_log(process, "child")
    child = process.log_end().split()[0]
    process.kill()
    deadline = time.monotonic() + 20
    while runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_that_ended_by_itself_is_noticed_and_can_be_started_again(measured):
    process = measured("print('over', flush=True)")
    deadline = time.monotonic() + 60
    while process.running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(RuntimeError, match="started before"):
        process.start()
    assert process.stop() == 0
    process.start()


def test_a_stop_is_a_request(measured):
    handler = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    process = measured(handler + "print('up', flush=True)\ntime.sleep(60)")
    await_log(process, "up")
    assert process.stop() == 7
