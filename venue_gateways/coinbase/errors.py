"""What Coinbase's refusals mean: from HTTP status and named reason to outcome.

Documented: an answer with status 200 may be a refusal; ``success`` says so, and names the reason. What status codes
leave open is taken for unknown: the documents promise of no 5xx that nothing was executed.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from venue_gateways.venue import Answer, Call, FindOrder, HttpResponse, Outcome, Remedy, Unparsable, decode

SECOND_US: Final = 1_000_000
#: Documented without Retry-After; the limits are counted by the second (told).
TOO_MANY_WAIT_US: Final = SECOND_US
#: How long a refused key or address is left alone (assumed).
BLOCK_WAIT_US: Final = 60 * SECOND_US
#: No answer is believed that wants a longer pause (assumed).
_WAIT_MAX_S: Final = 3_600

_REJECTED, _RETRY, _UNKNOWN = Outcome.REJECTED, Outcome.RETRY_SAFE, Outcome.UNKNOWN


class Meaning(msgspec.Struct, frozen=True):
    outcome: Outcome
    reason: str
    remedy: Remedy = Remedy.NONE
    wait_us: int = 0

    def answer(self) -> Answer:
        return Answer(self.outcome, self.reason, self.remedy, self.wait_us)


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of a 4xx (documented: ``error``, ``error_details``, ``message``)."""

    error: str = ""
    message: str = ""


class PlacementError(msgspec.Struct, frozen=True):
    """``error_response`` of a placement (documented). Any of the three reasons may be the one that says something."""

    error: str | None = ""
    message: str | None = ""
    preview_failure_reason: str | None = ""
    new_order_failure_reason: str | None = ""


class EditError(msgspec.Struct, frozen=True):
    """One of the ``errors`` of an edit (documented). Either of the two reasons may be the one that says something."""

    edit_failure_reason: str | None = ""
    preview_failure_reason: str | None = ""


# ── a status that is no success ─────────────────────────────────────────────────────────────────────────────────────

#: The first 401 of a request may be the clock's fault, so it is made once more with a new token.
_TOKEN_REFUSED: Final = Meaning(_RETRY, "TOKEN_REFUSED", Remedy.SET_CLOCK)
_KEY_REFUSED: Final = Meaning(_REJECTED, "KEY_REFUSED", Remedy.BLOCK, BLOCK_WAIT_US)
_NOT_PERMITTED: Final = Meaning(_REJECTED, "NOT_PERMITTED", Remedy.BLOCK, BLOCK_WAIT_US)
#: A 403 that isn't the API's own comes from what stands in front of it (assumed).
_FIREWALL: Final = Meaning(_RETRY, "FIREWALL", Remedy.BLOCK, BLOCK_WAIT_US)
_NOT_FOUND: Final = Meaning(_REJECTED, "ORDER_NOT_FOUND")

#: Told (ccxt): how the answer to a query says that there is no such order, whatever its status.
_NOT_FOUND_TEXT: Final = "was not found"


def refusal(call: Call, response: HttpResponse, *, again: bool) -> Answer:
    """What a response that is no success says about *call*. *again*: this request has had a 401 before."""
    meaning = _of_status(call, response, again=again)
    absent = isinstance(call, FindOrder) and meaning is _NOT_FOUND
    wait_us = _asked_wait_us(response) or meaning.wait_us if response.status == 429 else meaning.wait_us
    return Answer(meaning.outcome, meaning.reason, meaning.remedy, wait_us, absent=absent)


def _of_status(call: Call, response: HttpResponse, *, again: bool) -> Meaning:
    body = _body(response)
    if response.status == 429:
        return Meaning(_RETRY, "TOO_MANY_REQUESTS", wait_us=TOO_MANY_WAIT_US)
    if response.status == 401:
        return _KEY_REFUSED if again else _TOKEN_REFUSED
    if response.status == 403:
        return _NOT_PERMITTED if body is not None else _FIREWALL
    if isinstance(call, FindOrder) and body is not None and _is_absence(response.status, body):
        return _NOT_FOUND
    if response.status == 400 and body is not None:
        return Meaning(_REJECTED, named(body.error) or "INVALID_REQUEST")
    return Meaning(_UNKNOWN, f"HTTP_{response.status}")


def _is_absence(status: int, body: ErrorBody) -> bool:
    return status == 404 or (status == 400 and _NOT_FOUND_TEXT in body.message)


def _body(response: HttpResponse) -> ErrorBody | None:
    """None for anything but a JSON object, such as the page of a proxy."""
    try:
        body: ErrorBody = decode(response.body, ErrorBody)
    except Unparsable:
        return None
    return body


def _asked_wait_us(response: HttpResponse) -> int:
    """How long the venue wants to be left alone; 0 if it doesn't say.

    ``x-ratelimit-reset`` is documented by name alone; a small number is taken for seconds, any other for an instant
    that isn't understood (assumed).
    """
    for name in ("retry-after", "x-ratelimit-reset"):
        text = response.headers.get(name, "")
        if text.isascii() and text.isdigit() and len(text) <= 4 and 0 < int(text) <= _WAIT_MAX_S:
            return int(text) * SECOND_US
    return 0


# ── a success that says no ──────────────────────────────────────────────────────────────────────────────────────────

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{2,59}")

#: Told, as all names of reasons: these leave it open whether there is an order, or say that there is one.
_DOUBTFUL: Final[Mapping[str, str]] = {
    "COMMANDER_REJECTED_NEW_ORDER": "VENUE_REFUSED",
    "DUPLICATE_CLIENT_ORDER_ID": "DUPLICATE_CLIENT_ORDER_ID",
    "": "VENUE_REFUSED",
}
#: Names that other venues' reasons have, too.
_COMMON: Final[Mapping[str, str]] = {
    "INSUFFICIENT_FUND": "INSUFFICIENT_FUNDS",
    "INVALID_PRODUCT_ID": "UNKNOWN_SYMBOL",
    "INVALID_LIMIT_PRICE_POST_ONLY": "POST_ONLY_WOULD_TAKE",
    "ORDER_ENTRY_DISABLED": "MARKET_CLOSED",
    "UNTRADABLE_PRODUCT": "MARKET_CLOSED",
    "UNKNOWN_CANCEL_ORDER": "ORDER_NOT_FOUND",
    "UNSUPPORTED_ORDER_CONFIGURATION": "UNSUPPORTED_ORDER",
}


def named(reason: str | None) -> str:
    """*reason* without what its enum's name adds; empty for the enum's zero value, and for what is no name."""
    if reason is None or _NAME.fullmatch(reason) is None:
        return ""
    name = reason.removeprefix("PREVIEW_")
    return "" if name.startswith("UNKNOWN_") and name.endswith("FAILURE_REASON") else name


def not_placed(error: PlacementError) -> Answer:
    """What ``success: false`` says of a placement: a rejection, if it names a reason that leaves no doubt."""
    reasons = (error.new_order_failure_reason, error.error, error.preview_failure_reason)
    reason = next((name for text in reasons if (name := named(text))), "")
    if reason in _DOUBTFUL:
        return Meaning(_UNKNOWN, _DOUBTFUL[reason], Remedy.LOOK_UP).answer()
    return Meaning(_REJECTED, _COMMON.get(reason, reason)).answer()


#: Told: the venue has this cancel already, so it isn't done, and will be.
_CANCEL_UNDER_WAY: Final = frozenset({"DUPLICATE_CANCEL_REQUEST"})


def not_canceled(reason: str | None) -> Answer:
    """What ``success: false`` says of a cancel: never what became of the order, so that has to be asked."""
    name = named(reason)
    if name in _CANCEL_UNDER_WAY:
        return Answer(Outcome.ACCEPTED)
    return Meaning(_REJECTED, _COMMON.get(name, name) or "VENUE_REFUSED", Remedy.LOOK_UP).answer()


#: Told, as all names of reasons: the venue has an edit of this order already. Nobody else edits it, so that one is
#: taken for an earlier copy, which isn't made, and will be (assumed).
_EDIT_UNDER_WAY: Final = frozenset({"ORDER_IS_ALREADY_BEING_REPLACED"})
#: These are about where the order is, or about a size that it has, or can't have: it may be gone, or an earlier copy
#: may have come through (assumed, from what they are called).
_EDIT_DOUBTFUL: Final = frozenset(
    {
        "CANNOT_EDIT_ORDER_PENDING_CANCEL",
        "CANNOT_EDIT_TO_BELOW_FILLED_SIZE",
        "COMMANDER_REJECTED_EDIT_ORDER",
        "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST",
        "INVALID_EDITED_SIZE",
        "INVALID_ORDER_ID",
        "INVALID_ORIGINAL_SIZE",
        "ONLY_OPEN_ORDERS_CAN_BE_EDITED",
        "ORDER_IS_PENDING_CANCEL",  # a preview's, as is the last
        "ORDER_NOT_FOUND",
        "ORIGINAL_ORDER_NOT_FOUND",
        "TOO_MANY_PENDING_REPLACES",
    }
)


def not_edited(errors: Sequence[EditError]) -> Answer:
    """What ``success: false`` says of an edit. Told: its own reason comes before its preview's (NautilusTrader)."""
    reasons = (*(error.edit_failure_reason for error in errors), *(error.preview_failure_reason for error in errors))
    reason = next((name for text in reasons if (name := named(text))), "")
    if not reason:
        return Meaning(_UNKNOWN, "VENUE_REFUSED", Remedy.LOOK_UP).answer()
    if reason in _EDIT_UNDER_WAY:
        return Answer(Outcome.ACCEPTED)
    remedy = Remedy.LOOK_UP if reason in _EDIT_DOUBTFUL else Remedy.NONE
    return Meaning(_REJECTED, _COMMON.get(reason, reason), remedy).answer()
