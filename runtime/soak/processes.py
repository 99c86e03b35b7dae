"""What the processes of an installation hold: memory, by the kernel, and orders, by the workers' own metrics."""

import re
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from runtime import process
from runtime.supervisor import Supervisor

ASK_WITHIN_S: Final = 2.0
_ORDERS: Final = re.compile(r"^fillstream_orders\{[^}]*\} (\S+)$", re.MULTILINE)


def resident_mib(pid: int) -> float:
    """Memory of *pid* and its children that is in RAM now, in MiB; 0 of one that has ended. Linux only."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own_kib = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return own_kib / 1_024 + sum(map(resident_mib, process.children(pid)))


def memory_mib(running: Supervisor) -> dict[str, float]:
    """Of every process that lives, by name."""
    return {name: resident_mib(pid) for name, pid in running.pids.items()}


def restarts(running: Supervisor) -> Mapping[str, int]:
    """Who died and was started again, and how often."""
    return {state.name: state.restarts for state in running.states() if state.restarts}


def orders(running: Supervisor) -> int:
    """How many orders the tables of all workers hold, those that have ended and are still remembered among them."""
    return sum(_orders(url) for name, url in running.endpoints.metrics.items() if name.startswith("worker-"))


def _orders(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=ASK_WITHIN_S) as answer:  # noqa: S310  # our own address
            return sum(int(float(number)) for number in _ORDERS.findall(answer.read().decode()))
    except OSError:
        return 0
