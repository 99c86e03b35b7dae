"""Whether those who read topics are there, and take what waits for them: workers, gateways, the sink. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from observation.burrow import State
from observation.doctor.facts import Process
from observation.doctor.finding import Finding, Hop, Verdict
from observation.doctor.words import age, listed
from observation.lags import GroupLag, PartitionLag

_BEHIND_AFTER_S: Final = 30.0
_NOT_MOVING: Final = frozenset({State.STALL, State.STOP, State.REWIND})


class Readers(msgspec.Struct, frozen=True, kw_only=True):
    """One group's processes, as far as their addresses are known, and how the group stands, if that is known.

    A record that has waited for *stuck_after_s* at a reader that doesn't move is stuck. *waits_for* is what they can't
    work without and that is broken: then it is blamed, and not they.
    """

    hop: Hop
    processes: tuple[Process, ...]
    lag: GroupLag | None
    remedy: str
    subject: str = ""
    stuck_after_s: float = 10.0
    waits_for: str = ""

    @property
    def silent(self) -> list[str]:
        return [process.name for process in self.processes if not process.answers]

    @property
    def partitions(self) -> tuple[PartitionLag, ...]:
        return self.lag.partitions if self.lag is not None else ()

    @property
    def stuck(self) -> list[PartitionLag]:
        return [
            each for each in self.partitions if each.state in _NOT_MOVING and (each.seconds or 0.0) > self.stuck_after_s
        ]

    def found(self, verdict: Verdict, evidence: str, remedy: str | None = None) -> Finding:
        told = self.remedy if remedy is None else remedy
        return Finding(hop=self.hop, verdict=verdict, evidence=evidence, remedy=told, subject=self.subject)


def judge(readers: Readers) -> Finding:
    """The first of these that there is to say."""
    return next(found for look in _LADDER if (found := look(readers)) is not None)


def _nobody_answers(readers: Readers) -> Finding | None:
    silent = readers.silent
    if not silent or len(silent) < len(readers.processes):
        return None
    return readers.found(Verdict.BROKEN, f"{_silent(silent)}{_waiting(readers.partitions)}")


def _cant_be_told(readers: Readers) -> Finding | None:
    if readers.lag is not None:
        return None
    return readers.found(Verdict.UNTOLD, "no broker tells how far it has come", "")


def _nobody_is_there(readers: Readers) -> Finding | None:
    if readers.lag is None or readers.lag.members:
        return None
    waiting = _waiting(readers.partitions)
    return readers.found(Verdict.BROKEN, f"nobody is in the group {readers.lag.group.name}{waiting}")


def _something_is_stuck(readers: Readers) -> Finding | None:
    stuck = readers.stuck
    if not stuck:
        return None
    evidence = f"nothing is taken from {_places(stuck)}{_waiting(stuck)}"
    if readers.waits_for:
        return readers.found(Verdict.WARN, evidence, f"nothing: it goes on by itself once {readers.waits_for} answers")
    return readers.found(Verdict.BROKEN, evidence)


def _some_dont_answer(readers: Readers) -> Finding | None:
    if not readers.silent:
        return None
    return readers.found(Verdict.WARN, f"{_silent(readers.silent)}, others do")


def _partitions_are_free(readers: Readers) -> Finding | None:
    free = [each for each in readers.partitions if each.owner is None]
    if not free:
        return None
    return readers.found(Verdict.WARN, f"nobody has {_places(free)}", "look again: a rebalance ends within seconds")


def _something_is_late(readers: Readers) -> Finding | None:
    late = [each for each in readers.partitions if (each.seconds or 0.0) > _BEHIND_AFTER_S]
    if not late or readers.lag is None:
        return None
    left = max((readers.lag.drain_s.get(each.place.topic, 0.0) for each in late), default=0.0)
    return readers.found(
        Verdict.WARN,
        f"it is behind on {_places(late)}{_waiting(late)}; at this rate that takes {age(left)}",
        "wait if that is soon enough; if not, run more of them",
    )


def _all_is_well(readers: Readers) -> Finding:
    members = len(readers.lag.members) if readers.lag is not None else 0
    records = sum(each.records or 0 for each in readers.partitions)
    states = Counter(each.state.value for each in readers.partitions if each.records)
    told = "".join(f", {count} {name}" for name, count in sorted(states.items()))
    return readers.found(
        Verdict.OK,
        f"{members} member{'' if members == 1 else 's'} on {len(readers.partitions)} partitions, {records} records "
        f"behind{told}",
        "",
    )


_LADDER: Final[tuple[Callable[[Readers], Finding | None], ...]] = (
    _nobody_answers,
    _cant_be_told,
    _nobody_is_there,
    _something_is_stuck,
    _some_dont_answer,
    _partitions_are_free,
    _something_is_late,
    _all_is_well,
)


def _silent(names: Sequence[str]) -> str:
    return f"{listed(names)} {'does' if len(names) == 1 else 'do'}n't answer"


def _waiting(partitions: Sequence[PartitionLag]) -> str:
    records = sum(each.records or 0 for each in partitions)
    oldest_s = max((each.seconds for each in partitions if each.seconds is not None), default=0.0)
    return f", where {records} records wait, the first for {age(oldest_s)}" if records else ""


def _places(partitions: Sequence[PartitionLag]) -> str:
    counts = Counter(each.place.topic for each in partitions)
    return listed([f"{topic} ({count} partition{'' if count == 1 else 's'})" for topic, count in counts.items()])
