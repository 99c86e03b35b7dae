"""When to stop asking a venue that does not answer: a circuit breaker for one venue and credential.

Only answers that leave an outcome open count as failures, and calls that never reached the venue. A rejection is an
answer: the venue works. Time is an argument, in microseconds.
"""

from enum import StrEnum

import msgspec


class BreakerState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"  # one probe at a time decides


class Breaker(msgspec.Struct):
    """Opens after *failures_max* failures in a row, for *pause_us*, then twice as long each time, up to *pause_max_us*.

    Once a pause is over, one probe is let through: its success closes the breaker, its failure opens it again. A probe
    that never reports back is given up after *pause_max_us*.
    """

    failures_max: int = 5
    pause_us: int = 1_000_000
    pause_max_us: int = 30_000_000
    failures: int = 0
    openings: int = 0
    open_until_us: int = 0
    probe_until_us: int = 0

    def state(self, now_us: int) -> BreakerState:
        if now_us < self.open_until_us:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN if self.open_until_us else BreakerState.CLOSED

    def closed(self) -> bool:
        """Whether every call may pass. False until a probe has succeeded, however long ago the pause ended."""
        return not self.open_until_us

    def probe(self, now_us: int) -> int | None:
        """Claim the probe of a half-open breaker: None if the caller has it, else when to ask again."""
        wait_until_us = max(self.open_until_us, self.probe_until_us)
        if now_us < wait_until_us:
            return wait_until_us
        self.probe_until_us = now_us + self.pause_max_us
        return None

    def succeeded(self, now_us: int) -> None:
        """The venue gave a definite answer, a rejection included. While open it counts for nothing: a pause that the
        venue announced isn't over because a call from before it was answered.
        """
        if now_us >= self.open_until_us:
            self.failures = self.openings = self.open_until_us = self.probe_until_us = 0

    def failed(self, now_us: int) -> None:
        """An outcome is unknown, or the call did not reach the venue."""
        self.failures += 1
        if now_us < self.open_until_us:  # calls that were under way when it opened
            return
        if self.open_until_us or self.failures >= self.failures_max:
            self.openings += 1
            pause_us = min(self.pause_us << min(self.openings - 1, 32), self.pause_max_us)
            self.open_for(pause_us, now_us)

    def open_for(self, pause_us: int, now_us: int) -> None:
        """Let nothing through for *pause_us*: a ban, or maintenance, that the venue announced."""
        self.open_until_us = max(self.open_until_us, now_us + pause_us)
        self.probe_until_us = 0
