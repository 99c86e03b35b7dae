"""What has become of each request of a partition, kept where Kafka keeps the offset: in the commit's own metadata.

A commit says two things at once: the first request that has not been answered, and what may have been done with those
after it. Because a placement is committed as *attempted* before it is sent, whoever owns the partition next knows which
placements may be at the venue, and sends none of those. Everything else is known to be unsent and simply done.

The steps are written as runs, ``"a3d1u20w1"``: three attempted, one done, twenty untouched, one withheld, from the
committed offset on. Offsets that hold no request (transaction markers) fall into the run before them.
"""

import re
from bisect import bisect_right
from collections import deque
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

#: The broker refuses longer metadata (offset.metadata.max.bytes is 4096); what is left of it is for the other fields.
RUNS_BYTES_MAX: Final = 3_800
_VERSION: Final = 1
_RUN: Final = re.compile(r"([uawd])([0-9]{1,18})")
_RUNS: Final = re.compile(rf"(?:{_RUN.pattern})*")


class Step(StrEnum):
    """What may have happened to a request."""

    UNTOUCHED = "u"  # nothing has been sent, nothing reported
    ATTEMPTED = "a"  # it may have been sent
    WITHHELD = "w"  # it was not sent, and never will be; that may not have been reported
    DONE = "d"  # its reports are in the log


class Run(msgspec.Struct, frozen=True):
    """From *start*, and up to the next run's start, everything is at *step*."""

    start: int
    step: Step


class _Metadata(msgspec.Struct, omit_defaults=True):
    version: int
    first: int  # the committed offset, again: an offset that was reset by hand does not match it
    runs: str = ""
    through: int = 0


class Inherited(msgspec.Struct, frozen=True):
    """What a partition's former owner left: *runs* in order, the last of them UNTOUCHED or none at all.

    *through* is until when (ms since the epoch) all trades and ends of the partition's orders have been reported, or 0.
    """

    runs: tuple[Run, ...] = ()
    through: int = 0

    def step(self, offset: int) -> Step:
        index = bisect_right(self.runs, offset, key=lambda run: run.start)
        return self.runs[index - 1].step if index else Step.UNTOUCHED


class Progress:
    """One partition's requests in hand, from the first that is not done."""

    __slots__ = ("_inherited", "_next", "_offsets", "_steps", "_touched", "through")

    def __init__(self, first: int, inherited: Inherited) -> None:
        self._inherited = inherited
        self._next = first
        self._offsets: deque[int] = deque()
        self._steps: dict[int, Step] = {}
        self._touched = -1
        self.through = inherited.through

    def receive(self, offset: int) -> Step:
        """Take the next request in hand; the answer is what a former owner may have done with it."""
        step = self._inherited.step(offset)
        self._offsets.append(offset)
        self._steps[offset] = step
        self._next = offset + 1
        if step is not Step.UNTOUCHED:
            self._touched = offset
        return step

    def mark(self, offset: int, step: Step) -> None:
        """Note *step*. DONE is final, and lets the first unanswered offset move on."""
        if offset not in self._steps or self._steps[offset] is Step.DONE:
            return
        self._steps[offset] = step
        self._touched = max(self._touched, offset)
        while self._offsets and self._steps[self._offsets[0]] is Step.DONE:
            del self._steps[self._offsets.popleft()]

    def step(self, offset: int) -> Step | None:
        """What has been noted of *offset*; None once it and all before it are done."""
        return self._steps.get(offset)

    @property
    def pending(self) -> int:
        """How many requests are between the first that is not done and the last received."""
        return len(self._offsets)

    def encode(self) -> tuple[int, str]:
        """The offset to commit and its metadata. Takes time by the number of offsets up to the last one touched."""
        first = self._offsets[0] if self._offsets else self._next
        runs = _written(self._runs(), first)
        metadata = _Metadata(version=_VERSION, first=first, runs=runs, through=self.through)
        return first, msgspec.json.encode(metadata).decode()

    def _runs(self) -> list[Run]:
        """Of the requests in hand, and after them what was inherited about those that have not been read again yet."""
        runs: list[Run] = []
        last = None
        for offset in self._offsets:
            step = self._steps[offset]
            if step is not last:
                runs.append(Run(offset, step))
                last = step
            if offset > self._touched:
                break
        left = [Run(self._next, self._inherited.step(self._next))]
        left += [run for run in self._inherited.runs if run.start > self._next]
        return runs + (left[1:] if left[0].step is last else left)


def inherit(committed: int | None, metadata: str | None, end: int) -> Inherited:
    """What the last commit says. *committed* is None if there is none; *end* is the end of the partition's log.

    A commit without metadata that can be read, say by a tool that moved the offset by hand, proves nothing: then every
    request up to *end* may have been attempted.
    """
    if committed is None:
        return Inherited()
    try:
        found: _Metadata | None = msgspec.json.decode(metadata or "", type=_Metadata)
    except msgspec.DecodeError:
        found = None
    if found is None or found.version != _VERSION or found.first != committed or not _RUNS.fullmatch(found.runs):
        return Inherited((Run(committed, Step.ATTEMPTED), Run(max(end, committed), Step.UNTOUCHED)))
    return Inherited(_read(found.runs, committed), found.through)


def _written(runs: list[Run], first: int) -> str:
    """The text of *runs*. Where it would be too long, the rest of it is written as attempted, which is safe."""
    parts: list[str] = []
    size = 0
    for run, following in pairwise(runs):  # the last one is open-ended, and untouched
        start = max(run.start, first)
        part = f"{run.step.value}{following.start - start}"
        size += len(part)
        if size > RUNS_BYTES_MAX:
            parts.append(f"{Step.ATTEMPTED.value}{runs[-1].start - start}")
            break
        parts.append(part)
    return "".join(parts)


def _read(text: str, first: int) -> tuple[Run, ...]:
    runs: list[Run] = []
    start = first
    for step, length in _RUN.findall(text):
        runs.append(Run(start, Step(step)))
        start += int(length)
    return (*runs, Run(start, Step.UNTOUCHED)) if runs else ()
