"""Binance's user data stream over its WebSocket API (documented: web-socket-api.md and user-data-stream.md).

The subscription is signed, which works with every kind of key. There is no sequence number and no replay: whatever was
missed has to be read back. The server pings every 20 s, and closes every connection after 24 hours.
"""

from typing import Final

import msgspec

from venue_gateways.binance import payloads, signing
from venue_gateways.venue import StreamEvent, StreamSignal, decode

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


def subscription(key: str, signer: signing.Signer, timestamp_ms: int, request_id: str) -> bytes:
    """The request ``userDataStream.subscribe.signature``; weight 2."""
    parameters = signing.signed_parameters({"apiKey": key, "timestamp": timestamp_ms}, signer)
    return msgspec.json.encode({"id": request_id, "method": "userDataStream.subscribe.signature", "params": parameters})


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
