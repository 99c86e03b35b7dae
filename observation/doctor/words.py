"""How the doctor puts figures and lists. Pure."""

import math
from collections.abc import Sequence
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))


def age(seconds: float) -> str:
    """A duration in the largest unit of which there are two or more."""
    if math.isinf(seconds):
        return "for ever"
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds / size:.0f} {unit}"


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
