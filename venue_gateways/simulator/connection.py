"""Connections that can be cut: uvicorn's protocols, with the transport within an application's reach."""

import asyncio
import socket
import struct
from typing import Any, Final

from typing_extensions import override
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_EXTENSION: Final = "fillstream.transport"
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class HttpConnection(H11Protocol):
    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.app = _reaching(self.app, transport)


class WebSocketConnection(WebSocketsSansIOProtocol):
    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.app = _reaching(self.app, transport)


def reset(scope: Any) -> None:
    """Cut the connection behind *scope* at once, with a TCP reset."""
    transport: asyncio.Transport = scope["extensions"][_EXTENSION]["transport"]
    connected = transport.get_extra_info("socket")
    if connected is not None and not transport.is_closing():
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _reaching(app: Any, transport: asyncio.BaseTransport) -> ASGI3Application:
    async def reaching(scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        scope.setdefault("extensions", {})[_EXTENSION] = {"transport": transport}
        await app(scope, receive, send)

    return reaching
