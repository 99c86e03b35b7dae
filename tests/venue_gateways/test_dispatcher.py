"""What is begun when: with slots, tokens and a breaker, and whatever the wall clock says meanwhile."""

import asyncio
import contextlib

import pytest
from msgspec.structs import replace

from domain.messages import Operation, OrderType, Side, VenueRequest
from tests.venue_gateways.scripted import ScriptedTransport, make_caller
from venue_gateways import dispatcher as module
from venue_gateways.clock import steady_us, wall_us
from venue_gateways.dispatcher import Dispatcher
from venue_gateways.holding import Holding
from venue_gateways.progress import Inherited, Progress
from venue_gateways.scheduler import Scheduler, Work

PLACE, CANCEL, QUERY = Operation.PLACE, Operation.CANCEL, Operation.QUERY
HOUR_US = 3_600_000_000


class Desk:
    """A dispatcher whose requests are done once *gate* is open. With *retry_in_us*, each has to be tried twice."""

    def __init__(self, *, ordered_calls: bool = False) -> None:
        self.caller = make_caller(ScriptedTransport())
        self.caller.adapter.traits = replace(self.caller.adapter.traits, ordered_calls=ordered_calls)
        self.scheduler = Scheduler(lambda _: "")
        self.holding = Holding(0, Progress(0, Inherited()), 0)
        self.happened: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.retry_in_us = 0
        self.dispatcher = Dispatcher(self.scheduler, self, self.caller, 8, self.failed)  # type: ignore[arg-type]
        self.dispatcher.ready = True

    async def perform(self, work: Work, granted_us: int, waited_us: int) -> None:  # noqa: ARG002
        self.happened.append((work.request.operation.name, work.request.client_order_id))
        await self.gate.wait()
        if self.retry_in_us and not work.retries:
            work.retries += 1
            self.scheduler.retry(work, steady_us() + self.retry_in_us)
        else:
            self.scheduler.finish(work)

    async def never_sent(self, work: Work, reason: str) -> None:
        self.happened.append((reason, work.request.client_order_id))
        self.scheduler.finish(work)

    def failed(self, error: BaseException) -> None:
        raise error

    def offer(self, operation: Operation, order: str, *, expires_at: int | None = None) -> Work:
        self.holding.progress.receive(0)
        request = VenueRequest(
            request_id=f"{operation.name}-{order}",
            client_order_id=order,
            user_id="u",
            order_id=order,
            venue="scripted",
            symbol="BTC-USD",
            operation=operation,
            sequence=1,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity=10**18,
            price=10**18,
            requested_at=0,
            expires_at=expires_at,
        )
        work = Work(request, self.holding, 0, steady_us())
        self.dispatcher.offer(work)
        return work

    async def until(self, *expected: tuple[str, str], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while sorted(self.happened) != sorted(expected):  # noqa: ASYNC110  # what happens is a list
                await asyncio.sleep(0.002)


@pytest.fixture
async def desk():
    async with running(Desk()) as made:
        yield made


@pytest.fixture
async def in_turn():
    async with running(Desk(ordered_calls=True)) as made:
        yield made


@contextlib.asynccontextmanager
async def running(made: Desk):
    run = asyncio.create_task(made.dispatcher.run())
    yield made
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run


def jump(monkeypatch: pytest.MonkeyPatch, by_us: int) -> None:
    monkeypatch.setattr(module, "wall_us", lambda: wall_us() + by_us)


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by_us", [HOUR_US, -HOUR_US])
async def test_a_wall_clock_that_jumps_holds_up_neither_what_waits_nor_what_is_new(desk, monkeypatch, by_us):
    desk.retry_in_us = 50_000
    desk.offer(PLACE, "a")
    await desk.until(("PLACE", "a"))
    jump(monkeypatch, by_us)
    desk.offer(CANCEL, "b")
    desk.offer(QUERY, "c")
    once = ("PLACE", "a"), ("CANCEL", "b"), ("QUERY", "c")
    await desk.until(*once, *once)


async def test_what_is_tried_again_is_not_tried_before_its_time(desk):
    began = steady_us()
    desk.retry_in_us = 50_000
    desk.offer(CANCEL, "a")
    await desk.until(("CANCEL", "a"), ("CANCEL", "a"))
    assert steady_us() - began >= 50_000


async def test_a_wall_clock_that_jumps_past_a_deadline_is_noticed_within_a_second(desk, monkeypatch):
    desk.caller.throttle.freeze(desk.caller.clock.now_us() + 60_000_000)
    desk.offer(PLACE, "a", expires_at=wall_us() + HOUR_US // 2)
    await asyncio.sleep(0.01)
    assert desk.happened == []
    jump(monkeypatch, HOUR_US)
    await desk.until(("DEADLINE_PASSED", "a"))


async def test_a_deadline_that_is_ahead_again_once_the_wall_clock_has_gone_back_does_not_make_it_spin(
    desk, monkeypatch
):
    desk.caller.throttle.freeze(desk.caller.clock.now_us() + 60_000_000)
    desk.offer(PLACE, "a", expires_at=wall_us() + 20_000)
    jump(monkeypatch, -HOUR_US)
    await asyncio.sleep(0.05)
    assert desk.happened == []
    assert desk.dispatcher._begin_all() > 0


# ── slots ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_slots_are_kept_for_cancels_and_queries(desk):
    desk.gate.clear()
    desk.caller.throttle.configure((), 0)
    for number in range(10):
        desk.offer(PLACE, f"place-{number}")
    await asyncio.sleep(0.02)
    assert len(desk.happened) == 6
    for number in range(4):
        desk.offer(CANCEL, f"cancel-{number}")
    await asyncio.sleep(0.02)
    assert [what for what, _ in desk.happened[6:]] == ["CANCEL", "CANCEL"]


async def test_where_calls_are_made_one_at_a_time_few_placements_are_begun(in_turn):
    in_turn.gate.clear()
    in_turn.caller.throttle.configure((), 0)
    for number in range(10):
        in_turn.offer(PLACE, f"place-{number}")
    await asyncio.sleep(0.02)
    assert len(in_turn.happened) == 4
    in_turn.offer(CANCEL, "cancel")
    await asyncio.sleep(0.02)
    assert in_turn.happened[4:] == [("CANCEL", "cancel")]


# ── breaker ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_while_the_breaker_is_open_placements_and_queries_wait_and_go_once_it_is_closed(desk):
    desk.caller.breaker.open_for(60_000_000, steady_us())
    desk.offer(PLACE, "a")
    desk.offer(QUERY, "b")
    await asyncio.sleep(0.02)
    assert desk.happened == []
    desk.caller.breaker.succeeded(steady_us() + 60_000_000)
    desk.dispatcher.wake()
    await desk.until(("PLACE", "a"), ("QUERY", "b"))


async def test_while_the_breaker_is_open_a_placement_expires_unsent_at_its_deadline(desk):
    desk.caller.breaker.open_for(60_000_000, steady_us())
    desk.offer(PLACE, "late", expires_at=wall_us() + 30_000)
    desk.offer(PLACE, "early", expires_at=wall_us() + HOUR_US)
    await desk.until(("DEADLINE_PASSED", "late"))


async def test_a_breaker_that_is_half_open_lets_no_placement_through(desk):
    desk.caller.breaker.open_for(1, steady_us() - 10)
    desk.offer(PLACE, "a")
    desk.offer(QUERY, "b")
    await asyncio.sleep(0.02)
    assert desk.happened == []


async def test_while_the_breaker_is_open_cancels_go_on_one_at_a_time_with_a_pause(desk, monkeypatch):
    monkeypatch.setattr(module, "_CANCEL_PAUSE_US", 30_000)
    desk.caller.breaker.open_for(60_000_000, steady_us())
    desk.gate.clear()
    for order in ("a", "b", "c"):
        desk.offer(CANCEL, order)
    await asyncio.sleep(0.05)
    assert desk.happened == [("CANCEL", "a")]
    began = steady_us()
    desk.gate.set()
    await desk.until(("CANCEL", "a"), ("CANCEL", "b"), ("CANCEL", "c"))
    assert steady_us() - began >= 30_000
