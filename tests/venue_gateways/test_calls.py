"""What happens around a call: the lease, the clock, and what an answer means to the calls after it."""

import pytest

from domain.breaker import BreakerState
from domain.messages import Operation, OrderType, Side, VenueRequest
from tests.venue_gateways.scripted import ScriptedTransport, make_caller, parameters, reply
from venue_gateways import calls, clock
from venue_gateways.calls import LeaseLost, TooLate
from venue_gateways.clock import steady_us, wall_us
from venue_gateways.lease import MARGIN_US
from venue_gateways.transport import Lost, NotSent
from venue_gateways.venue import Cancel, Finding, FindOrder, Outcome, Place, ReadClock

REQUEST = VenueRequest(
    request_id="r",
    client_order_id="00000000-0000-8000-8000-000000000001",
    user_id="u",
    order_id="o",
    venue="scripted",
    symbol="BTC-USD",
    operation=Operation.PLACE,
    sequence=1,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    quantity=10**18,
    price=10**18,
    requested_at=0,
)
PLACE, CANCEL = Place(REQUEST), Cancel(REQUEST)
REFUSED = {"code": -2010, "msg": "no"}


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def caller(transport):
    return make_caller(transport)


async def test_without_a_lease_nothing_is_placed_but_cancels_go_on(caller, transport):
    transport.answers = {"DELETE order": reply({"code": -2011, "msg": "Unknown order sent."}, 400)}
    caller._lease.end()
    with pytest.raises(LeaseLost):
        await caller.send(PLACE, 0)
    assert transport.sent == []
    assert (await caller.send(CANCEL, 0)).answer.reason == "ORDER_NOT_FOUND"


async def test_a_process_that_stops_after_the_lease_check_signs_an_instant_that_is_old_by_then(
    caller, transport, monkeypatch
):
    """The clock jumps by ten seconds as soon as the lease has been looked at: what is signed is from before."""
    transport.answers = {"POST order": reply(REFUSED, 400)}
    skip = 0
    lease_holds = caller._lease.holds

    def look(now: int) -> bool:
        nonlocal skip
        held = lease_holds(now)
        skip = 10_000_000
        return held

    before = steady_us()
    monkeypatch.setattr(type(caller._lease), "holds", lambda _, now: look(now))
    monkeypatch.setattr(clock, "steady_us", lambda: before + skip)
    monkeypatch.setattr(calls, "steady_us", lambda: before + skip)
    await caller.send(PLACE, 0)
    assert parameters(transport.sent[0])["timestamp"] == str((before + caller.clock.offset_us) // 1000)


@pytest.mark.parametrize(
    ("answer", "outcome", "answered"),
    [(NotSent("ConnectError"), Outcome.RETRY_SAFE, False), (Lost("ReadTimeout"), Outcome.UNKNOWN, False)],
)
async def test_a_call_that_fails_on_the_way_is_classed_by_whether_it_was_sent(
    caller, transport, answer, outcome, answered
):
    transport.answers = {"POST order": answer}
    exchange = await caller.send(PLACE, 7)
    assert (exchange.answer.outcome, exchange.answered, exchange.waited_us) == (outcome, answered, 7)
    assert caller.breaker.failures == 1


@pytest.mark.parametrize(
    "answer",
    [
        NotSent("ConnectError"),
        Lost("ReadTimeout"),
        reply({}, 503),
        reply({"code": -1008, "msg": "Server is currently overloaded."}, 400),
        reply({"code": -1016, "msg": "This service is no longer available."}, 400),
    ],
)
async def test_failures_in_a_row_open_the_breaker_and_rejections_do_not(caller, transport, answer):
    transport.answers = {"POST order": reply(REFUSED, 400)}
    for _ in range(20):
        await caller.send(PLACE, 0)
    assert caller.breaker.closed()
    transport.answers = {"POST order": answer}
    for _ in range(5):
        await caller.send(PLACE, 0)
    assert caller.breaker.state(steady_us()) is BreakerState.OPEN


async def test_a_ban_opens_the_breaker_and_freezes_every_limit_until_its_end(caller, transport):
    transport.answers = {"POST order": reply({"code": -1003, "msg": "banned"}, 418, retry_after="120")}
    await caller.send(PLACE, 0)
    assert caller.breaker.state(steady_us() + 119_000_000) is BreakerState.OPEN
    for call in (CANCEL, PLACE, ReadClock()):
        assert caller.take(call) == 1_000_000
    assert caller.throttle.take(caller.adapter.charges(CANCEL, 0), 0, wall_us() + 121_000_000) is None


KEY_REFUSED = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
BANNED = {"code": -1003, "msg": "banned"}


async def test_a_refused_key_is_left_alone_for_a_minute_and_a_new_one_is_tried_at_once(caller, transport):
    transport.answers = {"POST order": reply(KEY_REFUSED, 401)}
    await caller.send(PLACE, 0)
    assert caller.breaker.state(steady_us() + 59_000_000) is BreakerState.OPEN
    assert all(caller.take(call) == 1_000_000 for call in (CANCEL, PLACE, ReadClock()))
    caller.rekeyed()
    assert caller.breaker.state(steady_us()) is BreakerState.HALF_OPEN
    assert caller.take(ReadClock()) is None


@pytest.mark.parametrize("first", ["ban", "key"])
async def test_a_new_key_ends_no_ban(caller, transport, first):
    answers = [reply(KEY_REFUSED, 401), reply(BANNED, 418, retry_after="120")]
    for answer in answers if first == "key" else reversed(answers):
        transport.answers = {"POST order": answer}
        await caller.send(PLACE, 0)
    caller.rekeyed()
    assert caller.breaker.state(steady_us() + 119_000_000) is BreakerState.OPEN
    assert caller.take(CANCEL) == 1_000_000


async def test_too_many_orders_hold_up_orders_alone(caller, transport):
    transport.answers = {"POST order": reply({"code": -1015, "msg": "Too many new orders."}, 429)}
    await caller.send(PLACE, 0)
    assert caller.take(PLACE) is not None
    assert caller.take(CANCEL) is None
    assert caller.breaker.closed()


async def test_a_timestamp_that_is_refused_sets_the_clock_by_the_venue_s(caller, transport):
    transport.answers = {
        "POST order": reply({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400),
        "GET time": lambda _: reply({"serverTime": (wall_us() + 3_600_000_000) // 1000}),
    }
    await caller.send(PLACE, 0)
    assert transport.paths() == ["POST order", "GET time"]
    assert caller.clock.now_us() - wall_us() == pytest.approx(3_600_000_000, abs=100_000)
    await caller.send(PLACE, 0)
    assert int(parameters(transport.sent[2])["timestamp"]) == pytest.approx(wall_us() // 1000 + 3_600_000, abs=1_000)


async def test_a_venue_that_does_not_tell_its_time_leaves_the_clock_alone(caller, transport):
    transport.answers = {"GET time": reply({"hello": 1})}
    offset_us = caller.clock.offset_us
    assert not await caller.measure_clock()
    assert caller.clock.offset_us == offset_us


async def test_a_time_that_was_long_on_its_way_sets_no_clock_since_it_could_outlast_the_lease(
    caller, transport, monkeypatch
):
    late_us = 0

    def answer(_request):
        nonlocal late_us
        late_us += 2 * MARGIN_US + 1
        return reply({"serverTime": wall_us() // 1000 + 3_600_000})

    monkeypatch.setattr(calls, "steady_us", lambda: steady_us() + late_us)
    transport.answers = {"GET time": answer}
    offset_us = caller.clock.offset_us
    assert not await caller.measure_clock()
    assert caller.clock.offset_us == offset_us


@pytest.mark.parametrize("error_us", [3_600_000_000, -3_600_000_000])
async def test_neither_a_jump_of_the_wall_clock_nor_its_correction_by_the_venue_changes_what_is_granted(
    caller, transport, monkeypatch, error_us
):
    caller.throttle.left(caller.clock.now_us())
    granted = 0
    while caller.take(PLACE) is None:
        granted += 1
    true_us = wall_us()
    monkeypatch.setattr(clock, "wall_us", lambda: true_us + error_us)
    monkeypatch.setattr(calls, "wall_us", lambda: true_us + error_us)
    assert granted
    assert caller.take(PLACE) is not None
    transport.answers = {"GET time": reply({"serverTime": (true_us + error_us) // 1000})}
    assert await caller.measure_clock()
    assert caller.clock.now_us() == pytest.approx(true_us + error_us, abs=100_000)
    assert 0 < caller.take(PLACE) <= 1_000_000
    later_us = steady_us() + 1_000_000
    monkeypatch.setattr(clock, "steady_us", lambda: later_us)
    assert caller.take(PLACE) is None


async def test_the_venue_s_own_count_holds_up_the_next_call(caller, transport):
    transport.answers = {"DELETE order": lambda _: reply({"code": -2011}, 400, x_mbx_used_weight_1m="6000")}
    await caller.send(CANCEL, 0)
    used_up = caller.take(CANCEL)
    if used_up is None:  # the minute turned while the call was made
        await caller.send(CANCEL, 0)
        used_up = caller.take(CANCEL)
    assert used_up is not None


async def test_who_can_t_wait_for_tokens_gives_up_without_a_call(caller, transport):
    caller.throttle.own(0, wall_us())
    with pytest.raises(TooLate):
        await caller.acquire(PLACE, steady_us() + 1_000)
    assert await caller.look_up("BTC-USD", "x", steady_us() + 1_000) == Finding(usable=False)
    assert transport.sent == []


async def test_a_look_up_follows_the_venue_s_own_plan(caller, transport):
    transport.answers = {"GET order": reply({"code": -2013, "msg": "Order does not exist."}, 400)}
    assert await caller.look_up("BTC-USD", "x") == Finding(usable=True)
    transport.answers = {"GET order": reply({}, 500)}
    assert await caller.look_up("BTC-USD", "x") == Finding(usable=False)
    assert transport.paths() == ["GET order", "GET order"]
    assert (await caller.ask(FindOrder("BTC-USD", "x"))).answer.outcome is Outcome.UNKNOWN
