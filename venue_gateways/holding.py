"""A partition of requests while this gateway owns it."""

from venue_gateways.progress import Progress


class Holding:
    """From one assignment of *partition* to its end; a later assignment of the same partition is another holding.

    Once it isn't *live*, nothing of it is sent or committed any more; answers of calls under way are still published.
    """

    __slots__ = ("live", "partition", "progress", "since_ms")

    def __init__(self, partition: int, progress: Progress, since_ms: int) -> None:
        self.partition = partition
        self.progress = progress
        self.live = True
        self.since_ms = since_ms
