"""How Coinbase edits an order where it is: by the venue's own order ID, to a price and a size.

Documented: price and size are both required, and ``success`` says that an edit was placed, not that it is made. Told,
as the documents once had it: only limit orders that are good till canceled can be edited, one edit at a time; an order
keeps its place in the queue unless its price changes or its size grows. Since it may grow, an edit that comes after a
later one does harm: its token doesn't live long.
"""

from domain import money
from domain.messages import VenueRequest
from venue_gateways.coinbase import errors, payloads
from venue_gateways.venue import Answer, Outcome, decode


def body(request: VenueRequest, venue_order_id: str) -> dict[str, str]:
    """The edit that *request* asks for. The size is all of the order's: one below what has filled is refused by name.

    Raises ValueError without a price. Told: what is left out is read as zero.
    """
    if request.price is None:
        raise ValueError(f"{request.client_order_id} has no price, and an edit has to repeat it")
    return {"order_id": venue_order_id, "price": money.text(request.price), "size": money.text(request.quantity)}


def answer(body: bytes) -> Answer:
    """What is said of an edit: that it has been taken note of, or why not. It names no order. Raises Unparsable."""
    payload: payloads.EditPayload = decode(body, payloads.EditPayload)
    if payload.success:
        return Answer(Outcome.ACCEPTED)
    listed: tuple[errors.EditError, ...] | None = decode(payload.errors, tuple[errors.EditError, ...] | None)
    single: errors.EditError | None = decode(payload.error_response, errors.EditError | None)
    return errors.not_edited([*(listed or ()), *([single] if single else [])])
