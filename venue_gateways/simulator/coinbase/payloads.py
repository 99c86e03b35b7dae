"""What Coinbase's API says of orders and fills, as values ready for JSON: in answers and on the user channel.

Amounts are numerals in strings. A status shows for a moment what is still under way, whatever the book has done.
"""

from collections.abc import Iterable
from typing import Any, Final

from domain import money
from domain.messages import Side, TimeInForce
from venue_gateways.simulator.coinbase import names as identity
from venue_gateways.simulator.coinbase.exchange import Edit
from venue_gateways.simulator.coinbase.parameters import moment
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import TRIGGERED, Execution, Kind, Order, Reason, Status
from venue_gateways.simulator.venue import Account

Payload = dict[str, Any]

#: How long an order is shown as pending after it was placed, or as about to be canceled after it was (assumed).
LAG_US: Final = 100_000

_TIMES: Final = {
    TimeInForce.GTC: "GOOD_UNTIL_CANCELLED",
    TimeInForce.GTD: "GOOD_UNTIL_DATE_TIME",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}
_CONFIGURATIONS: Final = {
    (Kind.MARKET, TimeInForce.IOC): "market_market_ioc",
    (Kind.MARKET, TimeInForce.FOK): "market_market_fok",
    (Kind.LIMIT, TimeInForce.GTC): "limit_limit_gtc",
    (Kind.LIMIT, TimeInForce.GTD): "limit_limit_gtd",
    (Kind.LIMIT, TimeInForce.FOK): "limit_limit_fok",
    (Kind.LIMIT, TimeInForce.IOC): "sor_limit_ioc",
    (Kind.STOP_LIMIT, TimeInForce.GTC): "stop_limit_stop_limit_gtc",
    (Kind.STOP_LIMIT, TimeInForce.GTD): "stop_limit_stop_limit_gtd",
}


def status(order: Order, now: int) -> str:
    if order.open:
        return "PENDING" if not order.executed and now < order.created_at + LAG_US else "OPEN"
    if order.status is Status.FILLED:
        return "FILLED"
    if order.status is Status.CANCELED and now < order.updated_at + LAG_US:
        return "CANCEL_QUEUED"
    return "EXPIRED" if order.reason is Reason.DUE else "CANCELLED"


def configuration(order: Order) -> Payload:
    """``order_configuration``, as it was asked for, and edited since."""
    limit = order.kind is not Kind.MARKET
    stop = order.kind in TRIGGERED
    name = _CONFIGURATIONS[Kind.STOP_LIMIT if stop else order.kind, order.time_in_force]
    body: Payload = {}
    if order.budget:
        body["quote_size"] = money.text(order.budget)
    else:
        body["base_size"] = money.text(order.quantity)
    if limit:
        body["limit_price"] = money.text(order.price)
    if stop:
        rises = (order.side is Side.BUY) is (order.kind is Kind.STOP_LIMIT)
        body["stop_price"] = money.text(order.stop_price)
        body["stop_direction"] = f"STOP_DIRECTION_STOP_{'UP' if rises else 'DOWN'}"
    elif order.time_in_force in {TimeInForce.GTC, TimeInForce.GTD}:
        body["post_only"] = order.post_only
    if order.expires_at:
        body["end_time"] = moment(order.expires_at)
    return {name: body}


def _trigger(order: Order) -> str:
    if order.kind not in TRIGGERED:
        return "INVALID_ORDER_TYPE"
    return "STOP_PENDING" if order.working_at is None else "STOP_TRIGGERED"


def _average(order: Order) -> str:
    return money.text(money.divide_down(order.cost, order.executed)) if order.executed else "0"


def _completion(order: Order) -> str:
    return money.text(money.divide_down(order.executed * 100, order.quantity)) if order.quantity else "0"


def _type(order: Order) -> str:
    return "MARKET" if order.kind is Kind.MARKET else "STOP_LIMIT" if order.kind in TRIGGERED else "LIMIT"


def looked_up(order: Order, trades: list[Execution], edits: Iterable[Edit], names: Names, now: int) -> Payload:
    """An order as the historical endpoints show it."""
    fees = sum(trade.fee for trade in trades)
    shown = status(order, now)
    after_fees = order.cost + fees if order.side is Side.BUY else order.cost - fees
    return {
        "order_id": names.order(order.order_id),
        "product_id": order.symbol,
        "user_id": identity.user_id(order.account),
        "order_configuration": configuration(order),
        "side": str(order.side),
        "client_order_id": order.client_order_id,
        "status": shown,
        "time_in_force": _TIMES[order.time_in_force],
        "created_time": moment(order.created_at),
        "completion_percentage": _completion(order),
        "filled_size": money.text(order.executed),
        "average_filled_price": _average(order),
        "fee": "",
        "number_of_fills": str(len(trades)),
        "filled_value": money.text(order.cost),
        "pending_cancel": shown == "CANCEL_QUEUED",
        "size_in_quote": bool(order.budget),
        "total_fees": money.text(fees),
        "size_inclusive_of_fees": False,
        "total_value_after_fees": money.text(after_fees),
        "trigger_status": _trigger(order),
        "order_type": _type(order),
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": not order.open,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": _canceled_for(order),
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": money.text(_held(order)),
        "is_liquidation": False,
        "last_fill_time": moment(trades[-1].at) if trades else None,
        "edit_history": [_edit(edit) for edit in edits],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": identity.portfolio_id(order.account),
    }


def _edit(edit: Edit) -> Payload:
    at = moment(edit.at)
    return {"price": money.text(edit.price), "size": money.text(edit.size), "replace_accept_timestamp": at}


def _canceled_for(order: Order) -> str:
    """Why it was canceled, in words that are assumed."""
    if order.open or order.status is Status.FILLED:
        return ""
    return "User requested cancel" if order.reason is None else order.reason.capitalize().replace("_", " ")


def _held(order: Order) -> int:
    """What the open order holds back of its account."""
    if not order.open or order.kind is Kind.MARKET:
        return 0
    return money.multiply(order.leaves, order.price) if order.side is Side.BUY else order.leaves


def fill(execution: Execution, names: Names) -> Payload:
    """A fill, without the client's own ID of its order; its size is in the quote asset if the order's was."""
    order = execution.order
    in_quote = bool(order.budget)
    size = money.multiply(execution.quantity, execution.price) if in_quote else execution.quantity
    return {
        "entry_id": names.trade(execution),
        "trade_id": identity.trade_id(execution),
        "order_id": names.order(order.order_id),
        "trade_time": moment(execution.at),
        "trade_type": "FILL",
        "price": money.text(execution.price),
        "size": money.text(size),
        "commission": money.text(execution.fee),
        "product_id": order.symbol,
        "sequence_timestamp": moment(execution.at),
        "liquidity_indicator": "MAKER" if execution.maker else "TAKER",
        "size_in_quote": in_quote,
        "user_id": identity.user_id(order.account),
        "side": str(order.side),
        "retail_portfolio_id": identity.portfolio_id(order.account),
    }


def balance(account: Account, asset: str, at_us: int) -> Payload:
    """What the account has of one asset."""
    found = account.balance(asset)
    return {
        "uuid": identity.account_id(account.name, asset),
        "name": f"{asset} Wallet",
        "currency": asset,
        "available_balance": {"value": money.text(found.free), "currency": asset},
        "default": True,
        "active": True,
        "created_at": moment(0),
        "updated_at": moment(at_us),
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": money.text(found.locked), "currency": asset},
        "retail_portfolio_id": identity.portfolio_id(account.name),
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def update(order: Order, trades: Iterable[Execution], shown: str, names: Names) -> Payload:
    """An order on the user channel: what has been filled in all, and no trade by itself (websocket-channels)."""
    known = list(trades)
    fees = sum(trade.fee for trade in known)
    ended = _canceled_for(order) if shown in {"CANCEL_QUEUED", "CANCELLED", "EXPIRED"} else ""
    return {
        "avg_price": _average(order),
        "cancel_reason": ended,
        "client_order_id": order.client_order_id,
        "completion_percentage": _completion(order),
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": money.text(order.executed),
        "filled_value": money.text(order.cost),
        "leaves_quantity": money.text(order.leaves if order.open else 0),
        "limit_price": money.text(order.price),
        "number_of_fills": str(len(known)),
        "order_id": names.order(order.order_id),
        "order_side": str(order.side),
        "order_type": _type(order).replace("_", " ").title(),
        "outstanding_hold_amount": money.text(_held(order)),
        "post_only": "true" if order.post_only else "false",
        "product_id": order.symbol,
        "product_type": "SPOT",
        "reject_reason": "",
        "retail_portfolio_id": identity.portfolio_id(order.account),
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": shown,
        "stop_price": money.text(order.stop_price) if order.stop_price else "",
        "time_in_force": _TIMES[order.time_in_force],
        "total_fees": money.text(fees),
        "total_value_after_fees": money.text(order.cost + fees if order.side is Side.BUY else order.cost - fees),
        "trigger_status": _trigger(order),
        "creation_time": moment(order.created_at),
        "end_time": moment(order.expires_at),
        "start_time": moment(0),
    }
