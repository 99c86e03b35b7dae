"""What can be asked of Kraken's API: a table of REST paths."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from venue_gateways.simulator.kraken import lookups, trading
from venue_gateways.simulator.kraken.exchange import Call, Exchange


class Endpoint(msgspec.Struct, frozen=True):
    """One thing that can be asked for. *operation* is its name for faults and metrics, *cost* what a call counts.

    *by_client_id*: what it is instead if it asks for orders under one ID of the client's.
    """

    operation: str
    run: Callable[[Exchange, Call], Any]
    cost: int = 1
    by_client_id: str | None = None


PRIVATE: Final = {
    "/0/private/AddOrder": Endpoint("place", trading.add, cost=0),
    "/0/private/CancelOrder": Endpoint("cancel", trading.cancel, cost=0),
    "/0/private/AmendOrder": Endpoint("amend", trading.amend, cost=0),  # assumed: as AddOrder and CancelOrder
    "/0/private/CancelAll": Endpoint("cancel_all", trading.cancel_all, cost=0),  # assumed: as CancelOrder
    "/0/private/OpenOrders": Endpoint("open_orders", lookups.open_orders, by_client_id="query"),
    "/0/private/ClosedOrders": Endpoint("closed_orders", lookups.closed_orders, by_client_id="query"),
    "/0/private/QueryOrders": Endpoint("query", lookups.query_orders),
    "/0/private/TradesHistory": Endpoint("trades", lookups.trades_history, cost=2),
    "/0/private/QueryTrades": Endpoint("trades", lookups.query_trades),
    "/0/private/Balance": Endpoint("account", lookups.balance),
    "/0/private/BalanceEx": Endpoint("account", lookups.balance_extended),
    "/0/private/GetWebSocketsToken": Endpoint("token", lookups.token),
}
PUBLIC: Final = {
    "/0/public/Time": Endpoint("time", lookups.time),
    "/0/public/SystemStatus": Endpoint("status", lookups.system_status),
    "/0/public/AssetPairs": Endpoint("exchange_info", lookups.asset_pairs),
    "/0/public/Ticker": Endpoint("quotes", lookups.ticker),
    "/0/public/Depth": Endpoint("depth", lookups.depth),
}
