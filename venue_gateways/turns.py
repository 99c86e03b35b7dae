"""Calls that must arrive in the order in which they were signed are made one at a time, the most urgent first."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from domain.throttle import Priority


class Turns:
    """Who is next. Calls of one priority go in the order in which they came."""

    def __init__(self) -> None:
        self._taken = False
        self._ticket = count()
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, priority: Priority) -> AsyncIterator[None]:
        """Wait for a turn, and hold it as long as the block lasts."""
        if self._taken:
            await self._wait(priority)
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, priority: Priority) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._ticket), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given a turn that it can't take any more
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """The turn goes to whoever waits, without anybody else getting in between."""
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
