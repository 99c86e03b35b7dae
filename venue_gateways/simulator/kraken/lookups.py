"""What Kraken's API tells when asked: orders, trades, balances, pairs, time."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Final, TypeVar

from domain import money
from venue_gateways.simulator.kraken import errors, names, payloads
from venue_gateways.simulator.kraken.errors import ApiError, invalid
from venue_gateways.simulator.kraken.exchange import TOKEN_LIFETIME_S, Call, Exchange
from venue_gateways.simulator.kraken.names import Pair
from venue_gateways.simulator.orders import Execution, Order

_Row = TypeVar("_Row")

PAGE: Final = 50
_QUERIED_MAX: Final = 50
_LEVELS_MAX: Final = 500
_NEVER: Final = 1 << 63


def open_orders(exchange: Exchange, call: Call) -> payloads.Payload:
    orders = exchange.open_orders(call.account, call.parameters)
    if call.lies.no_open_orders or call.lies.denied:
        orders = []
    return {"open": _shown(exchange, call, (order for order in orders if not exchange.hidden(order, call.now)))}


def closed_orders(exchange: Exchange, call: Call) -> payloads.Payload:
    """By when they ended or began (``closetime``), the newest first, in pages."""
    when = _closing(call.parameters.text("closetime") or "both")
    start, end = _interval(exchange, call)

    def wanted(order: Order) -> bool:
        in_time = any(start < at <= end for at in when(order))
        return in_time and not exchange.hidden(order, call.now)

    ended = takewhile(lambda order: order.updated_at > start, exchange.ended_orders(call.account, call.parameters))
    orders = [] if call.lies.denied else list(filter(wanted, ended))
    return {"closed": _shown(exchange, call, _page(orders, call)), "count": len(orders)}


def _closing(which: str) -> Callable[[Order], tuple[int, ...]]:
    ways: dict[str, Callable[[Order], tuple[int, ...]]] = {
        "both": lambda order: (order.created_at, order.updated_at),
        "open": lambda order: (order.created_at,),
        "close": lambda order: (order.updated_at,),
    }
    if which not in ways:
        raise invalid("closetime")
    return ways[which]


def query_orders(exchange: Exchange, call: Call) -> payloads.Payload:
    wanted = (call.parameters.text("txid") or "").split(",")
    if not wanted[0] or len(wanted) > _QUERIED_MAX:
        raise invalid("txid")
    found = [exchange.order(call.account, name) for name in wanted]
    orders = [order for order in found if order is not None and not exchange.hidden(order, call.now)]
    if call.lies.denied or len(orders) != len(wanted):
        raise ApiError(errors.INVALID_ORDER)  # assumed
    return _shown(exchange, call, orders)


def _shown(exchange: Exchange, call: Call, orders: Iterable[Order]) -> payloads.Payload:
    with_trades = call.parameters.flag("trades")
    return {
        exchange.names.order(order.order_id): payloads.looked_up(
            order,
            exchange.pairs[order.symbol],
            exchange.names,
            list(exchange.venue.trades_of(order)),
            with_trades=with_trades,
        )
        for order in orders
    }


def trades_history(exchange: Exchange, call: Call) -> payloads.Payload:
    """The newest first, in pages, after *start* and up to *end*."""
    start, end = _interval(exchange, call)
    recent = takewhile(lambda trade: trade.at > start, exchange.trades(call.account))
    trades = [trade for trade in recent if trade.at <= end and not exchange.hidden(trade.order, call.now)]
    return {"trades": _trades(exchange, _page(trades, call)), "count": len(trades)}


def query_trades(exchange: Exchange, call: Call) -> payloads.Payload:
    wanted = (call.parameters.text("txid") or "").split(",")
    if not wanted[0] or len(wanted) > _QUERIED_MAX:
        raise invalid("txid")
    known = {exchange.names.trade(trade): trade for trade in exchange.trades(call.account)}
    if not known.keys() >= set(wanted):
        raise ApiError("EQuery:Unknown trade")  # assumed
    return _trades(exchange, (known[name] for name in wanted))


def _trades(exchange: Exchange, trades: Iterable[Execution]) -> payloads.Payload:
    return {
        exchange.names.trade(trade): payloads.trade(trade, exchange.pairs[trade.order.symbol], exchange.names)
        for trade in trades
    }


def _page(rows: list[_Row], call: Call) -> Iterator[_Row]:
    offset = call.parameters.integer("ofs")
    return islice(rows, offset, offset + PAGE)


def _interval(exchange: Exchange, call: Call) -> tuple[int, int]:
    """After which instant, and up to which; in µs."""
    return _instant(exchange, call, "start", -1), _instant(exchange, call, "end", _NEVER)


def _instant(exchange: Exchange, call: Call, name: str, default: int) -> int:
    """µs, from a Unix time or the ID of an order or a trade."""
    value = call.parameters.text(name)
    if value is None:
        return default
    try:
        return money.parse(value) // 10**12
    except ValueError:
        order = exchange.order(call.account, value)
        trades = exchange.trades(call.account)
        found = order.created_at if order else next((t.at for t in trades if exchange.names.trade(t) == value), None)
        if found is None:
            raise invalid(name) from None
        return found


def balance(exchange: Exchange, call: Call) -> payloads.Payload:
    """All that there is of each asset, whether orders hold it or not."""
    account = exchange.venue.account(call.account)
    totals = ((asset, account.balance(asset)) for asset in _assets(exchange))
    return {names.asset(asset): payloads.amount(found.free + found.locked, 8) for asset, found in totals}


def balance_extended(exchange: Exchange, call: Call) -> payloads.Payload:
    account = exchange.venue.account(call.account)
    return {
        names.asset(asset): {
            "balance": payloads.amount(found.free + found.locked, 8),
            "hold_trade": payloads.amount(found.locked, 8),
        }
        for asset in _assets(exchange)
        for found in [account.balance(asset)]
    }


def _assets(exchange: Exchange) -> list[str]:
    return sorted({asset for i in exchange.venue.instruments.values() for asset in (i.base, i.quote)})


def token(exchange: Exchange, call: Call) -> payloads.Payload:
    return {"token": exchange.new_token(call.account, call.now), "expires": TOKEN_LIFETIME_S}


# ── what everybody may ask ──────────────────────────────────────────────────────────────────────────────────────────


def time(_exchange: Exchange, call: Call) -> payloads.Payload:
    moment = datetime.fromtimestamp(call.now // 1_000_000, UTC)
    return {"unixtime": call.now // 1_000_000, "rfc1123": moment.strftime("%a, %d %b %y %H:%M:%S +0000")}


def system_status(_exchange: Exchange, call: Call) -> payloads.Payload:
    moment = datetime.fromtimestamp(call.now // 1_000_000, UTC)
    return {"status": "online", "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}


def asset_pairs(exchange: Exchange, call: Call) -> payloads.Payload:
    """All pairs, or those named in ``pair``."""
    return {pair.key: _rules(exchange, pair) for pair in _wanted(exchange, call)}


def _wanted(exchange: Exchange, call: Call) -> list[Pair]:
    wanted = call.parameters.text("pair")
    return [exchange.pair(name) for name in wanted.split(",")] if wanted else list(exchange.pairs.values())


def _rules(exchange: Exchange, pair: Pair) -> payloads.Payload:
    rules, fees = pair.instrument, exchange.venue.fees
    percent = money.ONE // 100
    return {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": pair.base,
        "aclass_quote": "currency",
        "quote": pair.quote,
        "lot": "unit",
        "cost_decimals": 8,
        "pair_decimals": pair.price_decimals,
        "lot_decimals": pair.lot_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, fees.taker_rate / percent]],
        "fees_maker": [[0, fees.maker_rate / percent]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": money.text(rules.quantity_min),
        "costmin": money.text(rules.notional_min),
        "tick_size": money.text(rules.tick_size),
        "status": "online",
    }


def ticker(exchange: Exchange, call: Call) -> payloads.Payload:
    """The best prices of all pairs, or of those named in ``pair``; without what was traded during the day."""
    return {pair.key: _best(exchange, pair) for pair in _wanted(exchange, call)}


def _best(exchange: Exchange, pair: Pair) -> payloads.Payload:
    book = exchange.venue.books[pair.instrument.symbol]
    found = {}
    for name, side in (("a", book.asks), ("b", book.bids)):
        price, quantity = next(side.levels(1), (0, 0))
        lots = str(quantity // money.ONE)
        found[name] = [payloads.amount(price, pair.price_decimals), lots, payloads.amount(quantity, 3)]
    return found


def depth(exchange: Exchange, call: Call) -> payloads.Payload:
    pair = exchange.pair(call.parameters.text("pair") or "")
    count = min(call.parameters.integer("count") or 100, _LEVELS_MAX)
    book = exchange.venue.books[pair.instrument.symbol]
    at = call.now // 1_000_000
    sides = {"asks": book.asks, "bids": book.bids}
    return {
        pair.key: {
            name: [
                [payloads.amount(price, pair.price_decimals), payloads.amount(quantity, 3), at]
                for price, quantity in ladder.levels(count)
            ]
            for name, ladder in sides.items()
        }
    }
