"""Child processes that never outlive their parent, and signals that ask this process to stop."""

import contextlib
import fcntl
import functools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Final, Protocol, Self

from runtime.exits import Unavailable

#: How a command line of ours begins, before the subcommand.
FILLSTREAM: Final = (sys.executable, "-m", "runtime")

_TETHER: Final = Path(__file__).with_name("tether.py")
_SERVER_PORTS: Final = range(20_000, 32_768)


def environment() -> dict[str, str]:
    """What a Python process of ours is started with: this one's, the way to our code, and output that nobody holds."""
    search = [str(_TETHER.parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(search), "PYTHONUNBUFFERED": "1"}


class Child(Protocol):
    """What of a :class:`subprocess.Popen` the functions here, and the supervisor, make use of."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


def spawn(
    command: Sequence[str],
    *,
    given: int | None = None,
    output: IO[bytes] | int | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start *command* in a session of its own (the terminal's Ctrl-C doesn't reach it), tethered to this process.

    On Linux the kernel kills it when this process ends in whatever way, SIGKILL included. Its input is *given*,
    a descriptor, or nothing; *output* takes both its streams. The process ID is the command's own.
    """
    return _spawner().submit(_popen, command, given, output, environment).result()


def stop(process: Child, *, grace_s: float) -> int:
    """End *process* by SIGTERM, or after *grace_s* by SIGKILL; returns its exit code."""
    if process.poll() is None:
        process.terminate()
    return finish(process, within_s=grace_s)


def finish(process: Child, *, within_s: float) -> int:
    """Wait for the end of *process*, and make one by SIGKILL after *within_s*; returns its exit code."""
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def children(pid: int) -> list[int]:
    """The processes that *pid* has started and that live; none of one that has ended. Linux only."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ends while we look
        tasks = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
        return [int(child) for task in tasks for child in task.split()]
    return []


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on right now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ones, below those that the system gives to outgoing connections, which would take them soon."""
    with contextlib.ExitStack() as held:  # all are held until the last is found, so that none comes twice
        return [_hold_free_port(held) for _ in range(count)]


def _hold_free_port(held: contextlib.ExitStack) -> int:
    for port in random.SystemRandom().sample(_SERVER_PORTS, 1_000):
        probe = held.enter_context(socket.socket())
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed connection's last minute is no obstacle
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Unavailable("no free TCP port to be found: too many servers on this machine?")


def listening(port: int) -> bool:
    """Whether somebody accepts connections on *port* of the loopback interface."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def locked(path: Path, taken: str) -> Iterator[None]:
    """Hold the file at *path*, at most until this process ends. Raises Unavailable, saying *taken*, if another does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(taken) from error
        yield


class StopRequest:
    """Waits for SIGTERM or SIGINT instead of dying of them. Use as a context manager, in the main thread.

    A second signal while stopping changes nothing; who is out of patience has SIGKILL, and children go along.
    """

    _SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self._event = threading.Event()
        self._former: dict[signal.Signals, signal.Handlers | int | None] = {}

    def __enter__(self) -> Self:
        for number in self._SIGNALS:
            self._former[number] = signal.signal(number, self._note)  # type: ignore[assignment]  # a callable is fine
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait at most *timeout_s*; True once a stop is requested."""
        return self._event.wait(timeout_s)


@functools.cache
def _spawner() -> ThreadPoolExecutor:
    """The thread of all starts: Linux takes the *thread* that forked for the parent, and this one lives to the end."""
    return ThreadPoolExecutor(1, thread_name_prefix="spawner")


def _popen(
    command: Sequence[str],
    given: int | None,
    output: IO[bytes] | int | None,
    environment: Mapping[str, str] | None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # commands are ours, never input
        [sys.executable, "-I", str(_TETHER), str(os.getpid()), *command],
        stdin=subprocess.DEVNULL if given is None else given,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=environment,
        start_new_session=True,
    )
