"""Coinbase's limits: so many requests in each second, of a user and of an address.

The figures are third parties' (the venue's own page was not there to be read), as are the headers' units; that the
seconds are the clock's is assumed.
"""

from typing import Final

_SECOND_US: Final = 1_000_000

PRIVATE_PER_S: Final = 30
PUBLIC_PER_S: Final = 10


class Second:
    """How many requests of somebody's have come in the second that the clock is in."""

    __slots__ = ("_count", "_limit", "_second", "taken")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0  # in all
        self._count = 0
        self._second = -1

    def take(self, now: int) -> bool:
        """Count one request if there is room for it."""
        second = now // _SECOND_US
        if second != self._second:
            self._second, self._count = second, 0
        if self._count >= self._limit:
            return False
        self._count += 1
        self.taken += 1
        return True

    def used(self) -> dict[str, float]:
        """How much of it there is, and how much was taken in all."""
        return {"limit": self._limit, "window_s": 1, "taken": self.taken}

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the client is told of it."""
        return [
            (b"x-ratelimit-limit", b"%d" % self._limit),
            (b"x-ratelimit-remaining", b"%d" % (self._limit - self._count)),
            (b"x-ratelimit-reset", b"1"),
        ]
