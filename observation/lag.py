"""How far a consumer group is behind on one partition, in records and in seconds. Pure.

What isn't known is None, and becomes no series: a lag of 0 must mean that somebody has seen it.
"""

import msgspec


class Place(msgspec.Struct, frozen=True, order=True):
    topic: str
    partition: int


class Head(msgspec.Struct, frozen=True):
    """What a reader of committed records gets first from an offset on.

    *timestamp_ms* is that record's, by the log. It is None if there is none before *end*, which is how far such a
    reader comes: marks of transactions and aborted records are no records, and an open transaction is a border.
    """

    timestamp_ms: int | None
    end: int


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A group's position on a partition as it was found at one moment.

    *committed* is None where the group has no offset, *head* where nobody looked. The log has the offsets from *first*
    up to *end*, the high watermark.
    """

    place: Place
    committed: int | None
    first: int
    end: int
    head: Head | None = None

    @property
    def lag_records(self) -> int | None:
        """The offsets from the committed one to the high watermark, which may trail it: never below 0."""
        if self.committed is None:
            return 0 if self.first == self.end else None
        if self.head is not None and self.head.timestamp_ms is None and self.head.end >= self.end:
            return 0  # only marks of transactions are left, and readers can't commit behind what they never get
        return max(0, self.end - self.committed)

    def lag_s(self, now_ms: float) -> float | None:
        """The age of the first record that waits: exact, not interpolated. 0 if none waits."""
        if self.lag_records == 0:
            return 0.0
        if self.lag_records is None or self.head is None:
            return None
        if self.head.timestamp_ms is None:
            return 0.0  # all there is belongs to a transaction that is still open
        return max(0.0, now_ms - self.head.timestamp_ms) / 1_000
