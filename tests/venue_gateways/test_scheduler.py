"""The order of work, without a clock."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.messages import Operation, OrderType, Side, VenueRequest
from venue_gateways.holding import Holding
from venue_gateways.progress import Inherited, Progress
from venue_gateways.scheduler import PRIORITIES, Scheduler, Stage, Work

PLACE, CANCEL, QUERY, AMEND = Operation.PLACE, Operation.CANCEL, Operation.QUERY, Operation.AMEND


class Desk:
    """A scheduler, and the works that were offered to it by number."""

    def __init__(self, lane=lambda _: "") -> None:
        self.scheduler = Scheduler(lane)
        self.holding = Holding(0, Progress(0, Inherited()), 0)
        self.count = 0

    def work(self, operation, order="a", *, expires_at=None, symbol="BTC-USD", holding=None) -> Work:
        self.count += 1
        request = VenueRequest(
            request_id=str(self.count),
            client_order_id=order,
            user_id="u",
            order_id=order,
            venue="v",
            symbol=symbol,
            operation=operation,
            sequence=self.count,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity=1,
            requested_at=0,
            expires_at=expires_at,
        )
        return Work(request, holding or self.holding, self.count, 0)

    def offer(self, operation, order="a", **more) -> Work:
        work = self.work(operation, order, **more)
        assert self.scheduler.offer(work) is None
        return work

    def heads(self, operation, now=0) -> list[Work]:
        return list(self.scheduler.heads(PRIORITIES[operation], now))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_first_come_first_served_within_a_priority(desk):
    first, second = desk.offer(PLACE, "a"), desk.offer(PLACE, "b")
    assert desk.heads(PLACE) == [first]
    desk.scheduler.begin(first)
    assert desk.heads(PLACE) == [second]
    assert desk.scheduler.queued == 1


def test_an_order_s_requests_wait_for_each_other(desk):
    place = desk.offer(PLACE)
    desk.scheduler.begin(place)
    cancel, query = desk.offer(CANCEL), desk.offer(QUERY)
    assert desk.heads(CANCEL) == desk.heads(QUERY) == []
    desk.scheduler.finish(place)
    assert desk.heads(CANCEL) == [cancel]
    desk.scheduler.begin(cancel)
    desk.scheduler.finish(cancel)
    assert desk.heads(QUERY) == [query]


def test_a_cancel_takes_a_placement_out_that_has_not_begun(desk):
    place, query = desk.offer(PLACE), desk.offer(QUERY)
    cancel = desk.work(CANCEL)
    assert desk.scheduler.offer(cancel) is place
    assert (place.stage, cancel.stage) == (Stage.UNDER_WAY, Stage.GONE)
    assert desk.heads(PLACE) == desk.heads(CANCEL) == desk.heads(QUERY) == []
    desk.scheduler.finish(place)
    assert desk.heads(QUERY) == [query]


def test_what_is_to_be_canceled_need_not_be_amended(desk):
    place = desk.offer(PLACE)
    desk.scheduler.begin(place)
    amendment = desk.offer(AMEND)
    cancel = desk.work(CANCEL)
    assert desk.scheduler.offer(cancel) is amendment
    assert amendment.stage is Stage.GONE
    desk.scheduler.finish(place)
    assert desk.heads(CANCEL) == [cancel]
    desk.scheduler.begin(cancel)
    assert desk.heads(AMEND) == []
    assert desk.scheduler.queued == 0


def test_an_amendment_under_way_is_waited_for(desk):
    amendment = desk.offer(AMEND)
    desk.scheduler.begin(amendment)
    cancel = desk.offer(CANCEL)
    assert desk.heads(CANCEL) == []
    desk.scheduler.finish(amendment)
    assert desk.heads(CANCEL) == [cancel]


def test_of_two_queries_that_wait_one_is_enough(desk):
    first = desk.offer(QUERY)
    second = desk.work(QUERY)
    assert desk.scheduler.offer(second) is first
    assert first.stage is Stage.GONE
    assert desk.heads(QUERY) == [second]
    desk.scheduler.begin(second)
    third = desk.offer(QUERY)
    assert third.stage is Stage.QUEUED
    assert desk.scheduler.queued == 1


def test_a_retry_goes_back_to_the_head_and_not_before_its_time(desk):
    place = desk.offer(PLACE)
    other = desk.offer(PLACE, "b")
    desk.scheduler.begin(place)
    cancelless = desk.offer(QUERY)
    desk.scheduler.retry(place, 100)
    assert desk.heads(PLACE, 99) == [other]
    desk.scheduler.begin(other)
    assert desk.heads(PLACE, 99) == []
    assert desk.scheduler.wait_us(99, 5_000) == 1
    assert desk.heads(PLACE, 100) == [place]
    assert desk.heads(QUERY, 100) == []
    assert cancelless.stage is Stage.QUEUED


def test_a_retry_before_anybody_looked_again_still_waits(desk):
    place = desk.offer(PLACE)
    assert desk.heads(PLACE) == [place]
    desk.scheduler.begin(place)
    desk.scheduler.retry(place, 100)
    assert desk.heads(PLACE, 50) == []
    assert desk.heads(PLACE, 100) == [place]


def test_a_placement_that_waits_for_its_retry_can_be_canceled(desk):
    place = desk.offer(PLACE)
    desk.scheduler.begin(place)
    desk.scheduler.retry(place, 100)
    assert desk.scheduler.offer(desk.work(CANCEL)) is place
    assert desk.heads(PLACE, 200) == []


def test_deadlines_pass_wherever_a_placement_waits(desk):
    head = desk.offer(PLACE, "a", expires_at=50)
    retried = desk.offer(PLACE, "b", expires_at=60)
    begun = desk.offer(PLACE, "c", expires_at=50)
    desk.offer(PLACE, "d", expires_at=70)
    desk.offer(PLACE, "e")
    desk.scheduler.begin(retried)
    desk.scheduler.retry(retried, 1_000)
    desk.scheduler.begin(begun)
    assert desk.scheduler.wait_us(0, 40) == 10
    assert desk.scheduler.expired(49) == []
    assert desk.scheduler.expired(60) == [head, retried]
    assert desk.scheduler.expired(60) == []
    assert desk.heads(PLACE, 2_000)[0].request.client_order_id == "d"


def test_the_cancels_behind_a_placement_can_be_taken_with_it(desk):
    place = desk.offer(PLACE)
    desk.scheduler.begin(place)
    first, second = desk.offer(CANCEL), desk.offer(CANCEL)
    query = desk.offer(QUERY)
    assert desk.scheduler.cancels_behind(place) == [first, second]
    assert {first.stage, second.stage} == {Stage.UNDER_WAY}
    for work in (place, first, second):
        desk.scheduler.finish(work)
    assert desk.heads(QUERY) == [query]
    assert desk.scheduler.cancels_behind(place) == []


def test_what_is_dropped_is_gone_and_what_has_begun_goes_on(desk):
    other = Holding(1, Progress(0, Inherited()), 0)
    begun, waiting = desk.offer(PLACE, "a"), desk.offer(PLACE, "b")
    desk.scheduler.begin(begun)
    desk.offer(CANCEL, "a")
    kept = desk.offer(PLACE, "c", holding=other)
    assert desk.scheduler.drop(desk.holding) == 2
    assert waiting.stage is Stage.GONE
    assert desk.heads(PLACE) == [kept]
    desk.holding.live = False
    desk.scheduler.retry(begun, 0)
    assert begun.stage is Stage.GONE
    assert desk.heads(PLACE) == [kept]
    assert desk.scheduler.queued == 1
    desk.scheduler.finish(begun)


def test_each_lane_has_a_head_of_its_own():
    desk = Desk(lane=lambda request: request.symbol)
    first = desk.offer(PLACE, "a", symbol="BTC-USD")
    desk.offer(PLACE, "b", symbol="BTC-USD")
    other = desk.offer(PLACE, "c", symbol="ETH-USD")
    assert desk.heads(PLACE) == [first, other]


class Life:
    """Offers, begins and ends requests in any order; *answered* must be all *offered* in the end."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.now = 0
        self.under_way: list[Work] = []
        self.offered: set[Work] = set()
        self.answered: set[Work] = set()

    def offer(self, operation: Operation, order: str) -> None:
        work = self.desk.work(operation, order)
        self.offered.add(work)
        needless = self.desk.scheduler.offer(work)
        if needless is None:
            return
        self.answered.add(needless)
        if needless.request.operation is PLACE:
            self.answered.add(work)
            self.desk.scheduler.finish(needless)

    def begin_all(self) -> None:
        for operation in Operation:
            while heads := self.desk.heads(operation, self.now):
                assert heads[0].request.client_order_id not in {w.request.client_order_id for w in self.under_way}
                self.desk.scheduler.begin(heads[0])
                self.under_way.append(heads[0])

    def end(self, index: int, *, retry: bool = False) -> None:
        work = self.under_way.pop(index % len(self.under_way))
        if retry:
            self.desk.scheduler.retry(work, self.now + 5)
        else:
            self.desk.scheduler.finish(work)
            self.answered.add(work)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["PLACE", "CANCEL", "QUERY", "AMEND", "begin", "finish", "retry"]), st.integers(0, 2)
        ),
        max_size=60,
    )
)
def test_never_two_of_one_order_at_once_and_nothing_is_forgotten(steps):
    life = Life()
    for step, order in steps:
        life.now += 1
        if step.isupper():
            life.offer(Operation(step), str(order))
        elif step == "begin":
            life.begin_all()
        elif life.under_way:
            life.end(order, retry=step == "retry")
    life.now += 1_000
    life.begin_all()
    while life.under_way:
        life.end(0)
        life.begin_all()
    assert life.answered == life.offered
    assert life.desk.scheduler.queued == 0
    assert life.desk.scheduler._orders == {}
