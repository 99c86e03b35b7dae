"""Children that are forked from a process with their code loaded: the supervisor's end of :mod:`runtime.fork_server`.

Importing takes a worker most of a second, and five on a machine that is busy catching up; one that is forked is at work
at once. So is the worker that takes the place of one that died.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Final

import msgspec

from runtime import process
from runtime.commands import running

#: Subcommands that may be forked: what they load starts no thread and opens nothing.
FORKED: Final = ("worker", "gateway")
#: Elsewhere a child can't be tied to its parent (see :mod:`runtime.tether`).
POSSIBLE: Final = sys.platform == "linux"

#: A process ID, or an exit code, on its way here.
NUMBER: Final = struct.Struct("=i")

_ANSWERS_WITHIN_S: Final = 60.0  # it may still be loading, beside everything else that starts
_ENDS_WITHIN_S: Final = 5.0


class Gone(Exception):  # noqa: N818  # it says what happened
    """The server doesn't answer; what it had forked dies with it."""


class Job(msgspec.Struct, frozen=True):
    """What a child is to be: a subcommand and its options, its environment, and its name for ``ps``."""

    words: tuple[str, ...]
    environment: dict[str, str]
    name: str


class ForkServer:
    """Starts the server, and asks it for children. For one thread at a time."""

    def __init__(self, log_file: Path) -> None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        command = (sys.executable, "-m", "runtime.fork_server", *(running.ENTRIES[name] for name in FORKED))
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.settimeout(_ANSWERS_WITHIN_S)
        with theirs, log_file.open("ab") as output:
            self._process = process.spawn(
                command, given=theirs.fileno(), output=output, environment=process.environment()
            )

    def fork(self, job: Job, output: IO[bytes]) -> "Forked":
        """A child that does *job*, with both its streams in *output*; it ends with this process. Raises Gone."""
        status, told = os.pipe()
        try:
            return Forked(self._ask(job, output.fileno(), told), status)
        except Gone:
            os.close(status)
            raise
        finally:
            os.close(told)

    def _ask(self, job: Job, output: int, told: int) -> int:
        """The process ID of a child that has these two for its own. Raises Gone."""
        try:
            socket.send_fds(self._requests, [msgspec.json.encode(job)], [output, told])
            answer = self._requests.recv(NUMBER.size)
        except OSError as error:
            raise Gone from error
        if not answer:
            raise Gone
        number: int = NUMBER.unpack(answer)[0]
        return number

    def close(self) -> None:
        """End the server, and with it whatever it had forked that still runs."""
        self._requests.close()
        process.finish(self._process, within_s=_ENDS_WITHIN_S)


class Forked:
    """Such a child, in the form of a :class:`subprocess.Popen`. *status* is where its parent tells how it ended."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Its exit code, or minus the number of the signal that ended it; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The same, once it has ended. Raises subprocess.TimeoutExpired after *timeout* seconds."""
        with self._lock:
            if self.returncode is None:
                if not select.select([self._status], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
                code = os.read(self._status, NUMBER.size)
                os.close(self._status)
                self.returncode = NUMBER.unpack(code)[0] if code else -signal.SIGKILL  # as its parent's end does
            return self.returncode

    def terminate(self) -> None:
        """SIGTERM, if it still runs."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
