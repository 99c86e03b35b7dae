"""What Binance's API tells when asked: orders, trades, balances, limits, symbols, depth."""

from collections.abc import Iterable
from itertools import islice
from typing import Final, TypeVar

import msgspec

from venue_gateways.simulator.binance import catalog, payloads
from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.exchange import Call, Exchange
from venue_gateways.simulator.binance.parameters import Parameters
from venue_gateways.simulator.orders import Execution, Order

_Row = TypeVar("_Row")

_DAY_US: Final = 86_400_000_000


def query(exchange: Exchange, call: Call) -> payloads.Payload:
    return payloads.looked_up(exchange.look_up(call), call.unit)


def open_orders(exchange: Exchange, call: Call) -> list[payloads.Payload]:
    symbol = exchange.optional_symbol(call.parameters)
    if call.lies.no_open_orders:
        return []
    orders = exchange.venue.open_orders(call.account, symbol)
    return [payloads.looked_up(order, call.unit) for order in orders if not exchange.hidden(order, call.now)]


def all_orders(exchange: Exchange, call: Call) -> list[payloads.Payload]:
    """From an ID or an instant on the oldest first; otherwise the newest."""
    parameters = call.parameters
    from_id = parameters.optional_integer("orderId") or 0
    start, end = _interval(parameters)
    forward = parameters.has("orderId") or parameters.has("startTime")

    def wanted(order: Order) -> bool:
        fits = order.order_id >= from_id and start <= order.created_at <= end
        return fits and not exchange.hidden(order, call.now)

    orders = exchange.venue.orders(call.account, exchange.symbol(parameters), newest_first=not forward)
    return [
        payloads.looked_up(order, call.unit) for order in _page(filter(wanted, orders), parameters, forward=forward)
    ]


def my_trades(exchange: Exchange, call: Call) -> list[payloads.Payload]:
    """From an ID or an instant on, or of one order, the oldest first; otherwise the newest."""
    parameters = call.parameters
    symbol = exchange.symbol(parameters)
    from_id = parameters.optional_integer("fromId") or 0
    start, end = _interval(parameters)
    timed = parameters.has("startTime") or parameters.has("endTime")
    if timed and (parameters.has("fromId") or parameters.has("orderId")):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    forward = any(map(parameters.has, ("orderId", "fromId", "startTime")))

    def wanted(trade: Execution) -> bool:
        return start <= trade.at <= end and not exchange.hidden(trade.order, call.now)

    if parameters.has("orderId"):
        order = exchange.venue.find(call.account, symbol, parameters.integer("orderId"), None)
        trades: Iterable[Execution] = exchange.venue.trades_of(order, from_id) if order is not None else ()
    else:
        trades = exchange.venue.trades(call.account, symbol, from_id, newest_first=not forward)
    return [payloads.trade(trade, call.unit) for trade in _page(filter(wanted, trades), parameters, forward=forward)]


def _page(found: Iterable[_Row], parameters: Parameters, *, forward: bool) -> list[_Row]:
    """The first of what was *found*, up to the limit, in the order of time: *found* runs *forward*, or back."""
    page = list(islice(found, parameters.limit()))
    return page if forward else page[::-1]


def _interval(parameters: Parameters) -> tuple[int, int]:
    start = parameters.instant("startTime") if parameters.has("startTime") else 0
    end = parameters.instant("endTime") if parameters.has("endTime") else 2**63
    if start and parameters.has("endTime") and end - start > _DAY_US:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start, end


def account(exchange: Exchange, call: Call) -> payloads.Payload:
    venue = exchange.venue
    account = venue.account(call.account)
    assets = sorted({asset for i in venue.instruments.values() for asset in (i.base, i.quote)})
    if call.parameters.flag("omitZeroBalances"):
        assets = [a for a in assets if account.balance(a).free or account.balance(a).locked]
    return catalog.account_information(account, venue.fees, assets, call.unit)


def order_count(exchange: Exchange, call: Call) -> list[dict[str, str | int]]:
    meter = exchange.account_meter(call.account)
    meter.full(call.now)
    return [window.limit.payload(window.count) for window in meter.windows]


def ping(_exchange: Exchange, _call: Call) -> payloads.Payload:
    return {}


def time(_exchange: Exchange, call: Call) -> payloads.Payload:
    return {"serverTime": call.now // call.unit}


def exchange_info(exchange: Exchange, call: Call) -> payloads.Payload:
    venue = exchange.venue
    instruments = [venue.instruments[symbol] for symbol in _wanted(exchange, call.parameters)]
    return catalog.exchange_info(instruments, exchange.published, venue.rules, call.now)


def book_ticker(exchange: Exchange, call: Call) -> list[payloads.Payload] | payloads.Payload:
    tickers = [_best(exchange, symbol) for symbol in _wanted(exchange, call.parameters)]
    return tickers[0] if call.parameters.has("symbol") else tickers


def _best(exchange: Exchange, symbol: str) -> payloads.Payload:
    book = exchange.venue.books[symbol]
    (bid, bid_quantity), (ask, ask_quantity) = (next(side.levels(1), (0, 0)) for side in (book.bids, book.asks))
    return {
        "symbol": payloads.symbol_name(symbol),
        "bidPrice": payloads.amount(bid),
        "bidQty": payloads.amount(bid_quantity),
        "askPrice": payloads.amount(ask),
        "askQty": payloads.amount(ask_quantity),
    }


def _wanted(exchange: Exchange, parameters: Parameters) -> list[str]:
    """All symbols, or one, or those of a JSON array."""
    if parameters.has("symbol"):
        return [exchange.symbol(parameters)]
    if not parameters.has("symbols"):
        return list(exchange.venue.instruments)
    try:
        names = msgspec.json.decode(parameters.text("symbols"), type=list[str])
    except msgspec.MsgspecError as error:
        raise ApiError(-1100, "Illegal characters found in parameter 'symbols'.") from error
    return [exchange.symbol(Parameters({"symbol": name})) for name in names]


def depth(exchange: Exchange, call: Call) -> payloads.Payload:
    limit = min(call.parameters.integer("limit"), 5_000) if call.parameters.has("limit") else 100
    book = exchange.venue.books[exchange.symbol(call.parameters)]
    sides = {"bids": book.bids, "asks": book.asks}
    levels = {
        name: [[payloads.amount(price), payloads.amount(quantity)] for price, quantity in ladder.levels(limit)]
        for name, ladder in sides.items()
    }
    return {"lastUpdateId": book.version, **levels}


def depth_weight(parameters: Parameters) -> int:
    limit = int(parameters.values.get("limit", "100")) if parameters.values.get("limit", "100").isdigit() else 100
    return next(weight for bound, weight in ((100, 5), (500, 25), (1_000, 50), (2**63, 250)) if limit <= bound)
