"""Coinbase's user channel (documented: websocket-overview, user and heartbeats channels).

One message subscribes to one channel, with a token of its own. The user channel says how much of an order has traded
in all, and names no trade: those are read back. Heartbeats come every second, which also keeps the connection open.
``sequence_num`` counts the messages of a connection, whatever their channel (told): a number that was skipped is a
message that was lost.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from typing_extensions import override

from venue_gateways.coinbase import payloads
from venue_gateways.venue import OrderSeen, StreamEvent, StreamSession, StreamSignal, Unparsable, decode

#: Heartbeats come every second (documented); after so many missing ones the connection is dead.
SILENCE_MAX_S: Final = 5.0
_CHANNELS: Final = ("user", "heartbeats")

Symbols = Callable[[str], str | None]
"""Our name of a product; None of one that isn't ours."""


class _Envelope(msgspec.Struct, frozen=True):
    """``events`` stay raw until their channel is known; *type* and *message* are an error's (assumed)."""

    channel: str = ""
    sequence_num: int | None = None
    events: msgspec.Raw = msgspec.Raw(b"[]")
    type: str = ""
    message: str = ""


class _UserEvent(msgspec.Struct, frozen=True):
    orders: tuple[msgspec.Raw, ...] | None = None


class _SubscriptionsEvent(msgspec.Struct, frozen=True):
    subscriptions: dict[str, msgspec.Raw]


class UserStream(StreamSession):
    """One connection's. *token* makes a token for one message at an instant; *seen* is told of every order."""

    def __init__(self, token: Callable[[int], str], symbol: Symbols, seen: Callable[[OrderSeen], None]) -> None:
        self._token = token
        self._symbol = symbol
        self._seen = seen
        self._expected: int | None = None
        self._subscribed = False

    @override
    def subscriptions(self, now_us: int) -> tuple[bytes, ...]:
        return tuple(
            msgspec.json.encode({"type": "subscribe", "channel": channel, "jwt": self._token(now_us)})
            for channel in _CHANNELS
        )

    @override
    def events(self, message: str | bytes) -> tuple[StreamEvent, ...]:
        envelope: _Envelope = decode(message, _Envelope)
        if envelope.type == "error":
            return (StreamEvent(StreamSignal.REFUSED, detail=envelope.message[:200]),)
        if self._is_gap(envelope.sequence_num):
            return (StreamEvent(StreamSignal.GAP, detail=f"{self._expected} is missing"),)
        if envelope.channel == "user":
            return self._updates(envelope.events)
        if envelope.channel == "subscriptions" and not self._subscribed:
            return self._subscription(envelope.events)
        return (StreamEvent(StreamSignal.OTHER),)

    def _is_gap(self, number: int | None) -> bool:
        """Whether messages are missing before this one. One that comes twice says nothing wrong, so it is read."""
        if number is None:
            raise Unparsable("a message without sequence_num")
        if self._expected is not None and number > self._expected:
            return True
        self._expected = max(self._expected or 0, number + 1)
        return False

    def _subscription(self, events: msgspec.Raw) -> tuple[StreamEvent, ...]:
        """Each answer lists all that is subscribed to so far."""
        listed: tuple[_SubscriptionsEvent, ...] = decode(events, tuple[_SubscriptionsEvent, ...])
        self._subscribed = any("user" in event.subscriptions for event in listed)
        return (StreamEvent(StreamSignal.SUBSCRIBED if self._subscribed else StreamSignal.OTHER),)

    def _updates(self, events: msgspec.Raw) -> tuple[StreamEvent, ...]:
        try:
            listed: tuple[_UserEvent, ...] = decode(events, tuple[_UserEvent, ...])
        except Unparsable as error:
            return (_unclear(error),)
        told = (self._update(update) for event in listed for update in event.orders or ())
        return tuple(event for event in told if event is not None)

    def _update(self, raw: msgspec.Raw) -> StreamEvent | None:
        """None for an order on a product that nothing of ours can be on."""
        try:
            update: payloads.UpdatePayload = decode(bytes(raw), payloads.UpdatePayload)
            symbol = self._symbol(update.product_id)
            if symbol is None:
                return None
            order = payloads.update_seen(update, symbol)
        except Unparsable as error:
            return _unclear(error)
        self._seen(order)
        return StreamEvent(StreamSignal.UPDATE, order=order, trades_due=order.filled_quantity > 0)


def _unclear(error: Unparsable) -> StreamEvent:
    return StreamEvent(StreamSignal.UNCLEAR, detail=str(error)[:200])
