"""Takes pushed events: believes or refuses them, passes each on once, and says so only when it is in the log.

An event may come to any gateway of its venue. About an order of a partition that is owned here it goes the way of all
facts (:class:`Facts`), which remembers what the stream and the history have told already. About any other order it is
written straight to the partition that the client order ID names: agents recognise a trade by its ID and a state that is
old news, so whoever owns the partition may tell the same. Events are remembered by their IDs, within a bound, which
only saves work: that a fill is booked once, the ledger sees to.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

import structlog

from domain import ids
from domain.messages import Evidence, VenueReport
from venue_gateways import metrics, reports
from venue_gateways.facts import Facts
from venue_gateways.memory import Memory
from venue_gateways.venue import Unparsable
from venue_gateways.webhook import event, signature
from venue_gateways.webhook.event import Event
from venue_gateways.webhook.keys import Secrets
from venue_gateways.webhook.signature import Fault

EVENTS_REMEMBERED_MAX: Final = 50_000
#: Events that wait for Kafka at one time.
UNDER_WAY_MAX: Final = 64
#: How long they wait for it.
WRITE_S: Final = 10.0

log = structlog.get_logger()

#: Writes reports to their partitions; returns once they, and all that was on its way before, are in the log.
Write: TypeAlias = Callable[[list[tuple[int, VenueReport]]], Awaitable[None]]


class NotWritten(Exception):  # noqa: N818  # it says what is known
    """What was to be written may not be in the log."""


class Result(StrEnum):
    """What became of an event."""

    TAKEN = "TAKEN"
    REPEATED = "REPEATED"  # this very event has been taken
    FOREIGN = "FOREIGN"  # somebody else's order on the same account
    REFUSED = "REFUSED"  # whoever sent it may not
    UNPARSABLE = "UNPARSABLE"
    NOT_WRITTEN = "NOT_WRITTEN"  # Kafka doesn't keep up, or this gateway is about to end
    TOO_LARGE = "TOO_LARGE"
    CUT_SHORT = "CUT_SHORT"  # its body didn't come, or took too long


class Receiver:
    """The receiver of one gateway. Orders of *partitions* partitions are ours; *write* raises NotWritten."""

    def __init__(self, venue: str, partitions: int, secrets: Secrets, facts: Facts, write: Write) -> None:
        self._venue = venue
        self._partitions = partitions
        self._secrets = secrets
        self._facts = facts
        self._write = write
        self._seen: Memory[str, bytes] = Memory(EVENTS_REMEMBERED_MAX)
        self._under_way = 0

    async def receive(self, headers: Mapping[str, str], body: bytes, now_us: int) -> tuple[Result, str]:
        """What becomes of one request, which came at *now_us* by the wall clock, and why."""
        fault = signature.fault(self._secrets.current(), headers, body, now_us)
        if fault is not None:
            return Result.REFUSED, _EXPLAINED[fault]
        try:
            told = event.parse(body, self._venue, now_us)
        except Unparsable as error:
            log.warning("webhook_event_unparsable", error=str(error)[:200])
            return Result.UNPARSABLE, str(error)
        return await self._take(told, hashlib.sha256(body).digest(), now_us)

    async def _take(self, told: Event, digest: bytes, now_us: int) -> tuple[Result, str]:
        partition = self._partition(told.order.client_order_id)
        if partition is None:
            metrics.FOREIGN_ORDERS.labels(self._venue).inc()
            return Result.FOREIGN, ""
        before = self._seen.get(told.event_id)
        if before == digest:
            return Result.REPEATED, ""
        if before is not None:  # it may be a fill like any other: dropping it is the one thing that can't be mended
            log.warning("webhook_event_id_reused", event_id=told.event_id, advice="an ID is for one event's bytes")
        if self._under_way >= UNDER_WAY_MAX:
            return Result.NOT_WRITTEN, "too many events at one time"
        self._under_way += 1
        try:
            async with asyncio.timeout(WRITE_S):
                await self._write(self._pass_on(told, partition, now_us))
        except (TimeoutError, NotWritten) as error:
            log.warning("webhook_event_not_written", event_id=told.event_id, error=type(error).__name__)
            return Result.NOT_WRITTEN, "not in the log yet"
        finally:
            self._under_way -= 1
        self._seen.note(told.event_id, digest)
        return Result.TAKEN, ""

    def _pass_on(self, told: Event, partition: int, now_us: int) -> list[tuple[int, VenueReport]]:
        """Tell :class:`Facts` of what is owned here; what is not comes back as reports to be written."""
        order, client_order_id = told.order, told.order.client_order_id
        if self._facts.is_ours(client_order_id):
            for trade in told.trades:
                self._facts.trade(trade, client_order_id, Evidence.STREAM)
            self._facts.order(order, Evidence.STREAM)
            return []
        fills = [reports.traded(self._venue, client_order_id, t, Evidence.STREAM, now_us) for t in told.trades]
        state = reports.observed(self._venue, order, Evidence.STREAM, now_us)
        return [(partition, report) for report in (*fills, state)]

    def _partition(self, client_order_id: str) -> int | None:
        """The partition of an order of ours; None for anybody else's, such as another installation's with more."""
        try:
            partition, _, _ = ids.parse_client_order_id(client_order_id)
        except ids.NotOurs:
            return None
        return partition if partition < self._partitions else None


_EXPLAINED: Final = {
    Fault.UNSIGNED: f"send {signature.TIMESTAMP_HEADER} (Unix seconds) and {signature.SIGNATURE_HEADER} (hex)",
    Fault.BAD_SIGNATURE: "the signature is none of ours: HMAC-SHA-256 over timestamp, a full stop and the raw body",
    Fault.STALE: f"the timestamp is more than {signature.WINDOW_US // 1_000_000} s off: sign anew when sending again",
}
