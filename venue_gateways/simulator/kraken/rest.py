"""Kraken's REST API: from the bytes of a request to the bytes of its answer. No I/O."""

from typing import Any, Final

import orjson

from venue_gateways.simulator.dialect import HONEST, Lies, Reply, Request, html
from venue_gateways.simulator.kraken import errors
from venue_gateways.simulator.kraken.endpoints import PRIVATE, PUBLIC
from venue_gateways.simulator.kraken.errors import ApiError
from venue_gateways.simulator.kraken.exchange import Call, Exchange
from venue_gateways.simulator.kraken.parameters import Parameters, split

_JSON: Final = [(b"content-type", b"application/json; charset=utf-8")]


def operation(request: Request) -> str:
    """What *request* asks for: a search by the client's own ID is a query."""
    endpoint = PRIVATE.get(request.path) or PUBLIC.get(request.path)
    if endpoint is None:
        return "unknown"
    if endpoint.by_client_id is not None and b"cl_ord_id" in request.body:
        return endpoint.by_client_id
    return endpoint.operation


def admit(exchange: Exchange, request: Request) -> Reply | None:
    """Look at key, signature, nonce and the key's counter, before anything happens to the request."""
    if not request.header(b"user-agent"):
        return html(403)  # the venue's own SDK: a request must say who makes it
    endpoint = PRIVATE.get(request.path)
    if endpoint is None or request.verb != "POST":
        return None
    try:
        nonce = split(request.body, request.header(b"content-type")).get("nonce", "")
        key, signature = request.header(b"api-key"), request.header(b"api-sign")
        credential = exchange.door.enter(request.path, key, signature, nonce, request.body)
        if endpoint.cost:
            exchange.count_call(credential.key, endpoint.cost, request.arrived)
    except ApiError as error:
        return _refused(exchange, request, error, request.arrived)
    return None


def answer(exchange: Exchange, request: Request, now: int, lies: Lies = HONEST) -> Reply:
    """Perform *request*, which has been admitted, at *now*."""
    endpoint = PUBLIC.get(request.path) or (PRIVATE.get(request.path) if request.verb == "POST" else None)
    if endpoint is None:
        return reply([errors.UNKNOWN_METHOD])
    try:
        values = split(request.body if request.verb == "POST" else request.query, request.header(b"content-type"))
        account = exchange.door.account(request.header(b"api-key")) if request.path in PRIVATE else ""
        call = Call(parameters=Parameters(values), account=account, arrived=request.arrived, now=now, lies=lies)
        return reply([], endpoint.run(exchange, call))
    except ApiError as error:
        return _refused(exchange, request, error, now)


def reply(said: list[str], result: Any = None) -> Reply:
    """The envelope, with status 200 whatever is in it."""
    body = {"error": said} if said else {"error": said, "result": result}
    return Reply(200, orjson.dumps(body), _JSON)


def _refused(exchange: Exchange, request: Request, error: ApiError, now: int) -> Reply:
    if error.limit:
        exchange.refuse(now, exchange.door.account(request.header(b"api-key")), 200, error.message)
    return reply([error.message])
