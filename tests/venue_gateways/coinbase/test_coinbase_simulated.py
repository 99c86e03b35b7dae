"""Against the simulated venue on loopback, through the parts that a gateway makes its calls with."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from pydantic import SecretStr

from domain import money
from domain.breaker import Breaker
from domain.messages import Operation, OrderType, Side, TimeInForce
from domain.throttle import Throttle
from runtime.settings import Settings
from tests.venue_gateways.coinbase.examples import EC_KEY, ED_KEY, KEY_NAME, OURS, order
from venue_gateways.calls import Caller
from venue_gateways.clock import VenueClock, steady_us
from venue_gateways.coinbase import Coinbase
from venue_gateways.credentials import Credentials, PrivateKey
from venue_gateways.facts import Facts
from venue_gateways.lease import Lease
from venue_gateways.simulator.coinbase.front import Coinbase as Dialect
from venue_gateways.simulator.coinbase.security import Credential
from venue_gateways.simulator.server import Options, Running, serve
from venue_gateways.stream import Stream
from venue_gateways.transport import Transport
from venue_gateways.venue import (
    Amend,
    Answer,
    Call,
    Cancel,
    FindOrder,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    OrderState,
    Outcome,
    Place,
    ReadRules,
    Remedy,
    TradeSeen,
)

OTHER = OURS[:-1] + "2"
RESTING = {"side": Side.BUY, "quantity": money.parse("0.01"), "price": money.parse("20000")}
TAKING = {"order_type": OrderType.MARKET, "quantity": money.parse("0.5"), "price": None}


class Desk:
    """One account at a simulated venue."""

    def __init__(self, running: Running, transport: Transport, journal: Path, key: PrivateKey) -> None:
        self.running = running
        self._transport, self._journal, self._key = transport, journal, key

    async def open(self) -> "Desk":
        """With an adapter that remembers nothing."""
        host = self.running.url.removeprefix("http://")
        adapter = Coinbase("coinbase", KEY_NAME, self._key, host=host, requests_per_s=30, self_trade_prevention_id="1")
        clock, lease = VenueClock(), Lease(60_000_000)
        lease.renew(steady_us())
        throttle = Throttle(adapter.limits, 1, 0.2, clock.now_us())
        throttle.own(1, clock.now_us())
        self.caller = Caller(adapter, self._transport, throttle, Breaker(), lease, clock)
        rules = (await self.ask(ReadRules())).rules
        assert rules is not None
        adapter.learn(rules)
        assert await self.caller.measure_clock()
        return self

    async def ask(self, call: Call) -> Answer:
        return (await self.caller.ask(call)).answer

    async def place(self, **fields: object) -> Answer:
        return await self.ask(Place(order(**(RESTING | fields))))

    def journal(self, event: str) -> list[dict[str, str]]:
        lines = map(msgspec.json.decode, self._journal.read_bytes().splitlines())
        return [line for line in lines if line["event"] == event]

    def is_as_booked(self, trades: tuple[TradeSeen, ...]) -> bool:
        booked = {line["trade_id"]: (line["quantity"], line["price"], line["fee"]) for line in self.journal("fill")}
        told = {trade.trade_id: tuple(map(money.text, (trade.quantity, trade.price, trade.fee))) for trade in trades}
        return booked == told


@contextlib.asynccontextmanager
async def trading(tmp_path: Path, key: PrivateKey = EC_KEY):
    journal = tmp_path / "journal.jsonl"
    known = {KEY_NAME: Credential("main", KEY_NAME, key.public_key())}
    still = Options(venue="coinbase", dialect=Dialect(), step_interval_s=60)  # a market that waits for the test
    async with serve(Settings(var=tmp_path), known, journal, still) as running, Transport(running.url, 4) as transport:
        yield await Desk(running, transport, journal, key).open()


@pytest.mark.parametrize("key", [EC_KEY, ED_KEY])
async def test_an_order_is_placed_found_and_canceled(tmp_path, key):
    async with trading(tmp_path, key) as desk:
        placed = await desk.place()
        assert (placed.outcome, placed.reason) == (Outcome.ACCEPTED, None)
        name = placed.order.venue_order_id
        assert (await desk.ask(FindOrder("BTC-USD", OURS))).order.state is OrderState.OPEN
        assert (await desk.ask(Cancel(order(), name))).outcome is Outcome.ACCEPTED
        await asyncio.sleep(0.15)  # CANCEL_QUEUED until then
        assert (await desk.caller.look_up("BTC-USD", OURS)).order.state is OrderState.CANCELED
        assert [line["client_order_id"] for line in desk.journal("order_canceled")] == [OURS]


async def test_an_order_is_made_smaller_where_it_is(tmp_path):
    async with trading(tmp_path) as desk:
        name = (await desk.place()).order.venue_order_id
        for size in ("0.006", "0.004"):
            smaller = order(Operation.AMEND, **(RESTING | {"quantity": money.parse(size)}))
            noted = await desk.ask(Amend(smaller, name))
            assert (noted.outcome, noted.reason, noted.order) == (Outcome.ACCEPTED, None, None)
            found = (await desk.caller.look_up("BTC-USD", OURS)).order
            assert (found.state, found.quantity) == (OrderState.OPEN, smaller.quantity)
        again = await desk.ask(Amend(smaller, name))
        assert (again.outcome, again.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)
        assert again.reason == "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"
        assert [line["quantity"] for line in desk.journal("order_reduced")] == ["0.006", "0.004"]


async def test_an_order_that_is_gone_is_not_amended(tmp_path):
    async with trading(tmp_path) as desk:
        name = (await desk.place()).order.venue_order_id
        await desk.ask(Cancel(order(), name))
        refused = await desk.ask(Amend(order(Operation.AMEND, **(RESTING | {"quantity": money.parse("0.004")})), name))
        assert (refused.outcome, refused.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)
        assert desk.journal("order_reduced") == []


async def test_a_placement_that_is_repeated_is_the_same_order(tmp_path):
    async with trading(tmp_path) as desk:
        first, second = await desk.place(), await desk.place()
        assert first.order == second.order
        another = await desk.place(quantity=money.parse("0.02"))
        assert (another.outcome, another.reason[:13]) == (Outcome.UNKNOWN, "ANOTHER_ORDER")
        assert len(desk.journal("order_accepted")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"post_only": True},
        {"time_in_force": TimeInForce.GTD},
        {"time_in_force": TimeInForce.IOC},
        {"time_in_force": TimeInForce.FOK},
        TAKING,
        {"order_type": OrderType.STOP_LIMIT, "stop_price": money.parse("99000"), "price": money.parse("100000")},
    ],
)
async def test_the_venue_takes_every_kind_of_order_that_is_offered(tmp_path, fields):
    async with trading(tmp_path) as desk:
        assert desk.caller.adapter.refusal(order(**(RESTING | fields))) is None
        placed = await desk.place(**fields)
        assert (placed.outcome, placed.reason) == (Outcome.ACCEPTED, None)


async def test_a_gateway_that_knows_nothing_finds_orders_and_their_trades(tmp_path):
    async with trading(tmp_path) as desk:
        await desk.place()
        await desk.place(client_order_id=OTHER, **TAKING)
        await desk.open()
        await asyncio.sleep(0.15)  # PENDING until then
        assert (await desk.caller.look_up("BTC-USD", OURS)).order.state is OrderState.OPEN
        taken = await desk.caller.look_up("BTC-USD", OTHER)
        assert taken.order.state is OrderState.FILLED
        assert desk.is_as_booked(taken.trades)
        nobody = await desk.caller.look_up("BTC-USD", OURS[:-1] + "3")
        assert (nobody.usable, nobody.order) == (True, None)
        listed = (await desk.ask(ListOrders("account", since_us=0))).orders
        assert {seen.client_order_id for seen in listed} == {OURS, OTHER}
        assert [seen.client_order_id for seen in (await desk.ask(ListOpenOrders("account"))).orders] == [OURS]


async def test_looks_at_the_trades_go_on_where_they_ended(tmp_path):
    async with trading(tmp_path) as desk:
        seen: dict[str, TradeSeen] = {}
        position = None
        for number in range(3):
            await desk.place(client_order_id=f"{OURS[:-2]}1{number}", **TAKING)
            page = await desk.ask(ListTrades("account", position=position, since_us=0))
            assert not page.more
            position = page.position
            seen |= {trade.trade_id: trade for trade in page.trades}
        assert desk.is_as_booked(tuple(seen.values()))


async def test_what_the_stream_tells_of_trades_is_in_the_history(tmp_path):
    async with trading(tmp_path) as desk:
        told, due, connected = [], asyncio.Event(), asyncio.Event()
        facts = Facts("coinbase", lambda _: True, told.extend)
        reader = SimpleNamespace(reconnected=connected.set, trades_due=due.set, unclear=connected.clear)
        stream = Stream(desk.running.stream_url, desk.caller, facts, reader)
        stream.wanted.set()
        listening = asyncio.create_task(stream.run())
        try:
            await asyncio.wait_for(connected.wait(), 60)
            await desk.place(**TAKING)
            await asyncio.wait_for(due.wait(), 60)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        assert {report.trade_id for _, report in told} == {None}
        assert {report.client_order_id for _, report in told} == {OURS}
        assert desk.is_as_booked((await desk.ask(ListTrades("account", since_us=0))).trades)


async def test_a_key_that_the_venue_does_not_know_is_refused_at_the_second_try(tmp_path):
    async with trading(tmp_path) as desk:
        desk.caller.adapter.rekey(Credentials(SecretStr("organizations/0/apiKeys/0"), private_key=EC_KEY))
        assert [(await desk.place()).reason for _ in range(2)] == ["TOKEN_REFUSED", "KEY_REFUSED"]


async def test_a_saturated_gateway_is_never_told_to_slow_down(tmp_path):
    async with trading(tmp_path) as desk:
        names = [f"{OURS[:-2]}{number}" for number in range(10, 60)]
        answers = await asyncio.gather(*(desk.place(client_order_id=name) for name in names))
        assert {answer.outcome for answer in answers} == {Outcome.ACCEPTED}
        assert desk.journal("request_refused") == []
