"""What Coinbase's API does to orders: create, cancel and edit."""

from typing import Any, Final

from domain.messages import TimeInForce
from venue_gateways.simulator.coinbase import parameters, payloads
from venue_gateways.simulator.coinbase.errors import OrderError, invalid, refused, too_small
from venue_gateways.simulator.coinbase.exchange import Call, Exchange
from venue_gateways.simulator.orders import Kind, Order, Refusal, Status, Ticket

#: How many orders one request cancels at most (third parties send no more).
CANCELS_MAX: Final = 100


def create(exchange: Exchange, call: Call) -> payloads.Payload:
    """A new order; or the one that has the same ID of the client's, whatever it was (create-order)."""
    wanted = parameters.new_order(call.request.body)
    existing = exchange.existing(call.account, wanted.client_order_id)
    if existing is not None:
        return _created(exchange, existing)
    try:
        order = _place(exchange, call, parameters.ticket(wanted, call.now))
    except OrderError as error:
        return _refused(error, wanted.order_configuration)
    if call.lies.hide_us:
        exchange.hide(order, call.now + call.lies.hide_us)
    return _created(exchange, order)


def _place(exchange: Exchange, call: Call, ticket: Ticket) -> Order:
    instrument = exchange.venue.instruments.get(ticket.symbol)
    if instrument is not None and 0 < ticket.quantity < instrument.quantity_min:
        raise too_small()
    order = exchange.venue.place(call.account, ticket, call.now)
    if isinstance(order, Refusal):
        raise refused(order)
    return order


def _created(exchange: Exchange, order: Order) -> payloads.Payload:
    return {
        "success": True,
        "success_response": {
            "order_id": exchange.names.order(order.order_id),
            "product_id": order.symbol,
            "side": str(order.side),
            "client_order_id": order.client_order_id,
            "attached_order_id": "",
        },
        "order_configuration": payloads.configuration(order),
    }


def _refused(error: OrderError, configuration: dict[str, Any]) -> payloads.Payload:
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": "",
        "error_response": {
            "error": error.error,
            "message": error.error.capitalize().replace("_", " "),
            "error_details": "",
            "preview_failure_reason": error.preview,
        },
        "order_configuration": configuration,
    }


def cancel(exchange: Exchange, call: Call) -> payloads.Payload:
    """Whether each cancel was submitted: what becomes of the order is another matter."""
    wanted = parameters.cancels(call.request.body)
    if not 0 < len(wanted) <= CANCELS_MAX:
        raise invalid(f"order_ids: between 1 and {CANCELS_MAX}")
    results = []
    for name in wanted:
        failure = _cancel(exchange, call, exchange.order(call.account, name))
        reason = failure or "UNKNOWN_CANCEL_FAILURE_REASON"
        results.append({"success": failure is None, "failure_reason": reason, "order_id": name})
    return {"results": results}


def _cancel(exchange: Exchange, call: Call, order: Order | None) -> str | None:
    """Why it is not submitted. An order may fill after a cancel of it was."""
    if order is None:
        return "UNKNOWN_CANCEL_ORDER"
    if not order.open:
        return "DUPLICATE_CANCEL_REQUEST" if order.status is Status.CANCELED else "UNKNOWN_CANCEL_ORDER"  # assumed
    if call.lies.filled_first:
        exchange.venue.fill(order, call.now)
    if order.open:
        exchange.venue.cancel(order, call.now)
    return None


def edit(exchange: Exchange, call: Call) -> payloads.Payload:
    """Whether an edit was placed (edit-order)."""
    wanted = parameters.edit(call.request.body)
    try:
        _edit(exchange, call, wanted)
    except OrderError as error:
        reasons = {"edit_failure_reason": error.error, "preview_failure_reason": "UNKNOWN_PREVIEW_FAILURE_REASON"}
        return {"success": False, "errors": [reasons]}
    return {"success": True, "errors": []}


def _edit(exchange: Exchange, call: Call, wanted: parameters.Edit) -> None:
    """Make an order smaller, in its place. Raises OrderError with a name of the venue's; which is when said is assumed.

    The venue also changes prices, and makes orders larger, at the cost of their place in the queue. The book here can't
    move an order, and fillstream doesn't ask for it: such an edit is refused, by the name of what it would change.
    """
    order = exchange.order(call.account, wanted.order_id)
    if order is None:
        raise OrderError("ORDER_NOT_FOUND")
    if not order.open:
        raise OrderError("ONLY_OPEN_ORDERS_CAN_BE_EDITED")
    if order.kind is not Kind.LIMIT or order.time_in_force is not TimeInForce.GTC:
        raise OrderError("ONLY_LIMIT_ORDER_EDITS_SUPPORTED")
    price, size = parameters.terms(wanted)
    if (price, size) == (order.price, order.quantity):
        raise OrderError("EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST")
    if price != order.price:
        raise OrderError("INVALID_EDITED_PRICE")
    if size <= order.quantity - order.leaves:  # just as much would leave an open order with nothing to trade
        raise OrderError("CANNOT_EDIT_TO_BELOW_FILLED_SIZE")
    if exchange.venue.reduce(order, size, call.now, order.client_order_id) is not None:
        raise OrderError("INVALID_EDITED_SIZE")
    exchange.edited(order, call.now)
