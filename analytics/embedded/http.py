"""ClickHouse's HTTP protocol as an ASGI application over the embedded engine."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeAlias

import msgspec
import structlog

from analytics.embedded import access, encodings
from analytics.embedded.access import Role, User, Users
from analytics.embedded.delivery import Delivery, Event, Headers, Send, Wish, respond
from analytics.embedded.engine import Answer, Engine, Session, Ticket
from analytics.embedded.errors import ClickHouseError, canceled, not_implemented, too_large, too_many
from analytics.embedded.metrics import ServiceMetrics
from analytics.embedded.requests import Request, insert_of, parse, with_form

Receive: TypeAlias = Callable[[], Awaitable[Event]]

#: The largest body, before and after it is unpacked.
_BODY_BYTES_MAX: Final = {Role.READER: 1 << 20, Role.WRITER: 512 << 20}
_THREADS: Final = {Role.READER: 4, Role.WRITER: 4}
_WAITING_MAX: Final = 64

_READING_METHODS: Final = frozenset({"GET", "HEAD"})
_METHODS: Final = _READING_METHODS | {"POST"}

#: How long the writer may take an answer; a reader has as long as its query.
_WRITERS_ANSWER_S: Final = 600.0

log = structlog.get_logger()


class Call(msgspec.Struct, frozen=True):
    """A request with its body, and who sent it."""

    request: Request
    user: User
    body: bytes
    read_only: bool


class Application:
    """Answers requests. Readers and writers have threads of their own, so that neither wait for the others."""

    def __init__(self, engine: Engine, users: Users, metrics: ServiceMetrics) -> None:
        self._engine = engine
        self._users = users
        self._metrics = metrics
        self._threads = {role: ThreadPoolExecutor(count, role.lower()) for role, count in _THREADS.items()}
        self._enders = ThreadPoolExecutor(1, "end")
        self._pending = dict.fromkeys(Role, 0)
        self._tickets: set[Ticket] = set()

    def close(self) -> None:
        """End what is being read, and wait for what is being written."""
        for ticket in tuple(self._tickets):
            if not ticket.ended.is_set():
                self._engine.end(ticket)
        for threads in (*self._threads.values(), self._enders):
            threads.shutdown()

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in {"/ping", "/replicas_status"} or (scope["path"] == "/" and _is_greeting(scope)):
            await respond(send, 200, [(b"content-type", b"text/html; charset=UTF-8")], b"Ok.\n")
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        started = time.perf_counter()
        query_id, role, code, delivery = "", Role.READER, 0, None
        try:
            request = parse(scope["query_string"], headers)
            query_id = request.query_id or str(uuid.uuid4())
            user = self._users.authenticated(request.user, request.password)
            role = user.role
            if scope["method"] not in _METHODS:
                raise not_implemented(f"{scope['method']}: use GET to read, or POST.")
            body = await _body(receive, _BODY_BYTES_MAX[role])
            delivery = Delivery(send, self._headers(query_id), _wish(request))
            call = Call(request, user, body, read_only=scope["method"] in _READING_METHODS or role is Role.READER)
            await self._run(call, delivery, receive)
        except ClickHouseError as error:
            code = error.code
            log.info("query_failed", role=role, code=code, query_id=query_id)
            if delivery is None or not delivery.begun:  # else it is in the answer, which ends there
                await self._refuse(send, error, query_id)
        self._metrics.observe(role, code, time.perf_counter() - started)

    async def _run(self, call: Call, delivery: Delivery, receive: Receive) -> None:
        role = call.user.role
        if self._pending[role] >= _WAITING_MAX:
            raise too_many()
        self._pending[role] += 1
        ticket = Ticket()
        self._tickets.add(ticket)
        watch = asyncio.create_task(self._end_if_gone(receive, ticket))
        try:
            loop = asyncio.get_running_loop()
            answer, body = await loop.run_in_executor(self._threads[role], self._execute, call, delivery, ticket)
        finally:
            self._pending[role] -= 1
            if ticket.ended.is_set():  # else its thread outlives this task: see close
                self._tickets.discard(ticket)
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        if body is not None:
            await delivery.send(answer.format, answer.cost, body)

    async def _end_if_gone(self, receive: Receive, ticket: Ticket) -> None:
        """End a query whose client went away. What writes goes on: nobody can say how far it has come."""
        while (await receive())["type"] != "http.disconnect":
            pass
        if not ticket.ended.is_set():
            log.info("client_gone", query=ticket.name)
            await asyncio.get_running_loop().run_in_executor(self._enders, self._engine.end, ticket)

    def _execute(self, call: Call, delivery: Delivery, ticket: Ticket) -> tuple[Answer, bytes | None]:
        """The answer, and its body unless that was sent already. In a thread."""
        try:
            return self._executed(call, delivery, ticket)
        finally:
            ticket.ended.set()

    def _executed(self, call: Call, delivery: Delivery, ticket: Ticket) -> tuple[Answer, bytes | None]:
        started_s = time.monotonic()
        if ticket.canceled.is_set():
            raise canceled()
        role = call.user.role
        body = encodings.decompress(call.body, call.request.content_encoding, _BODY_BYTES_MAX[role])
        request, body = with_form(call.request, body)
        settings = access.reader_settings(request.settings, call.user) if call.read_only else dict(request.settings)
        session = Session(settings, request.database, request.default_format)
        insert = None if call.read_only else insert_of(request.query, body)
        if insert is not None:
            ticket.ended.set()
            answer = self._engine.insert(insert, session)
        else:
            sql = "\n".join(part for part in (request.query, _text(body)) if part)
            run = self._engine.read if call.read_only else self._engine.execute
            answer = run(sql, request.parameters, session, ticket)
        seconds = float(settings["max_execution_time"]) if call.read_only else _WRITERS_ANSWER_S
        return answer, delivery.run(answer, started_s + seconds)

    async def _refuse(self, send: Send, error: ClickHouseError, query_id: str) -> None:
        headers = self._headers(query_id)
        headers.append((b"x-clickhouse-exception-code", str(error.code).encode()))
        headers.append((b"content-type", b"text/plain; charset=UTF-8"))
        text = error.message
        if "(version " not in text:
            text = f"{text} (version {self._engine.version} (embedded))"
        await respond(send, error.status, headers, text.encode() + b"\n")

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


def _wish(request: Request) -> Wish:
    return Wish(request.accept_encoding, request.revision, request.wait_end_of_query)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError.of(62, "SYNTAX_ERROR", f"The query is not valid UTF-8: {error}") from error
