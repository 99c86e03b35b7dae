"""How fast something grows: a straight line through samples, by least squares."""

from collections.abc import Sequence

import msgspec

HOUR_S = 3_600.0


class Sample(msgspec.Struct, frozen=True):
    """What was seen *at_s* seconds after the start."""

    at_s: float
    value: float


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """The line through samples: where it begins and ends, its rise in an hour, and the most that was ever seen."""

    per_hour: float
    begins_at: float
    ends_at: float
    most: float
    samples: int


def growth(samples: Sequence[Sample]) -> Growth:
    """Of at least one sample; one instant alone has no slope."""
    count = len(samples)
    middle_s = sum(one.at_s for one in samples) / count
    mean = sum(one.value for one in samples) / count
    spread = sum((one.at_s - middle_s) ** 2 for one in samples)
    rise = sum((one.at_s - middle_s) * (one.value - mean) for one in samples)
    per_s = rise / spread if spread else 0.0
    return Growth(
        per_hour=round(per_s * HOUR_S, 3),
        begins_at=round(mean + per_s * (samples[0].at_s - middle_s), 3),
        ends_at=round(mean + per_s * (samples[-1].at_s - middle_s), 3),
        most=round(max(one.value for one in samples), 3),
        samples=count,
    )
