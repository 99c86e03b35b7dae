"""What Binance's API says of orders and trades, as values ready for JSON: in answers and on the user data stream.

Amounts have eight decimals, or as many more as they need; instants are in the unit (in µs) that was asked for.
"""

from collections.abc import Iterable
from typing import Any, Final

from domain import money
from domain.messages import Side
from venue_gateways.simulator.binance.parameters import TYPES
from venue_gateways.simulator.orders import (
    TRIGGERED,
    Execution,
    Happening,
    Order,
    Reason,
    Status,
)
from venue_gateways.simulator.venue import Account

Payload = dict[str, Any]

MILLISECOND: Final = 1_000
MICROSECOND: Final = 1

ZERO: Final = "0.00000000"

_STATUSES: Final = {status: str(status) for status in Status} | {Status.PREVENTED: "EXPIRED_IN_MATCH"}
_EXPIRY_REASONS: Final = {
    Reason.UNFILLED_IOC: "UNFILLED_IOC_QUANTITY_EXPIRED",
    Reason.UNFILLED_FOK: "UNFILLED_FOK_ORDER_EXPIRED",
    Reason.NO_LIQUIDITY: "INSUFFICIENT_LIQUIDITY",
}
_EXECUTION_TYPES: Final = {
    Happening.ACCEPTED: "NEW",
    Happening.TRIGGERED: "NEW",  # assumed: the same type again, now with "w" true
    Happening.TRADED: "TRADE",
    Happening.CANCELED: "CANCELED",
    Happening.EXPIRED: "EXPIRED",
    Happening.PREVENTED: "TRADE_PREVENTION",
    Happening.REDUCED: "REPLACED",
}


def amount(units: int) -> str:
    """The decimal numeral of *units* with eight decimals, or with all that it has if those are more."""
    whole, fraction = divmod(units, money.ONE)
    digits = f"{fraction:018d}"
    return f"{whole}.{digits[:8] if not fraction % 10**10 else digits.rstrip('0')}"


def symbol_name(symbol: str) -> str:
    """Binance's name of a symbol: ``BTCUSD`` for ``BTC-USD``."""
    return symbol.replace("-", "")


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def acknowledged(order: Order, unit: int) -> Payload:
    """The ACK answer to a placement."""
    return {
        "symbol": symbol_name(order.symbol),
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated_at // unit,
    }


def placed(order: Order, unit: int) -> Payload:
    """The RESULT answer to a placement."""
    body = {**acknowledged(order, unit), **_figures(order), **_conditional(order)}
    if order.working_at is not None:
        body["workingTime"] = order.working_at // unit
    body["selfTradePreventionMode"] = str(order.self_trade)
    return body


def filled(order: Order, fills: Iterable[Execution], unit: int) -> Payload:
    """The FULL answer to a placement."""
    return {**placed(order, unit), "fills": [_fill(fill) for fill in fills]}


def canceled(order: Order, request_id: str, unit: int) -> Payload:
    """The answer to a cancel: ``clientOrderId`` is the cancel's own."""
    return {
        "symbol": symbol_name(order.symbol),
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": request_id,
        "transactTime": order.updated_at // unit,
        **_figures(order),
        **_conditional(order),
        "selfTradePreventionMode": str(order.self_trade),
    }


def amended(order: Order, former_id: str, execution_id: int, unit: int) -> Payload:
    """The answer to a reduction that kept its priority."""
    return {
        "transactTime": order.updated_at // unit,
        "executionId": execution_id,
        "amendedOrder": {
            "symbol": symbol_name(order.symbol),
            "orderId": order.order_id,
            "orderListId": -1,
            "origClientOrderId": former_id,
            "clientOrderId": order.client_order_id,
            "price": amount(order.price),
            "qty": amount(order.quantity),
            "executedQty": amount(order.executed),
            "preventedQty": amount(order.prevented),
            "quoteOrderQty": amount(order.budget),
            "cumulativeQuoteQty": amount(order.cost),
            "status": _STATUSES[order.status],
            "timeInForce": str(order.time_in_force),
            "type": type_name(order),
            "side": str(order.side),
            "workingTime": (order.working_at or 0) // unit,
            "selfTradePreventionMode": str(order.self_trade),
        },
    }


def looked_up(order: Order, unit: int) -> Payload:
    """An order as queries show it."""
    return {
        "symbol": symbol_name(order.symbol),
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        **_figures(order),
        "stopPrice": amount(order.stop_price),
        "icebergQty": ZERO,
        "time": order.created_at // unit,
        "updateTime": order.updated_at // unit,
        "isWorking": order.working_at is not None,
        "workingTime": -1 if order.working_at is None else order.working_at // unit,
        **_conditional(order),
        "selfTradePreventionMode": str(order.self_trade),
    }


def trade(execution: Execution, unit: int) -> Payload:
    """A trade as myTrades shows it."""
    order = execution.order
    return {
        "symbol": symbol_name(order.symbol),
        "id": execution.trade_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": amount(execution.price),
        "qty": amount(execution.quantity),
        "quoteQty": amount(money.multiply(execution.quantity, execution.price)),
        "commission": amount(execution.fee),
        "commissionAsset": execution.fee_asset,
        "time": execution.at // unit,
        "isBuyer": order.side is Side.BUY,
        "isMaker": execution.maker,
        "isBestMatch": True,
    }


def type_name(order: Order) -> str:
    return TYPES[order.kind, order.post_only]


def _figures(order: Order) -> Payload:
    return {
        "price": amount(order.price),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.executed),
        "origQuoteOrderQty": amount(order.budget),
        "cummulativeQuoteQty": amount(order.cost),
        "status": _STATUSES[order.status],
        "timeInForce": str(order.time_in_force),
        "type": type_name(order),
        "side": str(order.side),
    }


def _conditional(order: Order) -> Payload:
    """rest-api.md, "Conditional fields in Order Responses"."""
    body: Payload = dict(order.labels)
    if order.kind in TRIGGERED:
        body["stopPrice"] = amount(order.stop_price)
    if order.prevented:
        body["preventedQuantity"] = amount(order.prevented)
    if order.reason in _EXPIRY_REASONS:
        body["expiryReason"] = _EXPIRY_REASONS[order.reason]
    return body


def _fill(execution: Execution) -> Payload:
    return {
        "price": amount(execution.price),
        "qty": amount(execution.quantity),
        "commission": amount(execution.fee),
        "commissionAsset": execution.fee_asset,
        "tradeId": execution.trade_id,
    }


# ── the user data stream ────────────────────────────────────────────────────────────────────────────────────────────


def execution_report(execution: Execution, execution_id: int, now: int, unit: int) -> Payload:
    """user-data-stream.md, Order Update."""
    order = execution.order
    traded = execution.what is Happening.TRADED
    return {
        "e": "executionReport",
        "E": now // unit,
        "s": symbol_name(order.symbol),
        "c": execution.request_id if execution.what is Happening.CANCELED else order.client_order_id,
        "S": str(order.side),
        "o": type_name(order),
        "f": str(order.time_in_force),
        "q": amount(order.quantity),
        "p": amount(order.price),
        "P": amount(order.stop_price),
        "F": ZERO,
        "g": -1,
        "C": _original_id(execution),
        "x": _EXECUTION_TYPES[execution.what],
        "X": _STATUSES[execution.status],
        "r": "NONE",
        "i": order.order_id,
        "l": amount(execution.quantity) if traded else ZERO,
        "z": amount(execution.executed),
        "L": amount(execution.price) if traded else ZERO,
        "n": amount(execution.fee) if traded else "0",
        "N": execution.fee_asset,
        "T": execution.at // unit,
        "t": execution.trade_id,
        "I": execution_id,
        "w": order.working_at is not None and _STATUSES[execution.status] in {"NEW", "PARTIALLY_FILLED"},
        "m": execution.maker,
        "M": False,
        "O": order.created_at // unit,
        "Z": amount(execution.cost),
        "Y": amount(money.multiply(execution.quantity, execution.price)) if traded else ZERO,
        "Q": amount(order.budget),
        "V": str(order.self_trade),
        **_stream_conditional(execution, unit),
    }


def _original_id(execution: Execution) -> str | None:
    """The ID of the order that a cancel canceled; the former ID of one that was amended."""
    if execution.what is Happening.CANCELED:
        return execution.order.client_order_id
    return execution.request_id if execution.what is Happening.REDUCED else ""


def _stream_conditional(execution: Execution, unit: int) -> Payload:
    order = execution.order
    body: Payload = {{"strategyId": "j", "strategyType": "J"}[name]: value for name, value in order.labels}
    if order.working_at is not None:
        body["W"] = order.working_at // unit
    if execution.what is Happening.PREVENTED:
        body["A"] = amount(order.prevented)
        body["B"] = amount(execution.quantity)
    if execution.what is Happening.EXPIRED and order.reason in _EXPIRY_REASONS:
        body["eR"] = _EXPIRY_REASONS[order.reason]
    return body


def account_position(account: Account, assets: Iterable[str], now: int, unit: int) -> Payload:
    """user-data-stream.md, Account Update."""
    return {
        "e": "outboundAccountPosition",
        "E": now // unit,
        "u": now // unit,
        "B": [
            {"a": asset, "f": amount(account.balance(asset).free), "l": amount(account.balance(asset).locked)}
            for asset in assets
        ],
    }
