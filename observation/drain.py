"""How long it takes until what waits is done, if nothing more comes. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence

from domain.throttle import Charge, Limit
from observation.burrow import Sample


def drain_s(waiting: int, rate_per_s: float | None) -> float | None:
    """Seconds until *waiting* records are done at *rate_per_s*. None if the rate isn't known; infinite if it is 0."""
    if waiting == 0:
        return 0.0
    if rate_per_s is None:
        return None
    return waiting / rate_per_s if rate_per_s > 0 else math.inf


def consumed_per_s(partitions: Iterable[Sequence[Sample]]) -> float | None:
    """How many records a second a group took of a topic, by the windows of its *partitions*.

    None if that says nothing of what it could take: there are too few looks, or it took nothing and had nothing to do.
    """
    rate, looks, idle = 0.0, 0, True
    for samples in partitions:
        known = [sample for sample in samples if sample.committed is not None and sample.lag is not None]
        looks = max(looks, len(known))
        if len(known) < 2:
            continue
        first, last = known[0], known[-1]
        assert first.committed is not None
        assert last.committed is not None
        rate += max(0, last.committed - first.committed) / (last.at_s - first.at_s)
        idle = idle and any(sample.lag == 0 for sample in known)
    if looks < 2 or (rate == 0 and idle):
        return None
    return rate


def placements_per_s(limits: Iterable[Limit], charges: Iterable[Charge], cancel_share: float) -> float:
    """How many placements a second a venue's published *limits* allow, of which each takes *charges*.

    *cancel_share* of a limit is kept back for cancels, where they draw on it. Limits that count each pair by itself
    allow more where several pairs are traded: this is the least.
    """
    taken: Mapping[str, int] = {charge.limit: charge.tokens for charge in charges}
    rates = [
        limit.refill * 1_000_000 / limit.per_us / taken[limit.name] * (1 - cancel_share if limit.kept_back else 1)
        for limit in limits
        if taken.get(limit.name)
    ]
    return min(rates, default=math.inf)
