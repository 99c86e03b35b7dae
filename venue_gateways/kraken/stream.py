"""Kraken's executions channel (documented: spot-websocket-v2, "Executions"; WebSocket v2 guides).

A connection is opened with a token, which REST hands out, and lives as long as the subscription does. Messages are
numbered: one that is missing means that something was. An event names its order by the venue's ID; which of ours that
is, and of which pair, is in an order's first event alone (documented examples, and recorded), so it is remembered. Of
an order that isn't, the history has to tell. How much it is for is in its first event, and in those of its amendments
(recorded).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from domain import money
from domain.messages import Liquidity, Side
from domain.throttle import Charge
from venue_gateways.kraken import limits
from venue_gateways.kraken.payloads import SIDES, Payload, SymbolName, amount, signed_amount
from venue_gateways.memory import Memory
from venue_gateways.venue import (
    OrderSeen,
    OrderState,
    StreamEvent,
    StreamSession,
    StreamSignal,
    TradeSeen,
    Unparsable,
    decode,
)

_OTHER: Final = StreamEvent(StreamSignal.OTHER)
_DUE: Final = replace(_OTHER, trades_due=True)

#: Documented: order_status. "partially_filled" may be said of the trade that completes the order, too.
STATES: Final[Mapping[str, OrderState]] = {
    "pending_new": OrderState.OPEN,
    "new": OrderState.OPEN,
    "partially_filled": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
}
#: Documented: the exec_type of an order's first events, and of its amendments. One that the venue itself has amended
#: ("restated") is taken to be young again, too (assumed).
_OPENING: Final = frozenset({"pending_new", "new"})
_AMENDING: Final = frozenset({"amended", "restated"})


class FeePayload(Payload, frozen=True):
    asset: str
    qty: Decimal


class ExecutionPayload(Payload, frozen=True):
    """One event of one order. Which fields there are depends on the event (documented)."""

    order_id: str
    exec_type: str
    order_status: str
    timestamp: datetime
    cl_ord_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    reason: str | None = None
    exec_id: str | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    liquidity_ind: str | None = None
    fees: tuple[FeePayload, ...] = ()
    ratecount: Decimal | None = None  # assumed: named nowhere but in others' code; a counter that isn't told is no harm


class MessagePayload(Payload, frozen=True):
    """Any message: of a channel, or the answer to a request."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw()
    sequence: int | None = None
    method: str = ""
    success: bool | None = None
    error: str = ""


class _Known(Payload, frozen=True):
    """What has been said of an order on this connection."""

    client_order_id: str
    symbol: str
    side: Side | None
    filled: int


class Session(StreamSession):
    """One connection. *ages* is told when orders were opened, or amended."""

    def __init__(self, token: str, name: SymbolName, ages: limits.Ages) -> None:
        self._token = token
        self._name = name
        self._ages = ages
        self._sequence: int | None = None
        self._known: Memory[str, _Known] = Memory()

    @override
    def subscriptions(self, now_us: int) -> tuple[bytes, ...]:
        """The last fills are not asked for: after every connection, the history is read anyway."""
        parameters = {
            "channel": "executions",
            "token": self._token,
            "snap_orders": True,
            "snap_trades": False,
            "order_status": True,
            "ratecounter": True,
        }
        return (msgspec.json.encode({"method": "subscribe", "params": parameters}),)

    @override
    def events(self, message: str | bytes) -> tuple[StreamEvent, ...]:
        payload: MessagePayload = decode(message, MessagePayload)
        if payload.method == "subscribe":
            return (_answer(payload),)
        if payload.channel != "executions":
            return (_OTHER,)  # heartbeats, the system's status, pongs
        if payload.sequence is None:
            raise Unparsable("executions without a sequence number")
        last, self._sequence = self._sequence, payload.sequence
        if last is not None and payload.sequence <= last:
            self._sequence = last
            return (_OTHER,)  # once more
        if last is not None and payload.sequence > last + 1:
            return (StreamEvent(StreamSignal.GAP, detail=f"{payload.sequence} after {last}"),)
        rows: tuple[msgspec.Raw, ...] = decode(bytes(payload.data), tuple[msgspec.Raw, ...])
        return tuple(self._event(bytes(row)) for row in rows)

    def _event(self, row: bytes) -> StreamEvent:
        """What one row says."""
        try:
            payload: ExecutionPayload = decode(row, ExecutionPayload)
            known = self._recognised(payload)
            return _DUE if known is None else self._told(payload, known)
        except Unparsable as error:
            return StreamEvent(StreamSignal.UNCLEAR, detail=str(error)[:200])

    def _recognised(self, payload: ExecutionPayload) -> _Known | None:
        """Whose order it is, as it is now; None if that has not been said on this connection."""
        known = self._known.get(payload.order_id)
        client_order_id = payload.cl_ord_id or (known.client_order_id if known else None)
        symbol = self._name(payload.symbol) if payload.symbol else (known.symbol if known else None)
        if client_order_id is None or symbol is None:
            return None
        filled = known.filled if known else 0
        if payload.cum_qty is not None:
            filled = max(filled, amount(str(payload.cum_qty)))
        elif payload.exec_type == "trade" and payload.last_qty is not None:  # recorded: trades without cum_qty
            filled += amount(str(payload.last_qty))
        side = SIDES.get(payload.side or "") or (known.side if known else None)
        return _Known(client_order_id, symbol, side, filled)

    def _told(self, payload: ExecutionPayload, known: _Known) -> StreamEvent:
        try:
            state = STATES[payload.order_status]
        except KeyError:
            raise Unparsable(f"unknown order status {payload.order_status!r}") from None
        if state is not OrderState.OPEN and payload.cum_qty is None:  # what it releases must not be guessed at
            raise Unparsable(f"the end of {payload.order_id} without what was filled")
        at_us = round(payload.timestamp.timestamp() * 1_000_000)
        order = OrderSeen(
            client_order_id=known.client_order_id,
            symbol=known.symbol,
            state=state,
            filled_quantity=known.filled,
            venue_order_id=payload.order_id,
            reason=_end_reason(payload, state),
            updated_at=at_us,
            quantity=None if payload.order_qty is None else amount(str(payload.order_qty)),
        )
        trade = _trade(payload, order, known.side) if payload.exec_type == "trade" else None
        self._remember(payload, known, at_us)
        counted: tuple[Charge, ...] = ()
        if payload.ratecount is not None:
            counted = (Charge(limits.TRADING, _whole(payload.ratecount), known.symbol),)
        return StreamEvent(StreamSignal.UPDATE, order=order, trade=trade, counted=counted)

    def _remember(self, payload: ExecutionPayload, known: _Known, at_us: int) -> None:
        self._known.note(payload.order_id, known)
        if payload.exec_type in _OPENING:
            self._ages.note(known.client_order_id, at_us)
        elif payload.exec_type in _AMENDING:
            self._ages.note_amended(known.client_order_id, at_us)


def _end_reason(payload: ExecutionPayload, state: OrderState) -> str | None:
    """An amendment has a reason, too (recorded), which is none for the order."""
    return None if state is OrderState.OPEN else (payload.reason or "")[:60] or None


def _answer(payload: MessagePayload) -> StreamEvent:
    """Whatever isn't said to be a success is a failure."""
    if payload.success is True:
        return StreamEvent(StreamSignal.SUBSCRIBED)
    return StreamEvent(StreamSignal.REFUSED, detail=payload.error[:200] or "no reason given")


def _trade(payload: ExecutionPayload, order: OrderSeen, side: Side | None) -> TradeSeen:
    if payload.exec_id is None or payload.last_qty is None or payload.last_price is None or len(payload.fees) != 1:
        raise Unparsable(f"a trade of {payload.order_id} that is not whole")
    (fee,) = payload.fees
    return TradeSeen(
        trade_id=payload.exec_id,
        venue_order_id=payload.order_id,
        symbol=order.symbol,
        quantity=amount(str(payload.last_qty)),
        price=amount(str(payload.last_price)),
        fee=signed_amount(str(fee.qty)),
        fee_asset=fee.asset,
        liquidity=Liquidity.MAKER if payload.liquidity_ind == "m" else Liquidity.TAKER,
        traded_at=order.updated_at or 0,
        side=side,
    )


def _whole(count: Decimal) -> int:
    """A counter as a whole number, downwards: upwards, each order would cost the others a part of a token. The counter
    is kept below its maximum by more than that. Raises Unparsable.
    """
    return amount(str(count)) // money.ONE
