"""Kraken's WebSocket API v2: one session, and its channel ``executions`` (spot-websocket-v2/executions).

The messages of a subscription are numbered from 1, the snapshot; a gap says that one was lost, and there is no way to
ask for it. Numbers are JSON numbers. No I/O here: a session gets texts and gives texts.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import msgspec
import orjson
from typing_extensions import override

from domain import money
from venue_gateways.simulator import dialect
from venue_gateways.simulator.dialect import HONEST, Deliver, Lies
from venue_gateways.simulator.faults import Outcome
from venue_gateways.simulator.kraken import payloads
from venue_gateways.simulator.kraken.errors import ApiError
from venue_gateways.simulator.kraken.exchange import Exchange
from venue_gateways.simulator.orders import OPEN, TRIGGERED, UNPRICED, Execution, Happening, Order, Reason, Status

_SNAPSHOT_TRADES: Final = 50
#: Every event has its type and the status that goes with it; an end by a rule is a cancel, unless time was up.
_ENDS: Final = frozenset({Happening.CANCELED, Happening.EXPIRED, Happening.PREVENTED})
#: What is not told without ``order_status``: all but what opens and ends an order, and its trades.
_TRANSITIONS: Final = frozenset({"pending_new", "status", "amended"})
_CUT: Final = frozenset({Outcome.REQUEST_LOST, Outcome.RESPONSE_LOST, Outcome.FORBIDDEN})


class Question(msgspec.Struct, frozen=True):
    """One request as it came."""

    method: str
    params: dict[str, Any] = {}
    req_id: int | None = None


class Session(dialect.Session):
    """One connection. *deliver* takes each message of the channel, once it is subscribed to."""

    beat_s = 1.0

    def __init__(self, exchange: Exchange, deliver: Deliver) -> None:
        self.account: str | None = None
        self._exchange = exchange
        self._deliver = deliver
        self._sequence = 0
        self._statuses = True
        self._counters = False

    @override
    def welcome(self, now: int) -> tuple[bytes, ...]:
        data = {"system": "online", "api_version": "v2", "connection_id": now, "version": "2.0.10"}
        return (orjson.dumps({"channel": "status", "type": "update", "data": [data]}),)

    @override
    def beat(self, now: int) -> tuple[bytes, ...] | None:
        return (b'{"channel":"heartbeat"}',) if self.account is not None else ()

    @override
    def operation(self, text: str | bytes) -> str:
        return "session"

    @override
    def answer(self, text: str | bytes, arrived: int, now: int, lies: Lies = HONEST) -> tuple[bytes, ...]:
        question = Question("")
        try:
            question = _parse(text)
            if question.method == "ping":
                return (_said(question, {"method": "pong"}, arrived, now),)
            return self._subscribe(question, arrived, now)
        except ApiError as error:
            body = {"method": question.method, "success": False, "error": error.message}
            return (_said(question, body, arrived, now),)

    @override
    def instead(self, text: str | bytes, outcome: Outcome) -> bytes | None:
        if outcome in _CUT:
            return None
        body = {"method": "subscribe", "success": False, "error": "EService:Unavailable"}
        return orjson.dumps(body)

    def tell(self, rows: Iterable[dict[str, Any]], kind: str = "update") -> None:
        """One message of the channel."""
        self._deliver(self._message(rows, kind))

    def _message(self, rows: Iterable[dict[str, Any]], kind: str) -> bytes:
        self._sequence += 1
        return orjson.dumps({"channel": "executions", "type": kind, "data": list(rows), "sequence": self._sequence})

    def updates(self, executions: Iterable[Execution], now: int) -> list[dict[str, Any]]:
        """What this session is told of *executions* of one order."""
        rows = [row for execution in executions for row in _events(self._exchange, execution)]
        if not self._statuses:
            rows = [row for row in rows if row["exec_type"] not in _TRANSITIONS]
        if self._counters and rows and self.account is not None:
            symbol = next(iter(executions)).order.symbol
            level = self._exchange.orders_counted(self.account, symbol).level(now)
            rows = [row | {"ratecount": round(level, 2)} for row in rows]  # the field's name is assumed
        return rows

    def _subscribe(self, question: Question, arrived: int, now: int) -> tuple[bytes, ...]:
        parameters = question.params
        if question.method not in {"subscribe", "unsubscribe"} or parameters.get("channel") != "executions":
            raise ApiError("Unsupported method or channel")  # assumed
        account = self._exchange.token_account(str(parameters.get("token", "")), now)
        result: dict[str, Any] = {"channel": "executions"}
        if question.method == "unsubscribe":
            self.account = None
            return (_said(question, {"method": "unsubscribe", "success": True, "result": result}, arrived, now),)
        if self.account is not None:
            raise ApiError("Already subscribed")  # assumed
        self.account, self._sequence = account, 0
        self._statuses = parameters.get("order_status", True) is True
        self._counters = parameters.get("ratecounter", False) is True
        result |= {
            "snapshot": True,
            "snap_orders": parameters.get("snap_orders", True),
            "snap_trades": parameters.get("snap_trades", False),
            "order_status": self._statuses,
            "ratecounter": self._counters,
            "maxratecount": int(self._exchange.order_allowance.threshold),
        }
        rows = [*self._orders(now)] if result["snap_orders"] else []
        rows += self._trades(now) if result["snap_trades"] else []
        body = {"method": "subscribe", "success": True, "result": result}
        return _said(question, body, arrived, now), self._message(rows, "snapshot")

    def _orders(self, now: int) -> Iterable[dict[str, Any]]:
        exchange = self._exchange
        for order in exchange.venue.open_orders(self.account or "", None):
            if not exchange.hidden(order, now):
                status = _open_status(order, order.executed)
                figures = _figures(order.executed, order.cost)
                yield {**_order(exchange, order), "exec_type": "new", "order_status": status, **figures} | {
                    "timestamp": _moment(order.updated_at)
                }

    def _trades(self, now: int) -> list[dict[str, Any]]:
        trades = (t for t in self._exchange.trades(self.account or "") if not self._exchange.hidden(t.order, now))
        return [_trade(self._exchange, trade) for trade in islice(trades, _SNAPSHOT_TRADES)]


def _parse(text: str | bytes) -> Question:
    try:
        return msgspec.json.decode(text, type=Question)
    except msgspec.MsgspecError as error:
        raise ApiError("Malformed request") from error  # assumed


def _said(question: Question, body: dict[str, Any], arrived: int, now: int) -> bytes:
    if question.req_id is not None:
        body["req_id"] = question.req_id
    return orjson.dumps({**body, "time_in": _moment(arrived), "time_out": _moment(now)})


# ── the rows of the channel ─────────────────────────────────────────────────────────────────────────────────────────


def _events(exchange: Exchange, execution: Execution) -> Iterable[dict[str, Any]]:
    """The rows that tell of *execution*; only the first row of an order, and trades, name the pair."""
    order = execution.order
    if execution.what is Happening.ACCEPTED:
        figures = {"exec_type": "pending_new", "order_status": "pending_new", "cum_cost": 0.0}
        yield {**_order(exchange, order), **figures, "timestamp": _moment(execution.at)}
        if order.kind not in TRIGGERED and order.reason is not Reason.WOULD_MATCH:
            yield _short(exchange, execution, "new", "new")
    elif execution.what is Happening.TRIGGERED:
        yield _short(exchange, execution, "new", "new")
    elif execution.what is Happening.TRADED:
        yield _trade(exchange, execution)
        if execution.status is Status.FILLED:
            yield _short(exchange, execution, "filled", "filled") | _figures(execution.executed, execution.cost)
        elif execution.status is Status.PREVENTED:
            yield _canceled(exchange, execution)
    elif execution.what is Happening.REDUCED:
        yield _amended(exchange, execution)
    elif execution.what in _ENDS and execution.status not in OPEN:
        yield _canceled(exchange, execution)


def _open_status(order: Order, executed: int) -> str:
    return "partially_filled" if executed else "new" if order.working_at else "pending_new"


def _amended(exchange: Exchange, execution: Execution) -> dict[str, Any]:
    """What the order is for now, in the fields of recorded messages. Those were of orders that had not traded."""
    order = execution.order
    row = {
        **_short(exchange, execution, "amended", _open_status(order, execution.executed)),
        "cum_qty": _number(execution.executed),
        "reason": "User requested",
        "amended": True,
        "order_qty": _number(order.quantity),
    }
    if order.kind not in UNPRICED:
        row |= {"limit_price": _number(order.price), "limit_price_type": "static"}
    return row


def _canceled(exchange: Exchange, execution: Execution) -> dict[str, Any]:
    order = execution.order
    word = "expired" if order.reason is Reason.DUE else "canceled"
    why = payloads.reason(order)
    figures = _figures(execution.executed, execution.cost)
    return {**_short(exchange, execution, word, word), **figures, "cancel_reason": why, "reason": why}


def _short(exchange: Exchange, execution: Execution, exec_type: str, order_status: str) -> dict[str, Any]:
    return {
        "timestamp": _moment(execution.at),
        "order_status": order_status,
        "exec_type": exec_type,
        **_ids(exchange, execution.order),
    }


def _ids(exchange: Exchange, order: Order) -> dict[str, Any]:
    ids: dict[str, Any] = {"order_id": exchange.names.order(order.order_id)}
    if order.named:
        ids["cl_ord_id"] = order.client_order_id
    return ids | {"order_userref": dict(order.labels).get("userref", 0)}


def _order(exchange: Exchange, order: Order) -> dict[str, Any]:
    body = {
        **_ids(exchange, order),
        "symbol": exchange.pairs[order.symbol].name,
        "side": payloads.side(order),
        "order_type": payloads.type_name(order),
        "time_in_force": str(order.time_in_force),
        "limit_price_type": "static",
        "stop_price": _number(order.stop_price),
        "fee_usd_equiv": 0.0,
        "fee_ccy_pref": "fciq",
    }
    body["order_qty" if not order.budget else "cash_order_qty"] = _number(order.budget or order.quantity)
    if order.kind not in UNPRICED:
        body["limit_price"] = _number(order.price)
    if order.post_only:
        body["post_only"] = True
    return body


def _trade(exchange: Exchange, execution: Execution) -> dict[str, Any]:
    """A row that may say partially_filled of the trade that completes its order."""
    order = execution.order
    return {
        **_ids(exchange, order),
        "exec_id": exchange.names.trade(execution),
        "exec_type": "trade",
        "trade_id": execution.trade_id,
        "symbol": exchange.pairs[order.symbol].name,
        "side": payloads.side(order),
        "last_qty": _number(execution.quantity),
        "last_price": _number(execution.price),
        "liquidity_ind": "m" if execution.maker else "t",
        "cost": _number(money.multiply(execution.quantity, execution.price)),
        "order_status": "partially_filled",
        "order_type": payloads.type_name(order),
        "timestamp": _moment(execution.at),
        "fee_usd_equiv": _number(execution.fee),
        "fees": [{"asset": execution.fee_asset, "qty": _number(execution.fee)}],
    }


def _figures(executed: int, cost: int) -> dict[str, Any]:
    average = payloads.average(executed, cost)
    return {"cum_qty": _number(executed), "cum_cost": _number(cost), "avg_price": _number(average)}


def _number(units: int) -> orjson.Fragment:
    """A JSON number of all the digits that there are."""
    return orjson.Fragment(money.text(units))


def _moment(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
