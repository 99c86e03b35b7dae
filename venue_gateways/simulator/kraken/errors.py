"""Kraken's answers to what it refuses: a text in the list ``error``, with HTTP status 200 (guides/general/errors)."""

from typing import Final

from venue_gateways.simulator.orders import Refusal

INVALID_KEY: Final = "EAPI:Invalid key"
INVALID_SIGNATURE: Final = "EAPI:Invalid signature"
INVALID_NONCE: Final = "EAPI:Invalid nonce"
CALLS_EXCEEDED: Final = "EAPI:Rate limit exceeded"
ORDERS_EXCEEDED: Final = "EOrder:Rate limit exceeded"
UNKNOWN_METHOD: Final = "EGeneral:Unknown method"
UNKNOWN_PAIR: Final = "EQuery:Unknown asset pair"
UNKNOWN_ORDER: Final = "EOrder:Unknown order"
INVALID_ORDER: Final = "EOrder:Invalid order"
DEADLINE_ELAPSED: Final = "EService:Deadline elapsed"
INVALID_TOKEN: Final = "EAPI:Invalid token"  # noqa: S105  # what is said, no token
INVALID_SESSION: Final = "ESession:Invalid session"


class ApiError(Exception):
    """A refusal in Kraken's words."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def limit(self) -> bool:
        """Whether it says that a limit was passed."""
        return self.message in {CALLS_EXCEEDED, ORDERS_EXCEEDED}


def invalid(name: str) -> ApiError:
    return ApiError(f"EGeneral:Invalid arguments:{name}")


_REFUSALS: Final = {
    Refusal.UNKNOWN_SYMBOL: UNKNOWN_PAIR,
    Refusal.UNKNOWN_ORDER: UNKNOWN_ORDER,
    Refusal.DUPLICATE_CLIENT_ORDER_ID: "EGeneral:Invalid arguments:cl_ord_id",  # assumed: no document has its words
    Refusal.INSUFFICIENT_BALANCE: "EOrder:Insufficient funds",
    Refusal.WOULD_TRIGGER: "EOrder:Invalid price",  # assumed
    Refusal.NO_LIQUIDITY: "EGeneral:Invalid arguments:volume",  # assumed
    Refusal.PRICE_RULE: "EOrder:Tick size check failed",
    Refusal.QUANTITY_RULE: "EOrder:Order minimum not met",
    Refusal.NOTIONAL_RULE: "EOrder:Cost minimum not met",
    Refusal.NO_CHANGE: "EGeneral:Invalid arguments:order_qty",  # assumed
    Refusal.QUANTITY_INCREASE: "EGeneral:Invalid arguments:order_qty",  # the venue would do it: it is not simulated
    Refusal.TOO_MANY_ORDERS: "EOrder:Orders limit exceeded",
    Refusal.TOO_MANY_TRIGGER_ORDERS: "EOrder:Orders limit exceeded",
}


def refused(refusal: Refusal) -> ApiError:
    return ApiError(_REFUSALS[refusal])
