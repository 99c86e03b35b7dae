"""What Binance's API does to orders: place, cancel, replace, amend."""

from venue_gateways.simulator.binance import payloads
from venue_gateways.simulator.binance.errors import ApiError, refused
from venue_gateways.simulator.binance.exchange import Call, Exchange
from venue_gateways.simulator.binance.parameters import Parameters
from venue_gateways.simulator.orders import Order, Refusal, Status, Ticket


def place(exchange: Exchange, call: Call) -> payloads.Payload:
    ticket = call.parameters.ticket(exchange.symbol(call.parameters))
    exchange.make_room(call)
    return _placed(exchange, call, ticket, _response_type(call.parameters))


def _response_type(parameters: Parameters) -> str:
    """What kind of answer is wanted: unless told, MARKET and LIMIT get the fullest, all others the shortest."""
    default = "FULL" if parameters.values["type"] in {"MARKET", "LIMIT"} else "ACK"
    wanted = parameters.values.get("newOrderRespType", default)
    if wanted not in {"ACK", "RESULT", "FULL"}:
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    return wanted


def _placed(exchange: Exchange, call: Call, ticket: Ticket, response_type: str) -> payloads.Payload:
    order = exchange.venue.place(call.account, ticket, call.now)
    if isinstance(order, Refusal):
        raise refused(order)
    exchange.account_meter(call.account).add(call.now)
    if call.lies.hide_us:
        exchange.hide(order, call.now + call.lies.hide_us)
    if response_type == "ACK":
        return payloads.acknowledged(order, call.unit)
    if response_type == "RESULT":
        return payloads.placed(order, call.unit)
    return payloads.filled(order, exchange.venue.trades_of(order), call.unit)


def test(exchange: Exchange, call: Call) -> payloads.Payload:
    refusal = exchange.venue.check(call.account, call.parameters.ticket(exchange.symbol(call.parameters)))
    if refusal is not None:
        raise refused(refusal)
    return {}


def cancel(exchange: Exchange, call: Call) -> payloads.Payload:
    order = exchange.find(call)
    if order is not None and call.lies.filled_first:
        exchange.venue.fill(order, call.now)
    return _canceled(exchange, call, order, "newClientOrderId")


def _canceled(exchange: Exchange, call: Call, order: Order | None, id_name: str) -> payloads.Payload:
    parameters = call.parameters
    restriction = parameters.values.get("cancelRestrictions")
    if restriction not in {None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"}:
        raise ApiError(-1145, "Invalid cancelRestrictions")
    if order is None or not order.open:
        raise refused(Refusal.UNKNOWN_ORDER)
    required = Status.NEW if restriction == "ONLY_NEW" else Status.PARTIALLY_FILLED
    if restriction is not None and order.status is not required:
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    request_id = parameters.client_id(id_name) or f"cancel-{order.order_id}"
    exchange.venue.cancel(order, call.now, request_id)
    return payloads.canceled(order, request_id, call.unit)


def cancel_all(exchange: Exchange, call: Call) -> list[payloads.Payload]:
    orders = exchange.venue.open_orders(call.account, exchange.symbol(call.parameters))
    if not orders:
        raise refused(Refusal.UNKNOWN_ORDER)
    request_id = f"cancel-all-{orders[0].order_id}"
    for order in orders:
        exchange.venue.cancel(order, call.now, request_id)
    return [payloads.canceled(order, request_id, call.unit) for order in orders]


def replace(exchange: Exchange, call: Call) -> payloads.Payload:
    """Cancel one order and place another; the filters and the order count are looked at before either."""
    parameters = call.parameters
    ticket = parameters.ticket(exchange.symbol(parameters))
    mode = parameters.text("cancelReplaceMode")
    if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
        raise ApiError(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid.")
    response_type = _response_type(parameters)
    _check_filters(exchange, call, ticket)
    exchange.make_room(call)
    cancel_failure: ApiError | None = None
    body: payloads.Payload = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
    try:
        order = exchange.find(call, "cancelOrderId", "cancelOrigClientOrderId")
        body["cancelResponse"] = _canceled(exchange, call, order, "cancelNewClientOrderId")
    except ApiError as error:
        cancel_failure = error
        body |= {"cancelResult": "FAILURE", "cancelResponse": error.payload()}
    if cancel_failure is not None and mode == "STOP_ON_FAILURE":
        exchange.account_meter(call.account).add(call.now)  # a new order that was not attempted counts nevertheless
        body |= {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
        raise ApiError(-2022, "Order cancel-replace failed.", data=body)
    try:
        body["newOrderResponse"] = _placed(exchange, call, ticket, response_type)
    except ApiError as error:
        body |= {"newOrderResult": "FAILURE", "newOrderResponse": error.payload()}
        if cancel_failure is not None:
            raise ApiError(-2022, "Order cancel-replace failed.", data=body) from error
        raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=body) from error
    if cancel_failure is not None:
        raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=body)
    return body


def _check_filters(exchange: Exchange, call: Call, ticket: Ticket) -> None:
    refusal = exchange.venue.check(call.account, ticket)
    if refusal in {Refusal.PRICE_RULE, Refusal.QUANTITY_RULE, Refusal.NOTIONAL_RULE}:
        raise refused(refusal)


def amend(exchange: Exchange, call: Call) -> payloads.Payload:
    quantity = call.parameters.amount("newQty")
    order = exchange.find(call)
    if order is None or not order.open:
        raise ApiError(-2038, "Unknown order sent.")
    former_id = order.client_order_id
    client_order_id = call.parameters.client_id("newClientOrderId") or f"amended-{order.order_id}-{call.now}"
    refusal = exchange.venue.reduce(order, quantity, call.now, client_order_id)
    if refusal is not None:
        raise refused(refusal)
    return payloads.amended(order, former_id, exchange.execution_id + 1, call.unit)
