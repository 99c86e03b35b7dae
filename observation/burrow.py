"""Whether a consumer makes progress on a partition, judged from a window of looks at it. Pure.

The rules are those of LinkedIn's Burrow (``core/internal/evaluator/caching.go``), which needs no threshold for lag. One
thing differs: Burrow reads every commit and its time, and takes a consumer that no longer commits for stopped. Looks
from outside don't show commits, so here it has stopped if nobody has had the partition all the time.
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

import msgspec


class State(StrEnum):
    """By Burrow's names: working, falling behind, standing still, gone, going backwards."""

    OK = "OK"
    WARN = "WARN"
    STALL = "STALL"
    STOP = "STOP"
    REWIND = "REWIND"
    UNKNOWN = "UNKNOWN"


class Sample(msgspec.Struct, frozen=True):
    """One look. *committed* and *lag* are None where they aren't known; *owned* says whether a member had it."""

    at_s: float
    committed: int | None
    lag: int | None
    owned: bool = True


def state(samples: Sequence[Sample], window: int) -> State:
    """The state after *samples*, oldest first, of which the last *window* count.

    A lag that was 0 at any of them is no fault, and less than a window of lag is too little to judge by.
    """
    seen = samples[-window:]
    if not seen or seen[-1].lag is None:
        return State.UNKNOWN
    known = [sample for sample in seen if sample.lag is not None]
    if any(sample.lag == 0 for sample in known):
        return State.OK
    committed = [sample.committed for sample in known if sample.committed is not None]
    if any(after < before for before, after in pairwise(committed)):
        return State.REWIND
    if len(known) < window:
        return State.UNKNOWN
    if committed[0] == committed[-1]:
        return State.STALL if any(sample.owned for sample in known) else State.STOP
    lags = [sample.lag for sample in known if sample.lag is not None]
    return State.WARN if all(after >= before for before, after in pairwise(lags)) else State.OK
