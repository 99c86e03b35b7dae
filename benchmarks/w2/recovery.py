"""The way back after a kill: from SIGKILL to the first event that can be read, and how fast rows are read back."""

import time
from datetime import datetime
from typing import Final

import msgspec
from confluent_kafka import Consumer

from benchmarks.processes import Measured
from benchmarks.w2.installation import Installation
from benchmarks.w2.tail import tail
from schemas.topics import ORDER_EVENTS

_ORDERS: Final = 1_000
_BACK_WITHIN_S: Final = 180.0
_POLL_S: Final = 0.02


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """*seconds* from SIGKILL to the first new event.

    Of them, *start_s* until the new process could log, *join_s* until it had its partitions, *restore_s* to read *rows*
    back, of all partitions side by side. *cpu_s* is what the new process took for all of it.
    """

    seconds: float
    start_s: float
    join_s: float
    restore_s: float
    rows: int
    cpu_s: float


class _Restored(msgspec.Struct, frozen=True):
    """What a worker logs, as far as restoring goes."""

    event: str
    at: datetime
    rows: int = 0
    seconds: float = 0.0


def recover(installation: Installation, worker: Measured) -> Recovery:
    """Kills *worker*, starts it again at once, as the supervisor does, and plays a few orders meanwhile."""
    log_length = worker.log.stat().st_size
    with installation.driving(installation.following(_ORDERS)) as driver:
        events = tail(installation.settings, ORDER_EVENTS.name, fetch_wait_max_ms=10)
        installation.kill(worker)
        killed = time.time()
        driver.start()
        installation.restart(worker)
        _await_one(events)
        seconds, cpu_s = time.time() - killed, worker.cpu_s()
        events.close()
        driver.finish()
        installation.await_read()
    with worker.log.open("rb") as log:
        log.seek(log_length)
        told = [_parse(line) for line in log]
    started = next(line.at.timestamp() for line in told if line.event == "process_started")
    restored = [line for line in told if line.event == "partition_restored"]
    began = min(line.at.timestamp() - line.seconds for line in restored)
    ended = max(line.at.timestamp() for line in restored)
    return Recovery(
        seconds=seconds,
        start_s=started - killed,
        join_s=began - started,
        restore_s=ended - began,
        rows=sum(line.rows for line in restored),
        cpu_s=cpu_s,
    )


def _parse(line: bytes) -> _Restored:
    """A line of the worker's log; librdkafka writes others."""
    try:
        return msgspec.json.decode(line, type=_Restored)
    except msgspec.MsgspecError:
        return _Restored("", datetime.min)  # noqa: DTZ901  # never looked at


def _await_one(events: Consumer) -> None:
    deadline = time.monotonic() + _BACK_WITHIN_S
    while time.monotonic() < deadline:
        record = events.poll(_POLL_S)
        if record is not None and record.error() is None:
            return
    raise TimeoutError(f"no event within {_BACK_WITHIN_S:.0f} s of the kill; see the worker's log")
