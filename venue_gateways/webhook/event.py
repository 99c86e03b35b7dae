"""What a pushed event says: an order's state, and trades behind it, in the seam's own values.

Its JSON is defined in docs/webhook.md. Whatever is not as it says is refused as a whole: a field that is misspelt must
not cost a fill, and half an event must not be booked.
"""

from typing import Annotated, Final, TypeAlias

import msgspec

from domain import money
from domain.messages import Liquidity, Side
from venue_gateways.venue import OrderSeen, OrderState, TradeSeen, Unparsable, Value, decode
from venue_gateways.webhook.signature import WINDOW_US

TRADES_MAX: Final = 500

_Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,128}\Z")]
#: Ours, base and quote: a venue's own spelling would pass for another market.
_Symbol: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.]{1,32}-[A-Za-z0-9.]{1,32}\Z")]
_Text: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{1,256}\Z")]
_Instant: TypeAlias = Annotated[int, msgspec.Meta(gt=0)]


class _Trade(Value, frozen=True, forbid_unknown_fields=True):
    trade_id: _Name
    quantity: str
    price: str
    fee: str
    fee_asset: _Name
    liquidity: Liquidity
    traded_at: _Instant
    side: Side | None = None


class _Body(Value, frozen=True, forbid_unknown_fields=True):
    event_id: _Name
    venue: _Name
    symbol: _Symbol
    client_order_id: _Name
    venue_order_id: _Name
    state: OrderState
    filled_quantity: str
    trades: Annotated[tuple[_Trade, ...], msgspec.Meta(max_length=TRADES_MAX)]
    reason: _Text | None = None
    updated_at: _Instant | None = None


class Event(Value, frozen=True):
    """One push. *event_id* is the sender's own, the same whenever it is sent again."""

    event_id: str
    order: OrderSeen
    trades: tuple[TradeSeen, ...]


def parse(body: bytes, venue: str, now_us: int) -> Event:
    """The event in *body*, for the gateway of *venue*. Raises Unparsable."""
    told: _Body = decode(body, _Body)
    if told.venue != venue:
        raise Unparsable(f"it is for {told.venue}: this is the gateway of {venue}")
    latest_us = now_us + WINDOW_US
    if any(at > latest_us for at in (told.updated_at or 0, *(trade.traded_at for trade in told.trades))):
        raise Unparsable("an instant lies ahead: they are microseconds since the epoch")
    order = OrderSeen(
        client_order_id=told.client_order_id,
        symbol=told.symbol,
        state=told.state,
        filled_quantity=_amount("filled_quantity", told.filled_quantity, least=0),
        venue_order_id=told.venue_order_id,
        reason=told.reason,
        updated_at=told.updated_at,
    )
    trades = tuple(_trade(told, trade) for trade in told.trades)
    _agree(order, trades)
    return Event(told.event_id, order, trades)


def _trade(told: _Body, trade: _Trade) -> TradeSeen:
    return TradeSeen(
        trade_id=trade.trade_id,
        venue_order_id=told.venue_order_id,
        symbol=told.symbol,
        quantity=_amount("quantity", trade.quantity, least=1),
        price=_amount("price", trade.price, least=1),
        fee=_amount("fee", trade.fee, least=-money.AMOUNT_MAX),  # a rebate is less than nothing
        fee_asset=trade.fee_asset,
        liquidity=trade.liquidity,
        traded_at=trade.traded_at,
        side=trade.side,
    )


def _amount(name: str, text: str, *, least: int) -> int:
    try:
        units = money.parse(text)
    except ValueError as error:
        raise Unparsable(f"{name}: {error}") from None
    if not least <= units <= money.AMOUNT_MAX:
        raise Unparsable(f"{name}: {text!r} is out of range")
    return units


def _agree(order: OrderSeen, trades: tuple[TradeSeen, ...]) -> None:
    """Raises Unparsable if the event contradicts itself: then nobody knows which half is true."""
    if len({trade.trade_id for trade in trades}) < len(trades):
        raise Unparsable("it has a trade twice")
    if sum(trade.quantity for trade in trades) > order.filled_quantity:
        raise Unparsable("its trades come to more than filled_quantity")
    if order.state is OrderState.FILLED and not order.filled_quantity:
        raise Unparsable("it is FILLED with nothing")
