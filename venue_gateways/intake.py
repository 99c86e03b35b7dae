"""From records to requests: decodes them, sends what can't be taken to the dead letters, and hands on the rest."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from domain import ids
from domain.messages import DeadLetter, Operation, VenueRequest
from schemas import codec, topics
from venue_gateways import metrics
from venue_gateways.clock import steady_us, wall_us
from venue_gateways.dispatcher import Dispatcher
from venue_gateways.holding import Holding
from venue_gateways.progress import Step
from venue_gateways.reporter import Reporter
from venue_gateways.requests import Record
from venue_gateways.scheduler import Work

log = structlog.get_logger()


class Intake:
    """*spawn* runs a coroutine that nobody waits for."""

    def __init__(
        self,
        venue: str,
        dispatcher: Dispatcher,
        reporter: Reporter,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._venue = venue
        self._dispatcher = dispatcher
        self._reporter = reporter
        self._spawn = spawn

    def take(self, record: Record, holding: Holding) -> None:
        """The next record of *holding*."""
        step = holding.progress.receive(record.offset)
        if step is not Step.UNTOUCHED:
            metrics.HANDED_OVER.labels(self._venue, step.name).inc()
        if step is Step.DONE:
            holding.progress.mark(record.offset, Step.DONE)
            return
        try:
            request = codec.decode(record.value, VenueRequest)
        except codec.Undecodable as error:
            self._bury(record, holding, str(error.reason), str(error))
            return
        problem = self._problem(request, record)
        if problem is not None:
            self._bury(record, holding, "INVALID_REQUEST", problem)
            return
        work = Work(request, holding, record.offset, steady_us())
        if request.operation is Operation.PLACE and step is not Step.UNTOUCHED:
            self._dispatcher.inherit(work, step)
        else:
            self._dispatcher.offer(work)

    def _problem(self, request: VenueRequest, record: Record) -> str | None:
        """Why *request* can't be done by whoever it was sent to."""
        if request.venue != self._venue:
            return f"it is for venue {request.venue!r}"
        try:
            partition, _, _ = ids.parse_client_order_id(request.client_order_id)
        except ids.NotOurs:
            return f"client order ID {request.client_order_id!r} is not fillstream's"
        if partition != record.partition:
            return f"client order ID {request.client_order_id!r} belongs to partition {partition}"
        if request.quantity <= 0 or min(request.price or 1, request.stop_price or 1) <= 0:
            return "an amount is not positive"
        return None

    def _bury(self, record: Record, holding: Holding, reason: str, detail: str) -> None:
        letter = DeadLetter(
            source_topic=topics.venue_requests(self._venue).name,
            source_partition=record.partition,
            source_offset=record.offset,
            source_timestamp=record.timestamp,
            stage=f"gateway-{self._venue}",
            reason=reason,
            detail=detail[:1_000],
            occurred_at=wall_us(),
            key=record.key,
            value=record.value,
        )
        log.warning("dead_letter", partition=record.partition, offset=record.offset, reason=reason)
        self._spawn(self._buried(letter, holding))

    async def _buried(self, letter: DeadLetter, holding: Holding) -> None:
        await self._reporter.bury(letter)
        holding.progress.mark(letter.source_offset, Step.DONE)
