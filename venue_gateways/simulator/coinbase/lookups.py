"""What Coinbase's API tells when asked: orders, fills, accounts, products, time."""

import base64
import binascii
from collections.abc import Callable, Iterable
from itertools import islice, takewhile
from typing import Any, Final, TypeVar

import orjson

from domain import money
from domain.instruments import Instrument
from venue_gateways.simulator.coinbase import names, payloads
from venue_gateways.simulator.coinbase.errors import invalid, not_found
from venue_gateways.simulator.coinbase.exchange import Call, Exchange, place
from venue_gateways.simulator.coinbase.parameters import Filters, moment
from venue_gateways.simulator.orders import Execution, Order
from venue_gateways.simulator.venue import Account

_Row = TypeVar("_Row")

_ORDERS: Final = 1_000
_FILLS: Final = 100
_FILLS_MAX: Final = 1_000
_ACCOUNTS: Final = 49
_ACCOUNTS_MAX: Final = 250
_LEVELS: Final = 100


def query(exchange: Exchange, call: Call) -> payloads.Payload:
    order = exchange.order(call.account, call.subject)
    if order is None or call.lies.denied or exchange.hidden(order, call.now):
        raise not_found("order with this orderID")
    return {"order": _shown(exchange, order, call.now)}


def _shown(exchange: Exchange, order: Order, now: int) -> payloads.Payload:
    trades = list(exchange.venue.trades_of(order))
    return payloads.looked_up(order, trades, exchange.edits(order), exchange.names, now)


def orders(exchange: Exchange, call: Call) -> payloads.Payload:
    """The newest first. A status is asked for by name: OPEN is neither PENDING nor QUEUED."""
    filters = Filters(call.request.query)
    ids, products, statuses = (filters.each(name) for name in ("order_ids", "product_ids", "order_status"))
    if "OPEN" in statuses and len(statuses) > 1:
        raise invalid("OPEN can't be asked for together with other statuses")  # rest/orders.py
    sides = filters.each("order_side")
    start, end = filters.instant("start_date"), filters.instant("end_date")

    def wanted(order: Order) -> bool:
        return (
            (not products or order.symbol in products)
            and (not statuses or payloads.status(order, call.now) in statuses)
            and (not sides or str(order.side) in sides)
            and (end is None or order.created_at <= end)
            and (not ids or exchange.names.order(order.order_id) in ids)
            and not exchange.hidden(order, call.now)
        )

    recent = takewhile(lambda order: start is None or order.created_at >= start, exchange.orders(call.account))
    found: Iterable[Order] = () if call.lies.no_open_orders else filter(wanted, recent)
    page, cursor = _page(found, filters, filters.count("limit", _ORDERS, _ORDERS), lambda order: (order.order_id,))
    shown = [_shown(exchange, order, call.now) for order in page]
    return {"orders": shown, "sequence": "0", "has_next": bool(cursor), "cursor": cursor}


def fills(exchange: Exchange, call: Call) -> payloads.Payload:
    """The newest first."""
    filters = Filters(call.request.query)
    ids, products, trades = (filters.each(name) for name in ("order_ids", "product_ids", "trade_ids"))
    start, end = (filters.instant(f"{name}_sequence_timestamp") for name in ("start", "end"))

    def wanted(trade: Execution) -> bool:
        return (
            (not products or trade.order.symbol in products)
            and (end is None or trade.at <= end)
            and (not ids or exchange.names.order(trade.order.order_id) in ids)
            and (not trades or names.trade_id(trade) in trades)
            and not exchange.hidden(trade.order, call.now)
        )

    recent = takewhile(lambda trade: start is None or trade.at >= start, exchange.trades(call.account))
    found = filter(wanted, recent)
    limit = filters.count("limit", _FILLS, _FILLS_MAX)
    page, cursor = _page(found, filters, limit, place)
    return {"fills": [payloads.fill(trade, exchange.names) for trade in page], "cursor": cursor}


def _page(
    rows: Iterable[_Row], filters: Filters, limit: int, place: Callable[[_Row], tuple[Any, ...]]
) -> tuple[list[_Row], str]:
    """Up to *limit* rows below the cursor, the highest *place* first, and the cursor of the page after it, if any."""
    below = _read(filters.one("cursor"))
    found = list(islice((row for row in rows if below is None or place(row) < below), limit + 1))
    page = found[:limit]
    return page, _cursor(place(page[-1])) if len(found) > limit else ""


def _cursor(place: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode()


def _read(cursor: str | None) -> tuple[Any, ...] | None:
    """The place that *cursor* is made of. Raises ApiError."""
    if not cursor:
        return None
    try:
        return tuple(orjson.loads(base64.urlsafe_b64decode(cursor)))
    except (binascii.Error, ValueError, TypeError) as error:
        raise invalid("cursor") from error


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def accounts(exchange: Exchange, call: Call) -> payloads.Payload:
    filters = Filters(call.request.query)
    account = exchange.venue.account(call.account)
    assets = _assets(exchange)
    page, cursor = _page(reversed(assets), filters, filters.count("limit", _ACCOUNTS, _ACCOUNTS_MAX), lambda a: (a,))
    shown = [_balance(account, asset, call) for asset in page]
    return {"accounts": shown, "has_next": bool(cursor), "cursor": cursor, "size": len(shown)}


def account(exchange: Exchange, call: Call) -> payloads.Payload:
    asset = next((a for a in _assets(exchange) if names.account_id(call.account, a) == call.subject), None)
    if asset is None:
        raise not_found("account")
    return {"account": _balance(exchange.venue.account(call.account), asset, call)}


def _balance(account: Account, asset: str, call: Call) -> payloads.Payload:
    return payloads.balance(account, asset, call.now)


def _assets(exchange: Exchange) -> list[str]:
    return sorted({asset for i in exchange.venue.instruments.values() for asset in (i.base, i.quote)})


def fees(exchange: Exchange, _call: Call) -> payloads.Payload:
    rates = exchange.venue.fees
    tier = {
        "pricing_tier": "Simulated",
        "taker_fee_rate": money.text(rates.taker_rate),
        "maker_fee_rate": money.text(rates.maker_rate),
    }
    return {"total_volume": 0, "total_fees": 0, "fee_tier": tier}


# ── what everybody may ask, and clients too ─────────────────────────────────────────────────────────────────────────


def time(_exchange: Exchange, call: Call) -> payloads.Payload:
    return {"iso": moment(call.now), "epochSeconds": str(call.now // 1_000_000), "epochMillis": str(call.now // 1_000)}


def products(exchange: Exchange, call: Call) -> payloads.Payload:
    wanted = Filters(call.request.query).each("product_ids")
    found = [i for i in exchange.venue.instruments.values() if not wanted or i.symbol in wanted]
    return {"products": [_product(exchange, instrument) for instrument in found], "num_products": len(found)}


def product(exchange: Exchange, call: Call) -> payloads.Payload:
    found = exchange.venue.instruments.get(call.subject)
    if found is None:
        raise not_found("product")
    return _product(exchange, found)


def _product(exchange: Exchange, rules: Instrument) -> payloads.Payload:
    book = exchange.venue.books[rules.symbol]
    return {
        "product_id": rules.symbol,
        "price": money.text(book.last_price or 0),
        "base_increment": money.text(rules.lot_size),
        "quote_increment": money.text(rules.tick_size),
        "price_increment": money.text(rules.tick_size),
        "quote_min_size": money.text(rules.notional_min),
        "quote_max_size": money.text(money.multiply(rules.price_max, rules.quantity_max)),
        "base_min_size": money.text(rules.quantity_min),
        "base_max_size": money.text(rules.quantity_max),
        "base_name": rules.base,
        "quote_name": rules.quote,
        "status": "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": False,
        "auction_mode": False,
        "is_disabled": False,
        "view_only": False,
        "product_type": "SPOT",
        "base_currency_id": rules.base,
        "quote_currency_id": rules.quote,
        "alias": "",
        "alias_to": [],
        "base_display_symbol": rules.base,
        "quote_display_symbol": rules.quote,
    }


def best_bid_ask(exchange: Exchange, call: Call) -> payloads.Payload:
    """Of all products, or of those that are named."""
    wanted = Filters(call.request.query).each("product_ids") or exchange.venue.books.keys()
    return {"pricebooks": [_pricebook(exchange, symbol, 1, call.now) for symbol in sorted(wanted)]}


def product_book(exchange: Exchange, call: Call) -> payloads.Payload:
    filters = Filters(call.request.query)
    count = filters.count("limit", _LEVELS, _LEVELS)
    return {"pricebook": _pricebook(exchange, filters.one("product_id") or "", count, call.now)}


def _pricebook(exchange: Exchange, symbol: str, count: int, now: int) -> payloads.Payload:
    book = exchange.venue.books.get(symbol)
    if book is None:
        raise not_found("product")
    sides = {"bids": book.bids, "asks": book.asks}
    levels = {
        name: [{"price": money.text(price), "size": money.text(size)} for price, size in ladder.levels(count)]
        for name, ladder in sides.items()
    }
    return {"product_id": symbol, **levels, "time": moment(now)}
