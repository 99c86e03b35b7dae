"""The venue's own record: every order it accepted, every fill, every end, as JSON lines that are only ever appended.

It shares nothing with fillstream's books, so that they can be checked against it. A line is in the file before anybody
is told of what it says; it survives the end of the process, not of the machine. Numbers are decimal strings; orders and
trades are called what the venue's dialect calls them.

``order_accepted`` · ``fill`` · ``order_canceled`` · ``order_expired`` · ``order_reduced`` · ``request_refused``. Only
clients' orders are written, not those of the venue's own market.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from domain import money
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import OPEN, UNPRICED, Execution, Happening, Status

_ENDINGS: Final = {
    Happening.CANCELED: "order_canceled",
    Happening.EXPIRED: "order_expired",
    Happening.PREVENTED: "order_expired",
}


class JournalDamaged(Exception):  # noqa: N818  # it says what is the matter better than with an Error behind it
    """A file that is no journal, or not any more; the message says where and what to do."""


class LastIds(msgspec.Struct, frozen=True):
    """The last numbers of orders and trades that a journal has, so that no later one repeats them."""

    order_id: int
    trade_ids: dict[str, int]


class Journal:
    """An open journal. Closing it twice is fine."""

    __slots__ = ("_descriptor", "last_ids", "names")

    def __init__(self, path: Path, names: Names | None = None) -> None:
        """Opens or creates the file and reads it once. A last line without an end, of which nobody heard, is cut.

        Raises JournalDamaged for any other line that can't be read, OSError if the file can't be had.
        """
        self.names = names or Names()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self.last_ids, whole = _read(path, self.names)
            os.ftruncate(self._descriptor, whole)
        except BaseException:
            self.close()
            raise

    def append(self, entries: Iterable[dict[str, Any]]) -> None:
        """Write *entries* now, all in one call. Raises OSError if they don't fit."""
        data = b"".join(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in entries)
        if data and os.write(self._descriptor, data) != len(data):
            raise OSError("the journal's disk is full")

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def entries(executions: Iterable[Execution], names: Names) -> Iterable[dict[str, Any]]:
    """What *executions* add to the journal."""
    for execution in executions:
        if execution.what is Happening.TRADED:
            yield _fill(execution, names)
            if execution.status is Status.PREVENTED:  # this trade left it only what had been prevented before
                yield _ended("order_expired", execution, names)
        elif execution.what is Happening.ACCEPTED:
            yield _accepted(execution, names)
        elif execution.what is Happening.REDUCED:
            yield {**_heading("order_reduced", execution, names), "quantity": money.text(execution.order.quantity)}
        elif execution.what in _ENDINGS and execution.status not in OPEN:
            yield _ended(_ENDINGS[execution.what], execution, names)


def refused(at: int, account: str, status: int, code: int | str) -> dict[str, Any]:
    """The line of a request that a limit refused."""
    return {"event": "request_refused", "at_us": at, "account": account, "status": status, "code": code}


def _heading(event: str, execution: Execution, names: Names) -> dict[str, Any]:
    order = execution.order
    return {
        "event": event,
        "at_us": execution.at,
        "account": order.account,
        "order_id": names.order(order.order_id),
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
    }


def _accepted(execution: Execution, names: Names) -> dict[str, Any]:
    order = execution.order
    return {
        **_heading("order_accepted", execution, names),
        "side": order.side,
        "type": order.kind,
        "price": None if order.kind in UNPRICED else money.text(order.price),
        "quantity": money.text(order.quantity),
    }


def _ended(event: str, execution: Execution, names: Names) -> dict[str, Any]:
    return {**_heading(event, execution, names), "executed_quantity": money.text(execution.executed)}


def _fill(execution: Execution, names: Names) -> dict[str, Any]:
    return {
        **_heading("fill", execution, names),
        "trade_id": names.trade(execution),
        "side": execution.order.side,
        "price": money.text(execution.price),
        "quantity": money.text(execution.quantity),
        "fee": money.text(execution.fee),
        "fee_asset": execution.fee_asset,
        "maker": execution.maker,
    }


def _read(path: Path, names: Names) -> tuple[LastIds, int]:
    """The last IDs in the file, and how many of its bytes are whole lines."""
    order_id, trade_ids, whole = 0, dict[str, int](), 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                entry = orjson.loads(line)
                if "order_id" in entry:
                    order_id = max(order_id, names.order_number(entry["order_id"]))
                if entry["event"] == "fill":
                    symbol = entry["symbol"]
                    trade_ids[symbol] = max(trade_ids.get(symbol, 0), names.trade_number(entry["trade_id"]))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise JournalDamaged(f"{path}: line {number} is no entry ({error}); move the file away") from error
    return LastIds(order_id, trade_ids), whole
