"""Coinbase's answers to what it refuses: a status with a JSON body; for orders status 200, with ``success: false``."""

from typing import Any, Final

from venue_gateways.simulator.orders import Refusal


class ApiError(Exception):
    """A refusal with an HTTP status."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message

    def payload(self) -> dict[str, Any]:
        if self.status == 429:
            return {"errors": [{"id": self.error, "message": self.message}]}
        return {"error": self.error, "error_details": self.message, "message": self.message}


class OrderError(Exception):
    """An order that is refused with status 200. *preview* is what its preview would have failed for."""

    def __init__(self, error: str, preview: str | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.preview = preview or f"PREVIEW_{error}"


UNKNOWN_FAILURE: Final = "UNKNOWN_FAILURE_REASON"


def unauthorized() -> ApiError:
    return ApiError(401, "UNAUTHENTICATED", "Unauthorized")


def too_many_requests() -> ApiError:
    return ApiError(429, "rate_limit_exceeded", "Too many requests")


def invalid(what: str) -> ApiError:
    return ApiError(400, "INVALID_ARGUMENT", what)


def not_found(what: str) -> ApiError:
    return ApiError(404, "NOT_FOUND", f"{what} was not found")


_REFUSALS: Final[dict[Refusal, tuple[str, str | None]]] = {
    Refusal.UNKNOWN_SYMBOL: ("INVALID_PRODUCT_ID", None),
    Refusal.INSUFFICIENT_BALANCE: ("INSUFFICIENT_FUND", None),
    Refusal.WOULD_MATCH: ("INVALID_LIMIT_PRICE_POST_ONLY", None),
    Refusal.WOULD_TRIGGER: (UNKNOWN_FAILURE, "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"),  # assumed
    Refusal.NO_LIQUIDITY: ("INVALID_NO_LIQUIDITY", None),
    Refusal.PRICE_RULE: ("INVALID_PRICE_PRECISION", None),
    Refusal.QUANTITY_RULE: ("INVALID_SIZE_PRECISION", None),
    Refusal.NOTIONAL_RULE: (UNKNOWN_FAILURE, "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),  # assumed
    Refusal.TOO_MANY_ORDERS: ("INVALID_REQUEST", None),
    Refusal.TOO_MANY_TRIGGER_ORDERS: ("INVALID_REQUEST", None),
}


def too_small() -> OrderError:
    return OrderError(UNKNOWN_FAILURE, "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL")  # assumed


def refused(refusal: Refusal) -> OrderError:
    return OrderError(*_REFUSALS[refusal])
