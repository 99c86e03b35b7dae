"""A TCP proxy on the loopback interface that can slow connections down, cut them, and let them hang half-open."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from typing import Final, Self

import structlog

HOST: Final = "127.0.0.1"
BYTES_MAX: Final = 65_536
#: How often a pipe looks whether it may go on.
LOOK_EVERY_S: Final = 0.02
START_WITHIN_S: Final = 10.0
#: With it, closing a socket resets the connection instead of ending it.
_LINGER_NOT: Final = struct.pack("ii", 1, 0)

log = structlog.get_logger()


class Ill(StrEnum):
    """What is wrong with a path."""

    DELAYED = "delayed"  # everything arrives late
    CUT = "cut"  # connections are reset, and new ones as soon as they are made
    MUTE = "mute"  # half-open: what the client sends arrives, and no answer ever does
    DEAF = "deaf"  # half-open: connections stand, nothing arrives in either direction


class Proxy:
    """Carries what comes to *port* to *target_port* and back, from a thread of its own, inside a ``with`` block."""

    def __init__(self, name: str, port: int, target_port: int) -> None:
        self.port = port
        self.bytes_carried = 0
        self._name = name
        self._target_port = target_port
        self._ill: Ill | None = None
        self._delay_s = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._done: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"proxy-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_WITHIN_S) or self._failure is not None:
            raise OSError(f"the proxy {self._name} can't listen on port {self.port}: {self._failure!r}")
        return self

    def __exit__(self, *error: object) -> None:
        if self._done is not None:
            self._soon(self._done.set)
        self._thread.join()

    @contextlib.contextmanager
    def suffering(self, ill: Ill, delay_s: float = 0.0) -> Iterator[None]:
        """The path is *ill* for as long as the block runs. Bytes that waited go on afterwards, none is lost."""
        self._delay_s, self._ill = delay_s, ill
        if ill is Ill.CUT:
            self._soon(self._reset_all)
        try:
            yield
        finally:
            self._ill = None
            if ill in {Ill.MUTE, Ill.DEAF}:  # who hung so long may have given up: nobody goes on in mid-sentence
                self._soon(self._reset_all)

    def _soon(self, act: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        server = await asyncio.start_server(self._carry, HOST, self.port, limit=BYTES_MAX)
        self._ready.set()
        await self._done.wait()
        server.close()
        self._reset_all()  # connections end with it; asyncio.run cancels what is left

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        async with self._kept(writer):
            if self._ill is Ill.CUT:
                _reset(writer)
                return
            try:
                there, back = await asyncio.open_connection(HOST, self._target_port, limit=BYTES_MAX)
            except OSError:
                return  # the server is away: the client is told as it would be without a proxy
            async with self._kept(back):
                tasks = [
                    asyncio.ensure_future(self._pipe(reader, back, answers=False)),
                    asyncio.ensure_future(self._pipe(there, writer, answers=True)),
                ]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):  # a reset by either side is the end of both
            while data := await reader.read(BYTES_MAX):
                if self._ill is Ill.DELAYED:
                    await asyncio.sleep(self._delay_s)
                while self._ill is Ill.DEAF or (answers and self._ill is Ill.MUTE):  # noqa: ASYNC110  # another thread sets it
                    await asyncio.sleep(LOOK_EVERY_S)
                writer.write(data)
                await writer.drain()
                self.bytes_carried += len(data)

    @contextlib.asynccontextmanager
    async def _kept(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        """*writer*'s connection can be reset from outside, and is closed at the end."""
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)
            writer.close()

    def _reset_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN, as from a host that has crashed."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
