"""A handling without sockets and Kafka, and an order that it is asked about."""

import asyncio

from domain import ids
from domain.messages import Operation, OrderType, ReportKind, Side, VenueReport, VenueRequest
from tests.venue_gateways.scripted import ScriptedTransport, make_caller
from venue_gateways.clock import steady_us
from venue_gateways.facts import Facts
from venue_gateways.guard import Bounds, Guard
from venue_gateways.handling import Handling
from venue_gateways.holding import Holding
from venue_gateways.progress import Inherited, Progress
from venue_gateways.requests import CommitRefused
from venue_gateways.scheduler import Scheduler, Stage, Work

ID = ids.client_order_id(0, ids.order_key("alice", "o"), 0)
ORDER = {"symbol": "BTCUSD", "orderId": 7, "clientOrderId": ID, "executedQty": "0", "status": "NEW", "updateTime": 1}


class Desk:
    """A handling whose commits, calls and reports are noted in one list, in the order in which they happen."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.reports: list[VenueReport] = []
        self.refuse_commits = 0
        self.transport = ScriptedTransport()
        self.caller = make_caller(self.transport)
        self.scheduler = Scheduler(lambda _: "")
        self.facts = Facts("scripted", lambda _: True, lambda told: self.reports.extend(report for _, report in told))
        self.guard = Guard(self.caller, self.facts.known, Bounds(0.2, 3))
        self.handling = Handling(self.caller, self.scheduler, self, self, self.facts, self.guard)
        self.holding = Holding(0, Progress(0, Inherited()), 0)
        self.offset = -1
        send = self.transport.send

        async def noted(request):
            self.happened.append(f"{request.method} {self.step(self.offset)}")
            return await send(request)

        self.transport.send = noted

    async def secured(self) -> None:
        """As the committer's."""
        self.happened.append(f"commit {self.step(self.offset)}")
        await asyncio.sleep(0)
        if self.refuse_commits:
            self.refuse_commits -= 1
            raise CommitRefused("no")

    async def publish(self, told) -> None:
        """As the reporter's."""
        for _, report in told:
            self.happened.append(f"report {report.kind} {self.step(self.offset)}")
            self.reports.append(report)
        await asyncio.sleep(0)

    def step(self, offset: int) -> str:
        step = self.holding.progress.step(offset)
        return "-" if step is None else step.value

    def work(self, operation: Operation = Operation.PLACE, **fields: object) -> Work:
        self.offset += 1
        made = {
            "request_id": str(self.offset),
            "client_order_id": ID,
            "user_id": "alice",
            "order_id": "o",
            "venue": "scripted",
            "symbol": "BTC-USD",
            "operation": operation,
            "sequence": self.offset,
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "quantity": 10**18,
            "price": 10**18,
            "requested_at": 0,
        }
        self.holding.progress.receive(self.offset)
        return Work(VenueRequest(**(made | fields)), self.holding, self.offset, steady_us())

    async def do(self, work: Work, granted_us: int | None = None) -> None:
        if work.stage is Stage.QUEUED:
            assert self.scheduler.offer(work) is None
            self.scheduler.begin(work)
        await self.handling.perform(work, steady_us() if granted_us is None else granted_us, 0)

    def kinds(self) -> list[tuple[ReportKind, str | None]]:
        return [(report.kind, report.reason) for report in self.reports]
