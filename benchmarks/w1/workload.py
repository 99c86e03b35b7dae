"""The commands of W1, made from a seed: few users place most orders, and one in fifty commands is sent again."""

import itertools
import random
from bisect import bisect
from collections.abc import Iterator
from typing import Final

from benchmarks.w1 import rules
from benchmarks.w1.wire import Fields

SEED: Final = 7
USERS: Final = 10_000
RESENT_SHARE: Final = 0.02

_ZIPF_EXPONENT: Final = 0.9
_RECENT_MAX: Final = 5_000  # a resend follows soon after the first
_FIRST_TS: Final = 1_763_780_000_000_000


def commands(count: int, seed: int = SEED, users: int = USERS) -> Iterator[Fields]:
    """So many PlaceOrder records; the same for the same arguments, and a smaller *count* makes the first of them."""
    draw = random.Random(seed)  # noqa: S311  # a workload, no secret
    weights = list(itertools.accumulate(1 / rank**_ZIPF_EXPONENT for rank in range(1, users + 1)))
    recent: list[Fields] = []
    for number in range(count):
        if recent and draw.random() < RESENT_SHARE:
            command = draw.choice(recent) | {"command_id": _identity(draw)}
        else:
            command = {
                "command_id": _identity(draw),
                "user_id": f"u-{bisect(weights, draw.random() * weights[-1]):07d}",
                "order_id": _identity(draw),
                "symbol": draw.choice(rules.SYMBOLS),
                "side": draw.choice(rules.SIDES),
                "type": draw.choice(rules.TYPES),
                "price": f"{draw.randrange(100, 6_000_000) / 100:.2f}",
                "quantity": f"{draw.randrange(1, 1_200_000) / 10_000:.4f}",
                "time_in_force": draw.choice(rules.TIMES_IN_FORCE),
            }
            recent.append(command)
            if len(recent) > _RECENT_MAX:
                recent[draw.randrange(_RECENT_MAX)] = recent.pop()
        yield command | {"ts": _FIRST_TS + number}


def _identity(draw: random.Random) -> str:
    digits = f"{draw.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
