"""The JSON that Coinbase answers with, typed as far as it is used, and what it means in the seam's words.

Amounts must be strings: a float has lost digits already, and is refused as unparsable. Unknown fields are passed over.
Field names are documented (coinbase-advanced-py, rest/types/ and websocket/types/).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from domain import money
from domain.messages import Liquidity, Side
from domain.throttle import Limit
from venue_gateways.coinbase import configurations
from venue_gateways.grid import Grid
from venue_gateways.venue import Balance, OrderSeen, OrderState, QuoteSeen, Rules, TradeSeen, Unparsable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Payload(msgspec.Struct, frozen=True):
    pass


# ── what comes ──────────────────────────────────────────────────────────────────────────────────────────────────────


class CreatedPayload(Payload, frozen=True):
    """``success_response`` of a placement."""

    order_id: str
    client_order_id: str
    product_id: str
    side: str


class PlacementPayload(Payload, frozen=True):
    """*order_configuration* is what the venue has understood, by the name of the kind of order."""

    success: bool
    success_response: CreatedPayload | None = None
    error_response: msgspec.Raw = msgspec.Raw()
    order_configuration: dict[str, dict[str, Any] | None] | None = None


class CancelPayload(Payload, frozen=True):
    order_id: str
    success: bool
    failure_reason: str | None = None


class CancelsPayload(Payload, frozen=True):
    results: tuple[CancelPayload, ...]


class EditPayload(Payload, frozen=True):
    """The answer to an edit. *errors* says something only if there was no *success*; the official client knows of an
    *error_response*, too.
    """

    success: bool
    errors: msgspec.Raw = msgspec.Raw(b"[]")
    error_response: msgspec.Raw = msgspec.Raw(b"null")


class PastEditPayload(Payload, frozen=True):
    size: str | None = None
    replace_accept_timestamp: str | None = None


class OrderPayload(Payload, frozen=True):
    """*edit_history* has the latest edits."""

    order_id: str
    client_order_id: str
    product_id: str
    status: str
    filled_size: str
    created_time: str | None = None
    last_fill_time: str | None = None
    reject_reason: str | None = None
    cancel_message: str | None = None
    order_configuration: dict[str, Any] | None = None
    edit_history: tuple[PastEditPayload, ...] | None = None


class FoundPayload(Payload, frozen=True):
    order: OrderPayload | None = None


class PagePayload(Payload, frozen=True, kw_only=True):
    has_next: bool = False
    cursor: str | None = None

    @property
    def next_cursor(self) -> str:
        """Of the page behind this one; empty if there is none."""
        return (self.cursor or "") if self.has_next else ""


class OrdersPayload(PagePayload, frozen=True, kw_only=True):
    orders: tuple[OrderPayload, ...]


class FillPayload(Payload, frozen=True):
    """*entry_id* is the row's own; *commission* is in the quote asset. *size* is too, if *size_in_quote*."""

    entry_id: str
    order_id: str
    product_id: str
    trade_time: str
    trade_type: str
    price: str
    size: str
    commission: str
    sequence_timestamp: str
    liquidity_indicator: str = ""
    size_in_quote: bool = False
    side: Side | None = None


class FillsPayload(Payload, frozen=True):
    fills: tuple[FillPayload, ...]
    cursor: str | None = None

    @property
    def next_cursor(self) -> str:
        """Of the page behind this one. There is no ``has_next``; behind an empty page there is nothing (assumed)."""
        return (self.cursor or "") if self.fills else ""


class ProductPayload(Payload, frozen=True):
    """*alias* names the product whose book this one shares."""

    product_id: str
    base_currency_id: str
    quote_currency_id: str
    base_increment: str
    price_increment: str
    base_min_size: str
    base_max_size: str
    quote_min_size: str
    alias: str | None = None
    is_disabled: bool = False
    trading_disabled: bool = False
    cancel_only: bool = False
    view_only: bool = False


class ProductsPayload(Payload, frozen=True):
    products: tuple[ProductPayload, ...]


class ClockPayload(Payload, frozen=True, rename="camel"):
    epoch_millis: str

    @property
    def milliseconds(self) -> int:
        if not self.epoch_millis.isascii() or not self.epoch_millis.isdigit() or len(self.epoch_millis) > 15:
            raise Unparsable(f"{self.epoch_millis!r} is no instant")
        return int(self.epoch_millis)


class MoneyPayload(Payload, frozen=True):
    value: str


class AccountPayload(Payload, frozen=True):
    """What there is of one asset."""

    currency: str
    available_balance: MoneyPayload
    hold: MoneyPayload


class AccountsPayload(PagePayload, frozen=True, kw_only=True):
    accounts: tuple[AccountPayload, ...]


class LevelPayload(Payload, frozen=True):
    price: str
    size: str


class BookPayload(Payload, frozen=True):
    """A side without orders is empty (assumed)."""

    product_id: str
    bids: tuple[LevelPayload, ...] = ()
    asks: tuple[LevelPayload, ...] = ()


class BooksPayload(Payload, frozen=True):
    pricebooks: tuple[BookPayload, ...]


class UpdatePayload(Payload, frozen=True):
    """An order on the user channel: its totals, never a single trade."""

    order_id: str
    client_order_id: str
    product_id: str
    status: str
    cumulative_quantity: str
    leaves_quantity: str | None = None
    cancel_reason: str | None = None
    reject_reason: str | None = None


# ── what it means ───────────────────────────────────────────────────────────────────────────────────────────────────

#: Documented statuses. One that has been taken but isn't on the book yet, or is about to leave it, can still trade.
#: FAILED is told apart by what has traded. UNKNOWN_ORDER_STATUS, the enum's zero value, says nothing, so it isn't here.
STATES: Final[Mapping[str, OrderState]] = {
    "PENDING": OrderState.OPEN,
    "QUEUED": OrderState.OPEN,
    "OPEN": OrderState.OPEN,
    "EDIT_QUEUED": OrderState.OPEN,
    "CANCEL_QUEUED": OrderState.OPEN,
    "FILLED": OrderState.FILLED,
    "CANCELLED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED,
    "FAILED": OrderState.REJECTED,
}
#: What is no trade between two parties: the venue's own corrections of its books (told). They are for the treasury.
TRADE: Final = "FILL"


def amount(text: str) -> int:
    """Units of a decimal string. Raises Unparsable, for a negative one too."""
    units = _signed(text)
    if units < 0:
        raise Unparsable(f"{text!r} is negative")
    return units


def _signed(text: str) -> int:
    try:
        return money.parse(text)
    except ValueError as error:
        raise Unparsable(str(error)) from error


def instant_us(text: str) -> int:
    """Microseconds since the epoch of an instant as RFC 3339 writes it. Raises Unparsable."""
    try:
        instant = msgspec.convert(text, datetime)
        return (instant - _EPOCH) // _MICROSECOND
    except (msgspec.ValidationError, TypeError) as error:  # TypeError: without a time zone it is no instant
        raise Unparsable(f"{text!r} is not an instant") from error


def instant_text(instant_us: int) -> str:
    """An instant as RFC 3339 writes it, in UTC."""
    return (_EPOCH + instant_us * _MICROSECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def state(status: str, filled: int) -> OrderState:
    """Raises Unparsable for a status that isn't documented: it is not guessed at."""
    try:
        found = STATES[status]
    except KeyError as error:
        raise Unparsable(f"unknown order status {status!r}") from error
    return OrderState.CANCELED if found is OrderState.REJECTED and filled else found


def order_seen(payload: OrderPayload, symbol: str) -> OrderSeen:
    """*updated_at* is None for an end that isn't dated: only creation and last fill are."""
    filled = amount(payload.filled_size)
    found = state(payload.status, filled)
    dated = payload.last_fill_time if found is OrderState.FILLED else payload.created_time
    if found not in {OrderState.OPEN, OrderState.FILLED}:
        dated = None
    return OrderSeen(
        client_order_id=payload.client_order_id,
        symbol=symbol,
        state=found,
        filled_quantity=filled,
        venue_order_id=payload.order_id,
        reason=_reason(payload.reject_reason, payload.cancel_message),
        updated_at=instant_us(dated) if dated else None,
        quantity=_quantity(payload, found, filled),
    )


def _quantity(payload: OrderPayload, found: OrderState, filled: int) -> int | None:
    """What the order is for, if all that is told of it says the same.

    Documented: the configuration has a size, and so has each of the latest edits. Not documented: whether the
    configuration follows an edit, and whether it does so before the edit is made.
    """
    told = {configurations.base_size(payload.order_configuration)}
    if payload.edit_history:
        told.add(_latest_size(payload.edit_history))
    if None in told or payload.status == "EDIT_QUEUED":
        return None
    if found is OrderState.FILLED and filled in told:
        return filled
    return told.pop() if len(told) == 1 else None


def _latest_size(edits: Sequence[PastEditPayload]) -> int | None:
    """What the latest edit made of the order. In which order they are listed isn't documented."""
    try:
        latest = max(edits, key=lambda edit: instant_us(edit.replace_accept_timestamp or ""))
    except Unparsable:
        return None
    return configurations.size(latest.size)


def update_seen(payload: UpdatePayload, symbol: str) -> OrderSeen:
    filled = amount(payload.cumulative_quantity)
    return OrderSeen(
        client_order_id=payload.client_order_id,
        symbol=symbol,
        state=state(payload.status, filled),
        filled_quantity=filled,
        venue_order_id=payload.order_id,
        reason=_reason(payload.reject_reason, payload.cancel_reason),
        quantity=_on_the_book(payload, filled),
    )


def _on_the_book(payload: UpdatePayload, filled: int) -> int | None:
    """What an order is for that is on the book: what has filled, and what is left.

    Told (NautilusTrader): of one that has left it, nothing is left, whatever it was for. Assumed: while anything about
    it is queued, what is left may be what was, or what will be.
    """
    left = configurations.size(payload.leaves_quantity) if payload.status == "OPEN" else None
    return None if left is None else filled + left


def _reason(*texts: str | None) -> str | None:
    return next((text[:60] for text in texts if text and text != "REJECT_REASON_UNSPECIFIED"), None)


def posted_us(payload: FillPayload) -> int:
    """When a fill was put into the list. Raises Unparsable."""
    return instant_us(payload.sequence_timestamp)


def trade_seen(payload: FillPayload, symbol: str, lot_size: int) -> TradeSeen:
    """A fill. *lot_size* is what quantities are multiples of."""
    price, size = amount(payload.price), amount(payload.size)
    if not price or not size:
        raise Unparsable(f"fill {payload.entry_id!r} of {payload.size} at {payload.price}")
    return TradeSeen(
        trade_id=payload.entry_id,
        venue_order_id=payload.order_id,
        symbol=symbol,
        quantity=_base(size, price, lot_size) if payload.size_in_quote else size,
        price=price,
        fee=_signed(payload.commission),  # negative: a rebate
        fee_asset=symbol.rpartition("-")[2],
        liquidity=Liquidity.MAKER if payload.liquidity_indicator == "MAKER" else Liquidity.TAKER,
        traded_at=instant_us(payload.trade_time),
        side=payload.side,
    )


def _base(cost: int, price: int, lot_size: int) -> int:
    """The quantity that cost so much: the nearest multiple of *lot_size*."""
    quantity, lot = money.divide_down(cost, price), max(lot_size, 1)
    return (2 * quantity + lot) // (2 * lot) * lot


def balance(payload: AccountPayload) -> Balance:
    return Balance(payload.currency, free=amount(payload.available_balance.value), held=amount(payload.hold.value))


def quotes(payload: BooksPayload, name: Callable[[str], str | None]) -> tuple[QuoteSeen, ...]:
    """The best prices of each book, the best of which come first (documented). Raises Unparsable."""
    seen = []
    for book in payload.pricebooks:
        symbol = name(book.product_id)
        if symbol is None:
            raise Unparsable(f"unknown product {book.product_id!r}")
        if book.bids and book.asks:
            bid, ask = book.bids[0], book.asks[0]
            seen.append(QuoteSeen(symbol, amount(bid.price), amount(bid.size), amount(ask.price), amount(ask.size)))
    return tuple(seen)


# ── products ────────────────────────────────────────────────────────────────────────────────────────────────────────


#: What closes a product to new orders (documented flags).
_CLOSED: Final = ("is_disabled", "trading_disabled", "view_only", "cancel_only")


def rules(payload: ProductsPayload, limits: tuple[Limit, ...]) -> Rules:
    """All products but aliases: what is ordered of those comes back under the other's name (told: NautilusTrader)."""
    products = {
        f"{product.base_currency_id}-{product.quote_currency_id}": product
        for product in payload.products
        if not product.alias
    }
    return Rules(
        limits=limits,
        symbols={symbol: product.product_id for symbol, product in products.items()},
        grids={symbol: _grid(product) for symbol, product in products.items()},
    )


def _grid(payload: ProductPayload) -> Grid:
    return Grid(
        tick_size=amount(payload.price_increment),
        lot_size=amount(payload.base_increment),
        quantity_min=amount(payload.base_min_size),
        quantity_max=amount(payload.base_max_size),
        notional_min=amount(payload.quote_min_size),
        closed=any(getattr(payload, flag) for flag in _CLOSED),
    )
