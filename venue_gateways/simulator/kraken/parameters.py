"""What a request to Kraken's API says, read strictly: the order in it, or the error that it is none."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from domain import money
from domain.messages import Side, TimeInForce
from venue_gateways.simulator.kraken.errors import ApiError, invalid
from venue_gateways.simulator.kraken.names import Pair, decimals
from venue_gateways.simulator.orders import TRIGGERED, UNPRICED, Kind, SelfTrade, Ticket

_SECOND_US: Final = 1_000_000
#: How far ahead a deadline may lie (REST reference, AddOrder and AmendOrder).
DEADLINE_US: Final = (2 * _SECOND_US, 60 * _SECOND_US)

_AMOUNT: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?")
#: guides/general/clordid: a UUID with or without hyphens, or free text of up to 18 characters.
_SHORT_UUID: Final = re.compile(r"[0-9a-f]{32}")
_FREE_TEXT: Final = re.compile(r"[\x21-\x7e]{1,18}")

KINDS: Final = {
    "market": Kind.MARKET,
    "limit": Kind.LIMIT,
    "stop-loss": Kind.STOP,
    "stop-loss-limit": Kind.STOP_LIMIT,
    "take-profit": Kind.TAKE_PROFIT,
    "take-profit-limit": Kind.TAKE_PROFIT_LIMIT,
}
#: stptype: who gives way when an account would trade with itself. Without it, the newest (assumed).
SELF_TRADE: Final = {
    "cancel-newest": SelfTrade.EXPIRE_TAKER,
    "cancel-oldest": SelfTrade.EXPIRE_MAKER,
    "cancel-both": SelfTrade.EXPIRE_BOTH,
}
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_FLAGS: Final = frozenset({"post", "fcib", "fciq", "nompp", "viqc"})
#: Kinds of order, and conditions, that this venue has not.
_UNSUPPORTED: Final = ("displayvol", "leverage", "reduce_only", "starttm", "close[ordertype]")
#: What AmendOrder can change at the venue, and not here.
_NOT_AMENDED: Final = ("limit_price", "trigger_price", "display_qty")
_QUANTITIES: Final = frozenset({"volume", "order_qty"})


def split(body: bytes, content_type: str) -> dict[str, str]:
    """The parameters in a form, or in JSON. Raises ApiError."""
    if "json" not in content_type:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        values = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ApiError("EGeneral:Invalid arguments") from error
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in values.items()
    }


class Parameters:
    """The parameters of one request, by name. Whoever reads one gets it valid, or an ApiError is raised."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def text(self, name: str) -> str | None:
        return self.values.get(name) or None

    def flag(self, name: str) -> bool:
        return self.values.get(name, "").lower() in {"true", "1"}

    def integer(self, name: str) -> int:
        """Zero if it isn't there."""
        value = self.values.get(name) or "0"
        if not value.isdecimal() or len(value) > 19:
            raise invalid(name)
        return int(value)

    def userref(self) -> int | None:
        value = self.text("userref")
        if value is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,10}", value) or not -(1 << 31) <= int(value) < 1 << 31:
            raise invalid("userref")
        return int(value)

    def client_id(self) -> str | None:
        value = self.text("cl_ord_id")
        if value is None or _SHORT_UUID.fullmatch(value) or _FREE_TEXT.fullmatch(value):
            return value
        try:
            if str(UUID(value)) == value.lower():
                return value
        except ValueError:
            pass
        raise invalid("cl_ord_id")

    def deadline(self, arrived: int) -> int | None:
        """When what is asked for is too late, in µs."""
        value = self.text("deadline")
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
            deadline = round(moment.timestamp() * _SECOND_US) if moment.tzinfo is not None else 0
        except ValueError as error:
            raise invalid("deadline") from error
        earliest, latest = (arrived + ahead for ahead in DEADLINE_US)
        if not earliest <= deadline <= latest:
            raise invalid("deadline")
        return deadline

    def ticket(self, pair: Pair, now: int) -> Ticket:
        """The order that the parameters describe."""
        kind = self._word("ordertype", KINDS)
        flags = frozenset(self.values.get("oflags", "").split(",")) - {""}
        if not flags <= _FLAGS or ("viqc" in flags and kind is not Kind.MARKET):
            raise invalid("oflags")
        for name in _UNSUPPORTED:
            if self.values.get(name, "0") not in {"0", "none", "false"}:
                raise invalid(name)
        reference, client_order_id = self.userref(), self.client_id()
        if reference is not None and client_order_id is not None:
            raise invalid("cl_ord_id")  # guides/general/clordid: one excludes the other
        volume = self._amount("volume", pair.lot_decimals if "viqc" not in flags else decimals(1))
        price = 0 if kind is Kind.MARKET else self._amount("price", pair.price_decimals)
        limit = price if kind is Kind.LIMIT else 0 if kind in UNPRICED else self._amount("price2", pair.price_decimals)
        time_in_force, expires_at = self._time_in_force(now)
        return Ticket(
            symbol=pair.instrument.symbol,
            side=self._word("type", _SIDES),
            kind=kind,
            quantity=0 if "viqc" in flags else volume,
            budget=volume if "viqc" in flags else 0,
            price=limit,
            stop_price=price if kind in TRIGGERED else 0,
            time_in_force=time_in_force,
            post_only="post" in flags,
            self_trade=self._word("stptype", SELF_TRADE) if self.text("stptype") else SelfTrade.EXPIRE_TAKER,
            client_order_id=client_order_id,
            labels=(("userref", reference),) if reference is not None else (),
            expires_at=expires_at,
        )

    def amended_quantity(self, pair: Pair) -> int:
        """What an order is to be for. ``post_only`` is passed over: it is about a new price (REST reference)."""
        for name in _NOT_AMENDED:
            if self.text(name) is not None:
                raise invalid(name)
        return self._amount("order_qty", pair.lot_decimals)

    def _word(self, name: str, words: Mapping[str, Any]) -> Any:
        value = words.get(self.values.get(name, ""))
        if value is None:
            raise invalid(name)
        return value

    def _amount(self, name: str, places: int) -> int:
        """Units of 10⁻¹⁸, above zero, with no more than so many decimals."""
        value = self.values.get(name, "")
        if not _AMOUNT.fullmatch(value) or not money.parse(value):
            raise invalid(name)
        amount = money.parse(value)
        if decimals(amount) > places:
            raise invalid(name) if name in _QUANTITIES else ApiError("EOrder:Tick size check failed")
        return amount

    def _time_in_force(self, now: int) -> tuple[TimeInForce, int]:
        """With the instant at which the order's time is up, or 0: ``expiretm`` is a Unix time, or ``+`` and seconds."""
        value = (self.text("timeinforce") or "GTC").upper()
        if value not in TimeInForce.__members__:
            raise invalid("timeinforce")
        time_in_force = TimeInForce(value)
        ends = self.values.get("expiretm", "0")
        if not re.fullmatch(r"\+?[0-9]{1,12}", ends):
            raise invalid("expiretm")
        expires_at = int(ends) * _SECOND_US + (now if ends.startswith("+") else 0)
        if time_in_force is not TimeInForce.GTD:
            return time_in_force, 0
        if expires_at < now + 5 * _SECOND_US:  # REST reference: at least five seconds ahead
            raise invalid("expiretm")
        return time_in_force, expires_at
