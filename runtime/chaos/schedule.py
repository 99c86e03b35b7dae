"""Which fault happens when: drawn from a seed before the run, so that the same seed breaks the same things."""

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Final

import msgspec

#: What the table of faults counts its times for.
FULL_S: Final = 1_200.0
#: Faults happen in this part of a run: users have settled in before, and there is time to recover afterwards.
FROM_SHARE: Final = 0.03
TO_SHARE: Final = 0.93
#: Shorter runs have shorter rests, down to this share.
REST_SHARE_MIN: Final = 0.25
FULL_REST_S: Final = 300.0
SCALED_LENGTH_MIN_S: Final = 3.0


class Track(StrEnum):
    """Faults of one track follow each other; the tracks know nothing of each other, so their faults overlap."""

    LANE = "lane"  # workers and broker
    VENUE = "venue"  # gateway, venue, and what lies between
    ANALYTICS = "analytics"  # sink and ClickHouse


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """When a fault may happen: *times* in FULL_S, each for *length_s* (from, to), and *rest_s* before the next one.

    *sessions* are session timeouts to be added to the length. A *scaled* length shrinks with the run.
    """

    name: str
    track: Track
    times: int
    length_s: tuple[float, float] = (0.0, 0.0)
    sessions: float = 0.0
    rest_s: float = 5.0
    scaled: bool = False


class Act(msgspec.Struct, frozen=True):
    """One fault to come, so many seconds after the start; *dice* decide what else there is to decide."""

    at_s: float
    fault: str
    length_s: float
    dice: int


def schedule(faults: Sequence[Terms], seed: int, duration_s: float, session_timeout_s: float) -> dict[Track, list[Act]]:
    """The acts of each track, in their order. In a run too short for all, those that don't fit are left out."""
    return {
        track: _acts(
            [terms for terms in faults if terms.track is track],
            Random(f"{seed} {track}"),  # noqa: S311  # must be repeatable, not secret
            duration_s,
            session_timeout_s,
        )
        for track in Track
    }


def _acts(faults: Sequence[Terms], random: Random, duration_s: float, session_timeout_s: float) -> list[Act]:
    rest_share = max(REST_SHARE_MIN, min(1.0, duration_s / FULL_REST_S))
    left_s = duration_s * (TO_SHARE - FROM_SHARE)
    chosen: list[tuple[Terms, float, float]] = []
    for terms in _deck(faults, random, duration_s):
        length_s = _length_s(terms, random, duration_s, session_timeout_s)
        span_s = length_s + terms.rest_s * rest_share
        if span_s <= left_s:
            chosen.append((terms, length_s, span_s))
            left_s -= span_s
    random.shuffle(chosen)
    gaps = sorted(random.uniform(0.0, left_s) for _ in chosen)
    acts, taken_s = [], duration_s * FROM_SHARE
    for (terms, length_s, span_s), gap_s in zip(chosen, gaps, strict=True):
        acts.append(Act(round(taken_s + gap_s, 2), terms.name, round(length_s, 2), random.randrange(1 << 32)))
        taken_s += span_s
    return acts


def _deck(faults: Sequence[Terms], random: Random, duration_s: float) -> list[Terms]:
    """One of each fault in any order, then the rest of them in any order."""
    first = list(faults)
    more = [terms for terms in faults for _ in range(round(terms.times * duration_s / FULL_S) - 1)]
    random.shuffle(first)
    random.shuffle(more)
    return first + more


def _length_s(terms: Terms, random: Random, duration_s: float, session_timeout_s: float) -> float:
    length_s = random.uniform(*terms.length_s)
    if terms.scaled:
        shortest_s = min(length_s, SCALED_LENGTH_MIN_S)
        length_s = max(shortest_s, length_s * min(1.0, duration_s / FULL_S))
    return length_s + terms.sessions * session_timeout_s
