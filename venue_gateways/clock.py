"""Time at a gateway: its own two clocks, and the venue's as far as it is known.

Whatever waits, waits by the steady clock. The wall clock, which may jump, is for what is told to others, and for
deadlines that others have set.
"""

import time
from typing import Final

import msgspec

from venue_gateways.lease import MARGIN_US

#: An answer that took longer says too little: what is signed could be ahead by half of it, and so be good at the venue
#: for longer than the lease allows for.
ROUND_TRIP_MAX_US: Final = 2 * MARGIN_US


def wall_us() -> int:
    """Microseconds since the epoch, by this machine."""
    return time.time_ns() // 1000


def steady_us() -> int:
    """Microseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1000


class VenueClock(msgspec.Struct):
    """The venue's clock as an offset to our steady one, measured by asking for its time.

    Until then, what the wall clock said first has to do; later it may say what it likes. *measured_us* is when that was
    done last, by the steady clock.
    """

    offset_us: int = msgspec.field(default_factory=lambda: wall_us() - steady_us())
    measured_us: int | None = None

    def now_us(self) -> int:
        return steady_us() + self.offset_us

    def measured(self, venue_us: int, sent_us: int, received_us: int) -> int:
        """The venue said *venue_us* some time between those instants of the steady clock: half-way is the best guess.

        Returns by how much the clock has been set forward; after too long a round trip, it has not.
        """
        if received_us - sent_us > ROUND_TRIP_MAX_US:
            return 0
        self.measured_us = received_us
        former_us, self.offset_us = self.offset_us, venue_us - (sent_us + received_us) // 2
        return self.offset_us - former_us
