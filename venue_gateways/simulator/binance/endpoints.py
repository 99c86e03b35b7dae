"""What can be asked of Binance's API: a table of REST paths and WebSocket methods."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from venue_gateways.simulator.binance import lookups, trading
from venue_gateways.simulator.binance.exchange import Call, Exchange
from venue_gateways.simulator.binance.parameters import TICKET, Parameters

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


_IDS: Final = frozenset({"symbol", "orderId", "origClientOrderId"})
_REPLACE: Final = frozenset(
    {"cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId", "cancelRestrictions"}
)

ENDPOINTS: Final = (
    Endpoint(path=("GET", "/api/v3/ping"), method="ping", operation="ping", run=lookups.ping, weight=1, signed=False),
    Endpoint(path=("GET", "/api/v3/time"), method="time", operation="time", run=lookups.time, weight=1, signed=False),
    Endpoint(
        path=("GET", "/api/v3/exchangeInfo"),
        method="exchangeInfo",
        operation="exchange_info",
        run=lookups.exchange_info,
        weight=20,
        names=frozenset({"symbol", "symbols"}),
        signed=False,
    ),
    Endpoint(
        path=("GET", "/api/v3/depth"),
        method="depth",
        operation="depth",
        run=lookups.depth,
        weight=lookups.depth_weight,
        names=frozenset({"symbol", "limit"}),
        signed=False,
    ),
    Endpoint(
        path=("GET", "/api/v3/ticker/bookTicker"),
        method="ticker.book",
        operation="quotes",
        run=lookups.book_ticker,
        weight=lambda parameters: 2 if parameters.has("symbol") else 4,
        names=frozenset({"symbol", "symbols"}),
        signed=False,
    ),
    Endpoint(
        path=("POST", "/api/v3/order"),
        method="order.place",
        operation="place",
        run=trading.place,
        weight=1,
        names=TICKET,
        places=True,
    ),
    Endpoint(
        path=("POST", "/api/v3/order/test"),
        method="order.test",
        operation="test",
        run=trading.test,
        weight=1,
        names=TICKET,
    ),
    Endpoint(
        path=("DELETE", "/api/v3/order"),
        method="order.cancel",
        operation="cancel",
        run=trading.cancel,
        weight=1,
        names=_IDS | {"newClientOrderId", "cancelRestrictions"},
    ),
    Endpoint(
        path=("GET", "/api/v3/order"), method="order.status", operation="query", run=lookups.query, weight=4, names=_IDS
    ),
    Endpoint(
        path=("DELETE", "/api/v3/openOrders"),
        method="openOrders.cancelAll",
        operation="cancel_all",
        run=trading.cancel_all,
        weight=1,
        names=frozenset({"symbol"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/openOrders"),
        method="openOrders.status",
        operation="open_orders",
        run=lookups.open_orders,
        weight=lambda parameters: 6 if parameters.has("symbol") else 80,
        names=frozenset({"symbol"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/allOrders"),
        method="allOrders",
        operation="all_orders",
        run=lookups.all_orders,
        weight=20,
        names=frozenset({"symbol", "orderId", "startTime", "endTime", "limit"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/myTrades"),
        method="myTrades",
        operation="trades",
        run=lookups.my_trades,
        weight=lambda parameters: 5 if parameters.has("orderId") else 20,
        names=frozenset({"symbol", "orderId", "startTime", "endTime", "fromId", "limit"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/account"),
        method="account.status",
        operation="account",
        run=lookups.account,
        weight=20,
        names=frozenset({"omitZeroBalances"}),
    ),
    Endpoint(
        path=("GET", "/api/v3/rateLimit/order"),
        method="account.rateLimits.orders",
        operation="order_count",
        run=lookups.order_count,
        weight=40,
    ),
    Endpoint(
        path=("POST", "/api/v3/order/cancelReplace"),
        method="order.cancelReplace",
        operation="replace",
        run=trading.replace,
        weight=1,
        names=TICKET | _REPLACE,
        places=True,
    ),
    Endpoint(
        path=("PUT", "/api/v3/order/amend/keepPriority"),
        method="order.amend.keepPriority",
        operation="amend",
        run=trading.amend,
        weight=4,
        names=_IDS | {"newClientOrderId", "newQty"},
    ),
)

BY_PATH: Final = {endpoint.path: endpoint for endpoint in ENDPOINTS}
BY_METHOD: Final = {endpoint.method: endpoint for endpoint in ENDPOINTS}
