"""What Kraken's REST API says of orders and trades, as values ready for JSON.

Amounts are numerals in strings, with the pair's decimals or as many more as they need; instants are seconds.
"""

from typing import Any, Final

from domain import money
from domain.messages import Side
from venue_gateways.simulator.kraken.names import Pair
from venue_gateways.simulator.kraken.parameters import KINDS
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import TRIGGERED, UNPRICED, Execution, Kind, Order, Reason, Status

Payload = dict[str, Any]

TYPES: Final = {kind: name for name, kind in KINDS.items()}
#: Why an order was canceled that nobody asked to cancel. The words are assumed, but for "User requested".
_REASONS: Final = {
    Reason.UNFILLED_IOC: "Immediate or cancel",
    Reason.UNFILLED_FOK: "Fill or kill",
    Reason.NO_LIQUIDITY: "Insufficient liquidity",
    Reason.SELF_TRADE: "Self trade prevention",
    Reason.WOULD_MATCH: "Post only order",
}


def seconds(at_us: int) -> float:
    return at_us / 1_000_000


def amount(units: int, places: int) -> str:
    """The numeral of *units* with so many decimals, or with all that it has if those are more."""
    whole, fraction = divmod(units, money.ONE)
    digits = f"{fraction:018d}"
    return f"{whole}.{digits[: max(places, len(digits.rstrip('0')))]}".rstrip(".")


def side(order: Order) -> str:
    return "buy" if order.side is Side.BUY else "sell"


def type_name(order: Order) -> str:
    return TYPES[order.kind]


def average(executed: int, cost: int) -> int:
    return money.divide_down(cost, executed) if executed else 0


def status(order: Order) -> str:
    """guides/general/order-lifecycle: what is left of an order that can't rest is canceled; it expires by its time."""
    if order.open:
        return "open" if order.working_at is not None else "pending"
    if order.status is Status.FILLED:
        return "closed"
    return "expired" if order.reason is Reason.DUE else "canceled"


def reason(order: Order) -> str | None:
    """Why an order ended, if it wasn't filled."""
    if order.open or order.status is Status.FILLED:
        return None
    if order.reason is None:
        return "User requested"
    return _REASONS.get(order.reason, "Order expired")


def described(order: Order, pair: Pair) -> Payload:
    """The order in words."""
    places = pair.price_decimals
    conditional = order.kind in TRIGGERED
    price = order.stop_price if conditional else order.price
    price2 = order.price if conditional and order.kind not in UNPRICED else 0
    volume = order.budget if order.budget and not order.executed else order.quantity
    words = [side(order), amount(volume, 8), pair.altname, "@", type_name(order).replace("-", " ")]
    if order.kind is not Kind.MARKET:
        words.append(amount(price, places))
    if price2:
        words += ["-> limit", amount(price2, places)]
    return {
        "pair": pair.altname,
        "type": side(order),
        "ordertype": type_name(order),
        "price": amount(price, places) if price else "0",
        "price2": amount(price2, places) if price2 else "0",
        "leverage": "none",
        "order": " ".join(words),
        "close": "",
    }


def looked_up(order: Order, pair: Pair, names: Names, trades: list[Execution], *, with_trades: bool) -> Payload:
    """An order as OpenOrders, ClosedOrders and QueryOrders show it."""
    flags = ["post"] if order.post_only else []
    flags += ["viqc"] if order.budget else []
    labels = dict(order.labels)
    body: Payload = {
        "refid": None,
        "userref": labels.get("userref"),
        "status": status(order),
        "opentm": seconds(order.created_at),
        "starttm": 0,
        "expiretm": seconds(order.expires_at),
        "descr": described(order, pair),
        "vol": amount(order.budget or order.quantity, 8),
        "vol_exec": amount(order.executed, 8),
        "cost": amount(order.cost, 5),
        "fee": amount(sum(trade.fee for trade in trades), 5),
        "price": amount(average(order.executed, order.cost), pair.price_decimals),
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": ",".join([*flags, "fciq"]),
    }
    if order.named:
        body["cl_ord_id"] = order.client_order_id
    if with_trades and trades:
        body["trades"] = [names.trade(trade) for trade in trades]
    if not order.open:
        body |= {"reason": reason(order), "closetm": seconds(order.updated_at)}
    return body


def trade(execution: Execution, pair: Pair, names: Names) -> Payload:
    """A trade as TradesHistory and QueryTrades show it. It doesn't say which client order ID it belongs to."""
    order = execution.order
    return {
        "ordertxid": names.order(order.order_id),
        "postxid": "TKH2SE-M7IF5-CFI7LT",
        "pair": pair.key,
        "time": seconds(execution.at),
        "type": side(order),
        "ordertype": type_name(order),
        "price": amount(execution.price, pair.price_decimals),
        "cost": amount(money.multiply(execution.quantity, execution.price), 5),
        "fee": amount(execution.fee, 5),
        "vol": amount(execution.quantity, 8),
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": execution.trade_id,
        "maker": execution.maker,
    }
