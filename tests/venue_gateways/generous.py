"""Kraken with counters of ten times what it publishes, on both sides: its own tiers would make a long run of hours."""

from msgspec.structs import replace

from venue_gateways.kraken import limits as ours
from venue_gateways.simulator.kraken import limits as theirs

_TIMES = 10


def counters() -> None:
    """Make them so in this process."""
    for table in (ours._REST, ours._TRADING):
        table.update({tier: (most * _TIMES, decay * _TIMES) for tier, (most, decay) in table.items()})
    for table in (theirs.CALLS, theirs.ORDERS):
        for tier, allowance in table.items():
            table[tier] = replace(
                allowance, threshold=allowance.threshold * _TIMES, decay_per_s=allowance.decay_per_s * _TIMES
            )
