"""ClickHouse's HTTP protocol as an ASGI application over the embedded engine."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import structlog

from analytics.account import Account
from analytics.embedded import access, encodings
from analytics.embedded.access import Role
from analytics.embedded.engine import Engine, Result, Session
from analytics.embedded.errors import ClickHouseError, too_large, too_many
from analytics.embedded.metrics import ServiceMetrics
from analytics.embedded.requests import Request, insert_of, parse, with_form

Event: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

#: The largest body, before and after it is unpacked.
_BODY_BYTES_MAX: Final = {Role.READER: 1 << 20, Role.WRITER: 512 << 20}
_THREADS: Final = {Role.READER: 4, Role.WRITER: 4}
_WAITING_MAX: Final = 64

_CONTENT_TYPES: Final = (
    ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSONLines", "application/x-ndjson; charset=UTF-8"),
    ("JSON", "application/json; charset=UTF-8"),
    ("CSVWithNames", "text/csv; charset=UTF-8; header=present"),
    ("CSV", "text/csv; charset=UTF-8; header=absent"),
    ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
    ("TSV", "text/tab-separated-values; charset=UTF-8"),
    ("Pretty", "text/plain; charset=UTF-8"),
    ("Vertical", "text/plain; charset=UTF-8"),
    ("XML", "application/xml; charset=UTF-8"),
)

log = structlog.get_logger()


class Application:
    """Answers requests. Readers and the writer have threads of their own, so that neither waits for the other."""

    def __init__(self, engine: Engine, writer: Account, metrics: ServiceMetrics) -> None:
        self._engine = engine
        self._writer = writer
        self._metrics = metrics
        self._threads = {role: ThreadPoolExecutor(count, role.lower()) for role, count in _THREADS.items()}
        self._pending = dict.fromkeys(Role, 0)

    def close(self) -> None:
        for threads in self._threads.values():
            threads.shutdown()

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in {"/ping", "/replicas_status"} or (scope["path"] == "/" and _is_greeting(scope)):
            await _answer(send, 200, [(b"content-type", b"text/html; charset=UTF-8")], b"Ok.\n")
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        started = time.perf_counter()
        query_id, role, code = "", Role.READER, 0
        try:
            request = parse(scope["query_string"], headers)
            query_id = request.query_id or str(uuid.uuid4())
            role = access.role_of(request.user, request.password, self._writer)
            body = await _body(receive, _BODY_BYTES_MAX[role])
            result = await self._run(request, role, body, read_only=scope["method"] == "GET")
            await self._deliver(send, request, query_id, result)
        except ClickHouseError as error:
            code = error.code
            log.info("query_failed", role=role, code=code, query_id=query_id)
            await self._refuse(send, error, query_id)
        self._metrics.observe(role, code, time.perf_counter() - started)

    async def _run(self, request: Request, role: Role, body: bytes, *, read_only: bool) -> Result:
        if self._pending[role] >= _WAITING_MAX:
            raise too_many()
        self._pending[role] += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._threads[role], self._execute, request, role, body, read_only or role is Role.READER
            )
        finally:
            self._pending[role] -= 1

    def _execute(self, request: Request, role: Role, body: bytes, read_only: bool) -> Result:
        body = encodings.decompress(body, request.content_encoding, _BODY_BYTES_MAX[role])
        request, body = with_form(request, body)
        settings = access.reader_settings(request.settings) if read_only else dict(request.settings)
        session = Session(settings, request.database, request.default_format)
        insert = None if read_only else insert_of(request.query, body)
        if insert is not None:
            return self._engine.insert(insert, session)
        sql = "\n".join(part for part in (request.query, _text(body)) if part)
        run = self._engine.read if read_only else self._engine.execute
        return run(sql, request.parameters, session)

    async def _deliver(self, send: Send, request: Request, query_id: str, result: Result) -> None:
        headers = self._headers(query_id)
        headers.append((b"x-clickhouse-summary", _summary(result)))
        if result.format:
            headers.append((b"x-clickhouse-format", result.format.encode()))
        headers.append((b"content-type", _content_type(result.format).encode()))
        body = result.body
        encoding = encodings.chosen(request.accept_encoding)
        if encoding and encodings.worth_compressing(body):
            body = await asyncio.to_thread(encodings.compress, body, encoding)
            headers.append((b"content-encoding", encoding.encode()))
        await _answer(send, 200, headers, body)

    async def _refuse(self, send: Send, error: ClickHouseError, query_id: str) -> None:
        headers = self._headers(query_id)
        headers.append((b"x-clickhouse-exception-code", str(error.code).encode()))
        headers.append((b"content-type", b"text/plain; charset=UTF-8"))
        text = error.message
        if "(version " not in text:
            text = f"{text} (version {self._engine.version} (embedded))"
        await _answer(send, error.status, headers, text.encode() + b"\n")

    def _headers(self, query_id: str) -> Headers:
        return [
            (b"x-clickhouse-server-display-name", b"fillstream"),
            (b"x-clickhouse-timezone", self._engine.timezone.encode()),
            (b"x-clickhouse-query-id", query_id.encode("latin-1", "replace")),
        ]


def _is_greeting(scope: Event) -> bool:
    return scope["method"] in {"GET", "HEAD"} and not scope["query_string"]


async def _body(receive: Receive, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClickHouseError.of(210, "NETWORK_ERROR", "The client went away.")
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > bytes_max:
            raise too_large(f"The body has more than {bytes_max} bytes.")
        if not event.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError.of(62, "SYNTAX_ERROR", f"The query is not valid UTF-8: {error}") from error


def _summary(result: Result) -> bytes:
    numbers = {
        "read_rows": result.rows_read,
        "read_bytes": result.bytes_read,
        "written_rows": result.rows_written,
        "written_bytes": result.bytes_written,
        "result_bytes": len(result.body),
        "elapsed_ns": result.elapsed_ns,
    }
    return json.dumps({name: str(number) for name, number in numbers.items()}).encode()


def _content_type(format_name: str) -> str:
    return next((kind for prefix, kind in _CONTENT_TYPES if format_name.startswith(prefix)), "application/octet-stream")
