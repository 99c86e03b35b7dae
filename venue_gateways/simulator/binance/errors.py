"""Binance's answers to what it refuses: HTTP status, code and message (errors.md)."""

from typing import Any, Final

from venue_gateways.simulator.orders import Refusal


class ApiError(Exception):
    """A refusal in Binance's words. *retry_at* is in µs; *data* is what the body says beyond code and message."""

    def __init__(
        self,
        code: int,
        message: str,
        status: int = 400,
        *,
        retry_at: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_at = retry_at
        self.data = data

    def payload(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "msg": self.message}
        return body if self.data is None else {**body, "data": self.data}


_REFUSALS: Final[dict[Refusal, tuple[int, str]]] = {
    Refusal.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Refusal.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Refusal.DUPLICATE_CLIENT_ORDER_ID: (-2010, "Duplicate order sent."),
    Refusal.INSUFFICIENT_BALANCE: (-2010, "Account has insufficient balance for requested action."),
    Refusal.WOULD_MATCH: (-2010, "Order would immediately match and take."),
    Refusal.WOULD_TRIGGER: (-2010, "Order would trigger immediately."),
    Refusal.NO_LIQUIDITY: (-2010, "Order book liquidity is less than symbol minimum quantity."),
    Refusal.PRICE_RULE: (-1013, "Filter failure: PRICE_FILTER"),
    Refusal.QUANTITY_RULE: (-1013, "Filter failure: LOT_SIZE"),
    Refusal.NOTIONAL_RULE: (-1013, "Filter failure: NOTIONAL"),
    Refusal.TOO_MANY_ORDERS: (-1013, "Filter failure: MAX_NUM_ORDERS"),
    Refusal.TOO_MANY_TRIGGER_ORDERS: (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS"),
    Refusal.NO_CHANGE: (-2038, "The requested action would change no state; rejecting"),
    Refusal.QUANTITY_INCREASE: (-2038, "Order amend (quantity increase) is not supported."),
}


def refused(refusal: Refusal) -> ApiError:
    return ApiError(*_REFUSALS[refusal])


def missing(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unknown_order() -> ApiError:
    """What a look-up says of an order that isn't there (a cancel says -2011)."""
    return ApiError(-2013, "Order does not exist.")
