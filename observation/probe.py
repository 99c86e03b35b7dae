"""The probe's process: how far everybody is behind, whether commands come through, and whether the books are right.

It depends on nobody it looks at: it is in no group, and goes on while Kafka or ClickHouse is away.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import structlog

from analytics import questions
from analytics.client import ClickHouseError, connect
from observation import audits, budget, standing
from observation.canary import Canaries, Flock, Reader
from observation.lags import Lags
from observation.metrics import ProbeMetrics
from observation.offsets import Offsets
from observation.outage import PASSING, Loop, quieten
from runtime import kafka, telemetry
from runtime.exits import Exit
from runtime.process import StopRequest
from runtime.settings import Settings

_CLIENT_ID: Final = "fillstream-probe"
_LOOK_FOR_CANARIES_EVERY_S: Final = 1.0
_QUERY_WITHIN_S: Final = 10
_RETENTION_EVERY_S: Final = 300.0
_STANDING_EVERY_S: Final = 15.0
#: What an audit finds may be on its way. By then it has come.
_LOOK_AGAIN_AFTER_S: Final = 15.0
_STOP_WITHIN_S: Final = 20.0
_WATCH_EVERY_S: Final = 0.25

log = structlog.get_logger()


def main(settings: Settings) -> int:
    """Look until SIGTERM or Ctrl-C."""
    telemetry.start(settings, "probe")
    quieten()
    kafka.take_schema_ids(settings)
    ending = threading.Event()
    metrics = ProbeMetrics()
    with StopRequest() as stop:
        loops = list(_loops(settings, metrics, ending))
        for loop in loops:
            loop.start()
        log.info("probe_ready", parts=[loop.name for loop in loops])
        while not stop.wait(_WATCH_EVERY_S) and not ending.is_set():
            pass
        ending.set()
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        for loop in loops:
            loop.join(max(0.0, deadline_s - time.monotonic()))
    for loop in loops:
        if loop.error is not None:
            raise loop.error
    return Exit.OK


def _loops(settings: Settings, metrics: ProbeMetrics, ending: threading.Event) -> Iterator[Loop]:
    watch = _LagWatch(settings, metrics)
    yield Loop("lag", watch.look, settings.probe_lag_interval_s, ending)
    if settings.probe_canary_interval_s:
        flock = Flock(settings.partitions)
        canaries = Canaries(settings, flock, metrics)
        reader = Reader(flock, canaries.users, metrics)
        looking = _ClickHouse(settings, metrics, "canary", _QUERY_WITHIN_S)
        yield Loop("canaries", canaries.turn, 0.0, ending)
        yield Loop("stored canaries", lambda: reader.look(looking.ask), _LOOK_FOR_CANARIES_EVERY_S, ending)
    counting = _ClickHouse(settings, metrics, "standing", _QUERY_WITHIN_S)
    yield Loop("standing", lambda: standing.look(counting.ask, metrics), _STANDING_EVERY_S, ending)
    if settings.probe_audit_interval_s:
        auditor = audits.Audits(questions.audits(), metrics, lambda: not ending.wait(_LOOK_AGAIN_AFTER_S))
        auditing = _ClickHouse(settings, metrics, "audit", settings.probe_audit_timeout_s)
        yield Loop("audits", lambda: auditor.run(auditing.ask), settings.probe_audit_interval_s, ending)


class _LagWatch:
    """Looks at all groups, and shows it."""

    def __init__(self, settings: Settings, metrics: ProbeMetrics) -> None:
        self._metrics = metrics
        self._offsets = Offsets(settings, _CLIENT_ID)
        self._lags = Lags(settings, self._offsets, budget.placements_per_s(settings))
        self._retention_s: Mapping[str, float] = {}
        self._retention_due_s = 0.0

    def look(self) -> None:
        """Raises KafkaException, and then shows nothing: what was known is no longer so."""
        try:
            found = self._lags.look()
            if time.monotonic() >= self._retention_due_s:
                read = {lag.place.topic for group in found for lag in group.partitions}
                self._retention_s = self._offsets.retention_s(sorted(read))
                self._retention_due_s = time.monotonic() + _RETENTION_EVERY_S
        except PASSING:
            self._metrics.lag.forget()
            self._offsets.renew()
            raise
        self._metrics.lag.observe(found, self._retention_s)


class _ClickHouse:
    """The queries of one thread, each timed. The connection is made when it is wanted, and anew after a failure."""

    def __init__(self, settings: Settings, metrics: ProbeMetrics, name: str, within_s: int) -> None:
        self._settings = settings
        self._seconds = metrics.query_seconds
        self._name = name
        self._within_s = within_s
        self._client: Any = None

    def ask(self, text: str, values: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """The rows. Raises ClickHouseError."""
        began_s, result = time.monotonic(), "failed"
        try:
            rows = self._rows(text, values or {})
            result = "answered"
        except ClickHouseError:
            self._client = None
            raise
        finally:
            self._seconds.labels(self._name, result).observe(time.monotonic() - began_s)
        return rows

    def _rows(self, text: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        if self._client is None:
            self._client = connect(
                self._settings, database=self._settings.clickhouse_database, timeout_s=self._within_s + 2
            )
        limits = {"max_execution_time": self._within_s}
        rows: Sequence[Sequence[Any]] = self._client.query(text, parameters=dict(values), settings=limits).result_rows
        return rows
