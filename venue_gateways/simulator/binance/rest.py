"""Binance's REST API: from the bytes of a request to the bytes of its answer. No I/O."""

from collections.abc import Iterable
from typing import Final

import orjson

from venue_gateways.simulator.binance import payloads, security
from venue_gateways.simulator.binance.endpoints import BY_PATH, SECURITY, Endpoint
from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.exchange import Call, Exchange
from venue_gateways.simulator.binance.limits import LimitType, Window
from venue_gateways.simulator.binance.parameters import Parameters, split
from venue_gateways.simulator.dialect import HONEST, Headers, Lies, Reply, Request

_KEY: Final = b"x-mbx-apikey"
_UNIT: Final = b"x-mbx-time-unit"
_HEADER_NAMES: Final = {LimitType.REQUEST_WEIGHT: "x-mbx-used-weight", LimitType.ORDERS: "x-mbx-order-count"}


def operation(verb: str, path: str) -> str | None:
    """The name of what a request asks for, or None if there is nothing there."""
    endpoint = BY_PATH.get((verb, path))
    return endpoint.operation if endpoint else None


def answer(exchange: Exchange, request: Request, now: int, lies: Lies = HONEST) -> Reply:
    """Perform *request* at *now*, which may be later than it arrived, and say what came of it."""
    endpoint = BY_PATH.get((request.verb, request.path))
    if endpoint is None:
        return Reply(404, b"<html><body><h2>404 Not found</h2></body></html>", [(b"content-type", b"text/html")])
    meter = exchange.address(request.address)
    headers: Headers = [(b"content-type", b"application/json;charset=UTF-8")]
    try:
        values, signed = split(request.query, request.body)
        meter.charge(endpoint.weight_of(Parameters(values)), now)
        call = _admit(exchange, endpoint, request, values, signed, now, lies)
        status, body = 200, orjson.dumps(endpoint.run(exchange, call))
        if endpoint.places:
            headers += _counts(exchange.account_meter(call.account).windows)
    except ApiError as refusal:
        error = exchange.note_refusal(refusal, request.address, request.header(_KEY), now)
        status, body = error.status, orjson.dumps(error.payload())
        if error.retry_at is not None:
            headers.append((b"retry-after", b"%d" % -((now - error.retry_at) // 1_000_000)))
    return Reply(status, body, headers + _counts(meter.windows))


def _admit(
    exchange: Exchange,
    endpoint: Endpoint,
    request: Request,
    values: dict[str, str],
    signed: bytes,
    now: int,
    lies: Lies,
) -> Call:
    """The call that *request* makes. Raises ApiError unless it is well formed, signed where it must be, and in time."""
    parameters = Parameters(values)
    parameters.allow(endpoint.names | SECURITY if endpoint.signed else endpoint.names)
    account = ""
    if endpoint.signed:
        signature = parameters.text("signature")
        account = security.authenticate(exchange.credentials, request.header(_KEY), signed, signature).account
        security.check_age(parameters, request.arrived, now)
    unit = payloads.MICROSECOND if request.header(_UNIT).upper() == "MICROSECOND" else payloads.MILLISECOND
    return Call(parameters=parameters, account=account, now=now, unit=unit, lies=lies)


def _counts(windows: Iterable[Window]) -> Headers:
    """What of each limit has been used, as headers; raw requests have none."""
    return [
        (f"{_HEADER_NAMES[window.limit.type]}-{window.limit.suffix.lower()}".encode(), b"%d" % window.count)
        for window in windows
        if window.limit.type in _HEADER_NAMES
    ]
