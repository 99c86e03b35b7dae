"""What the figures were taken on."""

import os
from pathlib import Path

import msgspec
from typing_extensions import override


class Machine(msgspec.Struct, frozen=True):
    """A machine: its processor as the kernel calls it, the cores that we may use, and memory in GiB."""

    processor: str
    cores: int
    memory_gib: float

    @override
    def __str__(self) -> str:
        return f"{self.cores} cores of {self.processor}, {self.memory_gib:.0f} GiB"


def this() -> Machine:
    """Linux only."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    processor = models[0].partition(":")[2].strip() if models else os.uname().machine
    return Machine(processor, len(os.sched_getaffinity(0)), pages * page_bytes / 2**30)
