"""Coinbase's WebSocket API for clients: one session, with the channels ``user`` and ``heartbeats``.

All messages of a connection are numbered, one after the other. An update has what was filled in all, but no trades. No
I/O here: a session gets texts and gives texts.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import orjson
from typing_extensions import override

from venue_gateways.simulator import dialect
from venue_gateways.simulator.coinbase import names as identity
from venue_gateways.simulator.coinbase import payloads
from venue_gateways.simulator.coinbase.errors import ApiError
from venue_gateways.simulator.coinbase.exchange import Exchange
from venue_gateways.simulator.coinbase.parameters import moment
from venue_gateways.simulator.dialect import HONEST, Deliver, Lies
from venue_gateways.simulator.faults import Outcome
from venue_gateways.simulator.orders import Execution, Happening, Order

USER: Final = "user"
HEARTBEATS: Final = "heartbeats"

#: websocket-overview: who has not subscribed by then is disconnected.
_PATIENCE_US: Final = 5_000_000
#: websocket-channels: most channels close after 60 to 90 s without an update.
_SILENCE_US: Final = 60_000_000
#: What an order is shown as while that is still under way; that it is shown at all is assumed.
_QUEUED: Final = {Happening.CANCELED: "CANCEL_QUEUED", Happening.REDUCED: "EDIT_QUEUED"}
#: How many orders one message of a snapshot has (assumed).
_SNAPSHOT_ORDERS: Final = 50


class Question(msgspec.Struct, frozen=True):
    """One request as it came."""

    type: str
    channel: str
    product_ids: list[str] = []
    jwt: str = ""


class Session(dialect.Session):
    """One connection. *deliver* takes each message of its channels."""

    beat_s = 1.0

    def __init__(self, exchange: Exchange, deliver: Deliver, now: int) -> None:
        self.account: str | None = None
        self._exchange = exchange
        self._deliver = deliver
        self._products: frozenset[str] = frozenset()
        self._channels: set[str] = set()
        self._sequence = 0
        self._beats = 0
        self._connected_at = now
        self._said_at = now

    @override
    def operation(self, text: str | bytes) -> str:
        return "session"

    @override
    def answer(self, text: str | bytes, arrived: int, now: int, lies: Lies = HONEST) -> tuple[bytes, ...]:
        try:
            question = msgspec.json.decode(text, type=Question)
        except msgspec.MsgspecError:
            return (_error("malformed message"),)  # assumed
        if question.channel not in {USER, HEARTBEATS} or question.type not in {"subscribe", "unsubscribe"}:
            return (_error("invalid message"),)  # assumed
        if question.type == "unsubscribe":
            self._channels.discard(question.channel)
            self.account = None if question.channel == USER else self.account
            return (self._subscriptions(now),)
        try:
            account = self._exchange.subscriber(question.jwt, now) if question.jwt or question.channel == USER else None
        except ApiError:
            return (_error("authentication failure"),)
        self._channels.add(question.channel)
        if question.channel != USER:
            return (self._subscriptions(now),)
        self.account, self._products = account, frozenset(question.product_ids)
        return *self._snapshot(now), self._subscriptions(now)

    @override
    def instead(self, text: str | bytes, outcome: Outcome) -> bytes | None:
        return None  # what goes wrong with a subscription ends the connection (assumed)

    @override
    def beat(self, now: int) -> tuple[bytes, ...] | None:
        if not self._channels:
            return () if now - self._connected_at < _PATIENCE_US else None
        if HEARTBEATS not in self._channels:
            return () if now - self._said_at < _SILENCE_US else None
        self._beats += 1
        return (self._message(HEARTBEATS, {"current_time": moment(now), "heartbeat_counter": self._beats}, now),)

    def tell(self, order: Order, statuses: Iterable[str], now: int) -> None:
        """A message for each status that *order* goes through."""
        if self._products and order.symbol not in self._products:
            return
        for status in statuses:
            body = {"type": "update", "orders": [self._row(order, status)]}
            self._deliver(self._message(USER, body, now))

    def _snapshot(self, now: int) -> Iterable[bytes]:
        exchange = self._exchange
        orders = [
            self._row(order, payloads.status(order, now))
            for order in exchange.venue.open_orders(self.account or "", None)
            if not exchange.hidden(order, now) and (not self._products or order.symbol in self._products)
        ]
        for first in range(0, max(len(orders), 1), _SNAPSHOT_ORDERS):
            page = orders[first : first + _SNAPSHOT_ORDERS]
            yield self._message(USER, {"type": "snapshot", "orders": page}, now)

    def _row(self, order: Order, status: str) -> payloads.Payload:
        exchange = self._exchange
        return payloads.update(order, exchange.venue.trades_of(order), status, exchange.names)

    def _subscriptions(self, now: int) -> bytes:
        user = [identity.user_id(self.account)] if self.account is not None else []
        known = {USER: user, HEARTBEATS: [HEARTBEATS]}
        body = {"subscriptions": {channel: known[channel] for channel in sorted(self._channels)}}
        return self._message("subscriptions", body, now)

    def _message(self, channel: str, event: Any, now: int) -> bytes:
        number, self._sequence = self._sequence, self._sequence + 1
        self._said_at = now
        body = {"channel": channel, "client_id": "", "timestamp": moment(now), "sequence_num": number}
        return orjson.dumps(body | {"events": [event]})


def _error(message: str) -> bytes:
    return orjson.dumps({"type": "error", "message": message})


def statuses(order: Order, happened: Sequence[Execution], now: int) -> tuple[str, ...]:
    """What *order* is shown to go through while all this *happened* in a row."""
    last = payloads.status(order, now + payloads.LAG_US)
    before = ("PENDING",) if happened[0].what is Happening.ACCEPTED else ()
    queued = _QUEUED.get(happened[-1].what)
    return *before, *((queued,) if queued else ()), last
