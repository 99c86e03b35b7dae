"""HTTP to a venue, with the one distinction that matters: whether anything was sent.

httpx's own retries stay off, redirects too. Its four timeouts and its exceptions tell where a call failed: before the
first byte was written, or after, when the venue may have done what it was asked.

Each connection is an httpx transport of its own, handed out by a stack: httpx's pool looks at all its connections for
every request, which costs more than the request from some dozens of them on.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

import httpx

from venue_gateways.venue import HttpRequest, HttpResponse

#: The venue gives up on a call of its own after 10 s (Binance documents so); what comes later comes never.
READ_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 3.0
WRITE_TIMEOUT_S: Final = 3.0
POOL_TIMEOUT_S: Final = 3.0
#: Shorter than servers keep idle connections, so that a call rarely meets one that is just being closed.
KEEP_ALIVE_S: Final = 4.0

_TIMEOUTS: Final[dict[str, object]] = {
    "timeout": {
        "connect": CONNECT_TIMEOUT_S,
        "read": READ_TIMEOUT_S,
        "write": WRITE_TIMEOUT_S,
        "pool": POOL_TIMEOUT_S,
    }
}


class NotSent(Exception):  # noqa: N818  # it says what is known
    """Nothing of the call reached the venue."""


class Lost(Exception):  # noqa: N818  # it says what is known
    """The call was sent, or part of it, and no whole answer came back."""


class Transport:
    """Calls to one venue over at most *connections_max* kept-alive connections."""

    def __init__(self, base_url: str, connections_max: int) -> None:
        _settle_async_library()
        self._base = httpx.URL(base_url)
        self._ssl = httpx.create_ssl_context(trust_env=False)
        self._idle: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []
        self._slots = asyncio.Semaphore(connections_max)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._all:
            await connection.aclose()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """One exchange. Raises NotSent or Lost; a status that says no is a response."""
        outgoing = httpx.Request(
            request.method,
            self._base,
            headers=list(request.headers),
            content=request.body or None,
            extensions=_TIMEOUTS | {"target": request.target.encode("ascii")},  # goes out as it is, not parsed again
        )
        async with self._connection() as connection:
            try:
                response = await connection.handle_async_request(outgoing)
                try:
                    body = await response.aread()
                finally:
                    await response.aclose()
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                raise NotSent(type(error).__name__) from error
            except Exception as error:  # whatever else went wrong, bytes may be on their way
                raise Lost(type(error).__name__) from error
        return HttpResponse(response.status_code, dict(response.headers), body)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        """The free connection that was used last, so that few stay warm. Raises NotSent if none becomes free."""
        try:
            async with asyncio.timeout(POOL_TIMEOUT_S):
                await self._slots.acquire()
        except TimeoutError as error:
            raise NotSent("PoolTimeout") from error
        connection = self._idle.pop() if self._idle else self._open()
        try:
            yield connection
        finally:
            self._idle.append(connection)
            self._slots.release()

    def _open(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE_S)
        connection = httpx.AsyncHTTPTransport(verify=self._ssl, limits=limits, trust_env=False)
        self._all.append(connection)
        return connection


def _settle_async_library() -> None:
    """Let httpcore know once that there is no sniffio, if there is none: it tries to import it for every lock it makes,
    and each failing search of the path costs as much as the request.
    """
    try:
        import sniffio  # type: ignore[import-not-found,unused-ignore]  # noqa: F401, PLC0415  # there or not
    except ImportError:
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's own way to say "there is none"
