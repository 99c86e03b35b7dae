"""A process under test: started, killed, and asked what it has cost so far."""

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from runtime import process

_STOP_WITHIN_S: Final = 30.0


class Measured:
    """A command that runs in a process group of its own and dies with this process.

    Both its streams go to the end of *log*. It can be started again once it has been killed or stopped; figures are
    those of the latest life, and stay readable after its end.
    """

    def __init__(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = dict(environment)
        self._child: subprocess.Popen[bytes] | None = None
        self._cpu_s = 0.0
        self._resident_mib_max = 0.0
        self.log = log

    def start(self) -> None:
        """Raises RuntimeError if it runs already."""
        if self._child is not None:
            raise RuntimeError(f"{self._command[0]} was started before: kill or stop it first")
        self._cpu_s = self._resident_mib_max = 0.0
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = process.spawn(self._command, output=output, environment=self._environment)

    def kill(self) -> None:
        """End the whole group by SIGKILL and wait for it. Does nothing if it doesn't run."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """End it by SIGTERM, or after 30 s by SIGKILL; its exit code, or None if it didn't run."""
        return self._end(signal.SIGTERM)

    @property
    def running(self) -> bool:
        """Whether it was started and hasn't ended, by itself or otherwise."""
        if self._child is None:
            return False
        ended = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError(f"{self._command[0]} isn't running")
        return self._child.pid

    def cpu_s(self) -> float:
        """User and system time of all its threads so far, in seconds."""
        if self._child is not None:
            self._cpu_s = cpu_s(self._child.pid)
        return self._cpu_s

    def resident_mib(self) -> float:
        """Memory that it holds now, in MiB; 0 if it has ended."""
        return 0.0 if self._child is None else _memory_mib(self._child.pid, "VmRSS")

    def resident_mib_max(self) -> float:
        """The most that it has ever held, in MiB; of one that ended by itself, as of the last time somebody asked."""
        if self._child is not None:
            self._resident_mib_max = max(self._resident_mib_max, _memory_mib(self._child.pid, "VmHWM"))
        return self._resident_mib_max

    def log_end(self, lines: int = 15) -> str:
        """The last lines of its log."""
        written = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(written[-lines:])

    def _end(self, with_signal: signal.Signals) -> int | None:
        child = self._child
        if child is None:
            return None
        self.resident_mib_max()
        if self.running:
            os.killpg(child.pid, with_signal)  # its leader isn't reaped yet, so the group is still its own
        self._await_end(child, _STOP_WITHIN_S)
        self.cpu_s()  # exact at last: the kernel keeps it until the process is reaped
        self._child = None
        return child.wait()

    def _await_end(self, child: subprocess.Popen[bytes], within_s: float) -> None:
        """Wait without reaping; what is left of the group after *within_s* is killed."""
        watcher = os.pidfd_open(child.pid)
        try:
            if not select.select([watcher], [], [], within_s)[0]:
                os.killpg(child.pid, signal.SIGKILL)
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        finally:
            os.close(watcher)


def cpu_s(pid: int) -> float:
    """User and system time of the process *pid*, its threads included, in seconds. Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int, name: str) -> float:
    """A line of the kernel's status of *pid* (proc(5)), in MiB; 0 once it has ended and holds none."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)
