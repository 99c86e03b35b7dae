"""What a WebSocket connection is still to be sent, and the mishaps that befall events on the way."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from venue_gateways.simulator.faults import Dice, Mishap

#: Who leaves this many events unread is cut off.
EVENTS_MAX: Final = 50_000
#: How long an event waits for one that could overtake it.
_OVERTAKING_S: Final = 0.25


class Outbox:
    """A queue of texts. *cut* cuts the connection."""

    __slots__ = ("_dice", "_held", "_loop", "_queue", "_timers", "cut")

    def __init__(self, dice: Dice, cut: Callable[[], None]) -> None:
        self._dice = dice
        self.cut = cut
        self._held: bytes | None = None
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(EVENTS_MAX)
        self._timers: set[asyncio.TimerHandle] = set()

    async def get(self) -> bytes:
        return await self._queue.get()

    def put(self, text: bytes) -> None:
        """Send *text* next, safely."""
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self.cut()

    def put_all(self, texts: Iterable[bytes]) -> None:
        for text in texts:
            self.put(text)

    def deliver(self, event: bytes) -> None:
        """Send *event*, unless something happens to it."""
        mishap = self._dice.event()
        if mishap is Mishap.STREAM_RESET:
            self.cut()
        elif mishap is Mishap.STREAM_DELAY:
            self._later(self._dice.plan.stream_delay_ms / 1_000, lambda: self.put(event))
        elif mishap is Mishap.STREAM_REORDER and self._held is None:
            self._held = event
            self._later(_OVERTAKING_S, self._release)
        elif mishap is not Mishap.STREAM_LOSS:
            self.put(event)
            if mishap is Mishap.STREAM_DUPLICATE:
                self.put(event)
            self._release()

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self.put(held)

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            act()

        timer = self._loop.call_later(delay_s, fire)
        self._timers.add(timer)
