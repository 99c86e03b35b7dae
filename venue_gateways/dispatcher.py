"""Begins requests as slots, tokens and the breaker allow: cancels first, then placements, then queries."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

from domain.messages import Operation
from domain.reasons import Reason
from domain.throttle import Priority
from venue_gateways.calls import Caller
from venue_gateways.clock import steady_us, wall_us
from venue_gateways.handling import Handling
from venue_gateways.holding import Holding
from venue_gateways.progress import Step
from venue_gateways.scheduler import Scheduler, Work
from venue_gateways.venue import Place

#: So many slots, or a quarter of all, are for cancels and queries, so that a slow venue can't keep them waiting behind
#: placements; and queries never take more.
_KEPT_SLOTS: Final = 8
#: Where calls are made one at a time, more placements that have begun would only see their grants grow old.
_PLACES_IN_TURN: Final = 4
#: While the breaker is open, cancels are tried one at a time, with this pause between them.
_CANCEL_PAUSE_US: Final = 250_000
#: The longest wait: a wall clock that jumps past a deadline wakes nobody.
_IDLE_US: Final = 1_000_000
#: The shortest wait, so that nothing that is overdue can make it spin.
_BREATH_US: Final = 500


class Dispatcher:
    """*ready* says whether the venue's rules are known; until then only deadlines and cancels in the queue are minded.

    *failed* is called with an error that nobody expected.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        handling: Handling,
        caller: Caller,
        slots: int,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.ready = False
        self.stopping = False
        self._scheduler = scheduler
        self._handling = handling
        self._caller = caller
        self._slots = slots
        self._kept_slots = max(1, min(_KEPT_SLOTS, slots // 4))
        self._places_max = min(_PLACES_IN_TURN, slots) if caller.adapter.traits.ordered_calls else slots
        self._failed = failed
        self._wake = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], Holding] = {}
        self._counts = dict.fromkeys(Operation, 0)
        self._cancel_not_before_us = 0
        self._throttled_since_us = 0

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    def wake(self) -> None:
        """Something has changed: look again."""
        self._wake.set()

    def offer(self, work: Work) -> None:
        """Take a new request in."""
        needless = self._scheduler.offer(work)
        if needless is not None and needless.request.operation is Operation.PLACE:
            self._spawn(needless, self._handling.collapse(needless, work))
        elif needless is not None:
            needless.holding.progress.mark(needless.offset, Step.DONE)
        self.wake()

    def inherit(self, work: Work, step: Step) -> None:
        """Take a placement in that a former owner attempted, or withheld."""
        self._spawn(work, self._handling.inherit(work, step))

    async def drained(self, holdings: Collection[Holding], within_s: float) -> int:
        """Wait for what is under way for *holdings*; returns how much of it hasn't ended in time."""
        tasks = [task for task, holding in self._tasks.items() if holding in holdings]
        if not tasks:
            return 0
        _, left = await asyncio.wait(tasks, timeout=within_s)
        return len(left)

    async def run(self) -> None:
        """Runs until it is canceled."""
        while True:
            self._wake.clear()
            wait_us = max(self._begin_all(), _BREATH_US)
            try:
                async with asyncio.timeout(wait_us / 1_000_000):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _begin_all(self) -> int:
        """Begin what can be; returns for how many microseconds nothing more can, unless something changes."""
        if self.stopping:
            return _IDLE_US
        for work in self._scheduler.expired(wall_us()):
            self._spawn(work, self._handling.never_sent(work, Reason.DEADLINE_PASSED))
        wait_us, now = _IDLE_US, steady_us()
        if self.ready:
            waits = [self._begin_cancels(now), self._begin_places(now), self._begin_queries(now)]
            wait_us = min(wait_us, *waits)
        event_us = self._scheduler.wait_us(now, wall_us())
        return wait_us if event_us is None else min(wait_us, event_us)

    def _begin_cancels(self, now: int) -> int:
        while True:
            work = next(self._scheduler.heads(Priority.CANCEL, now), None)
            if work is None or self.under_way >= self._slots:
                return _IDLE_US
            if not self._caller.breaker.closed():
                if self._counts[Operation.CANCEL] or self._counts[Operation.AMEND]:
                    return _IDLE_US
                if now < self._cancel_not_before_us:
                    return self._cancel_not_before_us - now
                self._cancel_not_before_us = now + _CANCEL_PAUSE_US
            self._begin(work, 0)

    def _begin_places(self, now: int) -> int:
        """Each lane's head begins as soon as there are tokens for it; lanes don't wait for each other."""
        wait_us, begun = _IDLE_US, True
        refused: set[Work] = set()
        while begun:
            begun = False
            for work in self._scheduler.heads(Priority.PLACE, now):
                if not self._may_place():
                    return wait_us
                if work in refused:
                    continue
                again_us = self._caller.take(Place(work.request))
                if again_us is None:
                    self._begin(work, self._throttled_us(work, now))
                    begun = True
                else:
                    refused.add(work)
                    wait_us = min(wait_us, again_us)
        self._throttled_since_us = (self._throttled_since_us or now) if refused else 0
        return wait_us

    def _may_place(self) -> bool:
        """Whether there is a slot for one more placement, at a venue that answers."""
        free = self.under_way < self._slots - self._kept_slots and self._counts[Operation.PLACE] < self._places_max
        return free and self._caller.breaker.closed()

    def _throttled_us(self, work: Work, now: int) -> int:
        """How long *work* has been kept by limits, its own wait in line for others' tokens included."""
        return now - max(work.received_us, self._throttled_since_us) if self._throttled_since_us else 0

    def _begin_queries(self, now: int) -> int:
        while self.under_way < self._slots and self._counts[Operation.QUERY] < self._kept_slots:
            work = next(self._scheduler.heads(Priority.QUERY, now), None)
            if work is None or not self._caller.breaker.closed():
                break
            self._begin(work, 0)
        return _IDLE_US

    def _begin(self, work: Work, waited_us: int) -> None:
        self._scheduler.begin(work)
        self._spawn(work, self._handling.perform(work, steady_us(), waited_us))

    def _spawn(self, work: Work, doing: Coroutine[Any, Any, None]) -> None:
        operation = work.request.operation
        self._counts[operation] += 1
        task = asyncio.create_task(doing)
        self._tasks[task] = work.holding

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.pop(task)
            self._counts[operation] -= 1
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self._failed(error)
            self.wake()

        task.add_done_callback(ended)
