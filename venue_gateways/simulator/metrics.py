"""The simulated venue's metrics."""

from typing import Final

from prometheus_client import Counter, Gauge

REQUESTS: Final = Counter("fillstream_simulator_requests", "Answers given", ["operation", "status"])
ORDERS: Final = Counter("fillstream_simulator_orders", "Orders accepted")
FILLS: Final = Counter("fillstream_simulator_fills", "Fills of clients' orders")
FAULTS: Final = Counter("fillstream_simulator_faults", "Faults injected", ["fault"])
SESSIONS: Final = Gauge("fillstream_simulator_sessions", "Open WebSocket connections")


def note_fault(name: str) -> None:
    FAULTS.labels(name).inc()
