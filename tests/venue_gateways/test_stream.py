"""What ends a connection to a private stream, and what a new one begins with."""

import asyncio
import contextlib

import msgspec
import pytest
import websockets

from domain.breaker import Breaker
from domain.throttle import Throttle
from tests.venue_gateways.kraken.examples import OURS, answer, error, learned
from tests.venue_gateways.kraken.test_kraken_stream import NEW, PENDING
from venue_gateways import stream as module
from venue_gateways.calls import Caller
from venue_gateways.clock import VenueClock
from venue_gateways.facts import Facts
from venue_gateways.lease import Lease
from venue_gateways.stream import Stream

PATIENCE_S = 60.0
SUBSCRIBED = {"method": "subscribe", "success": True, "result": {"channel": "executions"}}


def executions(sequence: int, *rows: object) -> dict[str, object]:
    return {"channel": "executions", "type": "update", "data": rows, "sequence": sequence}


class Venue:
    """A private stream that says what is next in *scripts* on each connection, then nothing. And REST, for tokens."""

    def __init__(self) -> None:
        self.scripts: list[list[object]] = []
        self.tokens: list[object] = []
        self.subscriptions: list[dict[str, object]] = []
        self.connections = asyncio.Queue()

    async def send(self, request):
        """The transport's part: a token for each connection."""
        assert request.target.endswith("GetWebSocketsToken")
        token = self.tokens.pop(0) if self.tokens else f"token {len(self.subscriptions)}"
        return token if not isinstance(token, str) else answer({"token": token, "expires": 900})

    async def serve(self, connection) -> None:
        self.subscriptions.append(msgspec.json.decode(await connection.recv()))
        for message in self.scripts.pop(0) if self.scripts else []:
            if message == "close":
                return
            await connection.send(msgspec.json.encode(message).decode())
        self.connections.put_nowait(connection)
        await connection.wait_closed()


class Listener:
    """A stream's owner: what it is told, and when it is connected."""

    def __init__(self, caller: Caller, url: str) -> None:
        self.reports = []
        self.connected = asyncio.Queue()
        self.due = asyncio.Queue()
        self.doubts = asyncio.Queue()
        facts = Facts("kraken", lambda _: True, lambda told: self.reports.extend(r for _, r in told), 1_000)
        self.stream = Stream(url, caller, facts, self)
        self.stream.wanted.set()
        self.caller = caller

    def reconnected(self) -> None:
        self.connected.put_nowait(1)

    def trades_due(self) -> None:
        self.due.put_nowait(1)

    def unclear(self) -> None:
        self.doubts.put_nowait(1)

    async def next(self, queue) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await queue.get()


@pytest.fixture
def venue():
    return Venue()


@pytest.fixture
async def listener(venue, monkeypatch):
    """A stream that isn't running yet; start it with :func:`listening`."""
    monkeypatch.setattr(module, "_BACKOFF_S", 0.01)
    adapter = learned()
    throttle = Throttle(adapter.limits, 1, 0.2, 0)
    throttle.own(1, 0)
    caller = Caller(adapter, venue, throttle, Breaker(), Lease(0), VenueClock())
    async with websockets.serve(venue.serve, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield Listener(caller, f"ws://127.0.0.1:{port}")


@contextlib.asynccontextmanager
async def listening(listener):
    task = asyncio.create_task(listener.stream.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_each_connection_has_a_token_of_its_own(venue, listener):
    venue.scripts = [[SUBSCRIBED, "close"], [SUBSCRIBED]]
    async with listening(listener):
        for _ in range(2):
            await listener.next(listener.connected)
    assert [one["params"]["token"] for one in venue.subscriptions] == ["token 0", "token 1"]


async def test_without_a_token_there_is_no_connection_and_it_is_asked_for_again(venue, listener):
    venue.tokens = [error("EService:Busy"), error("EAPI:Rate limit exceeded"), "at last"]
    venue.scripts = [[SUBSCRIBED]]
    listener.caller._freeze = lambda _: None  # nobody has five seconds
    async with listening(listener):
        await listener.next(listener.connected)
    assert [one["params"]["token"] for one in venue.subscriptions] == ["at last"]


async def test_a_gap_ends_a_connection_and_the_next_is_told_to_look_at_everything(venue, listener):
    venue.scripts = [[SUBSCRIBED, executions(1, PENDING), executions(3, NEW)], [SUBSCRIBED, executions(1, PENDING)]]
    async with listening(listener):
        for _ in range(2):
            await listener.next(listener.connected)
        assert listener.stream.connected
    assert {report.client_order_id for report in listener.reports} == {OURS}


async def test_a_stream_that_is_silent_for_too_long_is_connected_anew(venue, listener):
    listener.caller.adapter.traits = msgspec.structs.replace(listener.caller.adapter.traits, silence_max_s=0.2)
    venue.scripts = [[SUBSCRIBED], [SUBSCRIBED]]
    async with listening(listener):
        for _ in range(2):
            await listener.next(listener.connected)


async def test_a_stream_whose_heart_beats_is_left_alone(venue, listener):
    listener.caller.adapter.traits = msgspec.structs.replace(listener.caller.adapter.traits, silence_max_s=0.4)
    venue.scripts = [[SUBSCRIBED]]
    async with listening(listener):
        await listener.next(listener.connected)
        connection = await venue.connections.get()
        for _ in range(8):
            await asyncio.sleep(0.1)
            await connection.send('{"channel":"heartbeat"}')
        assert listener.stream.connected
    assert len(venue.subscriptions) == 1


async def test_a_subscription_that_is_refused_is_tried_again(venue, listener):
    refused = {"method": "subscribe", "success": False, "error": "ESession:Invalid session"}
    venue.scripts = [[refused], [SUBSCRIBED]]
    async with listening(listener):
        await listener.next(listener.connected)
    assert len(venue.subscriptions) == 2


async def test_what_can_t_be_understood_is_said_to_be_unclear_and_what_is_not_told_is_due(venue, listener):
    odd = PENDING | {"order_status": "on the moon"}
    venue.scripts = [[SUBSCRIBED, "no object", executions(1, NEW), executions(2, odd), executions(3, PENDING)]]
    async with listening(listener):
        await listener.next(listener.due)
        for _ in range(2):
            await listener.next(listener.doubts)
        async with asyncio.timeout(PATIENCE_S):
            while not listener.reports:  # noqa: ASYNC110  # there is nothing to wait for but that
                await asyncio.sleep(0.01)
    assert len(venue.subscriptions) == 1


async def test_the_venue_s_own_count_takes_tokens_from_the_throttle(venue, listener):
    venue.scripts = [[SUBSCRIBED, executions(1, PENDING | {"ratecount": 50})]]
    now = listener.caller.clock.now_us()
    assert listener.caller.throttle.left(now)["trading_counter"] == 58
    async with listening(listener):
        await listener.next(listener.connected)
        async with asyncio.timeout(PATIENCE_S):
            while not listener.reports:  # noqa: ASYNC110  # there is nothing to wait for but that
                await asyncio.sleep(0.01)
    assert listener.caller.throttle.left(listener.caller.clock.now_us())["trading_counter"] < 10
