"""Binance's user data stream over its WebSocket API (documented: web-socket-api.md and user-data-stream.md).

The subscription is signed, which works with every kind of key. There is no sequence number and no replay: whatever was
missed has to be read back. The server pings every 20 s, and closes every connection after 24 hours.
"""

from typing import Final
from uuid import uuid4

import msgspec
from typing_extensions import override

from venue_gateways.binance import payloads, signing
from venue_gateways.venue import StreamEvent, StreamSession, StreamSignal, decode

_OTHER: Final = StreamEvent(StreamSignal.OTHER)


class _Envelope(msgspec.Struct, frozen=True):
    """An event, or the answer to a request. ``event`` stays raw until its type is known."""

    event: msgspec.Raw = msgspec.Raw()
    id: str | int | None = None
    status: int = 0
    error: msgspec.Raw = msgspec.Raw()


class _Kind(msgspec.Struct, frozen=True):
    e: str = ""


#: Events after which nothing more comes on this connection.
_ENDINGS: Final = frozenset({"serverShutdown", "eventStreamTerminated"})


class Session(StreamSession):
    """A connection of the account that has *key*; nothing has to be remembered from message to message."""

    def __init__(self, key: str, signer: signing.Signer, name: payloads.SymbolName) -> None:
        self._key, self._signer, self._name = key, signer, name

    @override
    def subscriptions(self, now_us: int) -> tuple[bytes, ...]:
        """The request ``userDataStream.subscribe.signature``; weight 2."""
        parameters = signing.signed_parameters({"apiKey": self._key, "timestamp": now_us // 1000}, self._signer)
        method = "userDataStream.subscribe.signature"
        return (msgspec.json.encode({"id": str(uuid4()), "method": method, "params": parameters}),)

    @override
    def events(self, message: str | bytes) -> tuple[StreamEvent, ...]:
        return (event(message, self._name),)


def event(message: str | bytes, name: payloads.SymbolName) -> StreamEvent:
    """What *message* says. Raises Unparsable."""
    envelope: _Envelope = decode(message, _Envelope)
    if envelope.status:
        if envelope.status == 200:
            return StreamEvent(StreamSignal.SUBSCRIBED)
        return StreamEvent(StreamSignal.REFUSED, detail=bytes(envelope.error)[:200].decode(errors="replace"))
    raw = bytes(envelope.event) or (message if isinstance(message, bytes) else message.encode())
    kind: _Kind = decode(raw, _Kind)
    if kind.e in _ENDINGS:
        return StreamEvent(StreamSignal.ENDING, detail=kind.e)
    if kind.e != "executionReport":
        return _OTHER
    order, trade = payloads.execution_seen(decode(raw, payloads.ExecutionPayload), name)
    return StreamEvent(StreamSignal.UPDATE, order=order, trade=trade)
