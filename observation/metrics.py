"""The probe's metrics."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from observation.burrow import State
from observation.lags import GroupLag, PartitionLag

_ANSWER_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STORED_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_QUERY_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_PLACE: Final = ("group", "topic", "partition")


class ProbeMetrics:
    """All of them."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def gauge(name: str, text: str, label: str) -> Gauge:
            return Gauge(f"fillstream_{name}", text, [label], registry=registry)

        self.lag = LagGauges()
        registry.register(self.lag)
        self.canary_age = CanaryAges()
        registry.register(self.canary_age)
        self.canary_answer_seconds = Histogram(
            "fillstream_canary_answer_seconds",
            "From writing a canary to reading its answer in order-events",
            buckets=_ANSWER_S,
            registry=registry,
        )
        self.canary_stored_seconds = Histogram(
            "fillstream_canary_stored_seconds",
            "From writing a canary to finding its answer in ClickHouse",
            buckets=_STORED_S,
            registry=registry,
        )
        self.audit_breaks = gauge("audit_breaks", "Rows of a query that has none when all is well", "check")
        self.audit_succeeded = gauge(
            "audit_succeeded_timestamp_seconds", "When a check last came to an end, whatever it found", "check"
        )
        self.audit_runs = Counter(
            "fillstream_audit_runs_total", "Runs: clean, broken or failed", ["check", "result"], registry=registry
        )
        self.query_seconds = Histogram(
            "fillstream_query_seconds",
            "The probe's queries to ClickHouse: canary, standing or audit; answered or failed",
            ["query", "result"],
            buckets=_QUERY_S,
            registry=registry,
        )
        self.unknown_orders = gauge("unknown_orders", "Orders of unknown outcome, by ClickHouse", "venue")
        self.unknown_age = gauge(
            "unknown_order_age_seconds", "Since the oldest of them was last heard of; 0 if there is none", "venue"
        )
        self.parts = gauge("clickhouse_parts", "Active parts of a table, in the partition that has most", "table")


class LagGauges(Collector):
    """How groups stood when they were last looked at. What isn't known any more has no series."""

    def __init__(self) -> None:
        self._groups: tuple[GroupLag, ...] = ()
        self._retention_s: Mapping[str, float] = {}
        self._collected_s: dict[str, float] = {}

    def observe(self, groups: tuple[GroupLag, ...], retention_s: Mapping[str, float]) -> None:
        self._collected_s |= {group.group.name: group.at_s for group in groups}
        self._groups, self._retention_s = groups, retention_s

    def forget(self) -> None:
        """Nobody knows how things stand now; when they were last known stays."""
        self._groups = ()

    @override
    def collect(self) -> Iterator[Metric]:
        lags = [(group.group.name, lag) for group in self._groups for lag in group.partitions]
        yield _family("records", "Offsets behind the end", lags, lambda lag: lag.records)
        yield _family("seconds", "Age of the first record that waits", lags, lambda lag: lag.seconds)
        yield _family("committed_offset", "Where the group goes on", lags, lambda lag: lag.committed)
        yield _states(lags)
        yield _gauge(
            "fillstream_lag_collected_timestamp_seconds",
            "When a group was last looked at",
            ("group",),
            (((name,), at_s) for name, at_s in self._collected_s.items()),
        )
        yield _gauge(
            "fillstream_drain_seconds",
            "Until all that waits is done, if nothing more comes",
            ("group", "topic"),
            (
                ((group.group.name, topic), seconds)
                for group in self._groups
                for topic, seconds in group.drain_s.items()
            ),
        )
        yield _gauge(
            "fillstream_topic_retention_seconds",
            "How long a topic keeps its records",
            ("topic",),
            (((topic,), seconds) for topic, seconds in self._retention_s.items()),
        )


class CanaryAges(Collector):
    """Seconds since the newest canary that has come through was written, as of now: they grow while nobody looks."""

    def __init__(self) -> None:
        self._written_s: Mapping[int, float] = {}

    def observe(self, written_s: Mapping[int, float]) -> None:
        """*written_s*, by partition, is since the epoch."""
        self._written_s = dict(written_s)

    @override
    def collect(self) -> Iterator[Metric]:
        now_s = time.time()
        yield _gauge(
            "fillstream_canary_age_seconds",
            "Since the newest canary that is in ClickHouse was written",
            ("partition",),
            (((str(number),), max(0.0, now_s - at_s)) for number, at_s in self._written_s.items()),
        )


Lag: TypeAlias = tuple[str, PartitionLag]
"""With the name of its group."""


def _family(
    name: str, text: str, lags: Iterable[Lag], value: Callable[[PartitionLag], float | None]
) -> GaugeMetricFamily:
    known = ((_place(group, lag), value(lag)) for group, lag in lags)
    return _gauge(f"fillstream_lag_{name}", text, _PLACE, ((labels, x) for labels, x in known if x is not None))


def _states(lags: Iterable[Lag]) -> GaugeMetricFamily:
    text = "1 for the state that a partition is in, by Burrow's rules; 0 for all others"
    values = (((*_place(group, lag), state.value), float(lag.state is state)) for group, lag in lags for state in State)
    return _gauge("fillstream_lag_state", text, (*_PLACE, "state"), values)


def _place(group: str, lag: PartitionLag) -> tuple[str, str, str]:
    return group, lag.place.topic, str(lag.place.partition)


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for names, value in values:
        family.add_metric(names, float(value))
    return family
