"""How a gateway that was stopped or cut off keeps from placing orders that are no longer its to place.

The group's coordinator gives a member's partitions to another once the session timeout has passed since it last heard
of the member. A commit that it accepted proves that it had not done so when the commit was sent. For a while after
that, nobody else can own the partitions: that is the lease.

A placement carries its instant, and the venue refuses it once it is older than the receive window, twice, the second
time right before the matching engine. So the order is: read the clock, then check the lease, then sign with that
instant. Both go by the steady clock, so no jump of the wall clock can come between them. A process that is stopped
after the check, however long, sends a request that has expired at the venue before anybody else could have owned the
partition::

    proof ──────────────── session timeout ────────────────▶ somebody else may own the partition
      └── lease ──▶ last instant signed ── receive window ──▶ the venue refuses it   (margin)
"""

from typing import Final

import msgspec

#: For clocks that run at different speeds, and the venue's clock being known only roughly.
MARGIN_US: Final = 1_000_000


class LeaseTooShort(ValueError):  # noqa: N818  # it says what is the matter
    """The session timeout leaves no time between a proof of ownership and the last order it could cover."""


class Lease(msgspec.Struct):
    """Instants are of a clock that never goes back, in microseconds."""

    length_us: int
    until_us: int = 0

    def renew(self, sent_us: int) -> None:
        """A commit sent at *sent_us* was accepted."""
        self.until_us = max(self.until_us, sent_us + self.length_us)

    def end(self) -> None:
        """The partitions are gone, or may be."""
        self.until_us = 0

    def holds(self, now_us: int) -> bool:
        return now_us < self.until_us


def lease(session_timeout_ms: int, receive_window_ms: int) -> Lease:
    """An unproven lease. Raises LeaseTooShort if no placement could ever be sent under it."""
    length_us = (session_timeout_ms - receive_window_ms) * 1000 - MARGIN_US
    if length_us < MARGIN_US:
        raise LeaseTooShort(
            f"session_timeout_ms ({session_timeout_ms}) must exceed receive_window_ms ({receive_window_ms}) "
            f"by at least {2 * MARGIN_US // 1000}: raise the one or lower the other"
        )
    return Lease(length_us)
