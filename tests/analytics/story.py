"""A seeded story of orders, fills and bookings, as the topics would tell it: consistent in itself, in any order."""

import random
import time
from typing import Any

from domain.messages import (
    Account,
    Answer,
    EntryKind,
    EventKind,
    Evidence,
    JournalEntry,
    Liquidity,
    Operation,
    OrderCommand,
    OrderEvent,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Posting,
    ReportKind,
    Side,
    VenueReport,
)
from domain.money import ONE

VENUE = "simulated"
SYMBOLS = ("BTC-USD", "ETH-USD")
CENT = ONE // 100
LOT = ONE // 1_000


class Story:
    """What happened to *orders* orders. Records are lists of messages by topic; one partition, in order."""

    def __init__(self, seed: int, orders: int) -> None:
        self._random = random.Random(seed)
        self._now_us = int(time.time() * 1_000_000) - 60_000_000
        self.commands: list[OrderCommand] = []
        self.events: list[OrderEvent] = []
        self.entries: list[JournalEntry] = []
        self.reports: list[VenueReport] = []
        for number in range(orders):
            self._order(number)

    def records(self) -> dict[str, list[Any]]:
        return {
            "order-commands": self.commands,
            "order-events": self.events,
            "ledger-entries": self.entries,
            "venue-reports": self.reports,
        }

    def _later(self) -> int:
        self._now_us += self._random.randrange(1, 5_000)
        return self._now_us

    def _order(self, number: int) -> None:
        rng = self._random
        user, order = f"user-{rng.randrange(40)}", f"order-{number}"
        symbol, side = rng.choice(SYMBOLS), rng.choice(tuple(Side))
        lots, price = rng.randrange(1, 50), rng.randrange(100, 9_000_000) * CENT
        self.commands.append(
            OrderCommand(
                f"command-{number}",
                user,
                self._later(),
                PlaceOrder(order, VENUE, symbol, side, OrderType.LIMIT, lots * LOT, price),
            )
        )
        told = _Told(self, user, order, symbol, side, lots, price)
        if rng.random() < 0.2:
            told.reject(f"command-{number}")
            return
        told.accept(f"command-{number}")
        told.reserve()
        told.open(rng)
        while told.left and rng.random() < 0.7:
            told.fill(rng)
        if told.left and rng.random() < 0.5:
            told.cancel()
        if told.status is not OrderStatus.OPEN:
            told.release()


class _Told:
    """One order of a story, while it is told."""

    def __init__(self, story: Story, user: str, order: str, symbol: str, side: Side, lots: int, price: int) -> None:
        self.story, self.user, self.order, self.symbol, self.side, self.price = story, user, order, symbol, side, price
        self.lots, self.left, self.cost, self.sequence = lots, lots, 0, 0
        self.status = OrderStatus.NEW
        self.base, _, self.quote = symbol.partition("-")
        self.asset = self.quote if side is Side.BUY else self.base
        self.reserved = lots * LOT * price // ONE if side is Side.BUY else lots * LOT
        self.client_order_id = f"client-{order}"

    def reject(self, command_id: str) -> None:
        self.story.events.append(
            OrderEvent(
                self.user,
                "order-commands",
                0,
                len(self.story.commands) - 1,
                0,
                self.story._later(),
                EventKind.COMMAND_REJECTED,
                answer=Answer.REJECTED,
                command_id=command_id,
                reason=self.story._random.choice(("INSUFFICIENT_FUNDS", "QUANTITY_OFF_LOT")),
                order_id=self.order,
            )
        )

    def accept(self, command_id: str) -> None:
        self.status = OrderStatus.PENDING_SUBMISSION
        source = ("order-commands", len(self.story.commands) - 1)
        self._tell(EventKind.ORDER_ACCEPTED, source, answer=Answer.ACCEPTED, command_id=command_id)

    def reserve(self) -> None:
        owner = f"user:{self.user}"
        self._book(
            EntryKind.RESERVE,
            self.order,
            Posting(owner, Account.AVAILABLE, self.asset, -self.reserved),
            Posting(owner, Account.RESERVED, self.asset, self.reserved),
        )

    def open(self, rng: random.Random) -> None:
        self.status = OrderStatus.OPEN
        sent = self.story._later()
        received = sent + int(rng.lognormvariate(8.5, 1))
        self._report(ReportKind.ACKNOWLEDGED, sent_at=sent, received_at=received, throttle_wait_us=rng.randrange(9_000))
        self._tell(EventKind.ORDER_OPENED, evidence=Evidence.RESPONSE)

    def fill(self, rng: random.Random) -> None:
        lots = rng.randrange(1, self.left + 1)
        quantity, trade = lots * LOT, f"trade-{self.order}-{self.left}"
        cost, fee = quantity * self.price // ONE, rng.randrange(1, 10**15)
        self.left -= lots
        self.cost += cost
        self.status = OrderStatus.PARTIALLY_FILLED if self.left else OrderStatus.FILLED
        details = {
            "trade_id": trade,
            "fill_quantity": quantity,
            "fill_price": self.price,
            "fee": fee,
            "fee_asset": self.quote,
            "liquidity": rng.choice(tuple(Liquidity)),
        }
        for _ in range(rng.choice((1, 1, 2))):  # gateways may repeat a report
            self._report(ReportKind.FILL, sent_at=1_700_000_000_000_000, received_at=1_700_000_009_000_000, **details)
        self._tell(EventKind.ORDER_FILLED, **details)
        self._settle(trade, quantity, cost, fee)

    def cancel(self) -> None:
        self.status = OrderStatus.CANCELED
        self._report(ReportKind.CANCELED, cumulative_quantity=(self.lots - self.left) * LOT)
        self._tell(EventKind.ORDER_CANCELED, reason="VENUE_REFUSED")

    def release(self) -> None:
        owner = f"user:{self.user}"
        self._book(
            EntryKind.RELEASE,
            f"end of {self.order}",
            Posting(owner, Account.RESERVED, self.asset, -self.reserved),
            Posting(owner, Account.AVAILABLE, self.asset, self.reserved),
        )

    def _settle(self, trade: str, quantity: int, cost: int, fee: int) -> None:
        user, venue, sign = f"user:{self.user}", f"clearing:{VENUE}", 1 if self.side is Side.BUY else -1
        given = cost if self.side is Side.BUY else quantity
        self.reserved -= given
        self._book(
            EntryKind.SETTLE,
            trade,
            Posting(user, Account.RESERVED, self.asset, -given),
            Posting(user, Account.AVAILABLE, self.asset, given),
            Posting(user, Account.AVAILABLE, self.base, sign * quantity),
            Posting(venue, Account.AVAILABLE, self.base, -sign * quantity),
            Posting(user, Account.AVAILABLE, self.quote, -sign * cost - fee),
            Posting(venue, Account.AVAILABLE, self.quote, sign * cost),
            Posting(f"fees:{VENUE}", Account.AVAILABLE, self.quote, fee),
        )

    def _tell(self, kind: EventKind, source: tuple[str, int] | None = None, **details: Any) -> None:
        topic, offset = source or ("venue-reports", len(self.story.reports) - 1)
        self.sequence += 1
        self.story.events.append(
            OrderEvent(
                self.user,
                topic,
                0,
                offset,
                0,
                self.story._later(),
                kind,
                order_id=self.order,
                client_order_id=self.client_order_id,
                sequence=self.sequence,
                status=self.status,
                venue=VENUE,
                symbol=self.symbol,
                side=self.side,
                order_type=OrderType.LIMIT,
                quantity=self.lots * LOT,
                price=self.price,
                filled_quantity=(self.lots - self.left) * LOT,
                leaves_quantity=self.left * LOT,
                filled_cost=self.cost,
                **details,
            )
        )

    def _book(self, kind: EntryKind, reference: str, *postings: Posting) -> None:
        self.story.entries.append(
            JournalEntry(
                self.user,
                "venue-reports",
                0,
                len(self.story.reports),
                0,
                self.story._later(),
                kind,
                reference,
                tuple(posting for posting in postings if posting.amount),
                order_id=self.order,
                venue=VENUE,
                symbol=self.symbol,
            )
        )

    def _report(self, kind: ReportKind, **details: Any) -> None:
        self.story.reports.append(
            VenueReport(
                self.client_order_id,
                VENUE,
                self.symbol,
                kind,
                Evidence.RESPONSE,
                self.story._later(),
                operation=Operation.PLACE,
                requested_at=self.story._now_us - 9_000,
                **details,
            )
        )


def traded(trade_id: str, side: Side, price: int, fee: int = 0, seconds: int = 0) -> OrderEvent:
    """A fill of one bitcoin, with a fee in bitcoins."""
    return OrderEvent(
        "ada",
        "venue-reports",
        0,
        int(trade_id),
        0,
        1_767_225_600_000_000 + seconds * 1_000_000,
        EventKind.ORDER_FILLED,
        order_id=f"order-{trade_id}",
        sequence=1,
        status=OrderStatus.FILLED,
        venue="simulated",
        symbol="BTC-USD",
        side=side,
        order_type=OrderType.LIMIT,
        trade_id=trade_id,
        fill_quantity=ONE,
        fill_price=price * ONE,
        fee=fee * ONE,
        fee_asset="BTC",
    )
