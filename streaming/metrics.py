"""The lane's metrics: how fast chunks are taken and committed, how far inputs have been read, what restoring took."""

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
LAG = Gauge("fillstream_lane_lag", "Records of an input that are not yet in a committed chunk", ["topic", "partition"])
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
