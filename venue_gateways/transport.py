"""HTTP to a venue, with the one distinction that matters: whether anything was sent.

httpx's own retries stay off, redirects too. Its four timeouts and its exceptions tell where a call failed: before the
first byte was written, or after, when the venue may have done what it was asked.
"""

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


class NotSent(Exception):  # noqa: N818  # it says what is known
    """Nothing of the call reached the venue."""


class Lost(Exception):  # noqa: N818  # it says what is known
    """The call was sent, or part of it, and no whole answer came back."""


class Transport:
    """Calls to one venue over kept-alive connections."""

    __slots__ = ("_base", "_client")

    def __init__(self, base_url: str, connections_max: int) -> None:
        self._base = httpx.URL(base_url)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(
                connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S, write=WRITE_TIMEOUT_S, pool=POOL_TIMEOUT_S
            ),
            limits=httpx.Limits(
                max_connections=connections_max,
                max_keepalive_connections=connections_max,
                keepalive_expiry=KEEP_ALIVE_S,
            ),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """One exchange. Raises NotSent or Lost; a status that says no is a response."""
        target = request.target.encode("ascii")
        url = self._base.copy_with(raw_path=target)
        if url.raw_path != target:  # other bytes than were signed
            raise NotSent(f"target can't be sent as it is: {request.method} {request.target.partition('?')[0]}")
        outgoing = self._client.build_request(
            request.method, url, headers=list(request.headers), content=request.body or None
        )
        try:
            response = await self._client.send(outgoing)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(type(error).__name__) from error
        except Exception as error:  # whatever else went wrong, bytes may be on their way
            raise Lost(type(error).__name__) from error
        return HttpResponse(response.status_code, dict(response.headers), response.content)
