"""The venue's private stream: connected as long as this gateway owns anything, and what it says turned into facts."""

import asyncio
import random
from collections.abc import AsyncIterable, Callable
from typing import Final, Protocol

import structlog
import websockets

from domain.messages import Evidence
from venue_gateways import metrics
from venue_gateways.calls import Caller
from venue_gateways.facts import Facts
from venue_gateways.venue import (
    OpenStream,
    ReadStreamToken,
    StreamEvent,
    StreamSession,
    StreamSignal,
    Unparsable,
)

_BACKOFF_S: Final = 0.25
_BACKOFF_MAX_S: Final = 15.0
_OPEN_TIMEOUT_S: Final = 10.0
#: Our own pings find out that a connection is dead; the venue's are answered by the library.
_PING_S: Final = 15.0
_MESSAGE_BYTES_MAX: Final = 1 << 20
_QUEUE_MAX: Final = 10_000
#: After these there is nothing more to be had from a connection.
_LAST: Final = frozenset({StreamSignal.REFUSED, StreamSignal.ENDING, StreamSignal.GAP})

log = structlog.get_logger()


class Refused(Exception):  # noqa: N818  # it says what happened
    """The venue did not accept the subscription, ended it, or no longer keeps to it."""


class Reader(Protocol):
    """Reads back what the stream doesn't tell."""

    def reconnected(self) -> None:
        """The stream is up again: whatever was said meanwhile has been missed."""

    def trades_due(self) -> None:
        """There are trades that the stream doesn't name."""

    def unclear(self) -> None:
        """Something was said that can't be understood."""


class Stream:
    """*reader* is told when something has to be read back, and *subscribed* called after it when the stream is up."""

    def __init__(
        self, url: str, caller: Caller, facts: Facts, reader: Reader, subscribed: Callable[[], None] = lambda: None
    ) -> None:
        self.connected = False
        self.wanted = asyncio.Event()
        self._url = url
        self._caller = caller
        self._facts = facts
        self._reader = reader
        self._subscribed = subscribed
        self._venue = caller.adapter.name
        self._failures = 0

    async def run(self) -> None:
        """Connect, listen, connect again. Runs until it is canceled."""
        while True:
            await self.wanted.wait()
            try:
                session = self._caller.adapter.stream_session(await self._token())
                await self._caller.acquire(OpenStream())
                await self._listen(session)
            except (OSError, TimeoutError, websockets.WebSocketException, Refused) as error:
                log.warning("stream_lost", error=f"{type(error).__name__}: {error}"[:300])
                metrics.STREAM_CONNECTIONS.labels(self._venue, "lost").inc()
            finally:
                self.connected = False
                metrics.STREAM_CONNECTED.labels(self._venue).set(0)
            await asyncio.sleep(self._pause_s())

    def _pause_s(self) -> float:
        """Doubles with each failure in a row; jittered, so that a fleet doesn't come back all at once."""
        pause_s = min(_BACKOFF_S * (1 << min(self._failures, 10)), _BACKOFF_MAX_S)
        self._failures += 1
        return random.uniform(pause_s / 2, pause_s)  # noqa: S311  # jitter, no secret

    async def _token(self) -> str | None:
        """What the venue wants a connection to be opened with. Raises Refused if it doesn't hand it out."""
        if not self._caller.adapter.traits.stream_token:
            return None
        answer = (await self._caller.ask(ReadStreamToken())).answer
        if answer.token is None:
            raise Refused(f"no token: {answer.reason}")
        return answer.token

    async def _listen(self, session: StreamSession) -> None:
        connecting = websockets.connect(
            self._url,
            open_timeout=_OPEN_TIMEOUT_S,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            close_timeout=1,
            max_size=_MESSAGE_BYTES_MAX,
            max_queue=_QUEUE_MAX,
            compression=None,
            proxy=None,
        )
        async with connecting as connection:
            for subscription in session.subscriptions(self._caller.clock.now_us()):
                await connection.send(subscription.decode())
            await self._hear(session, connection)
        raise Refused("the venue closed the connection")

    async def _hear(self, session: StreamSession, connection: AsyncIterable[str | bytes]) -> None:
        """Take messages until the connection ends. Raises Refused if it has nothing to say for too long."""
        silence_max_s = self._caller.adapter.traits.silence_max_s
        now_s = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(silence_max_s) as patience:
                async for message in connection:
                    self._take(session, message)
                    if silence_max_s is not None:
                        patience.reschedule(now_s() + silence_max_s)
        except TimeoutError:
            raise Refused(f"not a word for {silence_max_s} s") from None

    def _take(self, session: StreamSession, message: str | bytes) -> None:
        """One message. What can't be read has to be found out otherwise."""
        try:
            events = session.events(message)
        except Unparsable as error:
            metrics.STREAM_MESSAGES.labels(self._venue, "UNPARSABLE").inc()
            log.warning("stream_message_unparsable", error=str(error)[:200])
            self._reader.unclear()
            return
        for event in events:
            self._told(event)

    def _told(self, event: StreamEvent) -> None:
        metrics.STREAM_MESSAGES.labels(self._venue, event.signal).inc()
        if event.signal is StreamSignal.SUBSCRIBED:
            self.connected = True
            self._failures = 0
            log.info("stream_connected")
            metrics.STREAM_CONNECTED.labels(self._venue).set(1)
            metrics.STREAM_CONNECTIONS.labels(self._venue, "subscribed").inc()
            self._reader.reconnected()
            self._subscribed()
        elif event.signal in _LAST:
            raise Refused(event.detail or event.signal)
        if event.signal is StreamSignal.UNCLEAR:
            log.warning("stream_message_unclear", error=event.detail)
            self._reader.unclear()
        for count in event.counted:
            self._caller.throttle.correct(count.limit, count.tokens, self._caller.clock.now_us(), count.scope)
        if event.trades_due:
            self._reader.trades_due()
        if event.trade is not None and event.order is not None:
            self._facts.trade(event.trade, event.order.client_order_id, Evidence.STREAM)
        if event.order is not None:
            self._facts.order(event.order, Evidence.STREAM)
