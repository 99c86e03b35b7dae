"""How long partitions stand still: from a fault to the next committed event of each partition that it hit."""

import threading
from collections.abc import Iterable, Sequence

import msgspec


class Recovery(msgspec.Struct, frozen=True):
    """One fault and how it was got over. *seconds* is that of the slowest partition."""

    fault: str
    process: str
    at_us: int
    seconds: float


class Percentiles(msgspec.Struct, frozen=True):
    """Of recovery times, in seconds; zeros if there was nothing to recover from."""

    p50: float
    p99: float
    max: float
    count: int


class _Waiting(msgspec.Struct):
    fault: str
    process: str
    at_us: int
    partitions: set[int]
    back_us: int = 0


class Recoveries:
    """Told of faults by one thread and of committed events by another.

    A partition is back with the first event *written* after the fault, which only its next owner can have done, as of
    when a committed reader sees it. A partition on which nobody asked for anything is as slow as its users.
    """

    def __init__(self) -> None:
        self.done: list[Recovery] = []
        self._waiting: list[_Waiting] = []
        self._lock = threading.Lock()

    def expect(self, fault: str, process: str, at_us: int, partitions: Iterable[int]) -> None:
        """*fault* hit *process* at *at_us*, and with it these *partitions*."""
        wanted = set(partitions)
        if wanted:
            with self._lock:
                self._waiting.append(_Waiting(fault, process, at_us, wanted))

    def hear(self, partition: int, written_us: int, read_us: int) -> None:
        """A committed event of *partition*. Broker's and workers' timestamps are whole milliseconds."""
        if not self._waiting:
            return
        with self._lock:
            for waiting in self._waiting:
                if partition in waiting.partitions and written_us > waiting.at_us:
                    waiting.partitions.discard(partition)
                    waiting.back_us = read_us  # they are heard in the order of being read
            over = [waiting for waiting in self._waiting if not waiting.partitions]
            self._waiting = [waiting for waiting in self._waiting if waiting.partitions]
            self.done += [
                Recovery(one.fault, one.process, one.at_us, round((one.back_us - one.at_us) / 1e6, 3)) for one in over
            ]

    @property
    def pending(self) -> list[str]:
        """Faults after which some partition has not been heard of again."""
        with self._lock:
            return [f"{one.fault} of {one.process}: nothing from {sorted(one.partitions)}" for one in self._waiting]


def percentiles(recoveries: Sequence[Recovery]) -> Percentiles:
    """Nearest-rank percentiles."""
    ranked = sorted(one.seconds for one in recoveries)
    if not ranked:
        return Percentiles(p50=0.0, p99=0.0, max=0.0, count=0)

    def at(share: float) -> float:
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]

    return Percentiles(p50=at(0.5), p99=at(0.99), max=ranked[-1], count=len(ranked))
