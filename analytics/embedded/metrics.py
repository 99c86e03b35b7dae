"""The metrics of the embedded ClickHouse service."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram


class ServiceMetrics:
    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.queries = Counter(
            "fillstream_clickhouse_queries",
            "Queries answered, by role and ClickHouse's code (0: no error)",
            ["role", "code"],
            registry=registry,
        )
        self.seconds = Histogram(
            "fillstream_clickhouse_query_seconds",
            "From the request's headers to the result",
            ["role"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 60),
            registry=registry,
        )

    def observe(self, role: str, code: int, seconds: float) -> None:
        self.queries.labels(role, code).inc()
        self.seconds.labels(role).observe(seconds)
