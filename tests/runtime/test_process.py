"""Child processes end with their parent and when told to; ports and signals are handled with care."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from runtime import process
from runtime.process import StopRequest
from tests.processes import runs

ROOT = Path(__file__).parent.parent.parent
IGNORING = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"


def python(code):
    return [sys.executable, "-c", code]


def test_the_process_id_is_the_commands_own_and_its_output_goes_where_it_should(tmp_path):
    with (tmp_path / "out").open("wb") as output:
        child = process.spawn(
            python("import os, sys; print(os.getpid(), os.environ['X']); sys.stderr.write('err'); sys.exit(7)"),
            output=output,
            environment={"X": "given"},
        )
    assert child.wait(10) == 7
    assert (tmp_path / "out").read_text() == f"{child.pid} given\nerr"


def test_the_terminals_interrupt_does_not_reach_a_child():
    child = process.spawn(python("import time; time.sleep(60)"))
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    process.stop(child, grace_s=5)


def test_a_child_outlives_the_thread_that_asked_for_it():
    children = []

    def ask():
        children.append(process.spawn(python("import time; time.sleep(60)")))
        time.sleep(0.4)  # it has to be there when the tether is tied

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    time.sleep(0.1)
    assert children[0].poll() is None
    assert process.stop(children[0], grace_s=5) == -signal.SIGTERM


def test_children_are_those_that_live():
    parent = process.spawn(python("import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"))
    deadline = time.monotonic() + 20
    while not (found := process.children(parent.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    (child,) = found
    assert child != parent.pid
    assert runs(child)
    os.kill(child, signal.SIGKILL)
    process.stop(parent, grace_s=5)
    assert process.children(parent.pid) == []


@pytest.mark.parametrize("ending", ["os.kill(os.getpid(), 9)", "os._exit(3)"])
def test_a_child_dies_with_its_parent_however_that_ends(ending, tmp_path):
    script = (
        "import os, sys, time; from runtime import process\n"
        f"child = process.spawn([sys.executable, '-c', {IGNORING!r}], output=open(sys.argv[1], 'wb'))\n"
        "while not os.path.getsize(sys.argv[1]): time.sleep(0.02)\n"
        f"print(child.pid, flush=True); {ending}"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    pid = int(done.stdout)
    deadline = time.monotonic() + 5
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(pid)


def test_a_command_is_not_run_for_a_parent_that_is_gone(tmp_path):
    tether = str(process._TETHER)
    mark = tmp_path / "mark"
    somebody_else = os.getppid()
    subprocess.run([sys.executable, "-I", tether, str(somebody_else), "touch", str(mark)], timeout=60, check=True)
    assert not mark.exists()
    subprocess.run([sys.executable, "-I", tether, str(os.getpid()), "touch", str(mark)], timeout=60, check=True)
    assert mark.exists()


def test_stopping_kills_what_ignores_the_signal(tmp_path):
    with (tmp_path / "out").open("wb") as output:
        child = process.spawn(python(IGNORING), output=output)
    while not (tmp_path / "out").read_text():
        time.sleep(0.02)
    began = time.monotonic()
    assert process.stop(child, grace_s=0.3) == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 30
    assert process.stop(child, grace_s=0.3) == -signal.SIGKILL, "a second time changes nothing"


def test_free_ports_are_free_different_and_out_of_the_way_of_outgoing_connections():
    ports = process.free_ports(20)
    assert len(set(ports)) == 20
    ephemeral_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports) < ephemeral_from
    assert not any(process.listening(port) for port in ports)


def test_a_port_that_somebody_listens_on_is_not_free(monkeypatch):
    with socket.create_server(("127.0.0.1", process.free_port())) as taken:
        port = taken.getsockname()[1]
        assert process.listening(port)
        monkeypatch.setattr(process, "_SERVER_PORTS", [port] * 1_000)
        with pytest.raises(process.Unavailable, match="no free TCP port"):
            process.free_port()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_requested_by_either_signal_and_handlers_are_given_back(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.requested
        assert not stop.wait(0.01)
        os.kill(os.getpid(), number)
        assert stop.wait(5)
        assert stop.requested
    assert signal.getsignal(number) is before
