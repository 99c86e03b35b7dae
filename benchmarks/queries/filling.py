"""A ClickHouse service of the benchmark's own, filled with invented events."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from analytics import sql
from analytics.client import connect
from analytics.migrate import migrate
from benchmarks.processes import Measured
from benchmarks.results import ROOT
from runtime import process
from runtime import settings as settings_
from runtime.settings import environment

#: See events.sql: a command and a look at prices, 3.71 order events, a request and 2.71 reports, 2.6 ledger entries.
RECORDS_PER_ORDER: Final = 12.0
SPAN_S: Final = 7 * 86_400

_ORDERS_AT_ONCE: Final = 250_000
_READY_WITHIN_S: Final = 60.0
_MERGED_WITHIN_S: Final = 120.0
_STATEMENT_WITHIN_S: Final = 300

Tell = Callable[[str], None]


class Filling(msgspec.Struct, frozen=True):
    """What a database was filled with: so many records, until when, and what that took of the service's CPU."""

    records: int
    until_s: int
    cpu_s: float


class Service:
    """A ClickHouse service on *folder*."""

    def __init__(self, folder: Path) -> None:
        self.port = process.free_port()
        self.settings = settings_.load(
            var=folder,
            clickhouse_url=f"http://127.0.0.1:{self.port}",
            clickhouse_username="benchmark",
            clickhouse_password=secrets.token_urlsafe(),
            clickhouse_database="fillstream",
        )
        command = [sys.executable, "-m", "runtime", "clickhouse", "--port", str(self.port)]
        own = os.environ | environment(self.settings) | {"PYTHONPATH": str(ROOT)}
        self.process = Measured(command, log=folder / "service.log", environment=own)

    def writer(self) -> Any:
        return connect(self.settings, timeout_s=_STATEMENT_WITHIN_S)


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    """The service on *folder*, as long as the context lasts. Raises RuntimeError if it doesn't start."""
    service = Service(folder)
    service.process.start()
    try:
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not process.listening(service.port):
            if not service.process.running or time.monotonic() > deadline_s:
                raise RuntimeError(f"the service didn't start:\n{service.process.log_end()}")
            time.sleep(0.1)
        yield service
    finally:
        service.process.stop()


def fill(service: Service, records: int, tell: Tell) -> Filling:
    """Put about so many *records* into the database, over a week that ends now, through all materialized views."""
    client = service.writer()
    migrate(client, service.settings.clickhouse_database)
    until_s = int(time.time())
    orders = int(records / RECORDS_PER_ORDER)
    pace = {"start_us": (until_s - SPAN_S) * 1_000_000, "step_ns": SPAN_S * 1_000_000_000 // orders}
    database = {"database": service.settings.clickhouse_database}
    views: list[str] = []
    inserts: list[str] = []
    for statement in sql.statements(resources.files("benchmarks.queries").joinpath("events.sql").read_text()):
        (inserts if statement.startswith("INSERT") else views).append(statement)
    for view in views:
        client.command(view, settings=database)
    before_s = service.process.cpu_s()
    for first in range(0, orders, _ORDERS_AT_ONCE):
        tell(f"{first:,} of {orders:,} orders")
        part = {"first": first, "count": min(_ORDERS_AT_ONCE, orders - first), **pace}
        for insert in inserts:
            client.command(insert, parameters=part, settings=database)
    tell("waiting for merges")
    _merged(client)
    stored = int(client.command("SELECT count() FROM stored_records WHERE line = 0", settings=database))
    client.close()
    return Filling(stored, until_s, service.process.cpu_s() - before_s)


def _merged(client: Any) -> None:
    """Wait until nothing is being merged: what runs for long is mostly merged."""
    deadline_s = time.monotonic() + _MERGED_WITHIN_S
    while time.monotonic() < deadline_s and client.command("SELECT count() FROM system.merges"):
        time.sleep(1)
