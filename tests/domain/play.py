"""Users, agents, a gateway and a venue: what each may do next, and what must hold after every step and at the end.

What may be done is a method; its arguments choose by index from what there is, so that any list of steps can be played.
"""

from collections import Counter
from typing import Any, Final

import msgspec

from domain import decision, ids, ledger
from domain.commands import OneOrderCommand
from domain.decision import SECOND_US, Decision, Policy
from domain.lifecycle import TERMINAL
from domain.messages import (
    AmendOrder,
    Answer,
    CancelAllOrders,
    Command,
    EventKind,
    Evidence,
    Operation,
    OrderCommand,
    OrderStatus,
    OrderType,
    PlaceOrder,
    ReportKind,
    ResumeOrder,
    Side,
    Tick,
    TimeInForce,
    Transfer,
    TransferDirection,
    VenueReport,
    VenueRequest,
)
from domain.reasons import Reason
from domain.state import Order
from tests.builders import PARTITION, RULES, a_place, a_transfer, units
from tests.domain.venue import LOT, Venue
from tests.domain.world import Input, World

POLICY: Final = Policy(order_retention_us=60 * SECOND_US, answer_retention_us=300 * SECOND_US)
USERS: Final = ("alice", "bob")
SYMBOLS: Final = ("BTC-USD", "ETH-USD")
ASSETS: Final = ("USD", "BTC", "ETH", "BNB")
KINDS: Final[dict[str, dict[str, Any]]] = {
    "limit": {"order_type": OrderType.LIMIT},
    "post only": {"order_type": OrderType.LIMIT, "post_only": True},
    "limit IOC": {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC},
    "limit FOK": {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.FOK},
    "limit GTD": {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTD},
    "market": {"order_type": OrderType.MARKET},
    "market FOK": {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.FOK},
    "stop": {"order_type": OrderType.STOP},
    "stop limit": {"order_type": OrderType.STOP_LIMIT},
}
NEVER: Final = 1 << 62
_RESTING: Final = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
_PRICED: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)


class Play:
    """One partition's users, agents and venue."""

    def __init__(self, *, honest: bool = True) -> None:
        self.world = World(POLICY, RULES, honest=honest)
        self.venue = Venue()
        self.venue.now = self.world.now
        self.given: list[tuple[int, OrderCommand | Transfer]] = []
        self._deadlines: dict[tuple[str, str], int | None] = {}
        self._send_before: dict[str, int] = {}
        self._numbers = 0
        for user in USERS:
            for asset, amount in (("USD", "400"), ("BTC", "3"), ("ETH", "3")):
                self._give(a_transfer(transfer_id=f"{user} {asset}", user_id=user, asset=asset, amount=amount))

    # ── what users and the treasury do ──────────────────────────────────────────────────────────────────────────────

    def place(
        self, user: str, kind: str, side: Side, symbol: str, quantity: str, price: str, deadline: int | None
    ) -> None:
        terms = dict(KINDS[kind], side=side, symbol=symbol, quantity=quantity)
        if terms["order_type"] in _PRICED:
            terms["price"] = price
        elif side is Side.BUY:
            terms["max_cost"] = units(quantity) * 100
        if terms.get("time_in_force") is TimeInForce.GTD:
            terms["good_till"] = self.world.now + 20 * SECOND_US
        self._command(user, a_place(order_id=f"order {self._number()}", **terms), deadline)

    def change(
        self, asked: type[OneOrderCommand], index: int, quantity: str | None, price: str | None, deadline: int | None
    ) -> None:
        """A command to an order: young ones first, ended ones among them; a resume finds a paused one if there is."""
        orders = list(self.world.orders.values())
        if asked is ResumeOrder:
            orders = [order for order in orders if order.status is OrderStatus.PAUSED] or orders
        order = pick(orders, -1 - index)
        terms = (quantity and units(quantity), price and units(price)) if asked is AmendOrder else ()
        self._command(order.user_id, asked(order.order_id, *terms), deadline)

    def shrink(self, index: int, part: int) -> None:
        """An amendment of an order on the book to less: *part* quarters of what is left."""
        order = pick(self.resting(), -1 - index)
        left = max(LOT, decision.leaves(order) * part // 4 // LOT * LOT)
        self._command(order.user_id, AmendOrder(order.order_id, order.filled_quantity + left))

    def resting(self) -> list[Order]:
        return [order for order in self.world.orders.values() if order.status in _RESTING]

    def cancel_all(self, user: str, symbol: str | None) -> None:
        live = [
            order
            for order in self.world.orders.values()
            if order.user_id == user and order.status not in TERMINAL and symbol in (None, order.symbol)
        ]
        self._command(user, CancelAllOrders(symbol))
        assert (self.world.events[-1].affected or 0) <= len(live)

    def transfer(self, user: str, asset: str, direction: TransferDirection, amount: str) -> None:
        name = f"transfer {self._number()}"
        self._give(a_transfer(transfer_id=name, user_id=user, asset=asset, direction=direction, amount=amount))

    def repeat(self, index: int, renamed: bool) -> None:
        """Repeats a command or transfer, or an order ID: the answer is the first one's, and nothing else happens."""
        given_at, message = pick(self.given, -1 - index)
        if given_at + POLICY.answer_retention_us <= self.world.now:
            return
        first = next(event for event in self.world.events if event.answer and event.command_id == id_of(message))
        if renamed and first.kind is EventKind.ORDER_ACCEPTED:
            message = msgspec.structs.replace(message, command_id=f"command {self._number()}")
        before = outputs(self.world)
        event = self.world.take(message).events[0]
        assert (event.kind, event.answer) == (EventKind.COMMAND_REPEATED, Answer.DUPLICATE)
        assert (event.first_answer, event.first_reason) == (first.answer, first.reason)
        assert event.first_offset == first.source_offset
        assert before == outputs(self.world, leave_out=1)

    # ── what the gateway and the venue do ───────────────────────────────────────────────────────────────────────────

    def gateway_works(self, index: int, chance: int, part: int, lag: int) -> None:
        client_order_id = pick(sorted(self.venue.queues), index)
        placing = self.venue.queues[client_order_id][0].operation is Operation.PLACE
        self.venue.work(client_order_id, chance, part, lag)
        if placing and self.venue.last_sent.get(client_order_id) == self.world.now:
            assert self.world.now < self._send_before.get(client_order_id, self.world.now + 1), "sent too late"

    def venue_trades(self, index: int, part: int, better: int, fee: int, lag: int) -> None:
        self.venue.trade(pick(self.venue.open_orders(), index), part, better, fee, lag)

    def venue_closes(self, index: int, kind: ReportKind, lag: int) -> None:
        self.venue.close(pick(self.venue.open_orders(), index), kind, lag)

    def answers_come(self, index: int, count: int, first: int) -> None:
        """Some answers about one client order ID; not the oldest at first, perhaps."""
        client_order_id = pick(sorted(self.venue.answers), index)
        answers = self.venue.answers[client_order_id]
        for _ in range(min(count, len(answers))):
            answers.rotate(-first)
            self._tell(answers.popleft())
        if not answers:
            del self.venue.answers[client_order_id]

    def stream_speaks(self, index: int, lost: bool) -> None:
        report = self.venue.stream.pop(index % len(self.venue.stream))
        if lost:
            self.venue.missed.append(report)
        else:
            self._tell(report)

    def poll_closes_the_gap(self) -> None:
        self.venue.stream += [msgspec.structs.replace(report, evidence=Evidence.POLL) for report in self.venue.missed]
        self.venue.missed.clear()

    def report_is_repeated(self, index: int) -> None:
        """A report that has been told before books nothing and moves nothing; but a doubt may be raised again."""
        report = pick(self.venue.told, -1 - index)
        before, money = outputs(self.world), (dict(self.world.balances), len(self.world.entries))
        self._take(report)
        if not self.world.honest and report.kind is not ReportKind.FILL:
            return
        assert money == (self.world.balances, len(self.world.entries)), "a repeated report was booked"
        assert report.kind is ReportKind.UNKNOWN or before == outputs(self.world), "a repeated report had an effect"

    def time_passes(self, wait: int) -> None:
        self.world.now += wait
        self.venue.pass_time(self.world.now)
        self._take(Tick(self.world.now))

    def a_quiet_while_passes(self, wait: int, rounds: int) -> None:
        """Time goes by in steps; the gateway does nothing but look-ups meanwhile, and answers them."""
        for _ in range(rounds):
            self.time_passes(wait)
            for name, queue in list(self.venue.queues.items()):
                while queue and queue[0].operation is Operation.QUERY:
                    self.venue.work(name, 0, 0)
            for name in list(self.venue.answers):
                self.answers_come(sorted(self.venue.answers).index(name), 100, 0)

    # ── how it is done ──────────────────────────────────────────────────────────────────────────────────────────────

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _command(self, user: str, command: Command, deadline: int | None = None) -> None:
        expires_at = None if deadline is None else self.world.now + deadline
        before = dict(self._deadlines)
        if isinstance(command, PlaceOrder | ResumeOrder | AmendOrder):
            self._deadlines[user, command.order_id] = expires_at
        self._give(OrderCommand(f"command {self._number()}", user, self.world.now, command, expires_at))
        if self.world.events[-1].answer is Answer.REJECTED:
            self._deadlines = before
        else:
            assert deadline is None or deadline > 0, "accepted after its deadline"

    def _give(self, message: OrderCommand | Transfer) -> None:
        self.given.append((self.world.now, message))
        self._take(message)

    def _tell(self, report: VenueReport) -> None:
        self.venue.told.append(report)
        self._take(report)

    def _take(self, message: Input) -> Decision:
        decided = self.world.take(message)
        for request in decided.requests:
            if request.operation is Operation.PLACE and self.world.honest:
                self._check_placement(request)
        self.venue.queue(decided.requests)
        return decided

    # ── what must hold ──────────────────────────────────────────────────────────────────────────────────────────────

    def _check_placement(self, request: VenueRequest) -> None:
        """A client order ID is placed again only after enough looks, past the bound, found nothing; and it is true."""
        client_order_id = request.client_order_id
        sent_at = self.venue.last_sent.get(client_order_id)
        assert not self.venue.may_execute(client_order_id), "placed while the last placement may still execute"
        assert not self.venue.orders.get(client_order_id), "placed although the last placement arrived"
        if sent_at is not None:
            looks = self.venue.negative_looks.get(client_order_id, set())
            late = [at for _, at in looks if at >= sent_at + POLICY.unknown_bound_us]
            assert len(late) >= POLICY.looks_min, "placed again without a quorum past the bound"
        order = self.world.orders[ids.order_key(request.user_id, request.order_id)]
        ends = [self._deadlines.get((request.user_id, request.order_id)), order.good_till]
        self._send_before[client_order_id] = min((at for at in ends if at is not None), default=NEVER)

    def check(self) -> None:
        """What must hold after every step."""
        self.world.audit()
        self._check_venue()

    def _check_venue(self) -> None:
        for report in self.world.dead.values():
            assert ids.parse_client_order_id(report.client_order_id)[1] in self.world.forgotten, "a report was buried"
        for client_order_id, orders in self.venue.orders.items():
            assert len(orders) <= 1, f"{client_order_id} is at the venue twice"
        for order in self.world.orders.values():
            self._check_order(order)

    def _check_order(self, order: Order) -> None:
        """What has ended here has ended there, with all that it traded."""
        names = client_order_ids(order)
        executed = sum(map(self.venue.executed, names))
        assert executed <= order.quantity, "the venue traded more than was ordered"
        assert order.filled_quantity <= executed, "a fill that never was"
        if order.status in TERMINAL or order.status is OrderStatus.PAUSED:
            assert not any(map(self.venue.may_execute, names)), "an ended order may still trade"
            assert order.filled_quantity == executed, "an order ended before its fills were booked"

    def finish(self) -> None:
        """The venue heals, everything is delivered, time passes: both sides agree, to the last unit."""
        self.heal()
        self.check()
        self.world.audit_outputs()
        self._check_agreement()
        self._check_ledger()
        self._check_costs()
        self._check_replay()

    def heal(self) -> None:
        for _ in range(200):
            for client_order_id in sorted(self.venue.queues):
                while client_order_id in self.venue.queues:
                    self.venue.work(client_order_id, 0, 0)
            self.poll_closes_the_gap()
            reports = [report for answers in self.venue.answers.values() for report in answers] + self.venue.stream
            self.venue.answers.clear()
            self.venue.stream.clear()
            for report in reports:
                self._tell(report)
            live = [order for order in self.world.orders.values() if order.status not in TERMINAL]
            waiting = any(order.timer_at for order in live)
            if not waiting and not self.venue.queues and not self.venue.in_flight:
                return
            self.time_passes(2 * SECOND_US)
        raise AssertionError(f"not at rest: {self.world.orders}")

    def _check_agreement(self) -> None:
        """Every order has ended, is paused, or is open on both sides, for as much."""
        open_here = sorted(
            (decision.client_order_id(order, PARTITION), decision.leaves(order))
            for order in self.world.orders.values()
            if order.status in _RESTING
        )
        assert open_here == sorted((order.request.client_order_id, order.leaves) for order in self.venue.open_orders())
        at_rest = {*TERMINAL, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.PAUSED}
        for order in self.world.every_order().values():
            assert order.status in at_rest
            filled = order.filled_quantity == order.quantity
            assert filled == (order.status is OrderStatus.FILLED or order.reason == Reason.ORDER_FILLED)
            if order.good_till is not None and order.good_till + 60 * SECOND_US < self.world.now:
                assert order.status in TERMINAL, "good till a date that has long passed"

    def _check_ledger(self) -> None:
        """The system's accounts hold what the venue's own trades add up to, to the last unit."""
        clearing: Counter[str] = Counter()
        fees: Counter[str] = Counter()
        for order in (order for orders in self.venue.orders.values() for order in orders):
            base, _, quote = order.request.symbol.partition("-")
            sign = 1 if order.request.side is Side.BUY else -1
            for trade in order.trades:
                clearing[base] -= sign * trade.quantity
                clearing[quote] += sign * trade.quantity * trade.price // units("1")
                fees[trade.fee_asset] += trade.fee
        for asset in ASSETS:
            assert self.world.system(ledger.clearing("simulated"), asset) == clearing[asset]
            assert self.world.system(ledger.fees("simulated"), asset) == fees[asset]

    def _check_costs(self) -> None:
        """A buy with a cost limit stayed within it, fees included."""
        for order in self.world.every_order().values():
            if order.max_cost is not None:
                placed = [one for name in client_order_ids(order) for one in self.venue.orders.get(name, ())]
                trades = [trade for one in placed for trade in one.trades]
                fees = sum(trade.fee for trade in trades if trade.fee_asset == order.reserve_asset)
                assert order.filled_cost + fees <= order.max_cost, "a market buy cost more than it may"

    def _check_replay(self) -> None:
        """Reports told again change nothing; the same log gives the same tables and outputs."""
        before = outputs(self.world)
        for report in self.venue.told:
            self.world.take(report)
        assert before == outputs(self.world), "reports told again had an effect"
        again = self.world.refolded()
        assert again.tables() == self.world.tables()
        assert (again.events, again.entries, again.requests) == (
            self.world.events,
            self.world.entries,
            self.world.requests,
        )


def pick(things: list[Any], index: int) -> Any:
    return things[index % len(things)]


def id_of(message: OrderCommand | Transfer) -> str:
    return message.command_id if isinstance(message, OrderCommand) else message.transfer_id


def outputs(world: World, leave_out: int = 0) -> tuple[Any, ...]:
    """What a repeated input must not change: statuses, money, and how much has been said (*leave_out* events aside)."""
    statuses = {key: (order.status, order.reserved, order.sequence) for key, order in world.orders.items()}
    return statuses, dict(world.balances), len(world.entries), len(world.events) - leave_out


def client_order_ids(order: Order) -> list[str]:
    return [
        decision.client_order_id(msgspec.structs.replace(order, attempt=attempt), PARTITION)
        for attempt in range(1, order.attempt + 1)
    ]
