"""The JSON that Kraken answers with, typed as far as it is used, and what it means in the seam's words.

REST has amounts as strings (documented): a float has lost digits already, and is refused as unparsable. Times are
numbers, and the stream has every amount as a number: both are read as the decimals that they are written as. Unknown
fields are passed over.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from domain import money
from domain.messages import Liquidity, Side
from domain.throttle import Limit
from venue_gateways.grid import Grid
from venue_gateways.venue import Balance, OrderSeen, OrderState, QuoteSeen, Rules, TradeSeen, Unparsable

SymbolName = Callable[[str], str]


class Payload(msgspec.Struct, frozen=True):
    pass


class Envelope(Payload, frozen=True):
    """Every REST answer. *result* is missing if there are errors."""

    error: tuple[str, ...]
    result: msgspec.Raw = msgspec.Raw()


class PlacedPayload(Payload, frozen=True):
    txid: tuple[str, ...]


class CanceledPayload(Payload, frozen=True):
    count: int


class AmendedPayload(Payload, frozen=True):
    amend_id: str


class DescriptionPayload(Payload, frozen=True):
    pair: str


class OrderPayload(Payload, frozen=True):
    """An order, by whose ``txid`` it is listed. *trades* are there if they were asked for.

    *vol* is what the order is for, after an amendment what it is for then (assumed).
    """

    status: str
    vol_exec: str
    descr: DescriptionPayload
    opentm: Decimal
    vol: str
    oflags: str | None = None
    closetm: Decimal | None = None
    cl_ord_id: str | None = None
    reason: str | None = None
    trades: tuple[str, ...] = ()


class OpenPayload(Payload, frozen=True):
    open: dict[str, OrderPayload]


class ClosedPayload(Payload, frozen=True):
    closed: dict[str, OrderPayload]
    count: int


class TradePayload(Payload, frozen=True):
    """A trade, by whose ID it is listed."""

    ordertxid: str
    pair: str
    time: Decimal
    price: str
    vol: str
    fee: str
    maker: bool = False
    type: str = ""


class TradesPayload(Payload, frozen=True):
    trades: dict[str, TradePayload]
    count: int


class BalancePayload(Payload, frozen=True):
    """*hold_trade* is what open orders hold back of *balance*."""

    balance: str
    hold_trade: str


class TickerPayload(Payload, frozen=True):
    """The best ask and bid of a pair: price, whole lots, and lots to three decimals (documented)."""

    a: tuple[str, str, str]
    b: tuple[str, str, str]


class PairPayload(Payload, frozen=True):
    altname: str
    pair_decimals: int
    lot_decimals: int
    wsname: str | None = None
    tick_size: str | None = None
    ordermin: str = "0"
    costmin: str = "0"
    status: str = "online"


class ClockPayload(Payload, frozen=True):
    unixtime: int


class TokenPayload(Payload, frozen=True):
    token: str


#: Documented: "Get Closed Orders". An order with a trigger is pending until it is triggered.
STATES: Final[Mapping[str, OrderState]] = {
    "pending": OrderState.OPEN,
    "open": OrderState.OPEN,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
}

#: Documented: of orders and trades, in REST and on the stream.
SIDES: Final[Mapping[str, Side]] = {"buy": Side.BUY, "sell": Side.SELL}

#: The venue's own names of assets, where other venues have others.
_ASSETS: Final[Mapping[str, str]] = {"XBT": "BTC", "XDG": "DOGE"}
#: Told: the oldest assets have codes of four letters, which begin with X (currency) or Z (fiat). Others that do are
#: called what they are called.
_LEGACY_CURRENCIES: Final = frozenset(
    ("XETC", "XETH", "XLTC", "XMLN", "XREP", "XXBT", "XXDG", "XXLM", "XXMR", "XXRP", "XZEC")
)
_LEGACY_FIAT: Final = frozenset(("ZAUD", "ZCAD", "ZEUR", "ZGBP", "ZJPY", "ZUSD"))
#: Documented: statuses of a pair. In the others, some orders are taken, and the venue itself decides which.
_CLOSED: Final = frozenset({"cancel_only"})
_DECIMALS_MAX: Final = money.SCALE


def amount(text: str) -> int:
    """Units of a decimal string. Raises Unparsable, for a negative one too."""
    units = signed_amount(text)
    if units < 0:
        raise Unparsable(f"{text!r} is negative")
    return units


def signed_amount(text: str) -> int:
    """Units of a decimal string; a fee may be negative: a rebate. Raises Unparsable."""
    try:
        return money.parse(text)
    except ValueError as error:
        raise Unparsable(str(error)) from error


def instant(seconds: Decimal) -> int:
    """Microseconds since the epoch of what the venue writes as seconds with decimals. Raises Unparsable."""
    return amount(str(seconds)) * 1_000_000 // money.ONE


def state(status: str) -> OrderState:
    """Raises Unparsable for a status that isn't documented: it is not guessed at."""
    try:
        return STATES[status]
    except KeyError as error:
        raise Unparsable(f"unknown order status {status!r}") from error


def order_seen(venue_order_id: str, payload: OrderPayload, name: SymbolName) -> OrderSeen:
    """An order without a client order ID was placed by somebody else: its ID is empty here."""
    return OrderSeen(
        client_order_id=payload.cl_ord_id or "",
        symbol=name(payload.descr.pair),
        state=state(payload.status),
        filled_quantity=amount(payload.vol_exec),
        venue_order_id=venue_order_id,
        reason=(payload.reason or "")[:60] or None,
        updated_at=instant(payload.closetm or payload.opentm),
        quantity=_quantity(payload),
    )


def _quantity(payload: OrderPayload) -> int | None:
    """Documented: with the flag ``viqc``, which no order from here has, the volume is in the quote currency."""
    if "viqc" in (payload.oflags or "").split(","):
        return None
    return amount(payload.vol)


def trade_seen(trade_id: str, payload: TradePayload, name: SymbolName) -> TradeSeen:
    """A trade. Its fee is in the quote currency, because every order asks for that (``fciq``; documented)."""
    symbol = name(payload.pair)
    return TradeSeen(
        trade_id=trade_id,
        venue_order_id=payload.ordertxid,
        symbol=symbol,
        quantity=amount(payload.vol),
        price=amount(payload.price),
        fee=signed_amount(payload.fee),
        fee_asset=symbol.partition("-")[2],
        liquidity=Liquidity.MAKER if payload.maker else Liquidity.TAKER,
        traded_at=instant(payload.time),
        side=SIDES.get(payload.type),
    )


def balance(code: str, payload: BalancePayload) -> Balance:
    """What is staked, or lent, has a code of its own, with a dot in it (documented)."""
    name = code[1:] if code in _LEGACY_CURRENCIES | _LEGACY_FIAT else code
    held = amount(payload.hold_trade)
    return Balance(_ASSETS.get(name, name), free=signed_amount(payload.balance) - held, held=held)


def quotes(listed: Mapping[str, TickerPayload], names: Mapping[str, str]) -> tuple[QuoteSeen, ...]:
    """A side without orders has the price 0 (assumed). Raises Unparsable for a pair that isn't one of *names*."""
    unknown = listed.keys() - names.keys()
    if unknown:
        raise Unparsable(f"unknown pairs {', '.join(sorted(unknown))}"[:200])
    seen = (
        QuoteSeen(names[pair], amount(book.b[0]), amount(book.b[2]), amount(book.a[0]), amount(book.a[2]))
        for pair, book in listed.items()
    )
    return tuple(quote for quote in seen if quote.bid and quote.ask)


def rules(pairs: Mapping[str, PairPayload], limits: tuple[Limit, ...]) -> Rules:
    """Symbols and grids. A pair has four names: the key in this list, ``altname``, ``wsname``, and the stream's."""
    symbols: dict[str, str] = {}
    aliases: dict[str, str] = {}
    grids: dict[str, Grid] = {}
    for key, pair in pairs.items():
        base, _, quote = (pair.wsname or "").partition("/")
        if not base or not quote:
            continue
        base, quote = _ASSETS.get(base, base), _ASSETS.get(quote, quote)
        symbol = f"{base}-{quote}"
        symbols[symbol] = pair.altname
        grids[symbol] = _grid(pair)
        aliases |= dict.fromkeys((key, pair.altname, pair.wsname or "", f"{base}/{quote}"), symbol)
    return Rules(limits=limits, symbols=symbols, grids=grids, aliases=aliases)


def _grid(pair: PairPayload) -> Grid:
    if not (0 <= pair.pair_decimals <= _DECIMALS_MAX and 0 <= pair.lot_decimals <= _DECIMALS_MAX):
        raise Unparsable(f"{pair.altname} has {pair.pair_decimals} and {pair.lot_decimals} decimals")
    return Grid(
        tick_size=amount(pair.tick_size) if pair.tick_size else 10 ** (_DECIMALS_MAX - pair.pair_decimals),
        lot_size=10 ** (_DECIMALS_MAX - pair.lot_decimals),
        quantity_min=amount(pair.ordermin),
        notional_min=amount(pair.costmin),
        closed=pair.status in _CLOSED,
    )
