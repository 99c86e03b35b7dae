"""How many rows ClickHouse shows, looked up now and then beside the run."""

import threading
from typing import Any, Final

import structlog
from typing_extensions import override

from runtime.trial.collect import Clickhouse

LOOK_EVERY_S: Final = 1.0

log = structlog.get_logger()


class RowGauge(threading.Thread):
    """Looks once a second until stopped. *rows* and *events* are None as long as ClickHouse has not answered."""

    def __init__(self, clickhouse: Clickhouse) -> None:
        super().__init__(name="row-gauge", daemon=True)
        self.rows: int | None = None
        self.events: int | None = None
        self._clickhouse = clickhouse
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    @override
    def run(self) -> None:
        client: Any = None
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                client = client or self._clickhouse.client()
                counts = client.query("SELECT count(), countIf(table = 'order_events') FROM stored_records")
                self.rows, self.events = counts.result_rows[0]
            except Exception as error:  # noqa: BLE001  # a look that fails is no fault of the run: the next one may not
                log.info("rows_not_counted", error=repr(error))
        if client is not None:
            client.close()
