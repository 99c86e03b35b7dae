"""HTTP to a venue, with the one distinction that matters: whether anything was sent.

No retries, no redirects. The four timeouts and the exceptions of the client tell where a call failed: before the first
byte was written, or after, when the venue may have done what it was asked.

The client is httpx. Its own pool looks at all its connections for every request, which costs as much as the exchange;
:class:`Slots` is a transport of httpx's in its place, over connections of httpcore, which are what httpx uses itself.
"""

import asyncio
import sys
from types import TracebackType
from typing import Final, Self

import httpcore
import httpx
from typing_extensions import override

from venue_gateways.venue import HttpRequest, HttpResponse

#: The venue gives up on a call of its own after 10 s (Binance documents so); what comes later comes never.
READ_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 3.0
WRITE_TIMEOUT_S: Final = 3.0
POOL_TIMEOUT_S: Final = 3.0
#: Shorter than servers keep idle connections, so that a call rarely meets one that is just being closed.
KEEP_ALIVE_S: Final = 4.0

#: With these, nothing of the request was written; with every other error, bytes may be on their way.
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
#: The errors that a connection raises, and httpx's names for them.
_ERRORS: Final[dict[type[Exception], type[httpx.TransportError]]] = {
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.WriteError: httpx.WriteError,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.ReadError: httpx.ReadError,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
}


class NotSent(Exception):  # noqa: N818  # it says what is known
    """Nothing of the call reached the venue."""


class Lost(Exception):  # noqa: N818  # it says what is known
    """The call was sent, or part of it, and no whole answer came back."""


class Slots(httpx.AsyncBaseTransport):
    """httpx's transport to one origin: *slots* calls at a time, each alone on a kept-alive connection.

    A response comes whole, so its connection is free again. Raises httpx's errors, PoolTimeout if no slot becomes free.
    """

    def __init__(self, origin: httpx.URL, slots: int) -> None:
        _settle_async_library()
        self._origin = httpcore.URL(
            scheme=origin.raw_scheme, host=origin.raw_host, port=origin.port, target=b"/"
        ).origin
        self._served = origin.raw_scheme, origin.netloc
        self._ssl = httpx.create_ssl_context(trust_env=False)
        self._idle: list[httpcore.AsyncHTTPConnection] = []
        self._busy: set[httpcore.AsyncHTTPConnection] = set()
        self._slots = asyncio.Semaphore(slots)

    @override
    async def aclose(self) -> None:
        for connection in (*self._idle, *self._busy):
            await connection.aclose()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._await_slot(request)
        try:
            return await self._exchange(request)
        finally:
            self._slots.release()

    async def _await_slot(self, request: httpx.Request) -> None:
        if not self._slots.locked():
            await self._slots.acquire()  # at once
            return
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._slots.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("no connection became free", request=request) from error

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        outgoing = self._outgoing(request)
        connection = await self._connection()
        self._busy.add(connection)
        try:
            response = await connection.handle_async_request(outgoing)
            try:
                body = b"".join([part async for part in response.aiter_stream()])
            finally:
                await response.aclose()
        except tuple(_ERRORS) as error:
            raise _ERRORS[type(error)](str(error), request=request) from error
        finally:
            self._busy.discard(connection)
            if not connection.is_closed():
                self._idle.append(connection)
        return httpx.Response(response.status, headers=response.headers, stream=httpx.ByteStream(body))

    def _outgoing(self, request: httpx.Request) -> httpcore.Request:
        if (request.url.raw_scheme, request.url.netloc) != self._served:
            raise httpx.UnsupportedProtocol(f"this transport serves {self._origin!s} only", request=request)
        origin, target = self._origin, request.extensions.get("target") or request.url.raw_path
        url = httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target)
        content = request.stream
        assert isinstance(content, httpx.AsyncByteStream)
        return httpcore.Request(
            request.method, url, headers=request.headers.raw, content=content, extensions=request.extensions
        )

    async def _connection(self) -> httpcore.AsyncHTTPConnection:
        """The idle connection that was used last, so that few stay warm; one that the venue has closed is replaced."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(self._origin, ssl_context=self._ssl, keepalive_expiry=KEEP_ALIVE_S)


class Transport:
    """Calls to one venue over at most *connections_max* kept-alive connections."""

    def __init__(self, base_url: str, connections_max: int) -> None:
        self._url = httpx.URL(base_url)
        self._host = b"Host", self._url.netloc
        self._slots = Slots(self._url, connections_max)
        self._timeout = httpx.Timeout(
            connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S, write=WRITE_TIMEOUT_S, pool=POOL_TIMEOUT_S
        ).as_dict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._slots.aclose()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """One exchange. Raises NotSent or Lost; a status that says no is a response."""
        try:
            response = await self._slots.handle_async_request(self._outgoing(request))
            body = await response.aread()
        except _UNSENT as error:
            raise NotSent(type(error).__name__) from error
        except Exception as error:  # whatever else went wrong, bytes may be on their way
            raise Lost(type(error).__name__) from error
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}
        return HttpResponse(response.status_code, headers, body)

    def _outgoing(self, request: HttpRequest) -> httpx.Request:
        """*request*, whose target goes out as it is: nothing quotes it otherwise than it was signed."""
        headers = [self._host, *((name.encode(), value.encode()) for name, value in request.headers)]
        if request.body or request.method == "POST":
            headers.append((b"Content-Length", b"%d" % len(request.body)))
        return httpx.Request(
            request.method,
            self._url,
            headers=headers,
            stream=httpx.ByteStream(request.body),
            extensions={"timeout": self._timeout, "target": request.target.encode("ascii")},
        )


def _settle_async_library() -> None:
    """Let httpcore know once that there is no sniffio, if there is none: it tries to import it for every lock it makes,
    and each failing search of the path costs as much as the request.
    """
    try:
        import sniffio  # type: ignore[import-not-found,unused-ignore]  # noqa: F401, PLC0415  # there or not
    except ImportError:
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's own way to say "there is none"
