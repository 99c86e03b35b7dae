"""A venue and its gateway, chaotic yet honest: it loses, delays, repeats and reorders, but never says what is not so.

The truth is what `VenueOrder`s say: which placements arrived, what traded, what left the book. The gateway does the
requests of one client order ID in their order and answers each; answers may come late, overtake each other, and be
repeated, but are never lost for good. What the private stream says comes in any order too, or is lost until a poll
finds it. Nothing is executed more than LATE_US after it was sent, and what a look-up can't see yet is at most LAG_US
old: together less than the bound after which nothing found is believed.
"""

from collections import deque
from typing import Any, Final

import msgspec

from domain import money
from domain.decision import SECOND_US
from domain.messages import (
    Evidence,
    Operation,
    OrderType,
    ReportKind,
    Side,
    TimeInForce,
    VenueReport,
    VenueRequest,
)
from domain.reasons import Reason

LATE_US: Final = 10 * SECOND_US
LAG_US: Final = 5 * SECOND_US
LOT: Final = money.ONE // 1000
FEE_RATE: Final = money.ONE // 500
THIRD_ASSET: Final = "BNB"
OPEN: Final = "OPEN"
ENDINGS: Final = (ReportKind.CANCELED, ReportKind.EXPIRED, ReportKind.REJECTED)


class Trade(msgspec.Struct):
    trade_id: str
    quantity: int
    price: int
    fee: int
    fee_asset: str
    seen_from: int


class VenueOrder(msgspec.Struct):
    """An order that arrived, for *quantity* by now.

    *status* is OPEN, or the report of how it left the book: FILL or one of ENDINGS.
    """

    venue_order_id: str
    request: VenueRequest
    seen_from: int
    quantity: int
    status: str = OPEN
    closed_seen_from: int = 0
    trades: list[Trade] = msgspec.field(default_factory=list)

    @property
    def executed(self) -> int:
        return sum(trade.quantity for trade in self.trades)

    @property
    def leaves(self) -> int:
        return self.quantity - self.executed


class Venue:
    """Everything between the agents' requests and their reports."""

    def __init__(self) -> None:
        self.now = 0
        self.queues: dict[str, deque[VenueRequest]] = {}
        self.orders: dict[str, list[VenueOrder]] = {}
        self.in_flight: list[tuple[int, VenueRequest, int]] = []
        self.answers: dict[str, deque[VenueReport]] = {}
        self.stream: list[VenueReport] = []
        self.missed: list[VenueReport] = []
        self.told: list[VenueReport] = []
        self.negative_looks: dict[str, set[tuple[str, int]]] = {}
        self.last_sent: dict[str, int] = {}
        self._numbers = 0

    # ── the gateway ─────────────────────────────────────────────────────────────────────────────────────────────────

    def queue(self, requests: list[VenueRequest]) -> None:
        for request in requests:
            self.queues.setdefault(request.client_order_id, deque()).append(request)

    def work(self, client_order_id: str, chance: int, part: int, lag: int = 0) -> None:
        """Does the next request of *client_order_id*. *chance* says what goes wrong (0: nothing)."""
        queue = self.queues[client_order_id]
        request = queue.popleft()
        if not queue:
            del self.queues[client_order_id]
        match request.operation:
            case Operation.PLACE:
                self._place(request, chance, part, lag)
            case Operation.CANCEL:
                self._cancel(request, chance, lag)
            case Operation.AMEND:
                self._amend(request, chance, lag)
            case Operation.QUERY:
                self._query(request, chance)

    def _place(self, request: VenueRequest, chance: int, part: int, lag: int) -> None:
        if request.expires_at is not None and request.expires_at <= self.now:
            return self._answer(request, ReportKind.NOT_SENT, Evidence.GATEWAY, reason=Reason.DEADLINE_PASSED)
        queue = self.queues.get(request.client_order_id, deque())
        if chance in (1, 2) and queue and queue[0].operation is Operation.CANCEL:
            queue.popleft()
            if not queue:
                del self.queues[request.client_order_id]
            return self._answer(request, ReportKind.NOT_SENT, Evidence.GATEWAY, reason=Reason.CANCELED_BEFORE_SENDING)
        self.last_sent[request.client_order_id] = self.now
        match chance % 8:
            case 3:  # timed out, and never arrived
                self._answer(request, ReportKind.UNKNOWN)
            case 4:  # timed out, and arrives late
                self._answer(request, ReportKind.UNKNOWN)
                self.in_flight.append((self.now + lag * LATE_US // 4, request, part))
            case 5:  # arrived, and the response was lost
                self._arrive(request, part, lag)
                self._answer(request, ReportKind.UNKNOWN)
            case 6:  # refused
                self._answer(request, ReportKind.REJECTED, reason="-2010")
            case 7:  # arrived; answered by one owner of the partition, and by the next one that knows no better
                self._accepted(request, self._arrive(request, part, lag), part)
                self._answer(request, ReportKind.UNKNOWN, Evidence.GATEWAY)
            case _:
                self._accepted(request, self._arrive(request, part, lag), part)
        return None

    def _accepted(self, request: VenueRequest, order: VenueOrder, part: int) -> None:
        told = order.trades if part % 2 else []
        details = self._shown(order)
        if not order.trades:
            details["cumulative_quantity"] = None
        self._answer(request, ReportKind.ACKNOWLEDGED, **details)
        for trade in told:
            self._answer(request, ReportKind.FILL, **self._fill(order, trade))
        if order.status in ENDINGS:
            self._answer(request, ReportKind(order.status), **self._closed(order))

    def _cancel(self, request: VenueRequest, chance: int, lag: int) -> None:
        order = self._visible(request.client_order_id)
        if chance % 5 == 4:
            return self._answer(request, ReportKind.CANCEL_REJECTED, reason=Reason.OUTCOME_UNKNOWN)
        if order is None or order.status != OPEN:
            if chance % 5 == 3 and order is not None and order.status == ReportKind.CANCELED:
                return self._answer(request, ReportKind.CANCELED, **self._closed(order))
            filled = chance % 5 == 0 and order is not None and order.status == ReportKind.FILL
            reason = Reason.ORDER_FILLED if filled else Reason.ORDER_NOT_FOUND
            return self._answer(request, ReportKind.CANCEL_REJECTED, reason=reason)
        if chance % 5 == 1:
            return self._answer(request, ReportKind.CANCEL_REJECTED, reason="TRADING_HALTED")
        self.close(order, ReportKind.CANCELED, lag)
        if chance % 5 == 2:
            return self._answer(request, ReportKind.CANCEL_REJECTED, reason=Reason.OUTCOME_UNKNOWN)
        return self._answer(request, ReportKind.CANCELED, **self._closed(order))

    def _amend(self, request: VenueRequest, chance: int, lag: int) -> None:
        """Some venues are asked by a look-up after it, whose answer is part of this one's: it may show the order."""
        order = self._visible(request.client_order_id)
        if chance % 6 == 5:
            self.in_flight.append((self.now + lag * LATE_US // 4, request, 0))
        if chance % 6 in (4, 5):  # lost on the way, or late
            return self._answer(request, ReportKind.AMEND_REJECTED, reason=Reason.OUTCOME_UNKNOWN)
        if order is None or not self._reduce(order, request.quantity):
            if order is not None and chance % 2:
                self._answer(request, ReportKind.ACKNOWLEDGED, Evidence.QUERY, **self._shown(order))
            return self._answer(request, ReportKind.AMEND_REJECTED, reason="-2038")
        if chance % 6 == 2:
            return self._answer(request, ReportKind.AMEND_REJECTED, reason=Reason.OUTCOME_UNKNOWN)
        return self._answer(request, ReportKind.ACKNOWLEDGED, **self._shown(order))

    def _reduce(self, order: VenueOrder, quantity: int) -> bool:
        """Whether *order* comes down to *quantity*. A venue takes no less than what has traded."""
        possible = order.status == OPEN and order.executed < quantity < order.quantity
        if possible:
            order.quantity = quantity
        return possible

    def _query(self, request: VenueRequest, chance: int) -> None:
        if chance % 4 == 3:
            return None  # no usable answer: no report
        order = self._visible(request.client_order_id)
        if order is None:
            self.negative_looks.setdefault(request.client_order_id, set()).add((request.request_id, self.now))
            return self._answer(request, ReportKind.NOT_FOUND, Evidence.QUERY)
        closed = order.status in ENDINGS and order.closed_seen_from <= self.now
        kind, details = ReportKind(order.status) if closed else ReportKind.ACKNOWLEDGED, self._shown(order)
        if not closed and chance % 4:  # only what the look-up's trades add up to
            details["cumulative_quantity"] = None
        if chance % 2:  # the state first, its trades after it
            self._answer(request, kind, Evidence.QUERY, **details)
        for trade in order.trades:
            if trade.seen_from <= self.now:
                self._answer(request, ReportKind.FILL, Evidence.QUERY, **self._fill(order, trade))
        if not chance % 2:
            self._answer(request, kind, Evidence.QUERY, **details)
        return None

    def _visible(self, client_order_id: str) -> VenueOrder | None:
        seen = [order for order in self.orders.get(client_order_id, ()) if order.seen_from <= self.now]
        return seen[-1] if seen else None

    def _answer(
        self, request: VenueRequest, kind: ReportKind, evidence: Evidence = Evidence.RESPONSE, **details: Any
    ) -> None:
        report = VenueReport(
            request.client_order_id,
            request.venue,
            request.symbol,
            kind,
            evidence,
            self.now,
            request_id=request.request_id,
            operation=request.operation,
            requested_at=request.requested_at,
            **details,
        )
        self.answers.setdefault(request.client_order_id, deque()).append(report)

    # ── the venue ───────────────────────────────────────────────────────────────────────────────────────────────────

    def pass_time(self, now: int) -> None:
        """Moves to *now*; what was in flight arrives on the way."""
        for at, request, part in [late for late in self.in_flight if late[0] <= now]:
            self.now = max(self.now, at)
            if request.operation is Operation.PLACE:
                self._arrive(request, part, 0)
            elif request.client_order_id in self.orders:
                self._reduce(self.orders[request.client_order_id][-1], request.quantity)
        self.in_flight = [late for late in self.in_flight if late[0] > now]
        self.now = now

    def _arrive(self, request: VenueRequest, part: int, lag: int) -> VenueOrder:
        order = VenueOrder(f"V{self._number()}", request, self.now + lag * LAG_US // 4, request.quantity)
        self.orders.setdefault(request.client_order_id, []).append(order)
        all_or_nothing = request.time_in_force is TimeInForce.FOK
        if part >= 2 and not (all_or_nothing and part < 4):
            self.trade(order, 4 if all_or_nothing else part, fee=(part + lag) % 5, lag=lag)
        immediate = request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        if order.status == OPEN and (immediate or request.order_type is OrderType.MARKET):
            self.close(order, ReportKind.EXPIRED, lag)
        return order

    def trade(self, order: VenueOrder, part: int, better: int = 0, fee: int = 0, lag: int = 0) -> None:
        """Trades *part* quarters of what is left, at the limit or better."""
        quantity = order.leaves if part >= 4 else max(LOT, order.leaves * part // 4 // LOT * LOT)
        request = order.request
        buying = request.side is Side.BUY
        price = request.price or money.parse("95")
        price = price - better * price // 10 if buying else price + better * price // 10
        cost = money.multiply(price, quantity)
        base, _, quote = request.symbol.partition("-")
        received, amount = (base, quantity) if buying else (quote, cost)
        charge = {
            0: (0, quote),
            1: (amount * FEE_RATE // money.ONE, received),
            2: (cost * FEE_RATE // money.ONE, quote),
            3: (money.ONE // 100, THIRD_ASSET),
            4: (-(cost * FEE_RATE // money.ONE // 2), quote),
        }[fee]
        trade = Trade(f"T{self._number()}", quantity, price, *charge, seen_from=self.now + lag * LAG_US // 4)
        order.trades.append(trade)
        if not order.leaves:
            order.status = ReportKind.FILL
        self._stream(order, ReportKind.FILL, **self._fill(order, trade))

    def close(self, order: VenueOrder, kind: ReportKind, lag: int = 0) -> None:
        """Takes *order* off the book as one of ENDINGS; what has traded can't be rejected any more."""
        kind = ReportKind.CANCELED if kind is ReportKind.REJECTED and order.trades else kind
        order.status = kind
        order.closed_seen_from = self.now + lag * LAG_US // 4
        self._stream(order, kind, **self._closed(order))

    def _stream(self, order: VenueOrder, kind: ReportKind, **details: Any) -> None:
        request = order.request
        identity = (request.client_order_id, request.venue, request.symbol, kind, Evidence.STREAM, self.now)
        self.stream.append(VenueReport(*identity, **details))

    def _fill(self, order: VenueOrder, trade: Trade) -> dict[str, Any]:
        return {
            "venue_order_id": order.venue_order_id,
            "trade_id": trade.trade_id,
            "fill_quantity": trade.quantity,
            "fill_price": trade.price,
            "fee": trade.fee,
            "fee_asset": trade.fee_asset if trade.fee else None,
        }

    def _shown(self, order: VenueOrder) -> dict[str, Any]:
        return self._closed(order) | {"order_quantity": order.quantity}

    def _closed(self, order: VenueOrder) -> dict[str, Any]:
        return {"venue_order_id": order.venue_order_id, "cumulative_quantity": order.executed}

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    # ── the truth ───────────────────────────────────────────────────────────────────────────────────────────────────

    def open_orders(self) -> list[VenueOrder]:
        return [order for orders in self.orders.values() for order in orders if order.status == OPEN]

    def may_execute(self, client_order_id: str) -> bool:
        """Whether the client order ID is on the book, on its way, or waiting to be sent."""
        return (
            any(order.status == OPEN for order in self.orders.get(client_order_id, ()))
            or any(
                request.client_order_id == client_order_id
                for _, request, _ in self.in_flight
                if request.operation is Operation.PLACE
            )
            or any(request.operation is Operation.PLACE for request in self.queues.get(client_order_id, ()))
        )

    def executed(self, client_order_id: str) -> int:
        return sum(order.executed for order in self.orders.get(client_order_id, ()))
