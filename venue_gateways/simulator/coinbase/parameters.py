"""What a request to Coinbase's API says, read strictly: the order in it, filters, or the error that they are none."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from domain import money
from domain.messages import Side, TimeInForce
from venue_gateways.simulator.coinbase.errors import OrderError, invalid
from venue_gateways.simulator.orders import Kind, SelfTrade, Ticket

_AMOUNT: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?")
_CLIENT_ID_LENGTH_MAX: Final = 128  # assumed

_RISING: Final = {Side.BUY: Kind.STOP_LIMIT, Side.SELL: Kind.TAKE_PROFIT_LIMIT}
_FALLING: Final = {Side.BUY: Kind.TAKE_PROFIT_LIMIT, Side.SELL: Kind.STOP_LIMIT}
_DIRECTIONS: Final = {"STOP_DIRECTION_STOP_UP": _RISING, "STOP_DIRECTION_STOP_DOWN": _FALLING}


class Configuration(msgspec.Struct, frozen=True):
    """What one key of ``order_configuration`` is. *kind* is None where the direction of the stop decides it."""

    kind: Kind | None
    time_in_force: TimeInForce
    required: frozenset[str]
    optional: frozenset[str] = frozenset()


_LIMIT: Final = frozenset({"base_size", "limit_price"})
_STOP: Final = _LIMIT | {"stop_price", "stop_direction"}
_SIZES: Final = frozenset({"base_size", "quote_size"})
CONFIGURATIONS: Final = {
    "market_market_ioc": Configuration(Kind.MARKET, TimeInForce.IOC, frozenset(), _SIZES),
    "market_market_fok": Configuration(Kind.MARKET, TimeInForce.FOK, frozenset(), _SIZES),
    "limit_limit_gtc": Configuration(Kind.LIMIT, TimeInForce.GTC, _LIMIT, frozenset({"post_only"})),
    "limit_limit_gtd": Configuration(Kind.LIMIT, TimeInForce.GTD, _LIMIT | {"end_time"}, frozenset({"post_only"})),
    "limit_limit_fok": Configuration(Kind.LIMIT, TimeInForce.FOK, _LIMIT),
    "sor_limit_ioc": Configuration(Kind.LIMIT, TimeInForce.IOC, _LIMIT),
    "stop_limit_stop_limit_gtc": Configuration(None, TimeInForce.GTC, _STOP),
    "stop_limit_stop_limit_gtd": Configuration(None, TimeInForce.GTD, _STOP | {"end_time"}),
}


class NewOrder(msgspec.Struct, frozen=True):
    """The body of a placement."""

    client_order_id: str
    product_id: str
    side: str
    order_configuration: dict[str, dict[str, Any]]
    self_trade_prevention_id: str | None = None


class Cancels(msgspec.Struct, frozen=True):
    """The body of a cancel."""

    order_ids: list[str]


class Edit(msgspec.Struct, frozen=True):
    """The body of an edit. What is left out is zero (third parties)."""

    order_id: str
    price: str = ""
    size: str = ""


def new_order(body: bytes) -> NewOrder:
    """Raises ApiError."""
    try:
        order = msgspec.json.decode(body, type=NewOrder)
    except msgspec.MsgspecError as error:
        raise invalid(str(error)) from error
    if not 0 < len(order.client_order_id) <= _CLIENT_ID_LENGTH_MAX:
        raise invalid("client_order_id is required")
    return order


def cancels(body: bytes) -> list[str]:
    """Raises ApiError."""
    try:
        return msgspec.json.decode(body, type=Cancels).order_ids
    except msgspec.MsgspecError as error:
        raise invalid(str(error)) from error


def edit(body: bytes) -> Edit:
    """Raises ApiError."""
    try:
        return msgspec.json.decode(body, type=Edit)
    except msgspec.MsgspecError as error:
        raise invalid(str(error)) from error


def terms(wanted: Edit) -> tuple[int, int]:
    """The price and the size that are asked for. Raises OrderError."""
    return _amount(wanted.price, "INVALID_EDITED_PRICE"), _amount(wanted.size, "INVALID_EDITED_SIZE")


def ticket(order: NewOrder, now: int) -> Ticket:
    """The order that is asked for. Raises OrderError."""
    if order.side not in Side.__members__:
        raise OrderError("INVALID_SIDE")
    side = Side(order.side)
    name, values = next(iter(order.order_configuration.items()), ("", {}))
    configuration = CONFIGURATIONS.get(name)
    if configuration is None or len(order.order_configuration) != 1:
        raise OrderError("UNSUPPORTED_ORDER_CONFIGURATION")
    missing = configuration.required - values.keys()
    if missing or not values.keys() <= configuration.required | configuration.optional:
        raise OrderError("INVALID_REQUEST")
    kind = configuration.kind or _DIRECTIONS.get(str(values["stop_direction"]), {}).get(side)
    sizes = {size: _amount(values.get(size), "INVALID_SIZE_PRECISION") for size in _SIZES}
    if kind is None or (sizes["base_size"] > 0) is (sizes["quote_size"] > 0):
        raise OrderError("INVALID_REQUEST")
    return Ticket(
        symbol=order.product_id,
        side=side,
        kind=kind,
        quantity=sizes["base_size"],
        budget=sizes["quote_size"],
        price=_amount(values.get("limit_price"), "INVALID_PRICE_PRECISION"),
        stop_price=_amount(values.get("stop_price"), "INVALID_PRICE_PRECISION"),
        time_in_force=configuration.time_in_force,
        post_only=values.get("post_only") is True,
        self_trade=SelfTrade.EXPIRE_TAKER if order.self_trade_prevention_id else SelfTrade.NONE,  # assumed
        client_order_id=order.client_order_id,
        expires_at=_end(values.get("end_time"), now),
    )


def _amount(value: Any, reason: str) -> int:
    """Units of 10⁻¹⁸ of a numeral in a string; 0 where there is none."""
    if value is None:
        return 0
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value) or not money.parse(value):
        raise OrderError(reason)
    return money.parse(value)


def _end(value: Any, now: int) -> int:
    if value is None:
        return 0
    try:
        ends = instant(str(value))
    except ValueError as error:
        raise OrderError("INVALID_REQUEST") from error
    if ends <= now:
        raise OrderError("INVALID_REQUEST")
    return ends


def instant(text: str) -> int:
    """µs, from RFC 3339. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return round(moment.timestamp() * 1_000_000)


def moment(at_us: int) -> str:
    """RFC 3339, from µs."""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Filters:
    """The query string of a list: each name as often as one likes."""

    __slots__ = ("_values",)

    def __init__(self, query: bytes) -> None:
        self._values: Mapping[str, list[str]] = parse_qs(query.decode("utf-8", "replace"))

    def each(self, name: str) -> frozenset[str]:
        return frozenset(self._values.get(name, ()))

    def one(self, name: str) -> str | None:
        return next(iter(self._values.get(name, ())), None)

    def instant(self, name: str) -> int | None:
        """Raises ApiError."""
        value = self.one(name)
        try:
            return instant(value) if value else None
        except ValueError as error:
            raise invalid(f"{name}: {error}") from error

    def count(self, name: str, default: int, most: int) -> int:
        """Raises ApiError."""
        value = self.one(name) or str(default)
        if not value.isdecimal() or len(value) > 9:
            raise invalid(f"{name} is no number")
        return min(int(value) or default, most)
