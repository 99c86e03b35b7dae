"""Time at a gateway: its own two clocks, and the venue's as far as it is known."""

import time

import msgspec


def wall_us() -> int:
    """Microseconds since the epoch, by this machine."""
    return time.time_ns() // 1000


def steady_us() -> int:
    """Microseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1000


class VenueClock(msgspec.Struct):
    """The venue's clock as an offset to ours, measured by asking for its time."""

    offset_us: int = 0

    def now_us(self) -> int:
        return wall_us() + self.offset_us

    def measured(self, venue_us: int, sent_us: int, received_us: int) -> None:
        """The venue said *venue_us*, some time between *sent_us* and *received_us*: half-way is the best guess."""
        self.offset_us = venue_us - (sent_us + received_us) // 2
