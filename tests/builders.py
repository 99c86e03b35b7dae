"""Builders of messages and rows: a test says what its rule is about, and these fill in the rest.

Amounts may be given as numerals (``quantity="2"``) and become units; instants are microseconds, and "now" is NOW.
"""

from typing import Any

import msgspec

from domain import decision, ids, money
from domain.decision import SECOND_US, Cause, Decision, Policy
from domain.instruments import Instrument, Rulebook
from domain.messages import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    Command,
    Evidence,
    Message,
    Operation,
    OrderCommand,
    OrderStatus,
    OrderType,
    PauseOrder,
    PlaceOrder,
    ReportKind,
    ResumeOrder,
    Side,
    TimeInForce,
    Transfer,
    TransferDirection,
    VenueReport,
)
from domain.state import AfterCancel, Order

NOW = 1_700_000_000 * SECOND_US
PARTITION = 3
POLICY = Policy(unknown_bounds_us={"slow": 40 * SECOND_US})
AMOUNTS = frozenset(
    {"quantity", "price", "stop_price", "max_cost", "amount", "reserved", "amend_quantity", "amend_price"}
    | {"filled_quantity", "filled_cost", "attempt_filled", "attempt_cumulative", "cumulative_quantity"}
    | {"order_quantity"}
    | {"fill_quantity", "fill_price", "fee", "fee_rate_max", "tick_size", "lot_size", "notional_min"}
    | {"quantity_min", "quantity_max", "price_max"}
)


def units(text: str) -> int:
    """Units of a decimal numeral."""
    return money.parse(text)


def _fill_in(defaults: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """What was *said* over the *defaults*, with numerals turned into units."""
    fields = defaults | said
    return {
        name: units(value) if name in AMOUNTS and isinstance(value, str) else value for name, value in fields.items()
    }


def an_instrument(**said: Any) -> Instrument:
    """BTC-USD at the simulated venue: ticks of 0.01, lots of 0.001, at least 5 USD, fees up to 0.2 %."""
    symbol = said.get("symbol", "BTC-USD")
    base, _, quote = symbol.partition("-")
    defaults = {
        "venue": "simulated",
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "tick_size": "0.01",
        "lot_size": "0.001",
        "quantity_min": "0.001",
        "quantity_max": "1000",
        "price_max": "1000000",
        "notional_min": "5",
        "fee_rate_max": "0.002",
    }
    return Instrument(**_fill_in(defaults, said))


RULES = Rulebook([an_instrument(), an_instrument(symbol="ETH-USD")])


def a_decision(*, now: int = NOW, offset: int = 7, policy: Policy = POLICY, rules: Rulebook = RULES) -> Decision:
    """An empty decision on an input read at *now*."""
    return Decision(Cause("order-commands", PARTITION, offset, now), policy, rules)


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def a_place(**said: Any) -> PlaceOrder:
    """A limit buy of 1 BTC at 100 USD; a market or stop order has the fields that its type asks for."""
    kind, side = said.get("order_type", OrderType.LIMIT), said.get("side", Side.BUY)
    priced = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    defaults = {
        "order_id": "order-1",
        "venue": "simulated",
        "symbol": "BTC-USD",
        "side": side,
        "order_type": kind,
        "quantity": "1",
        "price": "100" if priced else None,
        "stop_price": "90" if kind in (OrderType.STOP, OrderType.STOP_LIMIT) else None,
        "max_cost": None if priced or side is Side.SELL else "150",
        "good_till": NOW + 60 * SECOND_US if said.get("time_in_force") is TimeInForce.GTD else None,
    }
    return PlaceOrder(**_fill_in(defaults, said))


def a_command(command: Command | None = None, **said: Any) -> OrderCommand:
    """A command of alice's; a placement unless *command* says otherwise."""
    defaults: dict[str, Any] = {
        "command_id": "command-1",
        "user_id": "alice",
        "issued_at": NOW,
        "command": command or a_place(),
    }
    return OrderCommand(**(defaults | said))


def a_cancel(order_id: str = "order-1") -> CancelOrder:
    return CancelOrder(order_id)


def a_cancel_all(symbol: str | None = None) -> CancelAllOrders:
    return CancelAllOrders(symbol)


def a_pause(order_id: str = "order-1") -> PauseOrder:
    return PauseOrder(order_id)


def a_resume(order_id: str = "order-1") -> ResumeOrder:
    return ResumeOrder(order_id)


def an_amendment(**said: Any) -> AmendOrder:
    return AmendOrder(**_fill_in({"order_id": "order-1"}, said))


def a_transfer(**said: Any) -> Transfer:
    """A credit of 1,000 USD to alice."""
    defaults = {
        "transfer_id": "transfer-1",
        "user_id": "alice",
        "asset": "USD",
        "direction": TransferDirection.CREDIT,
        "amount": "1000",
        "issued_at": NOW,
    }
    return Transfer(**_fill_in(defaults, said))


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def an_order(**said: Any) -> Order:
    """Alice's open limit buy of 1 BTC at 100 USD, accepted a minute ago, with the reserve that it needs.

    A status that needs company gets it: an order on the book has its venue order ID, an UNKNOWN one has been so for a
    minute, and a PENDING_CANCEL one is to be canceled.
    """
    status = said.get("status", OrderStatus.OPEN)
    on_book = status not in (OrderStatus.NEW, OrderStatus.PENDING_SUBMISSION, OrderStatus.UNKNOWN)
    canceling = status is OrderStatus.PENDING_CANCEL
    place = a_place(**{name: said[name] for name in said.keys() & set(PlaceOrder.__struct_fields__)})
    defaults: dict[str, Any] = {name: getattr(place, name) for name in PlaceOrder.__struct_fields__} | {
        "user_id": "alice",
        "command_id": "command-0",
        "expires_at": None,
        "status": status,
        "after_cancel": AfterCancel.CANCEL if canceling else AfterCancel.NOTHING,
        "amend_quantity": None,
        "amend_price": None,
        "attempt": 1,
        "sequence": 2,
        "request_sequence": 2 if canceling else 1,
        "reserve_asset": "USD" if place.side is Side.BUY else "BTC",
        "reserved": 0,
        "filled_quantity": 0,
        "filled_cost": 0,
        "attempt_filled": said.get("filled_quantity", 0),
        "attempt_cumulative": None,
        "closing": None,
        "venue_order_id": "venue-1" if on_book else None,
        "trade_ids": (),
        "evidence": None,
        "reason": None,
        "unknown_since": NOW - 60 * SECOND_US if status is OrderStatus.UNKNOWN else None,
        "looks": 0,
        "timer_at": 0,
        "accepted_offset": 1,
        "created_at": NOW - 60 * SECOND_US,
        "updated_at": NOW - 60 * SECOND_US,
    }
    order = Order(**_fill_in(defaults, said))
    if "reserved" in said or status in (OrderStatus.NEW, *_ENDED):
        return order
    needed = order.max_cost or decision.reserve_needed(order, an_instrument(symbol=order.symbol, venue=order.venue))
    return msgspec.structs.replace(order, reserved=needed)


_ENDED = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)


# ── reports ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_ANSWERED: dict[ReportKind, Operation] = {
    ReportKind.ACKNOWLEDGED: Operation.PLACE,
    ReportKind.REJECTED: Operation.PLACE,
    ReportKind.NOT_SENT: Operation.PLACE,
    ReportKind.UNKNOWN: Operation.PLACE,
    ReportKind.CANCELED: Operation.CANCEL,
    ReportKind.CANCEL_REJECTED: Operation.CANCEL,
    ReportKind.AMEND_REJECTED: Operation.AMEND,
    ReportKind.NOT_FOUND: Operation.QUERY,
}


def a_report(kind: ReportKind, order: Order | None = None, **said: Any) -> VenueReport:
    """A report on *order*'s current attempt, as the venue's answer to the last request; a look was asked just now."""
    order = order or an_order()
    client_id = decision.client_order_id(order, PARTITION)
    operation = said.get("operation", _ANSWERED.get(kind))
    defaults = {
        "client_order_id": client_id,
        "venue": order.venue,
        "symbol": order.symbol,
        "kind": kind,
        "evidence": Evidence.QUERY if operation is Operation.QUERY else Evidence.RESPONSE,
        "reported_at": NOW,
        "operation": operation,
        "request_id": None if operation is None else f"{client_id}:{order.request_sequence}",
        "requested_at": None if operation is None else NOW,
    }
    if operation is not None and kind in (ReportKind.ACKNOWLEDGED, ReportKind.CANCELED, ReportKind.EXPIRED):
        defaults["venue_order_id"] = "venue-1"
    return VenueReport(**_fill_in(defaults, said))


def a_fill(order: Order | None = None, quantity: str = "1", price: str = "100", **said: Any) -> VenueReport:
    """A trade of *order*'s current attempt, from the venue's stream, without a fee."""
    defaults = {
        "trade_id": "trade-1",
        "fill_quantity": quantity,
        "fill_price": price,
        "evidence": Evidence.STREAM,
        "venue_order_id": "venue-1",
    }
    return a_report(ReportKind.FILL, order, **(defaults | said))


def attempt_of(report: VenueReport) -> int:
    """The attempt that the report's client order ID names."""
    return ids.parse_client_order_id(report.client_order_id)[2]


def described(message: Message, *names: str) -> dict[str, Any]:
    """Some fields of *message*, by name."""
    return {name: getattr(message, name) for name in names}
