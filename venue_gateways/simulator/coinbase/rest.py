"""Coinbase's REST API: from the bytes of a request to the bytes of its answer. No I/O."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import orjson

from venue_gateways.simulator.coinbase import lookups, trading
from venue_gateways.simulator.coinbase.errors import ApiError, not_found
from venue_gateways.simulator.coinbase.exchange import Call, Exchange
from venue_gateways.simulator.coinbase.parameters import Filters
from venue_gateways.simulator.dialect import HONEST, Lies, Reply, Request

_ROOT: Final = "/api/v3/brokerage"
_JSON: Final = (b"content-type", b"application/json")


class Endpoint(msgspec.Struct, frozen=True):
    """One thing that can be asked for. *operation* is its name for faults and metrics; *open_to_all*: by anybody."""

    operation: str
    run: Callable[[Exchange, Call], Any]
    open_to_all: bool = False


ENDPOINTS: Final = {
    ("POST", "/orders"): Endpoint("place", trading.create),
    ("POST", "/orders/batch_cancel"): Endpoint("cancel", trading.cancel),
    ("POST", "/orders/edit"): Endpoint("amend", trading.edit),
    ("GET", "/orders/historical/batch"): Endpoint("orders", lookups.orders),
    ("GET", "/orders/historical/fills"): Endpoint("trades", lookups.fills),
    ("GET", "/orders/historical/*"): Endpoint("query", lookups.query),
    ("GET", "/accounts"): Endpoint("account", lookups.accounts),
    ("GET", "/accounts/*"): Endpoint("account", lookups.account),
    ("GET", "/transaction_summary"): Endpoint("fees", lookups.fees),
    ("GET", "/best_bid_ask"): Endpoint("quotes", lookups.best_bid_ask),
    ("GET", "/products"): Endpoint("exchange_info", lookups.products),
    ("GET", "/products/*"): Endpoint("exchange_info", lookups.product),
    ("GET", "/market/products"): Endpoint("exchange_info", lookups.products, open_to_all=True),
    ("GET", "/market/products/*"): Endpoint("exchange_info", lookups.product, open_to_all=True),
    ("GET", "/market/product_book"): Endpoint("depth", lookups.product_book, open_to_all=True),
    ("GET", "/time"): Endpoint("time", lookups.time, open_to_all=True),
}


def _find(request: Request) -> tuple[Endpoint | None, str]:
    """What is asked for, and the ID in the path if there is one."""
    path = request.path.removeprefix(_ROOT) if request.path.startswith(_ROOT) else ""
    endpoint = ENDPOINTS.get((request.verb, path))
    if endpoint is not None:
        return endpoint, ""
    parent, _, subject = path.rpartition("/")
    return ENDPOINTS.get((request.verb, f"{parent}/*")), subject


def operation(request: Request) -> str:
    endpoint, _ = _find(request)
    if endpoint is None:
        return "unknown"
    if endpoint.operation == "orders" and Filters(request.query).each("order_status") == {"OPEN"}:
        return "open_orders"
    return endpoint.operation


def admit(exchange: Exchange, request: Request) -> Reply | None:
    """Look at the token and at the limit, before anything happens to the request."""
    endpoint, _ = _find(request)
    if endpoint is None:
        return None
    account = ""
    try:
        if not endpoint.open_to_all:
            account = exchange.account(request, request.arrived)
        exchange.count(account, request.address, request.arrived)
    except ApiError as error:
        return _reply(exchange, request, account, error.status, error.payload())
    return None


def answer(exchange: Exchange, request: Request, now: int, lies: Lies = HONEST) -> Reply:
    """Perform *request*, which has been admitted, at *now*."""
    endpoint, subject = _find(request)
    account = ""
    try:
        if endpoint is None:
            return _reply(exchange, request, "", 404, not_found("page").payload())
        if not endpoint.open_to_all:
            account = exchange.account(request, request.arrived)
        call = Call(request=request, account=account, now=now, subject=subject, lies=lies)
        return _reply(exchange, request, account, 200, endpoint.run(exchange, call))
    except ApiError as error:
        return _reply(exchange, request, account, error.status, error.payload())


def _reply(exchange: Exchange, request: Request, account: str, status: int, body: Any) -> Reply:
    headers = exchange.meter(account, request.address).headers()
    return Reply(status, orjson.dumps(body), [_JSON, *headers])
