"""What Binance's refusals mean: the table from HTTP status and error code to outcome.

Documented sources: rest-api.md "HTTP Return Codes" and errors.md. The golden rule, documented too: a 5xx is never a
failure, its execution status is unknown.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from venue_gateways.venue import (
    Amend,
    Answer,
    Call,
    Cancel,
    CancelAll,
    FindOrder,
    HttpResponse,
    Outcome,
    Place,
    Remedy,
    Unparsable,
    decode,
)

SECOND_US: Final = 1_000_000
#: A 429 for the order count comes without Retry-After (documented); its shortest window is 10 s.
ORDERS_WAIT_US: Final = 10 * SECOND_US
#: A ban lasts from 2 minutes to 3 days (documented); this is waited if the header is missing.
BAN_WAIT_US: Final = 120 * SECOND_US
#: How long a refused key or address is left alone (assumed).
BLOCK_WAIT_US: Final = 60 * SECOND_US

ORDERS_LIMITS: Final = "orders"  # stands for every limit whose name starts so


class Meaning(msgspec.Struct, frozen=True):
    outcome: Outcome
    reason: str
    remedy: Remedy = Remedy.NONE
    wait_us: int = 0
    limit: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    code: int
    msg: str = ""


_REJECTED, _RETRY, _UNKNOWN = Outcome.REJECTED, Outcome.RETRY_SAFE, Outcome.UNKNOWN

#: Statuses that mean the same whatever the body says. Each is refused before it reaches the matching engine: 403 by the
#: firewall, 418 by the ban (documented).
_BY_STATUS: Final[Mapping[int, Meaning]] = {
    403: Meaning(_RETRY, "FIREWALL", Remedy.BLOCK, BLOCK_WAIT_US),
    418: Meaning(_RETRY, "BANNED", Remedy.BLOCK, BAN_WAIT_US),
    429: Meaning(_RETRY, "TOO_MANY_REQUESTS", wait_us=10 * SECOND_US),
}

#: Error codes of a 4xx. What isn't here, or in _BY_RANGE, is UNKNOWN.
_BY_CODE: Final[Mapping[int, Meaning]] = {
    -1000: Meaning(_UNKNOWN, "VENUE_ERROR"),  # documented text doesn't say that nothing was executed
    -1001: Meaning(_UNKNOWN, "VENUE_DISCONNECTED"),  # the same
    -1002: Meaning(_REJECTED, "UNAUTHORIZED", Remedy.BLOCK, BLOCK_WAIT_US),
    -1003: Meaning(_RETRY, "TOO_MANY_REQUESTS", wait_us=10 * SECOND_US),
    -1006: Meaning(_UNKNOWN, "VENUE_ERROR"),  # documented: "execution status unknown"
    -1007: Meaning(_UNKNOWN, "VENUE_TIMEOUT"),  # documented: "execution status unknown"
    -1008: Meaning(_RETRY, "VENUE_BUSY", Remedy.BACK_OFF, wait_us=SECOND_US),
    -1013: Meaning(_REJECTED, "FILTER"),  # documented: "didn't reach the Matching Engine"
    -1014: Meaning(_REJECTED, "UNSUPPORTED_ORDER"),
    -1015: Meaning(_RETRY, "TOO_MANY_ORDERS", wait_us=ORDERS_WAIT_US, limit=ORDERS_LIMITS),
    -1016: Meaning(_RETRY, "VENUE_SHUTTING_DOWN", Remedy.BACK_OFF, wait_us=SECOND_US),
    -1020: Meaning(_REJECTED, "UNSUPPORTED_ORDER"),
    -1021: Meaning(_RETRY, "CLOCK", Remedy.SET_CLOCK),  # documented: checked before the matching engine
    -1022: Meaning(_REJECTED, "INVALID_SIGNATURE", Remedy.BLOCK, BLOCK_WAIT_US),
    -1010: Meaning(_REJECTED, "VENUE_REFUSED"),
    -1121: Meaning(_REJECTED, "UNKNOWN_SYMBOL"),
    -2010: Meaning(_REJECTED, "VENUE_REFUSED"),
    -2014: Meaning(_REJECTED, "INVALID_KEY", Remedy.BLOCK, BLOCK_WAIT_US),
    -2015: Meaning(_REJECTED, "INVALID_KEY", Remedy.BLOCK, BLOCK_WAIT_US),  # or an address that isn't allowed
}

#: Documented: 11xx and 12xx are about the request itself.
_MALFORMED: Final = Meaning(_REJECTED, "INVALID_REQUEST")

#: Documented messages of -1010 and -2010 ("Messages for …") that mean something of their own.
_BY_MESSAGE: Final[Mapping[str, Meaning]] = {
    "Duplicate order sent.": Meaning(_UNKNOWN, "DUPLICATE_CLIENT_ORDER_ID", Remedy.LOOK_UP),
    "Market is closed.": Meaning(_REJECTED, "MARKET_CLOSED"),
    "Account has insufficient balance for requested action.": Meaning(_REJECTED, "INSUFFICIENT_FUNDS"),
    "Order would trigger immediately.": Meaning(_REJECTED, "STOP_WOULD_TRIGGER"),
    "Order would immediately match and take.": Meaning(_REJECTED, "POST_ONLY_WOULD_TAKE"),
    "Price * QTY is zero or less.": Meaning(_REJECTED, "NOTIONAL_TOO_SMALL"),
    "This action is disabled on this account.": Meaning(_REJECTED, "ACCOUNT_DISABLED"),
    "This account may not place or cancel orders.": Meaning(_REJECTED, "ACCOUNT_DISABLED"),
    "This symbol is not permitted for this account.": Meaning(_REJECTED, "SYMBOL_NOT_PERMITTED"),
    "This symbol is restricted for this account.": Meaning(_REJECTED, "SYMBOL_NOT_PERMITTED"),
}

_FILTER_FAILURE: Final = "Filter failure: "

#: Not found now, which proves nothing alone: the answer comes from memory and a database that lag (documented).
_NOT_FOUND: Final = Meaning(_REJECTED, "ORDER_NOT_FOUND")

#: Codes that only one kind of call has.
_OF_CALL: Final[Mapping[tuple[type[Call], int], Meaning]] = {
    # documented: the order could not be found, under the ID given. It may have filled, expired, or never been there.
    (Cancel, -2011): Meaning(_REJECTED, "ORDER_NOT_FOUND", Remedy.LOOK_UP),
    # documented: the amendment was rejected, whatever for; perhaps an earlier copy of it has come through
    (Amend, -2038): Meaning(_REJECTED, "NOT_AMENDED", Remedy.LOOK_UP),
    (Amend, -2011): Meaning(_REJECTED, "ORDER_NOT_FOUND", Remedy.LOOK_UP),
    (Amend, -2013): Meaning(_REJECTED, "ORDER_NOT_FOUND", Remedy.LOOK_UP),
    (CancelAll, -2011): Meaning(_REJECTED, "ORDER_NOT_FOUND"),  # the symbol has no open orders
    (FindOrder, -2013): _NOT_FOUND,
    # documented: canceled or expired with nothing executed, more than 90 days ago
    (FindOrder, -2026): Meaning(_REJECTED, "ORDER_ARCHIVED"),
}


def refusal(call: Call, response: HttpResponse) -> Answer:
    """The answer to *call* behind a *response* that isn't a 2xx."""
    try:
        error: ErrorBody | None = decode(response.body, ErrorBody)
    except Unparsable:
        error = None
    meaning = _meaning(call, response.status, error)
    wait_us = _retry_after_us(response) or meaning.wait_us
    return Answer(
        meaning.outcome,
        meaning.reason,
        meaning.remedy,
        wait_us=wait_us if meaning.wait_us else 0,
        limit=meaning.limit,
        absent=meaning is _NOT_FOUND,
    )


def _meaning(call: Call, status: int, error: ErrorBody | None) -> Meaning:
    if error is not None and error.code == -1015 and status == 429:
        return _BY_CODE[-1015]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if error is None or not 400 <= status < 500:  # whatever the body of a 5xx says
        return Meaning(_UNKNOWN, f"HTTP_{status}")
    return _of_code(call, error)


def _of_code(call: Call, error: ErrorBody) -> Meaning:
    if error.code in {-1010, -2010} and error.msg in _BY_MESSAGE and isinstance(call, Place):
        return _BY_MESSAGE[error.msg]
    if error.msg.startswith(_FILTER_FAILURE):
        return Meaning(_REJECTED, f"FILTER_{error.msg.removeprefix(_FILTER_FAILURE)[:40]}")
    found = _OF_CALL.get((type(call), error.code)) or _BY_CODE.get(error.code)
    if found is None and -1299 <= error.code <= -1100:
        return _MALFORMED
    return found or Meaning(_UNKNOWN, f"CODE_{error.code}")


def _retry_after_us(response: HttpResponse) -> int:
    """``Retry-After`` in microseconds; 0 if it isn't there, or no number of seconds up to a week."""
    text = response.headers.get("retry-after", "")
    return min(int(text), 604_800) * SECOND_US if text.isascii() and text.isdigit() and len(text) < 12 else 0
