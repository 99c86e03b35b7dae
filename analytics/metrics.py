"""The metrics of the sink."""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

_PREFIX: Final = "fillstream_sink_"
_FRESHNESS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
#: Why nothing is read of a partition: its buffer is full, it waits for a schema, or somebody has to look at it.
PAUSED: Final = ("buffer", "schema", "gap", "version")
_INSERT_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class LaneState(msgspec.Struct, frozen=True):
    """What a scrape sees of a partition. What isn't known is None, and has no sample."""

    topic: str
    partition: int
    stored_to: int | None
    high_watermark: int | None
    head_ms: int | None
    size_bytes: int
    paused: str | None
    stopped: bool

    @property
    def lag_records(self) -> int | None:
        if self.stored_to is None or self.high_watermark is None:
            return None
        return max(self.high_watermark - self.stored_to, 0)  # a watermark can trail what has been read

    def lag_s(self, now_ms: float) -> float | None:
        """The age of the first record that isn't stored: exact, where it has been read."""
        if self.lag_records == 0:
            return 0.0
        return None if self.head_ms is None else max(now_ms - self.head_ms, 0.0) / 1_000


class SinkMetrics:
    """All of them."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(_PREFIX + name, text, labels, registry=registry)

        self.records = counter("records", "Records acknowledged by ClickHouse", ["topic", "table", "result"])
        self.inserts = counter("insert", "Inserts, by how they ended", ["table", "result"])
        self.replayed = counter("intent_replayed", "Unfinished batches written again")
        self.refused = counter("commit_refused", "Commits that the broker refused: somebody else owns the partition")
        self.insert_seconds = Histogram(
            _PREFIX + "insert_seconds", "One insert", ["table"], buckets=_INSERT_S, registry=registry
        )
        self.freshness = Freshness()
        registry.register(self.freshness)
        self._lanes = Lanes()
        registry.register(self._lanes)

    def observe(self, lanes: Sequence[LaneState]) -> None:
        """What the sink owns, and how it stands, now."""
        self._lanes.observe(lanes, time.time())


class Freshness(Collector):
    """From a record's time in Kafka to ClickHouse's acknowledgement: a histogram that takes a batch at a time."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = defaultdict(lambda: [0] * (len(_FRESHNESS_S) + 1))
        self._sums: dict[str, float] = defaultdict(float)

    def observe(self, topic: str, timestamps_ms: Iterable[int], now_ms: float) -> None:
        stamps = sorted(timestamps_ms)
        counts = self._counts[topic]
        for bucket, bound_s in enumerate(_FRESHNESS_S):
            counts[bucket] += len(stamps) - bisect_left(stamps, now_ms - bound_s * 1_000)
        counts[-1] += len(stamps)
        self._sums[topic] += (now_ms * len(stamps) - sum(stamps)) / 1_000

    @override
    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            _PREFIX + "freshness_seconds", "From the record's time in Kafka to ClickHouse's yes", labels=["topic"]
        )
        for topic, counts in list(self._counts.items()):
            bounds = [*map(str, _FRESHNESS_S), "+Inf"]
            family.add_metric([topic], list(zip(bounds, map(float, counts), strict=True)), self._sums[topic])
        yield family


class Lanes(Collector):
    """Gauges of what the sink owns, as last observed: none is left over from a partition that went away."""

    def __init__(self) -> None:
        self._observed: tuple[Sequence[LaneState], float] = (), 0.0

    def observe(self, lanes: Sequence[LaneState], now_s: float) -> None:
        self._observed = lanes, now_s

    @override
    def collect(self) -> Iterator[Metric]:
        lanes, at_s = self._observed
        at_ms = at_s * 1_000
        yield from (
            _gauge("consumer_lag_records", "Records behind the end", lanes, lambda lane: lane.lag_records),
            _gauge("consumer_lag_seconds", "Age of the first record not stored", lanes, lambda lane: lane.lag_s(at_ms)),
            _gauge("committed_offset", "All below it is stored", lanes, lambda lane: lane.stored_to),
            _gauge("high_watermark", "The end of the partition", lanes, lambda lane: lane.high_watermark),
            _gauge("stopped", "1: stopped until somebody looks at it, see the log", lanes, lambda lane: lane.stopped),
            _gauge("unknown_schema", "1: waits for a schema", lanes, lambda lane: lane.paused == "schema"),
            _gauge("retention_gap", "1: stopped, records were lost", lanes, lambda lane: lane.paused == "gap"),
            _paused(lanes),
        )
        buffered = GaugeMetricFamily(_PREFIX + "buffer_bytes", "Memory of the records read and not yet stored")
        buffered.add_metric([], sum(lane.size_bytes for lane in lanes))
        yield buffered
        collected = GaugeMetricFamily(_PREFIX + "lag_collect_timestamp_seconds", "When these figures were taken")
        collected.add_metric([], at_s)
        yield collected


def _paused(lanes: Sequence[LaneState]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        _PREFIX + "paused", "1: nothing is read of it, for this reason", labels=["topic", "partition", "reason"]
    )
    for lane in lanes:
        for reason in PAUSED:
            family.add_metric([lane.topic, str(lane.partition), reason], float(lane.paused == reason))
    return family


def _gauge(
    name: str, text: str, lanes: Sequence[LaneState], value: Callable[[LaneState], float | None]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=["topic", "partition"])
    for lane in lanes:
        if (number := value(lane)) is not None:
            family.add_metric([lane.topic, str(lane.partition)], float(number))
    return family
