"""The JSON that Binance answers with, typed as far as it is used, and what it means in the seam's words.

Amounts must be strings: a float has lost digits already, and is refused as unparsable. Unknown fields are passed over.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from domain import money
from domain.messages import Liquidity, Side
from domain.throttle import Limit, windowed
from venue_gateways.grid import Grid
from venue_gateways.venue import Balance, OrderSeen, OrderState, QuoteSeen, Rules, TradeSeen, Unparsable


class Payload(msgspec.Struct, frozen=True, rename="camel"):
    pass


class FillPayload(Payload, frozen=True):
    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class OrderPayload(Payload, frozen=True):
    """An order as placed, canceled or queried. *orig_client_order_id* is there if a cancel answers."""

    symbol: str
    order_id: int
    client_order_id: str
    executed_qty: str
    status: str
    orig_qty: str | None = None
    orig_client_order_id: str = ""
    update_time: int | None = None
    transact_time: int | None = None
    expiry_reason: str = ""
    side: Side | None = None
    fills: tuple[FillPayload, ...] = ()


class AmendedOrderPayload(Payload, frozen=True):
    symbol: str
    order_id: int
    client_order_id: str
    qty: str
    executed_qty: str
    status: str


class AmendmentPayload(Payload, frozen=True):
    """The answer to ``amend/keepPriority`` (documented: rest-api.md, Order Amend Keep Priority)."""

    transact_time: int
    amended_order: AmendedOrderPayload


class TradePayload(Payload, frozen=True):
    symbol: str
    id: int
    order_id: int
    price: str
    qty: str
    commission: str
    commission_asset: str
    time: int
    is_maker: bool
    is_buyer: bool | None = None


class BalancePayload(Payload, frozen=True):
    asset: str
    free: str
    locked: str


class AccountPayload(Payload, frozen=True):
    balances: tuple[BalancePayload, ...]


class TickerPayload(Payload, frozen=True):
    """The best prices of one symbol (documented: rest-api.md, Symbol order book ticker)."""

    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class RateLimitPayload(Payload, frozen=True):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int = 0


class FilterPayload(Payload, frozen=True):
    """Any filter (documented: filters.md); each has some of these."""

    filter_type: str
    tick_size: str = "0"
    min_price: str = "0"
    max_price: str = "0"
    step_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    min_notional: str = "0"


class SymbolPayload(Payload, frozen=True):
    symbol: str
    base_asset: str
    quote_asset: str
    status: str = ""
    filters: tuple[FilterPayload, ...] = ()


class ExchangePayload(Payload, frozen=True):
    rate_limits: tuple[RateLimitPayload, ...]
    symbols: tuple[SymbolPayload, ...]


class ClockPayload(Payload, frozen=True):
    server_time: int


class ExecutionPayload(msgspec.Struct, frozen=True):
    """``executionReport`` (documented: user-data-stream.md, Order Update)."""

    symbol: str = msgspec.field(name="s")
    client_order_id: str = msgspec.field(name="c")
    execution: str = msgspec.field(name="x")
    status: str = msgspec.field(name="X")
    order_id: int = msgspec.field(name="i")
    cumulative: str = msgspec.field(name="z")
    at_ms: int = msgspec.field(name="T")
    order_quantity: str | None = msgspec.field(name="q", default=None)
    canceled_client_order_id: str = msgspec.field(name="C", default="")
    quantity: str = msgspec.field(name="l", default="0")
    price: str = msgspec.field(name="L", default="0")
    side: Side | None = msgspec.field(name="S", default=None)
    commission: str | None = msgspec.field(name="n", default=None)
    commission_asset: str | None = msgspec.field(name="N", default=None)
    trade_id: int = msgspec.field(name="t", default=-1)
    maker: bool = msgspec.field(name="m", default=False)
    reject_reason: str = msgspec.field(name="r", default="NONE")
    expiry_reason: str = msgspec.field(name="eR", default="")


#: Documented: enums.md, Order status. PENDING_NEW belongs to order lists; PENDING_CANCEL is "currently unused".
STATES: Final[Mapping[str, OrderState]] = {
    "NEW": OrderState.OPEN,
    "PENDING_NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.OPEN,
    "PENDING_CANCEL": OrderState.OPEN,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}

_SIDES: Final[Mapping[bool | None, Side]] = {True: Side.BUY, False: Side.SELL}

#: Documented: enums.md, Symbol status. Whatever else there may be, the venue itself decides on.
_CLOSED: Final = frozenset({"HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY"})

#: Documented: enums.md, Rate limit intervals.
_INTERVALS_US: Final[Mapping[str, tuple[str, int]]] = {
    "SECOND": ("s", 1_000_000),
    "MINUTE": ("m", 60_000_000),
    "HOUR": ("h", 3_600_000_000),
    "DAY": ("d", 86_400_000_000),
}

#: The heaviest call that may have to get through while placements wait: a page of a history (documented weights).
HEAVIEST: Final = 20

SymbolName = Callable[[str], str]


def amount(text: str) -> int:
    """Units of a decimal string. Raises Unparsable, for a negative one too."""
    try:
        units = money.parse(text)
    except ValueError as error:
        raise Unparsable(str(error)) from error
    if units < 0:
        raise Unparsable(f"{text!r} is negative")
    return units


def state(status: str) -> OrderState:
    """Raises Unparsable for a status that isn't documented: it is not guessed at."""
    try:
        return STATES[status]
    except KeyError as error:
        raise Unparsable(f"unknown order status {status!r}") from error


def end_reason(status: str, expiry_reason: str) -> str | None:
    if status == "EXPIRED_IN_MATCH":
        return "SELF_TRADE_PREVENTED"
    return expiry_reason[:60] or None


def order_seen(payload: OrderPayload, name: SymbolName) -> OrderSeen:
    at_ms = payload.update_time or payload.transact_time
    return OrderSeen(
        client_order_id=payload.orig_client_order_id or payload.client_order_id,
        symbol=name(payload.symbol),
        state=state(payload.status),
        filled_quantity=amount(payload.executed_qty),
        venue_order_id=str(payload.order_id),
        reason=end_reason(payload.status, payload.expiry_reason),
        updated_at=at_ms * 1000 if at_ms else None,
        quantity=None if payload.orig_qty is None else amount(payload.orig_qty),
    )


def amended_seen(payload: AmendmentPayload, name: SymbolName) -> OrderSeen:
    order = payload.amended_order
    return OrderSeen(
        client_order_id=order.client_order_id,
        symbol=name(order.symbol),
        state=state(order.status),
        filled_quantity=amount(order.executed_qty),
        venue_order_id=str(order.order_id),
        updated_at=payload.transact_time * 1000,
        quantity=amount(order.qty),
    )


def immediate_trades(payload: OrderPayload, name: SymbolName) -> tuple[TradeSeen, ...]:
    """The fills in the answer to a placement: it took them, a maker's fill comes later."""
    return tuple(
        TradeSeen(
            trade_id=str(fill.trade_id),
            venue_order_id=str(payload.order_id),
            symbol=name(payload.symbol),
            quantity=amount(fill.qty),
            price=amount(fill.price),
            fee=_fee(fill.commission),
            fee_asset=fill.commission_asset,
            liquidity=Liquidity.TAKER,
            traded_at=(payload.transact_time or 0) * 1000,
            side=payload.side,
        )
        for fill in payload.fills
    )


def trade_seen(payload: TradePayload, name: SymbolName) -> TradeSeen:
    return TradeSeen(
        trade_id=str(payload.id),
        venue_order_id=str(payload.order_id),
        symbol=name(payload.symbol),
        quantity=amount(payload.qty),
        price=amount(payload.price),
        fee=_fee(payload.commission),
        fee_asset=payload.commission_asset,
        liquidity=Liquidity.MAKER if payload.is_maker else Liquidity.TAKER,
        traded_at=payload.time * 1000,
        side=_SIDES.get(payload.is_buyer),
    )


def balance(payload: BalancePayload) -> Balance:
    return Balance(payload.asset, free=amount(payload.free), held=amount(payload.locked))


def quotes(payload: tuple[TickerPayload, ...], name: SymbolName) -> tuple[QuoteSeen, ...]:
    """A side without orders has the price 0 (assumed)."""
    seen = (
        QuoteSeen(
            symbol=name(ticker.symbol),
            bid=amount(ticker.bid_price),
            bid_quantity=amount(ticker.bid_qty),
            ask=amount(ticker.ask_price),
            ask_quantity=amount(ticker.ask_qty),
        )
        for ticker in payload
    )
    return tuple(quote for quote in seen if quote.bid and quote.ask)


def execution_seen(payload: ExecutionPayload, name: SymbolName) -> tuple[OrderSeen, TradeSeen | None]:
    """The order behind an event of the stream, and its trade if the event is one.

    A cancel's event carries the cancel's own ID in ``c`` and the order's in ``C`` (documented).
    """
    refused = payload.reject_reason if payload.reject_reason != "NONE" else ""
    order = OrderSeen(
        client_order_id=payload.canceled_client_order_id or payload.client_order_id,
        symbol=name(payload.symbol),
        state=state(payload.status),
        filled_quantity=amount(payload.cumulative),
        venue_order_id=str(payload.order_id),
        reason=end_reason(payload.status, payload.expiry_reason or refused),
        updated_at=payload.at_ms * 1000,
        quantity=None if payload.order_quantity is None else amount(payload.order_quantity),
    )
    if payload.execution != "TRADE":
        return order, None
    trade = TradeSeen(
        trade_id=str(payload.trade_id),
        venue_order_id=str(payload.order_id),
        symbol=order.symbol,
        quantity=amount(payload.quantity),
        price=amount(payload.price),
        fee=_fee(payload.commission or "0"),
        fee_asset=payload.commission_asset or "",
        liquidity=Liquidity.MAKER if payload.maker else Liquidity.TAKER,
        traded_at=payload.at_ms * 1000,
        side=payload.side,
    )
    return order, trade


def _fee(text: str) -> int:
    """A commission may be negative: a rebate."""
    try:
        return money.parse(text)
    except ValueError as error:
        raise Unparsable(str(error)) from error


def limit_name(payload: RateLimitPayload) -> str:
    """``request_weight_1m``, ``orders_10s``, …: by type and window, as the venue's headers name them."""
    letter, _ = _interval(payload)
    return f"{payload.rate_limit_type.lower()}_{payload.interval_num}{letter}"


def rules(payload: ExchangePayload) -> Rules:
    """Limits and symbols. exchangeInfo is the authority on both (documented)."""
    symbols = {f"{symbol.base_asset}-{symbol.quote_asset}": symbol for symbol in payload.symbols}
    return Rules(
        limits=tuple(_limit(limit) for limit in payload.rate_limits),
        symbols={ours: symbol.symbol for ours, symbol in symbols.items()},
        grids={ours: _grid(symbol) for ours, symbol in symbols.items()},
    )


def _grid(payload: SymbolPayload) -> Grid:
    """The filters that can be looked at without the market. A figure of 0 disables its rule (documented)."""
    by_type = {filter_.filter_type: filter_ for filter_ in payload.filters}
    none = FilterPayload("")
    price, lot = by_type.get("PRICE_FILTER", none), by_type.get("LOT_SIZE", none)
    notional = by_type.get("NOTIONAL") or by_type.get("MIN_NOTIONAL", none)
    return Grid(
        tick_size=amount(price.tick_size),
        lot_size=amount(lot.step_size),
        price_min=amount(price.min_price),
        price_max=amount(price.max_price),
        quantity_min=amount(lot.min_qty),
        quantity_max=amount(lot.max_qty),
        notional_min=amount(notional.min_notional),
        closed=payload.status in _CLOSED,
    )


def _limit(payload: RateLimitPayload) -> Limit:
    _, unit_us = _interval(payload)
    if payload.limit < 1 or payload.interval_num < 1:
        raise Unparsable(f"limit {payload!r}")
    weighs = payload.rate_limit_type == "REQUEST_WEIGHT"
    heaviest = min(HEAVIEST if weighs else 1, max(1, payload.limit // 2))
    return windowed(
        limit_name(payload),
        payload.limit,
        payload.interval_num * unit_us,
        heaviest=heaviest,
        kept_back=payload.rate_limit_type != "ORDERS",
    )


def _interval(payload: RateLimitPayload) -> tuple[str, int]:
    try:
        return _INTERVALS_US[payload.interval]
    except KeyError as error:
        raise Unparsable(f"unknown interval {payload.interval!r}") from error
