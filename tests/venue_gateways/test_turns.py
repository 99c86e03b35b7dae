"""Whose turn it is, where calls are made one at a time."""

import asyncio

import pytest
from msgspec.structs import replace

from domain.throttle import Priority
from tests.venue_gateways.scripted import ScriptedTransport, make_caller, reply
from tests.venue_gateways.test_calls import CANCEL, PLACE
from venue_gateways.calls import TooLate
from venue_gateways.turns import Turns
from venue_gateways.venue import Place

CANCELING, PLACING, ASKING = Priority.CANCEL, Priority.PLACE, Priority.QUERY


class Line:
    """Who has had a turn, in order; a turn lasts until it is ended."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.served: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}

    def join(self, name: str, priority: Priority) -> "asyncio.Task[None]":
        self.ends[name] = asyncio.Event()
        return asyncio.create_task(self._serve(name, priority))

    async def _serve(self, name: str, priority: Priority) -> None:
        async with self.turns.turn(priority):
            self.served.append(name)
            await self.ends[name].wait()

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_has_the_turn_and_then_the_most_urgent_and_of_those_the_first():
    line = Line()
    for name, priority in (
        ("first", ASKING),
        ("query", ASKING),
        ("place 1", PLACING),
        ("place 2", PLACING),
        ("cancel", CANCELING),
    ):
        line.join(name, priority)
        await settled()
    assert line.served == ["first"]
    for name in ("first", "cancel", "place 1", "place 2", "query"):
        assert line.served[-1] == name
        await line.end(name)
    assert len(line.served) == 5


async def test_whoever_gives_up_waiting_is_passed_over():
    line = Line()
    line.join("first", PLACING)
    await settled()
    leaving, waiting = line.join("leaves", CANCELING), line.join("waits", ASKING)
    await settled()
    leaving.cancel()
    await line.end("first")
    assert line.served == ["first", "waits"]
    await line.end("waits")
    await waiting


async def test_a_turn_that_comes_to_somebody_who_has_just_left_goes_on():
    line = Line()
    line.join("first", PLACING)
    await settled()
    leaving = line.join("leaves", CANCELING)
    line.join("waits", ASKING)
    await settled()
    line.ends["first"].set()
    await asyncio.sleep(0)  # the first ends, and the turn is the next one's, who doesn't know yet
    leaving.cancel()
    await settled()
    assert line.served == ["first", "waits"]


async def test_an_error_ends_a_turn():
    turns = Turns()
    with pytest.raises(LookupError):
        async with turns.turn(PLACING):
            raise LookupError
    async with asyncio.timeout(1), turns.turn(PLACING):
        pass


async def test_whoever_wants_another_turn_at_once_waits_behind_those_who_wait():
    turns, served, under_way = Turns(), [], 0

    async def call(name: str) -> None:
        nonlocal under_way
        async with turns.turn(PLACING):
            under_way += 1
            assert under_way == 1
            served.append(name)
            await settled()
            under_way -= 1

    async def call_twice() -> None:
        await call("first")
        await call("first again")

    await asyncio.gather(call_twice(), call("second"))
    assert served == ["first", "second", "first again"]


async def test_nobody_gets_in_between_two_turns():
    line = Line()
    line.join("first", PLACING)
    await settled()
    line.join("waits", ASKING)
    await settled()
    line.ends["first"].set()
    await asyncio.sleep(0)
    line.join("comes late", CANCELING)
    await settled()
    assert line.served == ["first", "waits"]


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class SlowTransport(ScriptedTransport):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way, self.most = 0, 0
        self.go = asyncio.Event()

    async def send(self, request):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.go.wait()
        self.under_way -= 1
        return await super().send(request)


def ordered_caller(transport, *, ordered: bool):
    caller = make_caller(transport)
    caller._turns = Turns() if ordered else None
    return caller


@pytest.mark.parametrize(("ordered", "at_once"), [(True, 1), (False, 3)])
async def test_calls_are_made_one_at_a_time_where_the_venue_wants_them_in_order(ordered, at_once):
    transport = SlowTransport()
    refused = reply({"code": -2010, "msg": "no"}, 400)
    transport.answers = {"POST order": refused, "DELETE order": refused}
    caller = ordered_caller(transport, ordered=ordered)
    calls = [asyncio.create_task(caller.send(call, 0)) for call in (PLACE, PLACE, CANCEL)]
    await settled()
    assert transport.under_way == at_once
    transport.go.set()
    await asyncio.gather(*calls)
    assert transport.most == at_once
    methods = [request.method for request in transport.sent]
    assert methods == (["POST", "DELETE", "POST"] if ordered else ["POST", "POST", "DELETE"])


async def test_a_placement_whose_deadline_passes_while_it_waits_for_its_turn_is_not_sent(monkeypatch):
    transport = SlowTransport()
    transport.answers = {"POST order": reply({"code": -2010, "msg": "no"}, 400)}
    caller = ordered_caller(transport, ordered=True)
    now = 1_000_000
    monkeypatch.setattr("venue_gateways.calls.wall_us", lambda: now)
    late = Place(replace(PLACE.request, expires_at=2_000_000))
    first, second = (asyncio.create_task(caller.send(call, 0)) for call in (PLACE, late))
    await settled()
    now = 2_000_000
    transport.go.set()
    await first
    with pytest.raises(TooLate):
        await second
    assert len(transport.sent) == 1
