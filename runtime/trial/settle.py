"""When a run is at rest: every command answered, no order on its way, every trade booked and every end told."""

import time
from collections.abc import Callable, Collection
from typing import Final

import msgspec
from typing_extensions import override

from runtime.trial.journal import Journal
from runtime.trial.plan import Expect, Sent
from runtime.trial.watch import Mirror
from runtime.trial.wire import AT_REST

#: How long nothing may have happened before a system that has nothing to do counts as at rest.
QUIET_S: Final = 1.5


class Unrest(msgspec.Struct, frozen=True):
    """What a system still has to do. *untold* orders have ended at their venue, and are open as far as it knows.
    *unknown* orders wait for proof and may outlast the wait.
    """

    unanswered: int
    moving: int
    unbooked: int
    untold: int
    unknown: int

    @property
    def over(self) -> bool:
        return not (self.unanswered or self.moving or self.unbooked or self.untold or self.unknown)

    @override
    def __str__(self) -> str:
        return (
            f"{self.unanswered} commands without an answer, {self.moving} orders on their way, "
            f"{self.unbooked} trades not booked, {self.untold} ends not told, {self.unknown} orders unknown"
        )


def unanswered(sent: Collection[Sent], mirror: Mirror) -> list[Sent]:
    """The records that are due an answer and have none yet."""
    due = (one for one in sent if one.expect not in {Expect.DEAD_LETTER, Expect.REFUSED})
    return [one for one in due if (one.topic, one.partition, one.offset) not in mirror.answered_us]


def unrest(sent: Collection[Sent], mirror: Mirror, journal: Journal) -> Unrest:
    """What is left to do, by the producer's log, the events so far, and the venue's journal."""
    statuses = mirror.statuses()
    return Unrest(
        unanswered=len(unanswered(sent, mirror)),
        moving=sum(count for status, count in statuses.items() if status not in AT_REST and status != "UNKNOWN"),
        unbooked=max(0, journal.fills - len(mirror.filled_us)),
        untold=len(mirror.live() & journal.ended),
        unknown=statuses["UNKNOWN"],
    )


def wait(look: Callable[[], tuple[Unrest, int]], within_s: float) -> Unrest:
    """Looks again and again until nothing is left to do and nothing has happened for QUIET_S; at most *within_s*.

    *look* takes a moment, and gives what is left to do and a number that grows whenever something happens.
    """
    deadline_s = time.monotonic() + within_s
    left, happened = look()
    quiet_since_s = time.monotonic()
    while time.monotonic() < deadline_s:
        happened_before = happened
        left, happened = look()
        if not left.over or happened != happened_before:
            quiet_since_s = time.monotonic()
        elif time.monotonic() - quiet_since_s >= QUIET_S:
            break
    return left
