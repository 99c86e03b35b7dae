"""HTTP to a venue, with the one distinction that matters: whether anything was sent.

No retries, no redirects. The four timeouts and the exceptions of the client tell where a call failed: before the first
byte was written, or after, when the venue may have done what it was asked.

Calls are made on the connections of httpcore, which is what httpx itself sits on. httpx's pool looks at all its
connections for every request, and its requests and responses cost nearly as much again as the exchange; a placement
needs neither. What is left for httpx to say is which certificates to trust.
"""

import asyncio
import sys
from types import TracebackType
from typing import Final, Self

import httpcore
import httpx

from venue_gateways.venue import HttpRequest, HttpResponse

#: The venue gives up on a call of its own after 10 s (Binance documents so); what comes later comes never.
READ_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 3.0
WRITE_TIMEOUT_S: Final = 3.0
POOL_TIMEOUT_S: Final = 3.0
#: Shorter than servers keep idle connections, so that a call rarely meets one that is just being closed.
KEEP_ALIVE_S: Final = 4.0

_EXTENSIONS: Final[dict[str, object]] = {
    "timeout": {"connect": CONNECT_TIMEOUT_S, "read": READ_TIMEOUT_S, "write": WRITE_TIMEOUT_S}
}
_UNSENT: Final = (httpcore.ConnectError, httpcore.ConnectTimeout)


class NotSent(Exception):  # noqa: N818  # it says what is known
    """Nothing of the call reached the venue."""


class Lost(Exception):  # noqa: N818  # it says what is known
    """The call was sent, or part of it, and no whole answer came back."""


class Transport:
    """Calls to one venue over at most *connections_max* kept-alive connections."""

    def __init__(self, base_url: str, connections_max: int) -> None:
        _settle_async_library()
        base = httpcore.URL(base_url)
        self._origin = base.origin
        self._host = base.host if base.port is None else b"%b:%d" % (base.host, base.port)
        self._ssl = httpx.create_ssl_context(trust_env=False)
        self._idle: list[httpcore.AsyncHTTPConnection] = []
        self._busy: set[httpcore.AsyncHTTPConnection] = set()
        self._slots = asyncio.Semaphore(connections_max)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in (*self._idle, *self._busy):
            await connection.aclose()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """One exchange. Raises NotSent or Lost; a status that says no is a response."""
        await self._await_slot()
        try:
            return await self._exchange(request)
        finally:
            self._slots.release()

    async def _await_slot(self) -> None:
        """Raises NotSent if none becomes free."""
        if not self._slots.locked():
            await self._slots.acquire()  # at once
            return
        try:
            async with asyncio.timeout(POOL_TIMEOUT_S):
                await self._slots.acquire()
        except TimeoutError as error:
            raise NotSent("PoolTimeout") from error

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        connection = await self._connection()
        self._busy.add(connection)
        try:
            response = await connection.handle_async_request(self._outgoing(request))
            try:
                body = b"".join([part async for part in response.aiter_stream()])
            finally:
                await response.aclose()
        except _UNSENT as error:
            raise NotSent(type(error).__name__) from error
        except Exception as error:  # whatever else went wrong, bytes may be on their way
            raise Lost(type(error).__name__) from error
        finally:
            self._busy.discard(connection)
            if not connection.is_closed():
                self._idle.append(connection)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return HttpResponse(response.status, headers, body)

    def _outgoing(self, request: HttpRequest) -> httpcore.Request:
        """*request*, whose target goes out as it is: nothing quotes it otherwise than it was signed."""
        headers = [(b"Host", self._host), *((name.encode(), value.encode()) for name, value in request.headers)]
        if request.body or request.method == "POST":
            headers.append((b"Content-Length", b"%d" % len(request.body)))
        origin, target = self._origin, request.target.encode("ascii")
        url = httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target)
        return httpcore.Request(request.method, url, headers=headers, content=request.body, extensions=_EXTENSIONS)

    async def _connection(self) -> httpcore.AsyncHTTPConnection:
        """The idle connection that was used last, so that few stay warm; one that the venue has closed is replaced."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(self._origin, ssl_context=self._ssl, keepalive_expiry=KEEP_ALIVE_S)


def _settle_async_library() -> None:
    """Let httpcore know once that there is no sniffio, if there is none: it tries to import it for every lock it makes,
    and each failing search of the path costs as much as the request.
    """
    try:
        import sniffio  # type: ignore[import-not-found,unused-ignore]  # noqa: F401, PLC0415  # there or not
    except ImportError:
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's own way to say "there is none"
