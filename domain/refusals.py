"""Why the terms of an order are refused: the venue's grid and bounds, and ours. Money is looked at elsewhere."""

from typing import Final

from domain import decision, money
from domain.instruments import Instrument
from domain.messages import OrderType, PlaceOrder, Side, TimeInForce
from domain.reasons import Reason

_AT_ANY_PRICE: Final = (OrderType.MARKET, OrderType.STOP)
_STOPPING: Final = (OrderType.STOP, OrderType.STOP_LIMIT)
_RESTING: Final = (TimeInForce.GTC, TimeInForce.GTD)
_SELL: Final = Side.SELL
_GTD: Final = TimeInForce.GTD


def of_place(order: PlaceOrder, instrument: Instrument, now: int) -> Reason | None:
    """Why the venue's and our rules refuse *order*, or None. Money is looked at later."""
    return (
        of_quantity(order.quantity, instrument)
        or _refused_price(order, instrument)
        or _refused_stop_price(order, instrument)
        or _refused_max_cost(order, instrument)
        or _refused_conditions(order, now)
    )


def of_quantity(quantity: int, instrument: Instrument) -> Reason | None:
    if quantity <= 0:
        return Reason.QUANTITY_NOT_POSITIVE
    if quantity > instrument.quantity_max:
        return Reason.QUANTITY_TOO_LARGE
    if quantity < instrument.quantity_min:
        return Reason.QUANTITY_TOO_SMALL
    if quantity % instrument.lot_size:
        return Reason.QUANTITY_OFF_LOT
    return None


def of_limit(price: int, quantity: int, instrument: Instrument) -> Reason | None:
    """Why a limit price is refused, or None; *quantity* for the smallest notional."""
    if price <= 0:
        return Reason.PRICE_NOT_POSITIVE
    if price > instrument.price_max:
        return Reason.PRICE_TOO_LARGE
    if price % instrument.tick_size:
        return Reason.PRICE_OFF_TICK
    if money.multiply(price, quantity) < instrument.notional_min:
        return Reason.NOTIONAL_TOO_SMALL
    return None


def _refused_price(order: PlaceOrder, instrument: Instrument) -> Reason | None:
    if order.order_type in _AT_ANY_PRICE:
        return None if order.price is None else Reason.PRICE_NOT_ALLOWED
    if order.price is None:
        return Reason.PRICE_REQUIRED
    return of_limit(order.price, order.quantity, instrument)


def _refused_stop_price(order: PlaceOrder, instrument: Instrument) -> Reason | None:
    if order.order_type not in _STOPPING:
        return None if order.stop_price is None else Reason.STOP_PRICE_NOT_ALLOWED
    if order.stop_price is None:
        return Reason.STOP_PRICE_REQUIRED
    if order.stop_price <= 0:
        return Reason.STOP_PRICE_NOT_POSITIVE
    if order.stop_price > instrument.price_max:
        return Reason.STOP_PRICE_TOO_LARGE
    if order.stop_price % instrument.tick_size:
        return Reason.STOP_PRICE_OFF_TICK
    return None


def _refused_max_cost(order: PlaceOrder, instrument: Instrument) -> Reason | None:
    """A buy without a limit price must say what it may cost; nothing else may."""
    if order.side is _SELL or order.price is not None:
        return None if order.max_cost is None else Reason.MAX_COST_NOT_ALLOWED
    if order.max_cost is None:
        return Reason.MAX_COST_REQUIRED
    if order.max_cost <= 0:
        return Reason.MAX_COST_NOT_POSITIVE
    if order.max_cost > 2 * money.multiply_up(instrument.price_max, instrument.quantity_max):
        return Reason.MAX_COST_TOO_LARGE
    limit = decision.collar(order.max_cost, order.quantity, instrument)
    if limit <= 0 or money.multiply(limit, order.quantity) < instrument.notional_min:
        return Reason.MAX_COST_TOO_SMALL
    return None


def _refused_conditions(order: PlaceOrder, now: int) -> Reason | None:
    if order.time_in_force is _GTD:
        if order.good_till is None:
            return Reason.GOOD_TILL_REQUIRED
        if order.good_till <= now:
            return Reason.GOOD_TILL_PASSED
    elif order.good_till is not None:
        return Reason.GOOD_TILL_NOT_ALLOWED
    if order.post_only and not (order.order_type is OrderType.LIMIT and order.time_in_force in _RESTING):
        return Reason.POST_ONLY_NOT_ALLOWED
    return None
