"""Killing processes on purpose while they work: kill -9, at fixed points of the run."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from typing_extensions import override

from runtime.demo.summary import Kill

ROUNDS: Final = 3
#: Each owns half of the partitions.
WORKERS: Final = ("worker-0", "worker-1")
FROM_SHARE: Final = 0.1
TO_SHARE: Final = 0.9
#: Who is being restarted when its turn comes is waited for at most this long.
PATIENCE_S: Final = 20.0


def victims(venues: Sequence[str]) -> list[str]:
    """Who is killed in turn, in ROUNDS rounds: one of the workers, one of the gateways, and the sink."""
    return [
        name
        for number in range(ROUNDS)
        for name in (WORKERS[number % len(WORKERS)], f"gateway-{venues[number % len(venues)]}", "sink")
    ]


class Killer(threading.Thread):
    """Kills the victims of a run on *venues* within *duration_s*. *alive* tells the process IDs of who is ready."""

    def __init__(self, duration_s: float, alive: Callable[[], Mapping[str, int]], venues: Sequence[str]) -> None:
        super().__init__(name="killer", daemon=True)
        self.kills: list[Kill] = []
        self._duration_s = duration_s
        self._alive = alive
        self._victims = victims(venues)
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    @override
    def run(self) -> None:
        began_s = time.monotonic()
        for number, victim in enumerate(self._victims):
            share = FROM_SHARE + (TO_SHARE - FROM_SHARE) * number / (len(self._victims) - 1)
            if self._stopping.wait(began_s + share * self._duration_s - time.monotonic()):
                return
            self._kill(victim)

    def _kill(self, victim: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while victim not in self._alive() and time.monotonic() < deadline_s:
            if self._stopping.wait(0.1):
                return
        pid = self._alive().get(victim)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.kills.append(Kill(victim, time.time_ns() // 1_000))
