"""Which request is next: by priority, in order within an order, and never one that has become pointless.

Requests of one client order ID are done strictly one after the other. A cancel of a placement that has not begun takes
both out at once; of two queries that wait, one is enough, and what is to be canceled needn't be amended. Delays end by
the steady clock; deadlines, which others have set, by the wall clock. Both are arguments; no I/O.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import count
from typing import Final

from domain.messages import Operation, VenueRequest
from domain.throttle import Priority
from venue_gateways.holding import Holding

PRIORITIES: Final = {
    Operation.CANCEL: Priority.CANCEL,
    Operation.AMEND: Priority.CANCEL,  # it takes back a part
    Operation.PLACE: Priority.PLACE,
    Operation.QUERY: Priority.QUERY,
}
_MAKES_NEEDLESS: Final = {
    Operation.CANCEL: frozenset({Operation.PLACE, Operation.AMEND}),
    Operation.QUERY: frozenset({Operation.QUERY}),
}


class Stage(Enum):
    QUEUED = 1
    UNDER_WAY = 2
    GONE = 3  # answered, or no longer ours


class Work:
    """One request in hand. *retries* counts attempts that provably had no effect; it is not tried again before
    *not_before_us*. Its instants are of the steady clock.
    """

    __slots__ = ("first_tried_us", "holding", "not_before_us", "offset", "received_us", "request", "retries", "stage")

    def __init__(self, request: VenueRequest, holding: Holding, offset: int, received_us: int) -> None:
        self.request = request
        self.holding = holding
        self.offset = offset
        self.received_us = received_us
        self.first_tried_us = 0
        self.not_before_us = 0
        self.retries = 0
        self.stage = Stage.QUEUED


class Scheduler:
    """All requests in hand that have not been answered."""

    def __init__(self, lane: Callable[[VenueRequest], str]) -> None:
        self._lane = lane
        self._orders: dict[str, deque[Work]] = {}
        self._ready: dict[Priority, dict[str, deque[Work]]] = {priority: {} for priority in Priority}
        self._delayed: list[tuple[int, int, Work]] = []
        self._deadlines: list[tuple[int, int, Work]] = []
        self._ticket = count()
        self.queued = 0

    def offer(self, work: Work) -> Work | None:
        """Take *work* in. The answer is a request that needs no doing any more because of it, if there is one.

        A placement that was to be canceled: it has begun, *work* is not queued, and the caller has both to answer.
        A query like this one, or an amendment of what is to be canceled: it is gone, and needs no answer.
        """
        request = work.request
        line = self._orders.setdefault(request.client_order_id, deque())
        needless = self._made_needless(line, request.operation)
        if needless is not None and needless.request.operation is Operation.PLACE:
            work.stage = Stage.GONE
            self.begin(needless)
            return needless
        if needless is not None:
            self.begin(needless)
            self.finish(needless)
            line = self._orders.setdefault(request.client_order_id, deque())
        line.append(work)
        self.queued += 1
        if request.operation is Operation.PLACE and request.expires_at is not None:
            heapq.heappush(self._deadlines, (request.expires_at, next(self._ticket), work))
        if line[0] is work:
            self._make_ready(work)
        return needless

    def _made_needless(self, line: deque[Work], operation: Operation) -> Work | None:
        made = _MAKES_NEEDLESS.get(operation, frozenset())
        for other in reversed(line):
            if other.request.operation in made and other.stage is Stage.QUEUED:
                return other
        return None

    def heads(self, priority: Priority, steady_us: int) -> Iterator[Work]:
        """What could be begun now at *priority*: the longest waiting of each lane."""
        while self._delayed and self._delayed[0][0] <= steady_us:
            self._make_ready(heapq.heappop(self._delayed)[2])
        lanes = self._ready[priority]
        for name in list(lanes):
            lane = lanes[name]
            while lane and not (self._is_ready(lane[0]) and lane[0].not_before_us <= steady_us):
                lane.popleft()
            if lane:
                yield lane[0]
            else:
                del lanes[name]

    def begin(self, work: Work) -> None:
        work.stage = Stage.UNDER_WAY
        self.queued -= 1

    def finish(self, work: Work) -> None:
        """*work* is answered: what waited behind it is next."""
        work.stage = Stage.GONE
        line = self._orders.get(work.request.client_order_id)
        if line is None or work not in line:
            return
        line.remove(work)
        if not line:
            del self._orders[work.request.client_order_id]
        elif line[0].stage is Stage.QUEUED:
            self._make_ready(line[0])

    def retry(self, work: Work, not_before_us: int) -> None:
        """*work* had no effect and goes back to the head of its order's line, until *not_before_us*."""
        if not work.holding.live:
            self.finish(work)
            return
        work.stage = Stage.QUEUED
        work.not_before_us = not_before_us
        self.queued += 1
        heapq.heappush(self._delayed, (not_before_us, next(self._ticket), work))
        if work.request.operation is Operation.PLACE and work.request.expires_at is not None:
            heapq.heappush(self._deadlines, (work.request.expires_at, next(self._ticket), work))

    def expired(self, wall_us: int) -> list[Work]:
        """The placements whose deadline has passed before they were begun: begun now, for the caller to answer."""
        late: list[Work] = []
        while self._deadlines and self._deadlines[0][0] <= wall_us:
            work = heapq.heappop(self._deadlines)[2]
            if work.stage is Stage.QUEUED:
                self.begin(work)
                late.append(work)
        return late

    def cancels_behind(self, work: Work) -> list[Work]:
        """The cancels that wait directly behind *work*, begun: what it came to has made them pointless."""
        line = self._orders.get(work.request.client_order_id, deque())
        pointless: list[Work] = []
        behind = list(line)[1:] if line and line[0] is work else []
        for other in behind:
            if other.request.operation is not Operation.CANCEL:
                break
            self.begin(other)
            pointless.append(other)
        return pointless

    def drop(self, holding: Holding) -> int:
        """Forget everything of *holding* that has not begun; the answer is how many."""
        dropped = 0
        for client_order_id in list(self._orders):
            line = self._orders[client_order_id]
            for work in [work for work in line if work.holding is holding and work.stage is Stage.QUEUED]:
                work.stage = Stage.GONE
                line.remove(work)
                self.queued -= 1
                dropped += 1
            if not line:
                del self._orders[client_order_id]
        return dropped

    def wait_us(self, steady_us: int, wall_us: int) -> int | None:
        """How long until a delay or a deadline next ends, unless the wall clock jumps."""
        clocks = (self._delayed, steady_us), (self._deadlines, wall_us)
        return min((heap[0][0] - now for heap, now in clocks if heap), default=None)

    def _make_ready(self, work: Work) -> None:
        if not self._is_ready(work):
            return
        lanes = self._ready[PRIORITIES[work.request.operation]]
        lanes.setdefault(self._lane(work.request), deque()).append(work)

    def _is_ready(self, work: Work) -> bool:
        line = self._orders.get(work.request.client_order_id)
        return work.stage is Stage.QUEUED and line is not None and line[0] is work
