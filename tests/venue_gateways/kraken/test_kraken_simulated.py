"""The adapter against the simulator of Kraken's dialect, which was written from the same documents by somebody else."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from domain import ids, money
from domain.breaker import Breaker
from domain.messages import Operation, OrderType, ReportKind
from domain.throttle import Throttle
from runtime.settings import Settings
from tests.venue_gateways.kraken.examples import order
from tests.venue_gateways.simulator.kraken.client import CREDENTIAL, KNOWN
from venue_gateways.calls import Caller
from venue_gateways.clock import VenueClock, steady_us
from venue_gateways.facts import Facts
from venue_gateways.kraken import Kraken, Tier
from venue_gateways.kraken.signing import KrakenSigner
from venue_gateways.lease import Lease
from venue_gateways.simulator.kraken.front import Kraken as Dialect
from venue_gateways.simulator.server import Options, serve
from venue_gateways.stream import Stream
from venue_gateways.transport import Transport
from venue_gateways.venue import (
    Amend,
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
)

PATIENCE_S = 60.0


class Account:
    """A gateway's part in it, at a venue on loopback: calls, and what the private stream tells."""

    def __init__(self, caller: Caller, stream_url: str) -> None:
        self.caller = caller
        self.reports = []
        self.facts = Facts("kraken", lambda _: True, lambda told: self.reports.extend(r for _, r in told), 1_000)
        self.connected = asyncio.Event()
        reader = SimpleNamespace(reconnected=self.connected.set, trades_due=lambda: None, unclear=lambda: None)
        self.stream = Stream(stream_url, caller, self.facts, reader)
        self._names = 0

    def new(self, **fields: object):
        """A placement of a limit order that rests, unless *fields* make it another."""
        self._names += 1
        name = ids.client_order_id(0, ids.order_key("user", str(self._names)), 0)
        resting = {"quantity": money.parse("0.01"), "price": money.parse("50000"), "client_order_id": name}
        return Place(order(**(resting | fields)))

    async def told(self, client_order_id: str, kind: ReportKind):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for report in self.reports:
                    if (report.client_order_id, report.kind) == (client_order_id, kind):
                        return report
                await asyncio.sleep(0.01)


@pytest.fixture
async def account(tmp_path: Path):
    chosen = Options(venue="kraken", dialect=Dialect())
    async with (
        serve(Settings(var=tmp_path), KNOWN, tmp_path / "journal.jsonl", chosen) as venue,
        Transport(venue.url, 16) as transport,
    ):
        adapter = Kraken("kraken", CREDENTIAL.key, KrakenSigner(CREDENTIAL.secret), tier=Tier.PRO)
        throttle = Throttle(adapter.limits, 1, 0.2, 0)
        throttle.own(1, 0)
        lease = Lease(60_000_000)
        lease.renew(steady_us())
        caller = Caller(adapter, transport, throttle, Breaker(), lease, VenueClock())
        adapter.learn((await caller.ask(ReadRules())).answer.rules)
        await caller.measure_clock()
        made = Account(caller, venue.stream_url)
        made.stream.wanted.set()
        listening = asyncio.create_task(made.stream.run())
        async with asyncio.timeout(PATIENCE_S):
            await made.connected.wait()
        yield made
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


async def test_an_order_is_placed_found_and_canceled(account):
    place = account.new(post_only=True)
    name = place.request.client_order_id
    placed = (await account.caller.ask(place)).answer
    assert (placed.outcome, placed.order.state) == (Outcome.ACCEPTED, OrderState.OPEN)
    told = await account.told(name, ReportKind.ACKNOWLEDGED)
    assert (told.venue_order_id, told.symbol) == (placed.order.venue_order_id, "BTC-USD")

    finding = await account.caller.look_up("BTC-USD", name)
    assert (finding.usable, finding.order.state, finding.trades) == (True, OrderState.OPEN, ())
    listed = (await account.caller.ask(ListOpenOrders("account"))).answer
    assert [one.client_order_id for one in listed.orders] == [name]

    canceled = (await account.caller.ask(Cancel(order(Operation.CANCEL, client_order_id=name)))).answer
    assert (canceled.outcome, canceled.order) == (Outcome.ACCEPTED, None)
    assert (await account.told(name, ReportKind.CANCELED)).cumulative_quantity == 0
    assert (await account.caller.look_up("BTC-USD", name)).order.state is OrderState.CANCELED
    again = (await account.caller.ask(Cancel(order(Operation.CANCEL, client_order_id=name)))).answer
    assert (again.outcome, again.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)
    ended = (await account.caller.ask(ListOrders("account", since_us=0))).answer
    assert [(one.client_order_id, one.state) for one in ended.orders] == [(name, OrderState.CANCELED)]


async def test_an_order_is_made_smaller_where_it_is_and_a_look_up_shows_it(account):
    place = account.new(post_only=True)
    name = place.request.client_order_id
    placed = (await account.caller.ask(place)).answer

    def to(quantity: str) -> Amend:
        return Amend(order(Operation.AMEND, client_order_id=name, quantity=money.parse(quantity)))

    amended = (await account.caller.ask(to("0.004"))).answer
    assert (amended.outcome, amended.order) == (Outcome.ACCEPTED, None)
    seen = (await account.caller.look_up("BTC-USD", name)).order
    assert (seen.state, seen.quantity, seen.filled_quantity) == (OrderState.OPEN, money.parse("0.004"), 0)
    assert (seen.client_order_id, seen.venue_order_id) == (name, placed.order.venue_order_id)

    for quantity in ("0.004", "0.005"):  # once more, and larger, which is not simulated
        refused = (await account.caller.ask(to(quantity))).answer
        assert (refused.outcome, refused.reason, refused.remedy) == (
            Outcome.REJECTED,
            "NOT_AMENDED",
            Remedy.LOOK_UP,
        )
    assert (await account.caller.look_up("BTC-USD", name)).order.quantity == money.parse("0.004")

    await account.caller.ask(Cancel(order(Operation.CANCEL, client_order_id=name)))
    assert (await account.told(name, ReportKind.CANCELED)).cumulative_quantity == 0
    late = (await account.caller.ask(to("0.003"))).answer
    assert (late.outcome, late.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)


async def test_an_order_that_has_filled_is_not_amended_and_a_look_up_tells_why(account):
    place = account.new(order_type=OrderType.MARKET, price=None)
    name = place.request.client_order_id
    await account.caller.ask(place)
    await account.told(name, ReportKind.FILL)
    amend = Amend(order(Operation.AMEND, client_order_id=name, quantity=money.parse("0.004")))
    refused = (await account.caller.ask(amend)).answer
    assert (refused.outcome, refused.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)
    seen = (await account.caller.look_up("BTC-USD", name)).order
    assert (seen.state, seen.quantity) == (OrderState.FILLED, seen.filled_quantity)


async def test_a_trade_is_the_same_on_the_stream_in_a_look_up_and_in_the_history(account):
    place = account.new(order_type=OrderType.MARKET, price=None)
    name = place.request.client_order_id
    placed = (await account.caller.ask(place)).answer
    assert placed.outcome is Outcome.ACCEPTED
    told = await account.told(name, ReportKind.FILL)
    finding = await account.caller.look_up("BTC-USD", name)
    assert finding.order.state is OrderState.FILLED
    history = (await account.caller.ask(ListTrades("account", since_us=0))).answer.trades
    assert history == finding.trades
    by_id = {trade.trade_id: trade for trade in history}
    seen = by_id[told.trade_id]
    assert (told.fill_quantity, told.fill_price, told.fee) == (seen.quantity, seen.price, seen.fee)
    assert (told.fee_asset, told.liquidity) == (seen.fee_asset, seen.liquidity)
    assert abs(told.transacted_at - seen.traded_at) < 1_000  # REST has fewer decimals
    asked = FindOrder("BTC-USD", venue_order_id=placed.order.venue_order_id)
    found = (await account.caller.ask(asked)).answer
    assert (found.order.client_order_id, found.order.filled_quantity) == (name, place.request.quantity)


async def test_many_calls_at_once_arrive_in_the_order_of_their_nonces(account):
    places = [account.new() for _ in range(20)]
    exchanges = await asyncio.gather(*(account.caller.ask(place) for place in places))
    assert {exchange.answer.outcome for exchange in exchanges} == {Outcome.ACCEPTED}


async def test_a_nonce_that_is_overtaken_leaves_a_placement_to_be_looked_up(account):
    adapter, place = account.caller.adapter, account.new()
    overtaken = adapter.build(place, account.caller.clock.now_us())
    await account.caller.ask(ListOpenOrders("account"))
    found = adapter.parse(place, await account.caller._transport.send(overtaken))
    assert (found.outcome, found.remedy, found.reason) == (Outcome.UNKNOWN, Remedy.LOOK_UP, "NONCE")
    assert (await account.caller.look_up("BTC-USD", place.request.client_order_id)).order is None


async def test_an_order_that_is_sent_twice_is_looked_up_instead_of_refused(account):
    place = account.new()
    await account.caller.ask(place)
    again = (await account.caller.ask(place)).answer
    assert (again.outcome, again.remedy) == (Outcome.UNKNOWN, Remedy.LOOK_UP)
    assert (await account.caller.look_up("BTC-USD", place.request.client_order_id)).order.state is OrderState.OPEN


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"symbol": "ABC-USD"}, "UNKNOWN_SYMBOL"),
        ({"quantity": money.parse("0.00001")}, "NOTIONAL_TOO_SMALL"),
    ],
)
async def test_what_the_venue_refuses_has_its_reason(account, fields, reason):
    found = (await account.caller.ask(account.new(**fields))).answer
    assert (found.outcome, found.reason) == (Outcome.REJECTED, reason)


async def test_as_fast_as_the_counter_lets_nothing_is_refused_for_it(account):
    """Orders are placed and canceled at once, which is what costs most, until the counter has nothing left."""
    outcomes = set()
    for _ in range(30):
        place = account.new()
        if account.caller.take(place) is not None:
            break
        outcomes.add((await account.caller.send(place, 0)).answer.outcome)
        cancel = Cancel(order(Operation.CANCEL, client_order_id=place.request.client_order_id))
        if account.caller.take(cancel) is not None:
            break
        outcomes.add((await account.caller.send(cancel, 0)).answer.outcome)
    else:
        raise AssertionError("the counter has no end")
    assert outcomes == {Outcome.ACCEPTED}
