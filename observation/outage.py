"""Going on while something is away: a log line when it goes, one when it is back, and a bounded wait in between."""

import logging
import threading
from collections.abc import Callable
from typing import Final

import structlog
from confluent_kafka import KafkaException
from typing_extensions import override

from analytics.client import ClickHouseError
from runtime.exits import Unavailable

#: What may happen to everybody who asks others over a network, and passes.
PASSING: Final = (KafkaException, ClickHouseError, Unavailable, OSError)
_WAIT_FIRST_S: Final = 0.5
_WAIT_MAX_S: Final = 15.0

#: They tell of every try that fails; here, and in what the doctor finds, that is told once.
_TALKATIVE: Final = ("clickhouse_connect", "urllib3")

log = structlog.get_logger()


def quieten() -> None:
    """Let libraries say nothing of what passes."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def wait_s(failures: int, every_s: float) -> float:
    """How long to wait before the next try of what is done *every_s*, after so many failures in a row.

    There is always a next one; and in the long run it is tried no more often than it would be done.
    """
    return min(max(_WAIT_MAX_S, every_s), _WAIT_FIRST_S * 2.0 ** min(failures - 1, 20))


class Loop(threading.Thread):
    """Does *work* every *every_s* until *stop*, whatever passes in the meantime.

    What doesn't pass ends it: it is in *error* then, and *stop* is set for all.
    """

    def __init__(self, name: str, work: Callable[[], None], every_s: float, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.error: Exception | None = None
        self._work = work
        self._every_s = every_s
        self._stop_event = stop
        self._failures = 0

    @override
    def run(self) -> None:
        pause_s = 0.0
        while not self._stop_event.wait(pause_s):
            try:
                self._work()
            except PASSING as error:
                pause_s = self._failed(error)
            except Exception as error:  # noqa: BLE001  # whoever started this thread raises it
                self.error = error
                self._stop_event.set()
            else:
                pause_s = self._every_s
                self._went_well()

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        if self._failures == 1:
            log.warning("probe_interrupted", part=self.name, detail=str(error) or "nothing in time")
        return wait_s(self._failures, self._every_s)

    def _went_well(self) -> None:
        if self._failures:
            log.info("probe_resumed", part=self.name, failures=self._failures)
        self._failures = 0
