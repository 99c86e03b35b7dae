"""What a request to Binance's API says, read strictly: amounts, numbers and words, or the error that they aren't."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from domain import money
from domain.messages import Side, TimeInForce
from venue_gateways.simulator.binance.errors import ApiError, missing
from venue_gateways.simulator.orders import Kind, SelfTrade, Ticket

_Word = TypeVar("_Word", bound=StrEnum)

#: fix-api.md; the REST pages give no character set.
_CLIENT_ID: Final = re.compile(r"[a-zA-Z0-9-_]{1,36}")
_AMOUNT: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_INTEGER: Final = re.compile(r"[0-9]{1,19}")

_KINDS: Final[dict[str, tuple[Kind, bool]]] = {
    "LIMIT": (Kind.LIMIT, False),
    "LIMIT_MAKER": (Kind.LIMIT, True),
    "MARKET": (Kind.MARKET, False),
    "STOP_LOSS": (Kind.STOP, False),
    "STOP_LOSS_LIMIT": (Kind.STOP_LIMIT, False),
    "TAKE_PROFIT": (Kind.TAKE_PROFIT, False),
    "TAKE_PROFIT_LIMIT": (Kind.TAKE_PROFIT_LIMIT, False),
}
TYPES: Final = {kind: name for name, kind in _KINDS.items()}

#: rest-api.md, "additional mandatory parameters based on order type".
_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "LIMIT": ("timeInForce", "quantity", "price"),
    "LIMIT_MAKER": ("quantity", "price"),
    "MARKET": (),
    "STOP_LOSS": ("quantity", "stopPrice"),
    "STOP_LOSS_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
    "TAKE_PROFIT": ("quantity", "stopPrice"),
    "TAKE_PROFIT_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
}
_BY_TYPE: Final = ("timeInForce", "quantity", "price", "stopPrice", "quoteOrderQty")
#: Kinds of order that this venue has not.
_UNSUPPORTED: Final = {
    "icebergQty": "Iceberg orders are not supported for this symbol.",
    "trailingDelta": "Trailing stop orders are not supported for this symbol.",
    "pegPriceType": "Pegged orders are not supported for this symbol.",
}
#: What places an order, beyond who and when.
TICKET: Final = frozenset(
    {"symbol", "side", "type", "newClientOrderId", "newOrderRespType", "selfTradePreventionMode"}
    | {"strategyId", "strategyType", "pegOffsetValue", "pegOffsetType"}
    | set(_BY_TYPE)
    | set(_UNSUPPORTED)
)


def split(query: bytes, body: bytes) -> tuple[dict[str, str], bytes]:
    """The parameters of a request, and the bytes that its signature is about.

    Those are the query string and the body without anything between them, each without its ``signature``. A parameter
    in both counts as in the query string; one that is twice in either is an error.
    """
    values: dict[str, str] = {}
    signed = b""
    for part in (query, body):
        pairs = parse_qsl(part.decode("utf-8", "replace"), keep_blank_values=True)
        names = dict(pairs)
        if len(names) != len(pairs):
            raise ApiError(-1101, "Duplicate values for a parameter detected.")
        values = {**names, **values}
        if "signature" in names:
            part = b"&".join(pair for pair in part.split(b"&") if not pair.startswith(b"signature="))  # noqa: PLW2901
        signed += part
    return values, signed


class Parameters:
    """The parameters of one request, by name. Whoever reads one gets it valid, or an ApiError is raised."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def allow(self, names: frozenset[str]) -> None:
        """Raises if something else was sent, or something empty."""
        for name, value in self.values.items():
            if name not in names:
                read = len(self.values.keys() & names)
                message = f"read '{read}' parameter(s) but was sent '{len(self.values)}'."
                raise ApiError(-1104, f"Not all sent parameters were read; {message}")
            if not value:
                raise ApiError(-1105, f"Parameter '{name}' was empty.")

    def has(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not value:
            raise missing(name)
        return value

    def amount(self, name: str) -> int:
        """Units of 10⁻¹⁸."""
        value = self.text(name)
        if not _AMOUNT.fullmatch(value):
            legal = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
        try:
            return money.parse(value)
        except ValueError as error:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.") from error

    def integer(self, name: str) -> int:
        value = self.text(name)
        if not _INTEGER.fullmatch(value):
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(value)

    def optional_integer(self, name: str) -> int | None:
        return self.integer(name) if name in self.values else None

    def instant(self, name: str) -> int:
        """Microseconds, from a number of milliseconds or of microseconds."""
        number = self.integer(name)
        return number if number > 10**14 else number * 1_000

    def limit(self) -> int:
        return min(self.integer("limit"), 1_000) if self.has("limit") else 500

    def flag(self, name: str) -> bool:
        return self.values.get(name, "false").lower() == "true"

    def client_id(self, name: str) -> str | None:
        if name not in self.values:
            return None
        value = self.text(name)
        if not _CLIENT_ID.fullmatch(value):
            raise ApiError(
                -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[a-zA-Z0-9-_]{{1,36}}$'."
            )
        return value

    def word(self, name: str, words: type[_Word], code: int, message: str) -> _Word:
        try:
            return words(self.text(name))
        except ValueError as error:
            raise ApiError(code, message) from error

    def ticket(self, symbol: str) -> Ticket:
        """The order that the parameters describe. *symbol* is the venue's own name of its symbol."""
        side = self.word("side", Side, -1117, "Invalid side.")
        type_ = self.text("type")
        if type_ not in _KINDS:
            raise ApiError(-1116, "Invalid orderType.")
        self._check_composition(type_)
        kind, post_only = _KINDS[type_]
        return Ticket(
            symbol=symbol,
            side=side,
            kind=kind,
            quantity=self._positive("quantity"),
            price=self._positive("price"),
            stop_price=self._positive("stopPrice"),
            budget=self._positive("quoteOrderQty"),
            time_in_force=self._time_in_force(),
            post_only=post_only,
            self_trade=self._self_trade(),
            client_order_id=self.client_id("newClientOrderId"),
            labels=tuple((name, self.integer(name)) for name in ("strategyId", "strategyType") if self.has(name)),
        )

    def _check_composition(self, type_: str) -> None:
        for name, message in _UNSUPPORTED.items():
            if self.has(name):
                raise ApiError(-2010, message)
        allowed = _REQUIRED[type_]
        if type_ == "MARKET":
            allowed = ("quoteOrderQty",) if self.has("quoteOrderQty") else ("quantity",)
        for name in allowed:
            self.text(name)
        for name in _BY_TYPE:
            if self.has(name) and name not in allowed:
                raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
        if self.has("strategyType") and self.integer("strategyType") < 1_000_000:
            raise ApiError(-1134, "strategyType was less than 1000000.")

    def _positive(self, name: str) -> int:
        """An amount above zero, or 0 where there is none."""
        if name not in self.values:
            return 0
        amount = self.amount(name)
        if not amount:
            filter_ = {"price": "PRICE_FILTER", "stopPrice": "PRICE_FILTER", "quantity": "LOT_SIZE"}.get(
                name, "NOTIONAL"
            )
            raise ApiError(-1013, f"Filter failure: {filter_}")
        return amount

    def _time_in_force(self) -> TimeInForce:
        if not self.has("timeInForce"):
            return TimeInForce.GTC
        words = self.word("timeInForce", TimeInForce, -1115, "Invalid timeInForce.")
        if words is TimeInForce.GTD:  # Binance has none
            raise ApiError(-1115, "Invalid timeInForce.")
        return words

    def _self_trade(self) -> SelfTrade:
        if not self.has("selfTradePreventionMode"):
            return SelfTrade.NONE
        message = "This symbol does not allow the specified self-trade prevention mode."
        return self.word("selfTradePreventionMode", SelfTrade, -1013, message)
