"""The workers' decisions in a loop with a real gateway: commands in, and what becomes of the orders.

The agents' own functions decide, on tables of one partition, by the machine's clock, with time constants scaled down;
Kafka, gateway and venue are real.
"""

import time
from collections.abc import Callable

from msgspec.structs import replace

from domain import ids
from domain.decision import SECOND_US, Policy
from domain.messages import (
    AmendOrder,
    CancelOrder,
    Command,
    OrderCommand,
    OrderStatus,
    OrderType,
    PlaceOrder,
    ReportKind,
    Side,
    VenueReport,
)
from domain.money import parse
from domain.state import Order
from schemas import topics
from tests.agents.worker import Worker
from tests.venue_gateways.harness import Rig, now_us

#: A tenth, or less, of what a worker waits.
POLICY = Policy(
    unknown_bound_us=1_500_000,
    patience_us=1_500_000,
    patience_us_max=3_000_000,
    look_interval_us=200_000,
    look_interval_us_max=SECOND_US,
)
#: And a gateway to go with it.
HURRIED = {"hurried": True, "receive_window_ms": "1000"}
SIMULATED = "simulated"


class Loop:
    """One user's orders at the venue of *rig*."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.user = f"user-{rig.name}-{now_us()}"
        self.worker = Worker()
        self.worker.books.policy = POLICY
        self._requests = 0
        self._reports = len(rig.reports)
        self._mine: set[str] = set()
        self._reserves: dict[str, int] = {}
        self._now()
        self.worker.credit(self.user)

    # ── in ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, order_id: str, **changes: object) -> None:
        """A limit order of 0.001 BTC that rests far below the market, unless told otherwise."""
        usual = {"order_type": OrderType.LIMIT, "quantity": parse("0.001"), "price": parse("20000")}
        self.command(PlaceOrder(order_id, SIMULATED, "BTC-USD", Side.BUY, **(usual | changes)))
        self._reserves[order_id] = self.order(order_id).reserved

    def buy(self, order_id: str) -> None:
        """An order that is filled at once."""
        self.place(order_id, order_type=OrderType.MARKET, price=None, max_cost=parse("100"))

    def shrink(self, order_id: str, quantity: str) -> None:
        """An amendment that only makes the order smaller."""
        self.command(AmendOrder(order_id, parse(quantity)))

    def cancel(self, order_id: str) -> None:
        self.command(CancelOrder(order_id))

    def command(self, command: Command) -> None:
        self._now()
        command_id = f"{self.user}-{len(self.worker.events)}-{now_us()}"
        self.worker.send(topics.ORDER_COMMANDS, OrderCommand(command_id, self.user, now_us(), command))
        self._pass_on()

    # ── round and round ────────────────────────────────────────────────────────────────────────────────────────────

    def turn(self) -> None:
        """What the gateway has reported, then a tick; what that causes goes to the gateway."""
        read = self.rig.read(0.05)[self._reports :]
        self._reports += len(read)
        reports = [report for report in read if report.client_order_id in self._mine]  # not of a test before this one
        self._now()
        if reports:
            self.worker.send(topics.VENUE_REPORTS, *(replace(report, venue=SIMULATED) for report in reports))
        self.worker.tick()
        self._pass_on()
        self._check()

    def until(self, true: Callable[[], bool], within_s: float, what: str) -> None:
        give_up = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < give_up, f"in vain for {within_s} s: {what}\n{self._told()}"
            self.turn()

    def until_told(self, order_id: str, kinds: set[ReportKind], within_s: float = 60) -> None:
        """Go on until the gateway has made reports of all *kinds* about the order."""
        self.until(lambda: kinds <= {report.kind for report in self.reports(order_id)}, within_s, f"{kinds}")

    def _pass_on(self) -> None:
        fresh = self.worker.requests[self._requests :]
        self._requests += len(fresh)
        self._mine.update(request.client_order_id for request in fresh)
        self.rig.ours(self._mine)
        if fresh:
            self.rig.send(*(replace(request, venue=self.rig.name) for request in fresh))

    def _now(self) -> None:
        self.worker.now_ms = now_us() // 1_000

    def _check(self) -> None:
        """The ledger balances, nothing is a dead letter, and what is unknown keeps its reserve."""
        assert not any(self.worker.balances.totals.values())
        assert self.worker.letters == []
        for order_id, reserve in self._reserves.items():
            order = self.order(order_id)
            assert order.status is not OrderStatus.UNKNOWN or order.reserved == reserve

    # ── what has become of it ──────────────────────────────────────────────────────────────────────────────────────

    def order(self, order_id: str) -> Order:
        found = self.worker.orders.find(self.user, order_id)
        assert found is not None
        return found

    def statuses(self) -> dict[str, OrderStatus]:
        return {order_id: self.order(order_id).status for order_id in self._reserves}

    def been(self, order_id: str) -> list[OrderStatus]:
        """All statuses that the order has had."""
        return [event.status for event in self.worker.events if event.order_id == order_id]

    def reports(self, order_id: str) -> list[VenueReport]:
        key = ids.order_key(self.user, order_id)
        return [report for report in self.rig.reports if ids.parse_client_order_id(report.client_order_id)[1] == key]

    def times_placed(self, order_id: str) -> int:
        """How often the venue has accepted any attempt of the order, by its own journal."""
        key = ids.order_key(self.user, order_id)
        return sum(ids.parse_client_order_id(placed)[1] == key for placed in self.rig.placed())

    def _told(self) -> str:
        lines = [
            f"{order_id} {status}: {[(r.kind.value, r.evidence.value, r.reason) for r in self.reports(order_id)]}"
            for order_id, status in self.statuses().items()
        ]
        return "\n".join([*lines, self.rig.log()[-2000:]])
