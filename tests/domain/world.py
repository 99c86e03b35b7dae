"""An agent in one place: looks up, decides, applies, as the real ones do, on plain dictionaries, and audits each step.

Every decision is made twice and must come out the same. What must hold of every single decision is asserted where it
is applied; what must hold of the whole is in `audit`.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from domain import commands, ids, ledger, money, reports, timers
from domain.decision import Cause, Decision, Policy
from domain.instruments import Rulebook
from domain.lifecycle import LIVE, TERMINAL
from domain.messages import (
    Account,
    Answer,
    CancelAllOrders,
    EntryKind,
    JournalEntry,
    OrderCommand,
    OrderEvent,
    OrderStatus,
    PlaceOrder,
    Tick,
    Transfer,
    VenueReport,
    VenueRequest,
)
from domain.state import Balance, FirstAnswer, Order
from tests.builders import NOW, PARTITION

Input = OrderCommand | Transfer | VenueReport | Tick


class World:
    """One partition: its tables, its outputs, its log of inputs, and the time."""

    def __init__(self, policy: Policy, rules: Rulebook, *, honest: bool = True) -> None:
        self.policy, self.rules, self.honest = policy, rules, honest
        self.now = NOW
        self.orders: dict[bytes, Order] = {}
        self.balances: dict[tuple[str, str], Balance] = {}
        self.answers: dict[bytes, FirstAnswer] = {}
        self.forgotten: dict[bytes, Order] = {}
        self.log: list[tuple[int, Input]] = []
        self.events: list[OrderEvent] = []
        self.entries: list[JournalEntry] = []
        self.requests: list[VenueRequest] = []
        self.outbox: list[VenueRequest] = []
        self.dead: dict[int, VenueReport] = {}

    # ── inputs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, message: Input) -> Decision:
        """Decides and applies one input record, read now."""
        self.log.append((self.now, message))
        match message:
            case OrderCommand():
                return self._command(message)
            case Transfer():
                return self._transfer(message)
            case VenueReport():
                return self._report(message)
            case Tick():
                return self._tick()

    def _command(self, command: OrderCommand) -> Decision:
        asked, user_id = command.command, command.user_id
        key = ids.command_key(user_id, command.command_id)
        first = self.answers.get(key)
        if first is None and isinstance(asked, PlaceOrder):
            first = self._first_placement(ids.order_key(user_id, asked.order_id))
        if first is not None:
            return self._decide(lambda d: commands.repeat(d, user_id, command.command_id, first))
        reason = commands.refused_outright(command, self.now)
        if reason is not None:
            decided = self._decide(lambda d: commands.refuse(d, command, reason))
        else:
            decided = self._decide(self._asked(command))
        self._remember(key, decided)
        return decided

    def _first_placement(self, key: bytes) -> FirstAnswer | None:
        order = self.orders.get(key)
        if order is not None:
            return FirstAnswer(Answer.ACCEPTED, None, order.order_id, order.accepted_offset, 0)
        return self.answers.get(key)

    def _asked(self, command: OrderCommand) -> Callable[[Decision], object]:
        asked, user_id = command.command, command.user_id
        if isinstance(asked, PlaceOrder):
            instrument = self.rules.find(asked.venue, asked.symbol)
            asset = commands.reserve_asset(asked, instrument) if instrument else ""
            return lambda d: commands.place(d, command, asked, self.available(user_id, asset))
        if isinstance(asked, CancelAllOrders):
            live = [order for order in self.orders.values() if order.user_id == user_id and order.status in LIVE]
            return lambda d: commands.cancel_all(d, command, asked, live)
        order = self.orders.get(ids.order_key(user_id, asked.order_id))
        available = self.available(user_id, order.reserve_asset) if order else 0
        return lambda d: commands.change(d, command, asked, order, available)

    def _transfer(self, transfer: Transfer) -> Decision:
        key = ids.transfer_key(transfer.user_id, transfer.transfer_id)
        first = self.answers.get(key)
        if first is not None:
            return self._decide(lambda d: commands.repeat(d, transfer.user_id, transfer.transfer_id, first))
        available = self.available(transfer.user_id, transfer.asset)
        decided = self._decide(lambda d: commands.transfer(d, transfer, available))
        self._remember(key, decided)
        return decided

    def _report(self, report: VenueReport) -> Decision:
        partition, key, attempt = ids.parse_client_order_id(report.client_order_id)
        assert partition == PARTITION
        return self._decide(lambda d: reports.interpret(d, report, attempt, self.orders.get(key)))

    def _tick(self) -> Decision:
        due = [key for key, order in self.orders.items() if timers.due(order, self.now)]
        for key in [key for key in due if timers.forgettable(self.orders[key])]:
            self.forgotten[key] = order = self.orders.pop(key)
            forget_at = self.now + self.policy.answer_retention_us
            self.answers[key] = FirstAnswer(Answer.ACCEPTED, None, order.order_id, order.accepted_offset, forget_at)
            due.remove(key)
        reminded = [self.orders[key] for key in due]
        for key in [key for key, answer in self.answers.items() if answer.forget_at <= self.now]:
            del self.answers[key]

        def remind(d: Decision) -> None:
            for order in reminded:
                timers.remind(d, order)

        return self._decide(remind)

    # ── decisions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _decide(self, decide: Callable[[Decision], object]) -> Decision:
        cause = Cause("input", PARTITION, len(self.log) - 1, self.now)
        decided, again = (Decision(cause, self.policy, self.rules) for _ in range(2))
        decide(decided)
        decide(again)
        assert contents(decided) == contents(again), "the same input on the same state was decided differently"
        self._check(decided)
        self._apply(decided)
        return decided

    def _check(self, decided: Decision) -> None:
        """What must hold of each decision, before it is applied."""
        assert [event.index for event in decided.events] == list(range(len(decided.events)))
        assert [entry.index for entry in decided.entries] == list(range(len(decided.entries)))
        for entry in decided.entries:
            assert ledger.imbalance(entry.postings) == {}
            assert all(posting.amount for posting in entry.postings), "an empty posting"
            if self.honest and entry.kind is EntryKind.SETTLE:
                self._check_paid_from_reserve(entry)
        if not self.honest:
            for message in (*decided.orders, *decided.events):
                amounts = [value for value in msgspec.structs.astuple(message) if isinstance(value, int)]
                assert all(abs(amount) <= money.AMOUNT_MAX for amount in amounts), "what can't be written"
        for order in decided.orders:
            before = self.orders.get(key_of(order))
            if before is not None and before.status is order.status is OrderStatus.UNKNOWN:
                released = [e for e in decided.entries if e.order_id == order.order_id and e.kind is EntryKind.RELEASE]
                assert not released, "a reserve was released while the outcome is unknown"

    def _check_paid_from_reserve(self, entry: JournalEntry) -> None:
        """An honest fill costs what was reserved, at most: nothing is taken from the available side."""
        order = self.orders[ids.order_key(entry.user_id, entry.order_id or "")]
        for posting in entry.postings:
            mine = posting.owner == ledger.user(entry.user_id) and posting.asset == order.reserve_asset
            assert not (mine and posting.account is Account.AVAILABLE and posting.amount < 0), (entry, order)

    def _apply(self, decided: Decision) -> None:
        for order in decided.orders:
            self.orders[key_of(order)] = order
        for entry in decided.entries:
            for posting in entry.postings:
                key = (posting.owner, posting.asset)
                row = self.balances.get(key) or Balance(posting.owner, posting.asset, 0, 0)
                self.balances[key] = ledger.apply(row, posting)
        self.events += decided.events
        self.entries += decided.entries
        self.requests += decided.requests
        self.outbox += decided.requests
        if decided.dead is not None:
            message = self.log[decided.cause.offset][1]
            assert isinstance(message, VenueReport)
            self.dead[decided.cause.offset] = message

    def _remember(self, key: bytes, decided: Decision) -> None:
        event = next(event for event in decided.events if event.answer is not None)
        forget_at = self.now + self.policy.answer_retention_us
        assert event.answer is not None
        self.answers[key] = FirstAnswer(event.answer, event.reason, event.order_id, decided.cause.offset, forget_at)

    # ── views ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def available(self, user_id: str, asset: str) -> int:
        row = self.balances.get((ledger.user(user_id), asset))
        return row.available if row else 0

    def system(self, owner: str, asset: str) -> int:
        row = self.balances.get((owner, asset))
        return row.available if row else 0

    def every_order(self) -> dict[bytes, Order]:
        """All orders there ever were, forgotten ones as they were last."""
        return self.forgotten | self.orders

    def tables(self) -> tuple[Any, ...]:
        return self.orders, self.balances, self.answers

    def refolded(self) -> "World":
        """A new world that has taken the same inputs at the same times."""
        world = World(self.policy, self.rules, honest=self.honest)
        for now, message in self.log:
            world.now = now
            world.take(message)
        return world

    # ── the whole ───────────────────────────────────────────────────────────────────────────────────────────────────

    def audit(self) -> None:
        """What must hold of the whole after every step."""
        totals: Counter[str] = Counter()
        held: Counter[tuple[str, str]] = Counter()
        for order in self.orders.values():
            held[ledger.user(order.user_id), order.reserve_asset] += order.reserved
            assert order.reserved >= 0
            assert order.status not in TERMINAL or order.reserved == 0, "an ended order holds a reserve"
        for (owner, asset), row in self.balances.items():
            totals[asset] += row.available + row.reserved
            assert row.reserved == held[owner, asset], "what is reserved is what the orders hold"
            assert row.available >= 0 or not (self.honest and owner.startswith("user:")), "money that isn't there"
        assert not any(totals.values()), "the accounts of an asset don't sum to zero"

    def audit_outputs(self) -> None:
        """What must hold of all events: sequences without gaps, and one answer to each command."""
        sequences: dict[tuple[str, str | None], int] = {}
        for event in self.events:
            if event.sequence:
                key = (event.user_id, event.order_id)
                assert event.sequence == sequences.get(key, 0) + 1, "a gap in an order's events"
                sequences[key] = event.sequence
        answers = Counter(event.source_offset for event in self.events if event.answer is not None)
        asked = [at for at, (_, message) in enumerate(self.log) if isinstance(message, OrderCommand | Transfer)]
        assert answers == Counter(asked), "not exactly one answer to each command"
        for order in self.every_order().values():
            if order.status in TERMINAL:
                assert order.evidence is not None, "an end without evidence"


def key_of(order: Order) -> bytes:
    return ids.order_key(order.user_id, order.order_id)


def contents(decided: Decision) -> tuple[Any, ...]:
    return decided.orders, decided.events, decided.entries, decided.requests, decided.dead
