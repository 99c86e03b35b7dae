"""What can be asked of Binance's API: a table of REST paths and WebSocket methods, and what each of them does."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from venue_gateways.simulator.binance import catalog, payloads
from venue_gateways.simulator.binance.errors import ApiError, refused
from venue_gateways.simulator.binance.exchange import Call, Exchange
from venue_gateways.simulator.binance.parameters import TICKET, Parameters
from venue_gateways.simulator.orders import Execution, Order, Refusal, Status, Ticket

_Row = TypeVar("_Row")

_DAY_US: Final = 86_400_000_000

#: Besides what an endpoint itself reads.
SECURITY: Final = frozenset({"timestamp", "recvWindow", "signature"})


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be asked for. *operation* is its name for faults and metrics."""

    path: tuple[str, str]
    method: str
    operation: str
    run: Callable[[Exchange, Call], Any]
    weight: int | Callable[[Parameters], int]
    names: frozenset[str] = frozenset()
    signed: bool = True
    places: bool = False

    def weight_of(self, parameters: Parameters) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)


# ── trading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _place(exchange: Exchange, call: Call) -> payloads.Payload:
    ticket = call.parameters.ticket(exchange.symbol(call.parameters))
    exchange.make_room(call)
    return _placed(exchange, call, ticket, _response_type(call.parameters))


def _response_type(parameters: Parameters) -> str:
    """What kind of answer is wanted: unless told, MARKET and LIMIT get the fullest, all others the shortest."""
    default = "FULL" if parameters.values["type"] in {"MARKET", "LIMIT"} else "ACK"
    wanted = parameters.values.get("newOrderRespType", default)
    if wanted not in {"ACK", "RESULT", "FULL"}:
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    return wanted


def _placed(exchange: Exchange, call: Call, ticket: Ticket, response_type: str) -> payloads.Payload:
    order = exchange.venue.place(call.account, ticket, call.now)
    if isinstance(order, Refusal):
        raise refused(order)
    exchange.account_meter(call.account).add(call.now)
    if call.lies.hide_us:
        exchange.hide(order, call.now + call.lies.hide_us)
    if response_type == "ACK":
        return payloads.acknowledged(order, call.unit)
    if response_type == "RESULT":
        return payloads.placed(order, call.unit)
    return payloads.filled(order, exchange.venue.trades_of(order), call.unit)


def _test(exchange: Exchange, call: Call) -> payloads.Payload:
    refusal = exchange.venue.check(call.account, call.parameters.ticket(exchange.symbol(call.parameters)))
    if refusal is not None:
        raise refused(refusal)
    return {}


def _cancel(exchange: Exchange, call: Call) -> payloads.Payload:
    return _canceled(exchange, call, exchange.find(call), "newClientOrderId")


def _canceled(exchange: Exchange, call: Call, order: Order | None, id_name: str) -> payloads.Payload:
    parameters = call.parameters
    restriction = parameters.values.get("cancelRestrictions")
    if restriction not in {None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"}:
        raise ApiError(-1145, "Invalid cancelRestrictions")
    if order is None or not order.open:
        raise refused(Refusal.UNKNOWN_ORDER)
    required = Status.NEW if restriction == "ONLY_NEW" else Status.PARTIALLY_FILLED
    if restriction is not None and order.status is not required:
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    request_id = parameters.client_id(id_name) or f"cancel-{order.order_id}"
    exchange.venue.cancel(order, call.now, request_id)
    return payloads.canceled(order, request_id, call.unit)


def _cancel_all(exchange: Exchange, call: Call) -> list[payloads.Payload]:
    orders = exchange.venue.open_orders(call.account, exchange.symbol(call.parameters))
    if not orders:
        raise refused(Refusal.UNKNOWN_ORDER)
    request_id = f"cancel-all-{orders[0].order_id}"
    for order in orders:
        exchange.venue.cancel(order, call.now, request_id)
    return [payloads.canceled(order, request_id, call.unit) for order in orders]


def _replace(exchange: Exchange, call: Call) -> payloads.Payload:
    """Cancel one order and place another; the filters and the order count are looked at before either."""
    parameters = call.parameters
    ticket = parameters.ticket(exchange.symbol(parameters))
    mode = parameters.text("cancelReplaceMode")
    if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
        raise ApiError(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid.")
    response_type = _response_type(parameters)
    _check_filters(exchange, call, ticket)
    exchange.make_room(call)
    cancel_failure: ApiError | None = None
    body: payloads.Payload = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
    try:
        order = exchange.find(call, "cancelOrderId", "cancelOrigClientOrderId")
        body["cancelResponse"] = _canceled(exchange, call, order, "cancelNewClientOrderId")
    except ApiError as error:
        cancel_failure = error
        body |= {"cancelResult": "FAILURE", "cancelResponse": error.payload()}
    if cancel_failure is not None and mode == "STOP_ON_FAILURE":
        exchange.account_meter(call.account).add(call.now)  # a new order that was not attempted counts nevertheless
        body |= {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
        raise ApiError(-2022, "Order cancel-replace failed.", data=body)
    try:
        body["newOrderResponse"] = _placed(exchange, call, ticket, response_type)
    except ApiError as error:
        body |= {"newOrderResult": "FAILURE", "newOrderResponse": error.payload()}
        if cancel_failure is not None:
            raise ApiError(-2022, "Order cancel-replace failed.", data=body) from error
        raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=body) from error
    if cancel_failure is not None:
        raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=body)
    return body


def _check_filters(exchange: Exchange, call: Call, ticket: Ticket) -> None:
    refusal = exchange.venue.check(call.account, ticket)
    if refusal in {Refusal.PRICE_RULE, Refusal.QUANTITY_RULE, Refusal.NOTIONAL_RULE}:
        raise refused(refusal)


def _amend(exchange: Exchange, call: Call) -> payloads.Payload:
    quantity = call.parameters.amount("newQty")
    order = exchange.find(call)
    if order is None or not order.open:
        raise ApiError(-2038, "Unknown order sent.")
    former_id = order.client_order_id
    client_order_id = call.parameters.client_id("newClientOrderId") or f"amended-{order.order_id}-{call.now}"
    refusal = exchange.venue.reduce(order, quantity, call.now, client_order_id)
    if refusal is not None:
        raise refused(refusal)
    return payloads.amended(order, former_id, exchange.execution_id + 1, call.unit)


# ── looking up ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _query(exchange: Exchange, call: Call) -> payloads.Payload:
    return payloads.looked_up(exchange.look_up(call), call.unit)


def _open_orders(exchange: Exchange, call: Call) -> list[payloads.Payload]:
    symbol = exchange.optional_symbol(call.parameters)
    if call.lies.no_open_orders:
        return []
    orders = exchange.venue.open_orders(call.account, symbol)
    return [payloads.looked_up(order, call.unit) for order in orders if not exchange.hidden(order, call.now)]


def _all_orders(exchange: Exchange, call: Call) -> list[payloads.Payload]:
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


def _my_trades(exchange: Exchange, call: Call) -> list[payloads.Payload]:
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


def _account(exchange: Exchange, call: Call) -> payloads.Payload:
    venue = exchange.venue
    account = venue.account(call.account)
    assets = sorted({asset for i in venue.instruments.values() for asset in (i.base, i.quote)})
    if call.parameters.flag("omitZeroBalances"):
        assets = [a for a in assets if account.balance(a).free or account.balance(a).locked]
    return catalog.account_information(account, venue.fees, assets, call.unit)


def _order_count(exchange: Exchange, call: Call) -> list[dict[str, str | int]]:
    meter = exchange.account_meter(call.account)
    meter.full(call.now)
    return [window.limit.payload(window.count) for window in meter.windows]


# ── what needs no key ───────────────────────────────────────────────────────────────────────────────────────────────


def _ping(_exchange: Exchange, _call: Call) -> payloads.Payload:
    return {}


def _time(_exchange: Exchange, call: Call) -> payloads.Payload:
    return {"serverTime": call.now // call.unit}


def _exchange_info(exchange: Exchange, call: Call) -> payloads.Payload:
    symbol = exchange.optional_symbol(call.parameters)
    instruments = [i for i in exchange.venue.instruments.values() if symbol in {None, i.symbol}]
    return catalog.exchange_info(instruments, exchange.published, exchange.venue.rules, call.now)


def _depth(exchange: Exchange, call: Call) -> payloads.Payload:
    limit = min(call.parameters.integer("limit"), 5_000) if call.parameters.has("limit") else 100
    book = exchange.venue.books[exchange.symbol(call.parameters)]
    sides = {"bids": book.bids, "asks": book.asks}
    levels = {
        name: [[payloads.amount(price), payloads.amount(quantity)] for price, quantity in ladder.levels(limit)]
        for name, ladder in sides.items()
    }
    return {"lastUpdateId": book.version, **levels}


def _depth_weight(parameters: Parameters) -> int:
    limit = int(parameters.values.get("limit", "100")) if parameters.values.get("limit", "100").isdigit() else 100
    return next(weight for bound, weight in ((100, 5), (500, 25), (1_000, 50), (2**63, 250)) if limit <= bound)


_IDS: Final = frozenset({"symbol", "orderId", "origClientOrderId"})
_REPLACE: Final = frozenset(
    {"cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId", "cancelRestrictions"}
)

ENDPOINTS: Final = (
    Endpoint(path=("GET", "/api/v3/ping"), method="ping", operation="ping", run=_ping, weight=1, signed=False),
    Endpoint(path=("GET", "/api/v3/time"), method="time", operation="time", run=_time, weight=1, signed=False),
    Endpoint(
        path=("GET", "/api/v3/exchangeInfo"),
        method="exchangeInfo",
        operation="exchange_info",
        run=_exchange_info,
        weight=20,
        names=frozenset({"symbol"}),
        signed=False,
    ),
    Endpoint(
        path=("GET", "/api/v3/depth"),
        method="depth",
        operation="depth",
        run=_depth,
        weight=_depth_weight,
        names=frozenset({"symbol", "limit"}),
        signed=False,
    ),
    Endpoint(
        path=("POST", "/api/v3/order"),
        method="order.place",
        operation="place",
        run=_place,
        weight=1,
        names=TICKET,
        places=True,
    ),
    Endpoint(
        path=("POST", "/api/v3/order/test"), method="order.test", operation="test", run=_test, weight=1, names=TICKET
    ),
    Endpoint(
        path=("DELETE", "/api/v3/order"),
        method="order.cancel",
        operation="cancel",
        run=_cancel,
        weight=1,
        names=_IDS | {"newClientOrderId", "cancelRestrictions"},
    ),
    Endpoint(path=("GET", "/api/v3/order"), method="order.status", operation="query", run=_query, weight=4, names=_IDS),
    Endpoint(
        path=("DELETE", "/api/v3/openOrders"),
        method="openOrders.cancelAll",
        operation="cancel_all",
        run=_cancel_all,
        weight=1,
        names=frozenset({"symbol"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/openOrders"),
        method="openOrders.status",
        operation="open_orders",
        run=_open_orders,
        weight=lambda parameters: 6 if parameters.has("symbol") else 80,
        names=frozenset({"symbol"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/allOrders"),
        method="allOrders",
        operation="all_orders",
        run=_all_orders,
        weight=20,
        names=frozenset({"symbol", "orderId", "startTime", "endTime", "limit"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/myTrades"),
        method="myTrades",
        operation="trades",
        run=_my_trades,
        weight=lambda parameters: 5 if parameters.has("orderId") else 20,
        names=frozenset({"symbol", "orderId", "startTime", "endTime", "fromId", "limit"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/account"),
        method="account.status",
        operation="account",
        run=_account,
        weight=20,
        names=frozenset({"omitZeroBalances"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/rateLimit/order"),
        method="account.rateLimits.orders",
        operation="order_count",
        run=_order_count,
        weight=40,
    ),
    Endpoint(
        path=("POST", "/api/v3/order/cancelReplace"),
        method="order.cancelReplace",
        operation="replace",
        run=_replace,
        weight=1,
        names=TICKET | _REPLACE,
        places=True,
    ),
    Endpoint(
        path=("PUT", "/api/v3/order/amend/keepPriority"),
        method="order.amend.keepPriority",
        operation="amend",
        run=_amend,
        weight=4,
        names=_IDS | {"newClientOrderId", "newQty"},
    ),
)

BY_PATH: Final = {endpoint.path: endpoint for endpoint in ENDPOINTS}
BY_METHOD: Final = {endpoint.method: endpoint for endpoint in ENDPOINTS}
