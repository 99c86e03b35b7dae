"""The lane's metrics: how fast chunks are taken and committed, how far inputs have been read, what restoring took."""

import contextlib
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

RECORDS = Counter("fillstream_lane_records_total", "Input records taken into committed transactions", ["topic"])
TRANSACTIONS = Counter("fillstream_lane_transactions_total", "Transactions committed")
COMMIT_SECONDS = Histogram(
    "fillstream_lane_commit_seconds", "Producing a transaction's records and committing them", buckets=_SECONDS
)
PROCESS_SECONDS = Histogram(
    "fillstream_lane_process_seconds", "Deciding the records of a transaction and encoding its rows", buckets=_SECONDS
)
POSITION = Gauge("fillstream_lane_position", "Next offset of an input", ["topic", "partition"])
LAG = Gauge(
    "fillstream_lane_lag", "Offsets of an input after the last committed chunk, as of its fetch", ["topic", "partition"]
)
PARTITIONS = Gauge("fillstream_lane_partitions", "Partitions that are restored and processed by this worker")
SEEKS_BACK = Counter("fillstream_lane_seeks_back_total", "Times an input was read again because records were missing")
LOST_RECORDS = Counter(
    "fillstream_lane_lost_records_total", "Offsets that retention removed before they were read", ["topic"]
)
RESTORED_ROWS = Counter("fillstream_lane_restored_rows_total", "Rows restored from changelogs")
RESTORE_SECONDS = Histogram(
    "fillstream_lane_restore_seconds",
    "Restoring a partition",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)


class Meter:
    """The metrics of one input of one partition. *lag* counts what the broker had beyond the last stretch's end."""

    __slots__ = ("_labels", "_lag", "_position", "_records", "lag")

    def __init__(self, topic: str, partition: int) -> None:
        self._labels = (topic, str(partition))
        self._records = RECORDS.labels(topic)
        self._position = POSITION.labels(*self._labels)
        self._lag = LAG.labels(*self._labels)
        self.lag = 0

    def show(self, records: int, next_offset: int) -> None:
        """So many more *records* were committed; the input goes on at *next_offset*."""
        self._records.inc(records)
        self._position.set(next_offset)
        self._lag.set(self.lag)

    def close(self) -> None:
        """The partition is somebody else's from now on, and so are its figures."""
        for gauge in (POSITION, LAG):
            with contextlib.suppress(KeyError):  # it may have had no figures yet, or another has removed them
                gauge.remove(*self._labels)
