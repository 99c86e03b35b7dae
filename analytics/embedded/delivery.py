"""How an answer goes back: at once if it is short, piece by piece if it is long, compressed as the client likes it."""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeAlias

import msgspec

from analytics.embedded import encodings, native
from analytics.embedded.engine import Answer, Cost
from analytics.embedded.errors import ClickHouseError, timed_out

Event: TypeAlias = dict[str, Any]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

#: An answer up to here is sent once the query has ended, so that its status is right also if it fails late.
SHORT_BYTES_MAX: Final = 1 << 20

_PIECE_BYTES: Final = 64 << 10

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


class Wish(msgspec.Struct, frozen=True):
    """How a client wants its answer."""

    accept_encoding: str = ""
    revision: int = 0
    whole: bool = False


class Delivery:
    """One answer on its way, from the thread that runs the query to the connection that the event loop has."""

    def __init__(self, send: Send, headers: Headers, wish: Wish) -> None:
        self._send = send
        self._headers = headers
        self._wish = wish
        self._loop = asyncio.get_running_loop()
        self._encoding = encodings.chosen(wish.accept_encoding)
        self.begun = False

    def run(self, answer: Answer, deadline_s: float) -> bytes | None:
        """Take *answer* from its query: returned if it is short, sent if it is long (then None). In a thread.

        *deadline_s* is when the client must have taken all of it, by the monotonic clock. Raises ClickHouseError.
        """
        blocks = self._blocks(answer)
        head: list[bytes] = []
        size = 0
        for block in blocks:
            head.append(block)
            size += len(block)
            if size > SHORT_BYTES_MAX and not self._wish.whole:
                break
        if size <= SHORT_BYTES_MAX:
            return b"".join(head)
        self._stream(answer, b"".join(head), blocks, deadline_s)
        return None

    async def send(self, format_name: str, cost: Cost, body: bytes) -> None:
        """Send a short answer."""
        headers = [*self._headers, *_about(format_name, cost, len(body))]
        if self._encoding and encodings.worth_compressing(body):
            body = await asyncio.to_thread(encodings.compress, body, self._encoding)
            headers.append((b"content-encoding", self._encoding.encode()))
        await respond(self._send, 200, headers, body)

    def _blocks(self, answer: Answer) -> Iterator[bytes]:
        if answer.format != "Native":
            return answer.blocks
        return (native.for_client(block, self._wish.revision) for block in answer.blocks)

    def _stream(self, answer: Answer, head: bytes, rest: Iterator[bytes], deadline_s: float) -> None:
        tag = secrets.token_hex(8)
        headers = [*self._headers, *_about(answer.format, answer.cost, len(head))]
        headers.append((b"x-clickhouse-exception-tag", tag.encode()))
        compressor = encodings.Compressor(self._encoding) if self._encoding else None
        if self._encoding:
            headers.append((b"content-encoding", self._encoding.encode()))
        self._put({"type": "http.response.start", "status": 200, "headers": headers}, deadline_s)
        self.begun = True
        try:
            self._write(head, compressor, deadline_s)
            for block in rest:
                self._write(block, compressor, deadline_s)
        except ClickHouseError as error:
            if time.monotonic() < deadline_s:
                text = framed(error, tag)
                self._write(text, compressor, deadline_s)
                self._put_body(compressor.finish() if compressor else b"", deadline_s)
            raise
        self._put({"type": "http.response.body", "body": compressor.finish() if compressor else b""}, deadline_s)

    def _write(self, plain: bytes, compressor: encodings.Compressor | None, deadline_s: float) -> None:
        self._put_body(compressor.write(plain) if compressor else plain, deadline_s)

    def _put_body(self, body: bytes, deadline_s: float) -> None:
        for begin in range(0, len(body), _PIECE_BYTES):
            piece = body[begin : begin + _PIECE_BYTES]
            self._put({"type": "http.response.body", "body": piece, "more_body": True}, deadline_s)

    def _put(self, event: Event, deadline_s: float) -> None:
        """Hand *event* to the connection, and wait until the client has taken most of what came before."""
        handed = asyncio.run_coroutine_threadsafe(self._awaited(event), self._loop)
        try:
            handed.result(max(0.0, deadline_s - time.monotonic()))
        except TimeoutError:
            handed.cancel()
            raise timed_out("The client took its answer too slowly.") from None

    async def _awaited(self, event: Event) -> None:
        await self._send(event)


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer that is there as a whole."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def framed(error: ClickHouseError, tag: str) -> bytes:
    """*error* as it stands in an answer that had begun: https://clickhouse.com/docs/interfaces/http."""
    message = error.message.encode() + b"\n"
    mark, end = b"\r\n__exception__\r\n", f"{len(message)} {tag}".encode()
    return mark + tag.encode() + b"\r\n" + message + end + mark


def _about(format_name: str, cost: Cost, result_bytes: int) -> Headers:
    numbers = {
        "read_rows": cost.rows_read,
        "read_bytes": cost.bytes_read,
        "written_rows": cost.rows_written,
        "written_bytes": cost.bytes_written,
        "result_bytes": result_bytes,
        "elapsed_ns": cost.elapsed_ns,
    }
    summary = json.dumps({name: str(number) for name, number in numbers.items()})
    kind = next((kind for prefix, kind in _CONTENT_TYPES if format_name.startswith(prefix)), "application/octet-stream")
    named = [(b"x-clickhouse-format", format_name.encode())] if format_name else []
    return [(b"x-clickhouse-summary", summary.encode()), *named, (b"content-type", kind.encode())]
