"""``fillstream venue request``: the HTTP request that a gateway would send for an order, built by its adapter."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import typer

from domain import ids
from domain.messages import Operation, VenueRequest
from runtime import plain
from runtime.exits import Exit
from runtime.settings import Settings, SettingsError
from venue_gateways import venues
from venue_gateways.clock import wall_us
from venue_gateways.debugging.dialects import dialect
from venue_gateways.debugging.sign import instant_us, with_credentials
from venue_gateways.grid import Grid
from venue_gateways.venue import Adapter, Amend, Call, Cancel, HttpRequest, Place, Rules

#: What an order's file may leave out: what only fillstream needs.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "request_id": "request",
    "client_order_id": ids.client_order_id(0, ids.order_key("user", "order"), 0),
    "user_id": "user",
    "order_id": "order",
    "operation": "PLACE",
    "sequence": 1,
    "requested_at": 0,
    "time_in_force": "GTC",
    "post_only": False,
}


def main(
    settings: Settings,
    venue: str,
    order: Path,
    credentials: Path | None,
    symbol: str | None,
    venue_order_id: str | None,
    time: str | None,
) -> int:
    """Print the request for what is in the file *order*. *symbol* is the venue's name for it. Raises SettingsError."""
    request = _read(venue, order)
    settings = with_credentials(settings, credentials)
    url, _ = venues.addresses(venue, settings)
    adapter = venues.adapter(venue, settings)
    names = {request.symbol: symbol or dialect(venue).symbol(request.symbol)}
    adapter.learn(Rules(adapter.limits, names, grids={request.symbol: Grid()}))
    refusal = adapter.refusal(request) if request.operation is Operation.PLACE else None
    if refusal is not None:
        raise SettingsError(f"{venue} would not be sent this order: {refusal}")
    call = _call(adapter, request, venue_order_id)
    typer.echo(_shown(url, adapter.build(call, wall_us() if time is None else instant_us(time))), nl=False)
    return Exit.OK


def _read(venue: str, order: Path) -> VenueRequest:
    """The order in the file: a VenueRequest, of which much may be left out."""
    try:
        fields = json.loads(order.read_text())
        if not isinstance(fields, dict):
            raise SettingsError(f"{order} must hold one JSON object")
        return plain.read({**_DEFAULTS, **fields, "venue": venue}, VenueRequest)
    except OSError as error:
        raise SettingsError(f"{order} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{order}: {error}") from error


def _call(adapter: Adapter, request: VenueRequest, venue_order_id: str | None) -> Call:
    """What a gateway asks the venue first for *request*."""
    if request.operation is Operation.PLACE:
        return Place(request)
    changes = request.operation in {Operation.CANCEL, Operation.AMEND}
    if changes and adapter.traits.changes_by_venue_order_id and venue_order_id is None:
        raise SettingsError(f"{adapter.name} changes orders by its own ID only: give it as --venue-order-id")
    if request.operation is Operation.CANCEL:
        return Cancel(request, venue_order_id)
    if request.operation is Operation.AMEND:
        return Amend(request, venue_order_id)
    return next(adapter.look_up(request.symbol, request.client_order_id))


def _shown(url: str, request: HttpRequest) -> str:
    """As it goes over the wire, but for the headers that HTTP itself wants."""
    origin = urlsplit(url)
    lines = [f"{request.method} {origin.scheme}://{origin.netloc}{request.target}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    return "\n".join([*lines, "", request.body.decode()]).rstrip("\n") + "\n"
