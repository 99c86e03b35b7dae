"""What is done for each request, from its first step in the log to its last.

A placement is attempted only after a commit has said so, and only while the lease holds; it is never sent twice unless
the venue has said that the first did not happen. Cancels, amendments and queries may be repeated freely.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import structlog

from domain.messages import Evidence, Operation, ReportKind, VenueReport
from domain.reasons import Reason
from venue_gateways import metrics, reports
from venue_gateways.calls import GRANT_US, Caller, Exchange, LeaseLost, TooLate
from venue_gateways.clock import steady_us, wall_us
from venue_gateways.committer import Committer
from venue_gateways.facts import Facts
from venue_gateways.guard import Guard, is_operators
from venue_gateways.progress import Step
from venue_gateways.reporter import Reporter
from venue_gateways.reports import Times
from venue_gateways.requests import CommitRefused
from venue_gateways.scheduler import Scheduler, Work
from venue_gateways.venue import Amend, Answer, Cancel, Finding, OrderState, Outcome, Place, Remedy

_SECOND_US: Final = 1_000_000
#: A commit that was refused is tried again after this long; so is a lease that has run out.
_RECOMMIT_US: Final = 100_000
_BACKOFF_US: Final = 50_000
_BACKOFF_MAX_US: Final = 5 * _SECOND_US
#: A placement whose grant has grown old waits this long for another; then it is queued again, as deadlines are minded
#: there.
_RENEWS_US: Final = _SECOND_US
#: A query that got no tokens by then is left: who asked will ask again.
_QUERY_GIVES_UP_US: Final = 10 * _SECOND_US
#: A cancel, or an amendment, waits this long for tokens before it looks up again.
_CHANGE_WAITS_US: Final = 10 * _SECOND_US
#: A venue that has only taken note of a change is looked at after these pauses, unless its stream has told before what
#: came of a cancel; then the cancel is made again.
_NOTED_LOOKS_US: Final = (100_000, 400_000, 1_500_000)
#: A change that has been retried for so long is given up.
_CHANGE_GIVES_UP_US: Final = 600 * _SECOND_US
VENUE_UNAVAILABLE: Final = "VENUE_UNAVAILABLE"

Settled: TypeAlias = Callable[[Work, Answer, Times], Awaitable[None]]

log = structlog.get_logger()


class Handling:
    """Does requests. The parts it works with are shared with the rest of the gateway."""

    def __init__(
        self,
        caller: Caller,
        scheduler: Scheduler,
        committer: Committer,
        reporter: Reporter,
        facts: Facts,
        guard: Guard,
    ) -> None:
        self._caller = caller
        self._scheduler = scheduler
        self._committer = committer
        self._reporter = reporter
        self._facts = facts
        self._guard = guard

    async def perform(self, work: Work, granted_us: int, waited_us: int) -> None:
        """Do *work*, which has begun. For a placement, tokens were taken at *granted_us* (steady clock)."""
        work.first_tried_us = work.first_tried_us or steady_us()
        request = work.request
        self._facts.hold(request.client_order_id)
        try:
            if request.operation is Operation.PLACE:
                await self._place(work, granted_us, waited_us)
            elif request.operation is Operation.CANCEL:
                await self._change(work, Cancel, self._canceled)
            elif request.operation is Operation.AMEND:
                await self._change(work, Amend, self._amended)
            else:
                await self._query(work)
        finally:
            self._facts.settle(request.client_order_id)

    # ── placements ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _place(self, work: Work, granted_us: int, waited_us: int) -> None:
        refusal = self._caller.adapter.refusal(work.request)
        if refusal is not None:
            await self._withhold(work, ReportKind.REJECTED, refusal)
        elif await self._intended(work):
            await self._send(work, granted_us, waited_us)

    async def _send(self, work: Work, granted_us: int, waited_us: int) -> None:
        call = Place(work.request)
        try:
            if steady_us() - granted_us > GRANT_US:
                waited_us += await self._caller.acquire(call, _in(_RENEWS_US))
            if not work.holding.live:
                return self._scheduler.finish(work)
            if self._is_late(work):
                return await self._tell(work, ReportKind.NOT_SENT, Reason.DEADLINE_PASSED)
            exchange = await self._caller.send(call, waited_us)
        except TooLate:
            return self._again(work, 0)
        except LeaseLost:
            log.warning("lease_lost", client_order_id=work.request.client_order_id)
            return self._again(work, _RECOMMIT_US)
        return await self._placed(work, exchange)

    async def _placed(self, work: Work, exchange: Exchange) -> None:
        answer = exchange.answer
        if answer.outcome is Outcome.RETRY_SAFE:
            self._again(work, self._pause_us(work, answer))
        elif answer.outcome is Outcome.REJECTED:
            await self._finish(work, reports.refused(work.request, answer, _times(exchange)))
        elif answer.order is not None:
            fresh = [trade for trade in answer.trades if not self._facts.is_told(trade)]
            self._facts.answered(answer.order, fresh)
            times = _times(exchange)
            await self._finish(work, reports.placed(work.request, answer.order, fresh, Evidence.RESPONSE, times))
        else:
            await self._unsure(work, exchange)

    async def _unsure(self, work: Work, exchange: Exchange) -> None:
        """The outcome is unknown, unless the stream has shown the order, or the venue says that it knows the ID."""
        request, times = work.request, _times(exchange)
        finding = Finding(usable=False)
        if exchange.answer.remedy is Remedy.LOOK_UP:
            finding = await self._look_up(work)
        held = self._facts.held(request.client_order_id)
        if finding.order is not None:
            self._facts.answered(finding.order, finding.trades)
            told = reports.placed(request, finding.order, finding.trades, Evidence.QUERY, times)
        elif held is not None:
            self._facts.answered(held, ())
            told = reports.placed(request, held, (), Evidence.STREAM, times)
        else:
            evidence = Evidence.RESPONSE if exchange.answered else Evidence.GATEWAY
            told = [reports.about(request, ReportKind.UNKNOWN, evidence, times, exchange.answer.reason)]
        await self._finish(work, told)

    async def never_sent(self, work: Work, reason: str) -> None:
        """Answer a placement that has begun but won't be sent."""
        await self._withhold(work, ReportKind.NOT_SENT, reason)

    async def _withhold(self, work: Work, kind: ReportKind, reason: str) -> None:
        """Answer a placement that won't be sent. That it won't be is committed before anybody is told."""
        work.holding.progress.mark(work.offset, Step.WITHHELD)
        while work.holding.live:
            try:
                await self._committer.secured()
            except CommitRefused:
                await asyncio.sleep(_RECOMMIT_US / _SECOND_US)
            else:
                break
        if not work.holding.live:  # lost meanwhile, with nothing left to commit: the next owner may well send it
            return self._scheduler.finish(work)
        return await self._tell(work, kind, reason)

    async def _tell(self, work: Work, kind: ReportKind, reason: str) -> None:
        """Answer *work* by what the gateway itself knows."""
        await self._finish(work, [reports.about(work.request, kind, Evidence.GATEWAY, Times(wall_us()), reason)])

    async def _intended(self, work: Work) -> bool:
        """Commit that *work* is attempted. False if that was refused, or it is no longer ours: it is not sent now."""
        before = work.holding.progress.step(work.offset) or Step.UNTOUCHED
        work.holding.progress.mark(work.offset, Step.ATTEMPTED)
        try:
            await self._committer.secured()
        except CommitRefused:
            work.holding.progress.mark(work.offset, before)
            self._scheduler.retry(work, _in(_RECOMMIT_US))
            return False
        if not work.holding.live:
            self._scheduler.finish(work)
        return work.holding.live

    def _is_late(self, work: Work) -> bool:
        expires_at = work.request.expires_at
        return expires_at is not None and wall_us() >= expires_at

    # ── cancels and amendments ─────────────────────────────────────────────────────────────────────────────────────

    async def _change(self, work: Work, kind: type[Cancel | Amend], settled: Settled) -> None:
        """Make a call of *kind*; its answer is *settled* by what takes it."""
        venue_order_id = None
        if self._caller.adapter.traits.changes_by_venue_order_id:
            venue_order_id = await self._venue_order_id(work)
            if venue_order_id is None:
                return None
        call = kind(work.request, venue_order_id)
        try:
            waited = await self._caller.acquire(call, _in(_CHANGE_WAITS_US))
        except TooLate:
            return self._again(work, 0)
        if not work.holding.live:
            return self._scheduler.finish(work)
        exchange = await self._caller.send(call, waited)
        return await settled(work, exchange.answer, _times(exchange))

    async def _canceled(self, work: Work, answer: Answer, times: Times) -> None:
        request = work.request
        if answer.outcome is Outcome.RETRY_SAFE:
            return await self._change_later(work, answer, times)
        if answer.order is not None and answer.order.state is OrderState.CANCELED:
            self._facts.answered(answer.order, ())
            return await self._finish(work, reports.canceled(request, answer.order, Evidence.RESPONSE, times))
        if answer.outcome is Outcome.REJECTED and answer.remedy is not Remedy.LOOK_UP:
            return await self._finish(work, [reports.failed(request, Evidence.RESPONSE, times, answer.reason)])
        if await self._canceled_meanwhile(work, times):
            return None
        if answer.outcome is Outcome.ACCEPTED and answer.order is None:
            return await self._canceled_soon(work, answer, times)
        finding = Finding(usable=False) if answer.outcome is Outcome.UNKNOWN else await self._look_up(work)
        return await self._unchanged(work, finding, times)  # it knows no such open order, or nobody knows what it did

    async def _amended(self, work: Work, answer: Answer, times: Times) -> None:
        request = work.request
        if answer.outcome is Outcome.RETRY_SAFE:
            return await self._change_later(work, answer, times)
        if answer.order is not None and answer.order.quantity == request.quantity:
            self._facts.answered(answer.order, ())
            return await self._finish(work, reports.placed(request, answer.order, (), Evidence.RESPONSE, times))
        if answer.outcome is Outcome.REJECTED and answer.remedy is not Remedy.LOOK_UP:
            return await self._finish(work, [reports.failed(request, Evidence.RESPONSE, times, answer.reason)])
        if await self._amended_meanwhile(work, times):
            return None
        if answer.outcome is Outcome.ACCEPTED:
            return await self._amended_soon(work, times)
        finding = Finding(usable=False) if answer.outcome is Outcome.UNKNOWN else await self._look_up(work)
        return await self._unchanged(work, finding, times, answer.reason)

    async def _amended_soon(self, work: Work, times: Times) -> None:
        """The venue has taken note of the amendment: what it shows is told once it is made, or after the last look."""
        finding = Finding(usable=False)
        for pause_us in _NOTED_LOOKS_US:
            await asyncio.sleep(pause_us / _SECOND_US)
            if await self._amended_meanwhile(work, times):
                return None
            finding = await self._look_up(work)
            order = finding.order
            if order is not None and (order.quantity == work.request.quantity or order.state is not OrderState.OPEN):
                break
        return await self._unchanged(work, finding, times)

    async def _amended_meanwhile(self, work: Work, times: Times) -> bool:
        """Whether the stream has shown the order at its new quantity; then *work* has been answered."""
        held = self._facts.held(work.request.client_order_id)
        if held is None or held.quantity != work.request.quantity:
            return False
        self._facts.answered(held, ())
        await self._finish(work, reports.placed(work.request, held, (), Evidence.STREAM, times))
        return True

    async def _venue_order_id(self, work: Work) -> str | None:
        """The venue's own ID of an order that is open, as far as is known. None: there is no such order, or nobody can
        say, and *work* has been answered, or will be tried again.
        """
        known = self._facts.known.open.get(work.request.client_order_id)
        if known is not None and known.venue_order_id is not None:
            return known.venue_order_id
        sent, began = wall_us(), steady_us()
        finding = await self._look_up(work)
        times = Times(wall_us(), sent, sent + steady_us() - began)
        if not finding.usable:
            await self._change_later(work, Answer(Outcome.RETRY_SAFE, VENUE_UNAVAILABLE), times)
        elif finding.order is None or finding.order.state is not OrderState.OPEN:
            await self._unchanged(work, finding, times)
        else:
            return finding.order.venue_order_id
        return None

    async def _canceled_soon(self, work: Work, answer: Answer, times: Times) -> None:
        """The venue has taken note of the cancel: once the order has left its book, what came of it is known."""
        for pause_us in _NOTED_LOOKS_US:
            await self._facts.end_told(work.request.client_order_id, pause_us / _SECOND_US)
            if await self._canceled_meanwhile(work, times):
                return None
            finding = await self._look_up(work)
            if finding.order is not None and finding.order.state is not OrderState.OPEN:
                return await self._unchanged(work, finding, times)
        return await self._change_later(work, answer, times)

    async def _canceled_meanwhile(self, work: Work, times: Times) -> bool:
        """Whether the stream has told that the order is canceled; then *work* has been answered."""
        held = self._facts.held(work.request.client_order_id)
        if held is None or held.state is not OrderState.CANCELED:
            return False
        self._facts.answered(held, ())
        await self._finish(work, reports.canceled(work.request, held, Evidence.STREAM, times))
        return True

    async def _unchanged(self, work: Work, finding: Finding, times: Times, refusal: str | None = None) -> None:
        self._facts.answered(finding.order, finding.trades)
        await self._finish(work, reports.unchanged(work.request, finding, times, refusal))

    async def _look_up(self, work: Work) -> Finding:
        request = work.request
        return await self._caller.look_up(request.symbol, request.client_order_id, _in(_QUERY_GIVES_UP_US))

    async def _change_later(self, work: Work, answer: Answer, times: Times) -> None:
        if steady_us() - work.first_tried_us < _CHANGE_GIVES_UP_US:
            return self._again(work, self._pause_us(work, answer))
        return await self._finish(work, [reports.failed(work.request, Evidence.GATEWAY, times, VENUE_UNAVAILABLE)])

    # ── queries ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _query(self, work: Work) -> None:
        request = work.request
        sent, began = wall_us(), steady_us()
        finding = await self._look_up(work)
        times = Times(reported_at=wall_us(), sent_at=sent, received_at=sent + steady_us() - began)
        if finding.usable and finding.order is None:
            return await self._not_found(work, times)
        if finding.order is not None:
            self._guard.found(request.client_order_id)
        self._facts.answered(finding.order, finding.trades)
        return await self._finish(work, reports.looked_up(request, finding, times))

    async def _not_found(self, work: Work, times: Times) -> None:
        """The venue knows no such order, now. That is said unless there is reason to doubt it."""
        request = work.request
        if is_operators(request):
            self._facts.known.forget(request.client_order_id)
            told = reports.given_up(request, times)
        elif await self._guard.doubts_absence(request.client_order_id):
            told = []  # who asked will ask again
        else:
            told = reports.looked_up(request, Finding(usable=True), times)
        await self._finish(work, told)

    # ── what former owners left ────────────────────────────────────────────────────────────────────────────────────

    async def inherit(self, work: Work, step: Step) -> None:
        """Answer a placement that a former owner attempted, or withheld: it is not sent.

        Why it was withheld, nobody has written down; if it has been told, that holds.
        """
        if step is not Step.WITHHELD:
            await self._tell(work, ReportKind.UNKNOWN, reports.HANDED_OVER)
        else:
            late = self._is_late(work)
            reason = Reason.DEADLINE_PASSED if late else Reason.CANCELED_BEFORE_SENDING
            await self._tell(work, ReportKind.NOT_SENT, reason)

    # ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _again(self, work: Work, pause_us: int) -> None:
        """Nothing was done, for certain: try again later."""
        work.retries += 1
        work.holding.progress.mark(work.offset, Step.UNTOUCHED)
        self._scheduler.retry(work, _in(pause_us))

    def _pause_us(self, work: Work, answer: Answer) -> int:
        if answer.remedy is Remedy.SET_CLOCK and not work.retries:
            return 0
        backoff = min(_BACKOFF_US << min(work.retries, 16), _BACKOFF_MAX_US)
        return max(answer.wait_us, random.randint(backoff // 2, backoff))  # noqa: S311  # jitter, no secret

    async def _finish(self, work: Work, told: Sequence[VenueReport]) -> None:
        """Publish the answer to *work*, then note that it is done."""
        partition = work.holding.partition
        pointless = self._made_pointless(work, told)
        for other in pointless:
            told = [*told, *_moot(other)]
        await self._reporter.publish([(partition, report) for report in told])
        for done in (work, *pointless):
            done.holding.progress.mark(done.offset, Step.DONE)
            self._scheduler.finish(done)

    def _made_pointless(self, work: Work, told: Sequence[VenueReport]) -> list[Work]:
        kinds = {report.kind for report in told}
        if work.request.operation is Operation.PLACE and kinds & {ReportKind.REJECTED, ReportKind.NOT_SENT}:
            return self._scheduler.cancels_behind(work)
        return []

    async def collapse(self, place: Work, cancel: Work) -> None:
        """Answer a placement that was canceled before it was begun; the cancel needs no answer of its own."""
        metrics.COLLAPSED.labels(self._caller.adapter.name).inc()
        await self.never_sent(place, Reason.CANCELED_BEFORE_SENDING)
        cancel.holding.progress.mark(cancel.offset, Step.DONE)


def _moot(cancel: Work) -> list[VenueReport]:
    """The answer to a cancel of an order that never was at the venue."""
    times = Times(wall_us())
    return [reports.failed(cancel.request, Evidence.GATEWAY, times, Reason.ORDER_NOT_FOUND)]


def _times(exchange: Exchange) -> Times:
    return Times(wall_us(), exchange.sent_us, exchange.received_us, exchange.waited_us)


def _in(microseconds: int) -> int:
    """That instant of the steady clock."""
    return steady_us() + microseconds
