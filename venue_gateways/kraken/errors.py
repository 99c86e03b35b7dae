"""What Kraken's errors mean: the table from the text of an error to outcome.

Documented (guides, "Spot Errors", and the SDK's "Error Handling"): an application error is HTTP 200 with texts such as
``EOrder:Insufficient funds``, to which more may be added after a colon. What isn't in the table is UNKNOWN, as every
5xx is: nothing promises that the order was not executed.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from venue_gateways.kraken import limits
from venue_gateways.venue import Amend, Answer, Call, Cancel, CancelAll, FindOrder, Outcome, Place, Remedy

SECOND_US: Final = 1_000_000
#: Until the counter has fallen far enough for a few more calls (assumed; the documents say "a few seconds").
RATE_WAIT_US: Final = 5 * SECOND_US
#: ``EService:Throttled`` names an instant, which says nothing to somebody without a clock.
THROTTLED_WAIT_US: Final = 10 * SECOND_US
#: How long a refused key or address is left alone (assumed).
BLOCK_WAIT_US: Final = 60 * SECOND_US
#: ``EGeneral:Temporary lockout``: about a quarter of an hour (the venue's SDK).
LOCKOUT_WAIT_US: Final = 900 * SECOND_US


class Meaning(msgspec.Struct, frozen=True):
    outcome: Outcome
    reason: str
    remedy: Remedy = Remedy.NONE
    wait_us: int = 0
    limit: str | None = None


_REJECTED, _RETRY, _UNKNOWN = Outcome.REJECTED, Outcome.RETRY_SAFE, Outcome.UNKNOWN


def _refused(reason: str) -> Meaning:
    return Meaning(_REJECTED, reason)


def _blocked(reason: str, wait_us: int = BLOCK_WAIT_US) -> Meaning:
    return Meaning(_REJECTED, reason, Remedy.BLOCK, wait_us)


_BUSY: Final = Meaning(_UNKNOWN, "VENUE_ERROR")  # the documents don't say that nothing was executed
_TOO_MANY: Final = Meaning(_RETRY, "TOO_MANY_REQUESTS", wait_us=RATE_WAIT_US, limit=limits.REST)

#: By how an error's text begins; of several, the longest.
_BY_TEXT: Final[Mapping[str, Meaning]] = {
    "EService:Unavailable": _BUSY,
    "EService:Busy": _BUSY,
    "EService:Timeout": Meaning(_UNKNOWN, "VENUE_TIMEOUT"),
    "EGeneral:Internal error": _BUSY,
    "EDatabase:Internal error": _BUSY,
    # documented: "according to the default or specified deadline". Whether the engine had it already is not said.
    "EService:Deadline elapsed": Meaning(_UNKNOWN, "DEADLINE_ELAPSED", Remedy.LOOK_UP),
    "EAPI:Rate limit exceeded": _TOO_MANY,
    "EAuth:Rate limit exceeded": _TOO_MANY,
    "EGeneral:Too many requests": _TOO_MANY,
    "EService:Throttled": Meaning(_RETRY, "TOO_MANY_REQUESTS", wait_us=THROTTLED_WAIT_US),
    "EOrder:Rate limit exceeded": Meaning(_RETRY, "TOO_MANY_ORDERS", wait_us=RATE_WAIT_US, limit=limits.TRADING),
    "EOrder:Domain rate limit exceeded": Meaning(
        _RETRY, "TOO_MANY_ORDERS_OF_ALL_ACCOUNTS", wait_us=RATE_WAIT_US, limit=limits.TRADING
    ),
    "EGeneral:Temporary lockout": Meaning(_RETRY, "LOCKED_OUT", Remedy.BLOCK, LOCKOUT_WAIT_US),
    "EAPI:Invalid nonce": Meaning(_RETRY, "NONCE", Remedy.SET_CLOCK),
    "EAPI:Invalid key": _blocked("INVALID_KEY"),
    "EAPI:Invalid signature": _blocked("INVALID_SIGNATURE"),
    "EAPI:Permission denied": _blocked("PERMISSION_DENIED"),
    "EGeneral:Permission denied": _blocked("PERMISSION_DENIED"),
    "EAuth:": _blocked("UNAUTHORIZED"),
    "EAccount:": _blocked("ACCOUNT_DISABLED"),
    "ETrade:User Locked": _blocked("ACCOUNT_DISABLED"),
    "EAPI:Feature disabled": _refused("FEATURE_DISABLED"),
    "EService:Market in cancel_only mode": _refused("MARKET_CANCEL_ONLY"),
    "EService:Market in post_only mode": _refused("MARKET_POST_ONLY"),
    "EService:Market in limit_only mode": _refused("MARKET_LIMIT_ONLY"),
    "EGeneral:Invalid arguments": _refused("INVALID_REQUEST"),
    # assumed: a deadline that is too near or too far by the venue's clock is refused so
    "EGeneral:Invalid arguments:deadline": Meaning(_RETRY, "CLOCK", Remedy.SET_CLOCK),
    "EGeneral:Unknown method": _refused("INVALID_REQUEST"),
    "EQuery:Unknown asset pair": _refused("UNKNOWN_SYMBOL"),
    "EQuery:Invalid asset pair": _refused("UNKNOWN_SYMBOL"),
    "ETrade:Invalid request": _refused("INVALID_REQUEST"),
    "EOrder:Insufficient funds": _refused("INSUFFICIENT_FUNDS"),
    "EOrder:Order minimum not met": _refused("QUANTITY_TOO_SMALL"),
    "EOrder:Cost minimum not met": _refused("NOTIONAL_TOO_SMALL"),
    "EOrder:Tick size check failed": _refused("TICK_SIZE"),
    "EOrder:Invalid price": _refused("INVALID_PRICE"),
    "EOrder:Post only order": _refused("POST_ONLY_WOULD_TAKE"),
    "EOrder:Orders limit exceeded": _refused("TOO_MANY_OPEN_ORDERS"),
    "EOrder:Positions limit exceeded": _refused("TOO_MANY_POSITIONS"),
    "EOrder:Margin": _refused("MARGIN"),
    "EOrder:Cannot open position": _refused("MARGIN"),
    "EOrder:Cannot open opposing position": _refused("MARGIN"),
    "EOrder:Insufficient margin": _refused("MARGIN"),
    "EOrder:Reduce only": _refused("REDUCE_ONLY"),
    "EOrder:Trading agreement required": _blocked("TRADING_AGREEMENT_REQUIRED"),
}

#: The same text for an order that has ended and for one that never was (documented): which it is, a look-up tells.
_NO_SUCH_ORDER: Final = ("EOrder:Unknown order", "EOrder:Invalid order", "EQuery:Unknown order")
_GONE: Final = Meaning(_REJECTED, "ORDER_NOT_FOUND", Remedy.LOOK_UP)
_NOT_FOUND: Final = Meaning(_REJECTED, "ORDER_NOT_FOUND")

#: Assumed: also what is said of an amendment to the quantity that an order has already, which an earlier copy gave it.
_QUANTITY: Final = "EGeneral:Invalid arguments:order_qty"
_NOT_AMENDED: Final = Meaning(_REJECTED, "NOT_AMENDED", Remedy.LOOK_UP)

#: The text of a repeated client order ID is in no document. These are taken for it (assumed): the order is asked for.
_REPEATED: Final = ("duplicate", "cl_ord_id")
_DUPLICATE: Final = Meaning(_UNKNOWN, "DUPLICATE_CLIENT_ORDER_ID", Remedy.LOOK_UP)
#: A placement that some proxy has sent twice is refused the second time, and executed the first: only a look-up tells.
_NONCE_OF_A_PLACEMENT: Final = Meaning(_UNKNOWN, "NONCE", Remedy.LOOK_UP)

#: Refused before the venue itself: by Cloudflare, which is in front of it (assumed).
_BY_STATUS: Final[Mapping[int, Meaning]] = {
    403: Meaning(_RETRY, "FIREWALL", Remedy.BLOCK, BLOCK_WAIT_US),
    429: Meaning(_RETRY, "TOO_MANY_REQUESTS", wait_us=THROTTLED_WAIT_US),
}


def of_status(call: Call, status: int, errors: Iterable[str]) -> Answer:
    """The answer to *call* behind a *status* that isn't 2xx, whose body may name *errors*."""
    if status in _BY_STATUS:
        return _answer(call, _BY_STATUS[status])
    if 400 <= status < 500 and (found := list(errors)):
        return refusal(call, found)
    return _answer(call, Meaning(_UNKNOWN, f"HTTP_{status}"))


def refusal(call: Call, errors: Iterable[str]) -> Answer:
    """The answer to *call* behind *errors*. If they don't agree on what happened, nobody knows what happened."""
    meanings = [_meaning(call, error) for error in errors]
    doubtful = [meaning for meaning in meanings if meaning.outcome is _UNKNOWN]
    return _answer(call, (doubtful or meanings)[0])


def _meaning(call: Call, error: str) -> Meaning:
    if isinstance(call, Amend) and error.startswith(_QUANTITY):
        return _NOT_AMENDED
    if isinstance(call, Place):
        if any(sign in error.lower() for sign in _REPEATED):
            return _DUPLICATE
        if error.startswith("EAPI:Invalid nonce"):
            return _NONCE_OF_A_PLACEMENT
    if error.startswith(_NO_SUCH_ORDER):
        if isinstance(call, Cancel | CancelAll | Amend):
            return _GONE
        if isinstance(call, FindOrder):
            return _NOT_FOUND
    found = max((text for text in _BY_TEXT if error.startswith(text)), key=len, default=None)
    return Meaning(_UNKNOWN, f"ERROR_{error}"[:60]) if found is None else _BY_TEXT[found]


def _answer(call: Call, meaning: Meaning) -> Answer:
    return Answer(
        meaning.outcome,
        meaning.reason,
        meaning.remedy,
        wait_us=meaning.wait_us,
        limit=meaning.limit,
        scope=_pair(call) if meaning.reason == "TOO_MANY_ORDERS" else "",
        absent=meaning is _NOT_FOUND,
    )


def _pair(call: Call) -> str:
    """Whose counter a call draws on, if that is one pair's alone."""
    match call:
        case Place(request) | Cancel(request) | Amend(request):
            return request.symbol
        case CancelAll((symbol,)):
            return symbol
        case _:
            return ""
