"""Children forked from a process with their code loaded: like any other child, only sooner at work."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from runtime import forking, process
from runtime.chaos.stage import exits_within
from runtime.forking import ForkServer, Gone, Job
from runtime.launcher import Launcher
from runtime.services import Service

ROOT = Path(__file__).parent.parent.parent
HELP = ("worker", "--help")
#: Refused before anything is connected to.
WRONG = {"FILLSTREAM_NO_SUCH_SETTING": "1"}

pytestmark = pytest.mark.skipif(not forking.POSSIBLE, reason="children are forked on Linux only")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with contextlib.closing(ForkServer(tmp_path_factory.mktemp("server") / "log")) as made:
        yield made


@pytest.fixture
def deaf_port():
    """Takes connections and never says a word: a worker waits for its broker."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def waiting(deaf_port):
    """What a worker is started with that waits for a minute and more."""
    return environment(FILLSTREAM_BOOTSTRAP_SERVERS=f"127.0.0.1:{deaf_port}")


def environment(**values):
    return {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "COLUMNS": "300", **values}


def fork(server, tmp_path, words=HELP, values=None, name="worker-7"):
    with (tmp_path / "out").open("ab") as output:
        return server.fork(Job(words, environment() if values is None else values, name), output)


def test_a_child_does_its_job_and_its_exit_code_is_told(server, tmp_path):
    child = fork(server, tmp_path)
    assert child.wait(60) == 0
    assert child.poll() == child.returncode == 0
    assert "Run an order worker" in (tmp_path / "out").read_text()


def test_one_that_fails_says_why_where_its_output_goes(server, tmp_path):
    assert fork(server, tmp_path, ("worker",), environment(**WRONG)).wait(60) == 2
    assert "FILLSTREAM_NO_SUCH_SETTING" in (tmp_path / "out").read_text()


def test_children_that_end_together_are_all_told_of(server, tmp_path):
    children = [fork(server, tmp_path) for _ in range(6)]
    assert [child.wait(60) for child in children] == [0] * 6


def test_a_child_has_a_session_streams_environment_and_name_of_its_own(server, tmp_path, waiting):
    child = fork(server, tmp_path, ("worker",), waiting, "worker-with-a-long-name")
    try:
        of = Path("/proc", str(child.pid))
        first = fork(server, tmp_path)  # answered after the one above has begun
        assert first.wait(60) == 0
        await_rename(of)
        assert (of / "comm").read_text() == "worker-with-a-l\n"
        assert os.getsid(child.pid) == child.pid
        assert [str((of / "fd" / str(n)).readlink()) for n in range(3)] == ["/dev/null", *[str(tmp_path / "out")] * 2]
    finally:
        child.kill()
        child.wait(30)


def channels(pid):
    """The sockets and pipes that a process has open."""
    found = set()
    for each in Path("/proc", str(pid), "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(each.readlink()))
    return {each for each in found if each.startswith(("socket:", "pipe:"))}


def await_rename(of):
    give_up_s = time.monotonic() + 60
    while (of / "comm").read_text().startswith("python"):
        assert time.monotonic() < give_up_s
        time.sleep(0.02)


def test_a_running_child_is_waited_for_and_ended_by_signals(server, tmp_path, waiting):
    child = fork(server, tmp_path, ("worker",), waiting)
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.05)
    child.kill()
    assert child.wait(30) == -signal.SIGKILL
    child.kill()
    child.terminate()  # of one that has ended: nothing
    assert process.stop(child, grace_s=0) == -signal.SIGKILL


def test_children_hold_nothing_of_the_servers(server, tmp_path, waiting):
    elder, younger = (fork(server, tmp_path, ("worker",), waiting) for _ in range(2))
    try:
        await_rename(Path("/proc", str(younger.pid)))
        assert not channels(younger.pid) & channels(server._process.pid)
    finally:
        for each in (elder, younger):
            each.kill()
            each.wait(30)


def test_children_die_with_the_server_and_it_is_said(tmp_path, waiting):
    with contextlib.closing(ForkServer(tmp_path / "log")) as server:
        child = fork(server, tmp_path, ("worker",), waiting)
        os.kill(server._process.pid, signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
        assert exits_within(child.pid, 30) is not None
        with pytest.raises(Gone):
            fork(server, tmp_path)


def test_all_die_with_a_killed_supervisor(tmp_path, deaf_port):
    script = (
        "import os, sys, time; from pathlib import Path; from runtime.forking import ForkServer, Job\n"
        "server = ForkServer(Path(sys.argv[1]))\n"
        f"child = server.fork(Job(('worker',), os.environ | {{'FILLSTREAM_BOOTSTRAP_SERVERS': '127.0.0.1:{deaf_port}'}}"
        ", 'worker-0'), open(sys.argv[1], 'ab'))\n"
        "print(server._process.pid, child.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(exits_within(pid, 0) is None for pid in pids)
        parent.kill()
    assert all(exits_within(pid, 30) is not None for pid in pids)


def test_where_something_loaded_starts_a_thread_nothing_is_forked(tmp_path):
    (tmp_path / "restless.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"
    )
    command = [sys.executable, "-m", "runtime.fork_server", "restless"]
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.Popen(command, env=environment(PYTHONPATH=path), stderr=subprocess.PIPE, cwd=ROOT)
    assert b"loading restless started 1 threads: none of it can be forked" in done.stderr.readline()
    done.kill()
    done.communicate()


def test_what_can_not_be_forked_is_spawned_and_the_next_is_forked_again(tmp_path):
    told = tmp_path / "out"
    service = Service(
        name="worker-0", command=(*process.FILLSTREAM, *HELP), environment=environment(PYTHONPATH=str(ROOT)),
        ready=lambda _pid: True, forked=True,
    )  # fmt: skip
    with contextlib.closing(Launcher(tmp_path / "log")) as launch, told.open("ab") as output:
        assert isinstance(launch(service, output), forking.Forked)
        os.kill(launch.prepare()._process.pid, signal.SIGKILL)
        child = launch(service, output)
        assert isinstance(child, subprocess.Popen)
        assert child.wait(60) == 0
        again = launch(service, output)
        assert isinstance(again, forking.Forked)
        assert again.wait(60) == 0
        other = launch(msgspec.structs.replace(service, forked=False), output)
        assert isinstance(other, subprocess.Popen)
        assert other.wait(60) == 0
    assert told.read_text().count("Run an order worker") >= 2
