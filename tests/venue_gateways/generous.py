"""Kraken with counters of ten times what it publishes, on both sides: its own tiers would make a long run of hours."""

from msgspec.structs import replace

from venue_gateways.kraken import limits as ours
from venue_gateways.simulator.kraken import limits as theirs

_TIMES = 10


def counters() -> None:
    """Make them so in this process."""
    for believed in (ours._REST, ours._TRADING):
        believed.update({tier: (most * _TIMES, decay * _TIMES) for tier, (most, decay) in believed.items()})
    for kept in (theirs.CALLS, theirs.ORDERS):
        for tier, allowed in kept.items():
            more = {"threshold": allowed.threshold * _TIMES, "decay_per_s": allowed.decay_per_s * _TIMES}
            kept[tier] = replace(allowed, **more)
