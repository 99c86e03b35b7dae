"""Axes: where their ticks are, and how wide an interval of time should be."""

import math
from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400

#: Widths of intervals that people count in.
_INTERVALS_S: Final = (
    *(1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 4 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY),
)
#: A plot has room for so many columns, and so many words below it.
_COLUMNS_MAX: Final = 120
_TIMES_MAX: Final = 7
_LEVELS: Final = 4
#: Below this, floats have too few digits to count in.
_SPAN_MIN: Final = 1e-100


def interval_s(duration_s: float) -> int:
    """The narrowest interval of which a plot of *duration_s* has room for all."""
    return next((width for width in _INTERVALS_S if duration_s <= width * _COLUMNS_MAX), _INTERVALS_S[-1])


def levels(most: float, least: float = 0.0) -> list[float]:
    """Round values, 0 among them, the first not above *least* and the last not below *most*."""
    low, high = min(least, 0.0), max(most, 0.0)
    if not _SPAN_MIN < high - low < math.inf:
        return [0.0, 1.0]
    rough = (high - low) / _LEVELS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(times * magnitude for times in (1, 2, 2.5, 5, 10) if times * magnitude >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * place for place in range(first, last + 1)]


def durations_s(most_s: float, least_s: float = 0.0) -> list[float]:
    """Round durations, as :func:`levels`: of minutes, hours or days where they are as long."""
    unit_s = next((unit for unit in (_DAY, _HOUR, _MINUTE) if most_s - least_s > 2 * unit), 1)
    return [level * unit_s for level in levels(most_s / unit_s, least_s / unit_s)]


def times(from_s: int, to_s: int) -> list[int]:
    """Round instants within the span, as many as there is room for."""
    step = next((width for width in _INTERVALS_S if (to_s - from_s) <= width * _TIMES_MAX), _INTERVALS_S[-1])
    return list(range(-(-from_s // step) * step, to_s + 1, step))


def time_label(at_s: int, duration_s: int) -> str:
    """*at_s* as an axis over *duration_s* shows it, in UTC."""
    at = datetime.fromtimestamp(at_s, UTC)
    if duration_s > _DAY * 3:
        return f"{at.day} {at:%b}"
    if at_s % _DAY == 0:
        return f"{at.day} {at:%b}"
    return f"{at:%H:%M:%S}" if duration_s <= _MINUTE * 10 else f"{at:%H:%M}"
