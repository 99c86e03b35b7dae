"""What the service adds to a query, compared with the engine in the process that asks."""

import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from benchmarks.queries.filling import Service
from benchmarks.queries.timing import Asking, Question, percentile

_ROUNDS: Final = 200
_WARM_UP: Final = 20

#: Hardly any work, and an answer as a panel has it.
_QUERIES: Final = {
    "SELECT 1": "SELECT 1",
    "1,000 rows": "SELECT number, toString(number), number / 7, toDateTime(number) FROM numbers(1000)",
}


class Overhead(msgspec.Struct, frozen=True):
    """A query over HTTP on an open connection, and the same in process."""

    name: str
    service_p50_ms: float
    service_p99_ms: float
    process_p50_ms: float
    process_p99_ms: float
    added_p50_ms: float
    added_cpu_ms: float


def measure(service: Service) -> list[Overhead]:
    """Both ways in turns, so that what else the machine does meets both alike."""
    chdb: Any = importlib.import_module("chdb._chdb")  # half a second and a quarter of a gigabyte: not before
    with tempfile.TemporaryDirectory(prefix="fillstream-overhead-") as folder:
        engine = chdb.connect(folder)
        try:
            return [_compared(service, engine, name, query) for name, query in _QUERIES.items()]
        finally:
            engine.close()


def _compared(service: Service, engine: Any, name: str, query: str) -> Overhead:
    asking = Asking(service, Question(name, query))
    ways: dict[str, Callable[[], object]] = {
        "service": asking.ask,
        "process": lambda: engine.query(query, "JSONCompactEachRow").bytes(),
    }
    for _ in range(_WARM_UP):
        for ask in ways.values():
            ask()
    times_ms: dict[str, list[float]] = {way: [] for way in ways}
    cpu_s = dict.fromkeys(ways, 0.0)
    service_before_s = service.process.cpu_s()
    for _ in range(_ROUNDS):
        for way, ask in ways.items():
            started_s, cpu_before_s = time.perf_counter(), time.process_time()
            ask()
            times_ms[way].append((time.perf_counter() - started_s) * 1_000)
            cpu_s[way] += time.process_time() - cpu_before_s
    asking.close()
    served_s = cpu_s["service"] + service.process.cpu_s() - service_before_s
    medians = {way: statistics.median(values) for way, values in times_ms.items()}
    return Overhead(
        name=name,
        service_p50_ms=medians["service"],
        service_p99_ms=percentile(times_ms["service"], 0.99),
        process_p50_ms=medians["process"],
        process_p99_ms=percentile(times_ms["process"], 0.99),
        added_p50_ms=medians["service"] - medians["process"],
        added_cpu_ms=(served_s - cpu_s["process"]) * 1_000 / _ROUNDS,
    )
