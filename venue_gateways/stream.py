"""The venue's private stream: connected as long as this gateway owns anything, and what it says turned into facts."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import structlog
import websockets

from domain.messages import Evidence
from venue_gateways import metrics
from venue_gateways.calls import Caller
from venue_gateways.facts import Facts
from venue_gateways.venue import OpenStream, StreamSignal, Unparsable

_BACKOFF_S: Final = 0.25
_BACKOFF_MAX_S: Final = 15.0
_OPEN_TIMEOUT_S: Final = 10.0
#: Our own pings find out that a connection is dead; the venue's are answered by the library.
_PING_S: Final = 15.0
_MESSAGE_BYTES_MAX: Final = 1 << 20
_QUEUE_MAX: Final = 10_000

log = structlog.get_logger()


class Refused(Exception):  # noqa: N818  # it says what happened
    """The venue did not accept the subscription, or ended it."""


class Stream:
    """*on_connected* is called after every (re)connection: what was missed has to be read back then."""

    def __init__(self, url: str, caller: Caller, facts: Facts, on_connected: Callable[[], None]) -> None:
        self.connected = False
        self.wanted = asyncio.Event()
        self._url = url
        self._caller = caller
        self._facts = facts
        self._on_connected = on_connected
        self._venue = caller.adapter.name
        self._failures = 0

    async def run(self) -> None:
        """Connect, listen, connect again. Runs until it is canceled."""
        while True:
            await self.wanted.wait()
            try:
                await self._caller.acquire(OpenStream())
                await self._listen()
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

    async def _listen(self) -> None:
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
            await connection.send(self._caller.adapter.subscription(self._caller.clock.now_us()).decode())
            async for message in connection:
                self._take(message)
        raise Refused("the venue closed the connection")

    def _take(self, message: str | bytes) -> None:
        """One message. What can't be read is passed over: the next look at the trade history finds what it said."""
        try:
            event = self._caller.adapter.event(message)
        except Unparsable as error:
            metrics.STREAM_MESSAGES.labels(self._venue, "UNPARSABLE").inc()
            log.warning("stream_message_unparsable", error=str(error)[:200])
            return
        metrics.STREAM_MESSAGES.labels(self._venue, event.signal).inc()
        if event.signal is StreamSignal.SUBSCRIBED:
            self.connected = True
            self._failures = 0
            metrics.STREAM_CONNECTED.labels(self._venue).set(1)
            metrics.STREAM_CONNECTIONS.labels(self._venue, "subscribed").inc()
            self._on_connected()
        elif event.signal in {StreamSignal.REFUSED, StreamSignal.ENDING}:
            raise Refused(event.detail or event.signal)
        if event.trade is not None and event.order is not None:
            self._facts.trade(event.trade, event.order.client_order_id, Evidence.STREAM)
        if event.order is not None:
            self._facts.order(event.order, Evidence.STREAM)
