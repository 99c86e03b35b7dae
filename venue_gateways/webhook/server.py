"""The receiver on the web: one path to post events to, and what its answers mean to a sender.

Plain HTTP, on the loopback interface unless it is told otherwise: TLS belongs to a proxy in front of it.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from typing_extensions import override

from runtime.settings import Settings, SettingsError
from venue_gateways import metrics
from venue_gateways.clock import wall_us
from venue_gateways.webhook.receiver import Receiver, Result

PATH: Final = "/webhook"
BODY_BYTES_MAX: Final = 65_536
#: How long a body may take to come.
BODY_S: Final = 5.0
#: Connections beyond these are answered with 503 by uvicorn itself.
CONNECTIONS_MAX: Final = 256
_RETRY_AFTER_S: Final = 5
_GRACE_S: Final = 2

STATUSES: Final = {
    Result.TAKEN: 204,
    Result.REPEATED: 204,
    Result.FOREIGN: 204,
    Result.UNPARSABLE: 400,
    Result.REFUSED: 401,
    Result.CUT_SHORT: 408,
    Result.TOO_LARGE: 413,
    Result.NOT_WRITTEN: 503,
}

log = structlog.get_logger()


class WebhookServer:
    """Listens at once, and answers while :meth:`run` runs. Raises SettingsError if its address can't be had."""

    def __init__(self, settings: Settings, venue: str, receiver: Receiver) -> None:
        self._venue = venue
        self._receiver = receiver
        self._listener = _listen(settings.webhook_host, settings.webhook_port)
        host, port = self._listener.getsockname()[:2]
        self.url = f"http://{host}:{port}{PATH}"

    async def run(self) -> None:
        """Runs until it is canceled; what is being answered then may end, within a bound."""
        server = _Server(_configuration(Starlette(routes=[Route(PATH, self._post, methods=["POST"])])))
        serving = asyncio.create_task(server.serve(sockets=[self._listener]))
        log.info("webhook_ready", url=self.url)
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving

    async def _post(self, request: Request) -> Response:
        result, detail = await self._result(request)
        metrics.WEBHOOK_EVENTS.labels(self._venue, result).inc()
        status = STATUSES[result]
        if status == 204:
            return Response(status_code=status)
        headers = {"retry-after": str(_RETRY_AFTER_S)} if status == 503 else None
        return PlainTextResponse(f"{result}: {detail}\n" if detail else f"{result}\n", status, headers)

    async def _result(self, request: Request) -> tuple[Result, str]:
        try:
            async with asyncio.timeout(BODY_S):
                body = await _read(request)
        except (TimeoutError, ClientDisconnect):
            return Result.CUT_SHORT, ""
        if body is None:
            return Result.TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes"
        return await self._receiver.receive(request.headers, body, wall_us())


class _Server(uvicorn.Server):
    """uvicorn's, which leaves signals to the process."""

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


async def _read(request: Request) -> bytes | None:
    """The body, or None if it is too long to be one."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            return None
    return body


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise SettingsError(
            f"webhooks can't be served at {host}:{port} ({error.strerror}): set webhook_host and webhook_port"
        ) from error


def _configuration(application: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=_GRACE_S,
    )
