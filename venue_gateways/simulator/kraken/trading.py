"""What Kraken's API does to orders: add, amend and cancel."""

from venue_gateways.simulator.kraken import errors, names, payloads
from venue_gateways.simulator.kraken.errors import ApiError, invalid, refused
from venue_gateways.simulator.kraken.exchange import Call, Exchange
from venue_gateways.simulator.kraken.limits import ADD_COST, CANCEL_ALL_COST, amend_cost, cancel_cost
from venue_gateways.simulator.orders import Order, Refusal, Ticket


def add(exchange: Exchange, call: Call) -> payloads.Payload:
    """AddOrder: the answer has the order's ID, and nothing of what has become of it."""
    parameters = call.parameters
    pair = exchange.pair(parameters.text("pair") or "")
    exchange.count_order(call.account, pair.instrument.symbol, ADD_COST, call.now)  # whether it is valid or not
    deadline = parameters.deadline(call.arrived)
    ticket = parameters.ticket(pair, call.now)
    _check(exchange, call, ticket)
    if parameters.flag("validate"):
        return {"descr": {"order": _words(exchange, ticket)}}
    if deadline is not None and call.now > deadline:
        raise ApiError(errors.DEADLINE_ELAPSED)
    order = exchange.venue.place(call.account, ticket, call.now)
    if isinstance(order, Refusal):
        raise refused(order)
    if call.lies.hide_us:
        exchange.hide(order, call.now + call.lies.hide_us)
    descr = payloads.described(order, pair)
    return {"descr": {"order": descr["order"]}, "txid": [exchange.names.order(order.order_id)]}


def _check(exchange: Exchange, call: Call, ticket: Ticket) -> None:
    refusal = exchange.venue.check(call.account, ticket)
    if refusal is None and exchange.uses(call.account, ticket.client_order_id):
        refusal = Refusal.DUPLICATE_CLIENT_ORDER_ID
    if refusal is Refusal.QUANTITY_RULE and ticket.quantity % exchange.venue.instruments[ticket.symbol].lot_size:
        raise invalid("volume")
    if refusal is not None:
        raise refused(refusal)


def _words(exchange: Exchange, ticket: Ticket) -> str:
    """What an order by *ticket* would be called."""
    order = Order(
        order_id=0,
        account="",
        client_order_id="",
        symbol=ticket.symbol,
        side=ticket.side,
        kind=ticket.kind,
        quantity=ticket.quantity,
        created_at=0,
        price=ticket.price,
        stop_price=ticket.stop_price,
        budget=ticket.budget,
    )
    return str(payloads.described(order, exchange.pairs[ticket.symbol])["order"])


def amend(exchange: Exchange, call: Call) -> payloads.Payload:
    """AmendOrder: one order, by its transaction ID or its ``cl_ord_id``, both of which it keeps, as it does its place.

    It only gets smaller. The venue itself would make it larger, too, or change its prices: that is not simulated.
    """
    parameters = call.parameters
    if parameters.text("txid") is None and parameters.client_id() is None:
        raise invalid("txid")
    order = next((order for order in _addressed(exchange, call) if order.open), None)
    if order is None:
        raise ApiError(errors.UNKNOWN_ORDER)
    cost = amend_cost(exchange.rested_us(order, call.now))
    exchange.count_order(call.account, order.symbol, cost, call.now)  # whether it is valid or not
    deadline = parameters.deadline(call.arrived)
    quantity = parameters.amended_quantity(exchange.pairs[order.symbol])
    if deadline is not None and call.now > deadline:
        raise ApiError(errors.DEADLINE_ELAPSED)
    if quantity <= order.executed:  # REST reference: below what is filled, the rest is canceled; assumed: at it, too
        exchange.venue.cancel(order, call.now)
    elif (refusal := exchange.venue.reduce(order, quantity, call.now, order.client_order_id)) is not None:
        raise refused(refusal)
    return {"amend_id": names.amendment()}


def cancel(exchange: Exchange, call: Call) -> payloads.Payload:
    """CancelOrder: one by its transaction ID or its ``cl_ord_id``, or all with a user reference."""
    orders = _addressed(exchange, call)
    if call.lies.filled_first:
        for order in orders:
            exchange.venue.fill(order, call.now)
    orders = [order for order in orders if order.open]
    if not orders:
        raise ApiError(errors.UNKNOWN_ORDER)
    for order in orders:
        exchange.count_order(call.account, order.symbol, cancel_cost(exchange.rested_us(order, call.now)), call.now)
        exchange.venue.cancel(order, call.now)
    return {"count": len(orders)}


def _addressed(exchange: Exchange, call: Call) -> list[Order]:
    txid = call.parameters.text("txid")
    if txid is None:
        if call.parameters.text("cl_ord_id") is None and call.parameters.text("userref") is None:
            raise invalid("txid")
        return exchange.open_orders(call.account, call.parameters)
    order = exchange.order(call.account, txid)
    return [order] if order is not None else []


def cancel_all(exchange: Exchange, call: Call) -> payloads.Payload:
    """CancelAll: costs the same for each pair, however old its orders are."""
    orders = exchange.venue.open_orders(call.account, None)
    for symbol in {order.symbol: None for order in orders}:
        exchange.count_order(call.account, symbol, CANCEL_ALL_COST, call.now)
    for order in orders:
        exchange.venue.cancel(order, call.now)
    return {"count": len(orders)}
