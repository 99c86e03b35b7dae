"""Whether a venue answers, as this machine and its gateways see it, and whether it would know us. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from observation.doctor.facts import Process, Venue
from observation.doctor.finding import Finding, Hop, Verdict

#: Ordinary clocks are a few hundredths of a second apart.
_CLOCK_OFFSET_MAX_S: Final = 0.5


class Seen(msgspec.Struct, frozen=True):
    venue: Venue
    gateways: Sequence[Process]

    @property
    def breaker(self) -> float:
        return max((gateway.values.get("breaker", 0.0) for gateway in self.gateways), default=0.0)

    @property
    def answers_gateways(self) -> bool:
        return any(gateway.values.get("calls_answered", 0.0) > 0 for gateway in self.gateways)

    def found(self, verdict: Verdict, evidence: str, remedy: str = "") -> Finding:
        return Finding(hop=Hop.VENUE, verdict=verdict, evidence=evidence, remedy=remedy, subject=self.venue.name)


def judge(venue: Venue, gateways: Sequence[Process]) -> Finding:
    """The first of these that there is to say. *gateways* are those of the venue."""
    seen = Seen(venue, gateways)
    return next(found for look in _LADDER if (found := look(seen)) is not None)


def _address_unknown(seen: Seen) -> Finding | None:
    if seen.venue.url is not None:
        return None
    return seen.found(Verdict.UNTOLD, "its address isn't known here", "set FILLSTREAM_VENUE_URL as its gateway has it")


def _silent(seen: Seen) -> Finding | None:
    if seen.venue.answers or seen.answers_gateways:
        return None
    return seen.found(
        Verdict.BROKEN,
        f"it doesn't answer at {seen.venue.url} ({seen.venue.detail})",
        "look at its status page, and at the way there from where gateways run; orders wait, and go on by themselves "
        "once it answers",
    )


def _credentials_unfit(seen: Seen) -> Finding | None:
    if seen.venue.credentials is None:
        return None
    return seen.found(Verdict.BROKEN, seen.venue.credentials, "mend that: a running gateway reads the file again")


def _breaker_open(seen: Seen) -> Finding | None:
    if not seen.breaker:
        return None
    return seen.found(
        Verdict.BROKEN,
        "its gateway has ceased to place orders, because too many calls failed",
        "look at fillstream_venue_calls_total by outcome, and at the venue's status page; it tries again by itself",
    )


def _silent_here(seen: Seen) -> Finding | None:
    if seen.venue.answers:
        return None
    return seen.found(
        Verdict.WARN,
        f"it answers its gateway, but not this machine ({seen.venue.detail})",
        "run the doctor where the gateway runs, to see what it sees",
    )


def _clock_off(seen: Seen) -> Finding | None:
    offset_s = seen.venue.clock_offset_s
    if offset_s is None or abs(offset_s) <= _CLOCK_OFFSET_MAX_S:
        return None
    return seen.found(
        Verdict.WARN,
        f"its clock is {offset_s:+.1f} s off this machine's",
        "look at NTP here: deadlines of orders go by this clock",
    )


def _all_is_well(seen: Seen) -> Finding:
    offset_s = seen.venue.clock_offset_s
    clock = "" if offset_s is None else f", its clock is {offset_s:+.2f} s off ours"
    return seen.found(Verdict.OK, f"answers at {seen.venue.url}{clock}")


_LADDER: Final[tuple[Callable[[Seen], Finding | None], ...]] = (
    _address_unknown,
    _silent,
    _credentials_unfit,
    _breaker_open,
    _silent_here,
    _clock_off,
    _all_is_well,
)
