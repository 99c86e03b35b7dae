"""What Coinbase calls an ``order_configuration``: each kind of order is a name of its own, with fields of its own.

Documented: coinbase-advanced-py, rest/orders.py. There is no stop order without a limit, and a stop order with one
stays until it is canceled; all numbers are strings. What is good till a date is sent as good till canceled, because
a request doesn't carry the date: it is canceled from here.
"""

from collections.abc import Mapping
from typing import Any, Final

from domain import money
from domain.messages import OrderType, Side, TimeInForce, VenueRequest

_MARKET, _LIMIT, _STOP_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT

_KINDS: Final[Mapping[tuple[OrderType, TimeInForce], str]] = {
    (_MARKET, TimeInForce.GTC): "market_market_ioc",  # as an order has it that doesn't say
    (_MARKET, TimeInForce.IOC): "market_market_ioc",
    (_MARKET, TimeInForce.FOK): "market_market_fok",  # told: NautilusTrader
    (_LIMIT, TimeInForce.GTC): "limit_limit_gtc",
    (_LIMIT, TimeInForce.GTD): "limit_limit_gtc",
    (_LIMIT, TimeInForce.IOC): "sor_limit_ioc",
    (_LIMIT, TimeInForce.FOK): "limit_limit_fok",
    (_STOP_LIMIT, TimeInForce.GTC): "stop_limit_stop_limit_gtc",
    (_STOP_LIMIT, TimeInForce.GTD): "stop_limit_stop_limit_gtc",
}
#: The one kind that can be post-only.
_RESTING: Final = "limit_limit_gtc"
#: From which side the price has to come to the stop price.
_DIRECTIONS: Final[Mapping[Side, str]] = {
    Side.BUY: "STOP_DIRECTION_STOP_UP",
    Side.SELL: "STOP_DIRECTION_STOP_DOWN",
}
_AMOUNTS: Final = ("base_size", "limit_price", "stop_price")


def is_offered(request: VenueRequest) -> bool:
    """Whether the venue has such orders at all."""
    kind = _KINDS.get((request.order_type, request.time_in_force))
    return kind is not None and (kind == _RESTING or not request.post_only)


def configuration(request: VenueRequest) -> dict[str, dict[str, Any]]:
    """The configuration of an order. Raises ValueError unless it :func:`is_offered`."""
    if not is_offered(request):
        raise ValueError(f"Coinbase has no {request.order_type} order of this kind: {request.time_in_force}")
    kind = _KINDS[request.order_type, request.time_in_force]
    fields: dict[str, Any] = {"base_size": money.text(request.quantity)}
    if request.order_type is not _MARKET and request.price is not None:
        fields["limit_price"] = money.text(request.price)
    if request.order_type is _STOP_LIMIT and request.stop_price is not None:
        fields["stop_price"] = money.text(request.stop_price)
        fields["stop_direction"] = _DIRECTIONS[request.side]
    if kind == _RESTING:
        fields["post_only"] = request.post_only
    return {kind: fields}


def agrees(request: VenueRequest, echoed: Mapping[str, Mapping[str, Any] | None]) -> bool:
    """Whether what the venue says it has understood is what was asked. It may write amounts otherwise, or leave out."""
    (sent,) = configuration(request).values()
    found = next((fields for fields in echoed.values() if fields), {})
    return all(_is_same(sent[name], found[name]) for name in _AMOUNTS if name in sent and name in found)


def base_size(shown: Mapping[str, Any] | None) -> int | None:
    """What an order is for that is shown with this configuration. None unless it is of one kind, and in the base asset.

    All kinds of orders are shown, whoever placed them, so nothing of it is taken for granted.
    """
    kinds = [fields for fields in (shown or {}).values() if fields]
    fields = kinds[0] if len(kinds) == 1 else None
    return size(fields.get("base_size")) if isinstance(fields, dict) else None


def size(numeral: Any) -> int | None:
    """Units of a size; None for what is none, or nothing."""
    try:
        units = money.parse(numeral)
    except ValueError:
        return None
    return units if units > 0 else None


def _is_same(sent: str, found: Any) -> bool:
    try:
        return money.parse(found) == money.parse(sent)
    except ValueError:
        return False
