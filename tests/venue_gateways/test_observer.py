"""What a gateway sees of a venue besides orders: real venues of each dialect over HTTP, and what is asked of them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import REGISTRY

from domain import ids, money
from domain.breaker import Breaker
from domain.messages import Message, OrderType, ReportKind, Side
from domain.observations import Quote, VenueBalance
from domain.throttle import Charge, Priority, Throttle
from runtime import kafka
from runtime.settings import Settings
from schemas import codec, topics
from schemas.topics import Topic
from tests.venue_gateways.binance.examples import order
from tests.venue_gateways.harness import PARTITIONS, Rig
from tests.venue_gateways.harness import until as eventually
from tests.venue_gateways.scripted import ScriptedTransport, make_caller, reply
from venue_gateways import metrics, venues
from venue_gateways.calls import Caller
from venue_gateways.clock import VenueClock, steady_us
from venue_gateways.facts import Facts
from venue_gateways.lease import Lease
from venue_gateways.observer import Observer
from venue_gateways.simulator.dialects import DIALECTS, Published
from venue_gateways.simulator.server import Options, home, load_credentials, serve
from venue_gateways.simulator.venue import Venue
from venue_gateways.transport import Lost, Transport
from venue_gateways.venue import Place, ReadQuotes, ReadRules

SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD")
PATIENCE_S = 60.0


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if true():
                return
            await asyncio.sleep(0.02)


class Log:
    """What is handed over to be written to Kafka."""

    def __init__(self) -> None:
        self.readings: list[list[VenueBalance]] = []
        self.quotes: list[Quote] = []
        self.keys: set[str] = set()

    def observe(self, topic: Topic, observations: list[tuple[str, Message]]) -> None:
        self.keys |= {key for key, _ in observations}
        told = [observation for _, observation in observations]
        if topic is topics.QUOTES:
            self.quotes += told
        else:
            self.readings.append(told)


class Desk:
    """A gateway's part in it: an account at a venue that is there, and whoever observes it."""

    def __init__(self, settings: Settings, caller: Caller, venue: Venue) -> None:
        self.caller, self.venue, self.log, self.owned = caller, venue, Log(), {0: None}
        self.name = caller.adapter.name
        self.observer = Observer(settings, caller, self.log, SYMBOLS, self.owned.keys(), lambda: False)
        self.facts = Facts(self.name, lambda _: True, lambda _: None, 1_000, self.observer.drift.traded)

    def balance(self, asset: str) -> Any:
        """The venue's own, of the one account that there is."""
        (account,) = [each for name, each in self.venue.accounts.items() if name]
        return account.balance(asset)

    async def readings(self, more: int) -> None:
        wanted = len(self.log.readings) + more
        await until(lambda: len(self.log.readings) >= wanted)

    def differences(self) -> dict[str, float]:
        """By the metric; all assets that it shows."""
        metric = "fillstream_venue_balance_difference"
        samples = [sample for family in REGISTRY.collect() if family.name == metric for sample in family.samples]
        return {s.labels["asset"]: s.value for s in samples if s.labels["venue"] == self.name}


@contextlib.asynccontextmanager
async def observed(tmp_path: Path, venue: str) -> AsyncIterator[Desk]:
    settings = Settings(var=tmp_path, kraken_tier="pro", partitions=1, quotes_every_s=0.1, balances_every_s=0.1)
    dialect = DIALECTS[venue](Published())
    known = load_credentials(dialect, None, home(settings, venue))
    options = Options(venue=venue, dialect=dialect)
    async with (
        serve(settings, known, tmp_path / "journal.jsonl", options) as running,
        Transport(running.url, 16) as transport,
    ):
        reached = {"venue_url": running.url, "venue_stream_url": running.stream_url}
        credentials = home(settings, venue) / "credentials.toml"
        adapter = venues.adapter(venue, settings.model_copy(update={**reached, "credentials": credentials}))
        throttle = Throttle(adapter.limits, 1, 0.2, 0)
        throttle.own(1, 0)
        lease = Lease(60_000_000)
        lease.renew(steady_us())
        caller = Caller(adapter, transport, throttle, Breaker(), lease, VenueClock())
        rules = (await caller.ask(ReadRules())).answer.rules
        assert rules is not None
        adapter.learn(rules)
        throttle.configure(adapter.limits, caller.clock.now_us())
        assert await caller.measure_clock()
        metrics.BALANCE_DIFFERENCE.clear()  # of other tests in this process
        metrics.BALANCES_COMPARED.clear()
        desk = Desk(settings, caller, running.service.front.exchange.venue)
        observing = asyncio.create_task(desk.observer.run())
        yield desk
        observing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await observing


@pytest.mark.parametrize("venue", ["binance", "coinbase", "kraken"])
async def test_a_trade_that_is_told_late_is_no_difference_and_a_deposit_is(tmp_path, venue):
    async with observed(tmp_path, venue) as desk:
        await desk.readings(2)
        name = ids.client_order_id(0, ids.order_key("user", "bought"), 0)
        terms = {"side": Side.BUY, "order_type": OrderType.MARKET, "quantity": money.parse("0.01"), "price": None}
        await desk.caller.ask(Place(order(client_order_id=name, venue=venue, **terms)))
        await desk.readings(1)
        await asyncio.sleep(0.1)
        finding = await desk.caller.look_up("BTC-USD", name)
        assert finding.trades
        desk.facts.answered(finding.order, finding.trades)
        await desk.readings(3)
        assert desk.differences().keys() >= {"BTC", "ETH", "USD"}
        assert set(desk.differences().values()) == {0}

        with structlog.testing.capture_logs() as logged:
            desk.balance("ETH").free += money.parse("5.5")
            await until(lambda: desk.differences()["ETH"] != 0)
            await desk.readings(2)
            assert {a: amount for a, amount in desk.differences().items() if amount} == {"ETH": 5.5}
            desk.balance("ETH").free -= money.parse("5.5")
            await until(lambda: desk.differences()["ETH"] == 0)
        said = [line for line in logged if line["event"].startswith("venue_balance_")]
        assert [(line["event"], line["difference"]) for line in said] == [
            ("venue_balance_differs", "5.5"),
            ("venue_balance_agrees", "0"),
        ]
        compared = REGISTRY.get_sample_value(
            "fillstream_venue_balances_compared_timestamp_seconds", {"venue": desk.name}
        )
        assert compared

        (first, *_), symbols = desk.log.readings, {quote.symbol for quote in desk.log.quotes}
        assert {(each.venue, each.account) for each in first} == {(venue, "")}
        assert len({each.observed_at for each in first}) == 1
        assert {each.asset for each in first} >= {"BTC", "ETH", "USD", "SOL"}
        assert symbols == set(SYMBOLS)
        assert all(0 < quote.bid < quote.ask and quote.bid_quantity and quote.ask_quantity for quote in desk.log.quotes)
        assert desk.log.keys == {venue, *SYMBOLS}


async def test_only_the_owner_of_the_first_partition_observes_and_whoever_loses_it_shows_nothing_more(tmp_path):
    async with observed(tmp_path, "binance") as desk:
        await until(lambda: bool(desk.differences()))
        desk.owned.clear()
        await until(lambda: not desk.differences())
        compared = "fillstream_venue_balances_compared_timestamp_seconds"
        assert REGISTRY.get_sample_value(compared, {"venue": "binance"}) is None
        quotes, readings = len(desk.log.quotes), len(desk.log.readings)
        await asyncio.sleep(0.6)
        assert (len(desk.log.quotes), len(desk.log.readings)) == (quotes, readings)
        desk.owned[0] = None  # and it begins anew
        desk.balance("BTC").free += money.ONE
        await until(lambda: bool(desk.differences()))
        assert set(desk.differences().values()) == {0}


# ── a whole gateway ─────────────────────────────────────────────────────────────────────────────────────────────────


def observations(rig: Rig, topic: Topic) -> list[Any]:
    """All that Kafka has of *rig*'s venue."""
    reader = Consumer(kafka.consumer(rig.settings, f"test-{topic.name}-{rig.name}"))
    partitions = [TopicPartition(topic.name, partition, 0) for partition in range(PARTITIONS)]
    ends = {each.partition: kafka.watermarks(reader, each)[1] for each in partitions}
    unread = {partition for partition, end in ends.items() if end}
    reader.assign(partitions)
    found, deadline_s = [], time.monotonic() + PATIENCE_S
    while unread:
        assert time.monotonic() < deadline_s, f"{topic.name} wasn't read to its ends"
        for message in reader.consume(500, 0.2):
            assert message.error() is None
            found.append(codec.decode(message.value(), topic.value))
            if message.offset() >= ends[message.partition()] - 1:
                unread.discard(message.partition())
    reader.close()
    return [observation for observation in found if observation.venue == rig.name]


def test_kafka_is_told_of_what_a_gateway_sees_and_somebody_s_own_trade_is_a_difference(rig):
    made = rig()
    made.start_gateway(quotes_every_s="0.2", balances_every_s="0.2")
    difference = f'fillstream_venue_balance_difference{{account="",asset="BTC",venue="{made.name}"}}'
    compared = f'fillstream_venue_balances_compared_timestamp_seconds{{venue="{made.name}"}}'
    eventually(lambda: "venue_ready" in made.log() and made.metric(compared) > 0, 30, "balances to be compared")
    made.send(made.place("ours", price=None, order_type=OrderType.MARKET))
    made.expect("ours", ReportKind.FILL)
    first = made.metric(compared)
    eventually(lambda: made.metric(compared) > first + 1, 30, "balances to be compared some times more")
    assert made.metric(difference) == 0
    made.order_by_hand("by-hand", price="90000")
    eventually(lambda: made.metric(difference) > 0, 30, lambda: f"the difference\n{made.log()[-2000:]}")
    assert "venue_balance_differs" in made.log()
    assert {quote.symbol for quote in observations(made, topics.QUOTES)} >= {"BTC-USD", "ETH-USD"}
    balances = observations(made, topics.VENUE_BALANCES)
    assert {"BTC", "USD"} <= {balance.asset for balance in balances}
    assert made.dead_letters() == []


# ── what it may cost ────────────────────────────────────────────────────────────────────────────────────────────────

ASKED = ReadQuotes(("BTC-USD", "ETH-USD"))


def quotes_result(result: str) -> float:
    return REGISTRY.get_sample_value("fillstream_venue_quotes_total", {"venue": "scripted", "result": result}) or 0.0


def scripted(**settings: object) -> tuple[ScriptedTransport, Caller, Observer]:
    transport = ScriptedTransport()
    ticker = {"bidPrice": "4", "bidQty": "1", "askPrice": "5", "askQty": "2"}
    transport.answers["GET ticker/bookTicker"] = reply([{"symbol": name, **ticker} for name in ("BTCUSD", "ETHUSD")])
    caller = make_caller(transport)
    chosen = Settings(partitions=1, **settings)
    return transport, caller, Observer(chosen, caller, Log(), ["BTC-USD", "ETH-USD", "NEW-USD"], {0}, lambda: False)


async def watched(observer: Observer, enough: Callable[[], bool]) -> None:
    observing = asyncio.create_task(observer.run())
    await until(enough)
    observing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await observing


async def test_quotes_take_no_more_than_half_of_what_may_be_asked_for_at_once():
    transport, caller, observer = scripted(quotes_every_s=0.01, balances_every_s=0)
    skipped = quotes_result("skipped")
    await watched(observer, lambda: quotes_result("skipped") >= skipped + 3)
    burst = next(limit.burst for limit in caller.adapter.limits if limit.name == "request_weight_1m")
    left = caller.throttle.left(caller.clock.now_us())["request_weight_1m"]
    assert burst / 2 <= left < burst / 2 + 30  # refilled a little since
    assert transport.paths() == ["GET ticker/bookTicker"] * len(transport.sent)
    assert "NEWUSD" not in transport.sent[0].target  # which the venue doesn't list


async def test_nothing_is_asked_while_a_placement_waits_for_tokens():
    _, caller, _ = scripted()
    assert caller.take_spare(ASKED, 1.0)
    placement = [Charge("request_weight_1m", 1)]
    while caller.throttle.take(placement, Priority.PLACE, caller.clock.now_us()) is None:
        pass
    assert not caller.take_spare(ASKED, 1.0)


async def test_quotes_that_fail_neither_open_the_breaker_nor_close_it():
    transport, caller, observer = scripted(quotes_every_s=0.01, balances_every_s=0)
    transport.answers["GET ticker/bookTicker"] = Lost("ReadTimeout")
    failed = quotes_result("failed")
    await watched(observer, lambda: quotes_result("failed") >= failed + 6)
    assert caller.breaker.failures == 0
    transport.answers["GET ticker/bookTicker"] = reply([])
    caller.breaker.failed(steady_us())
    told = quotes_result("told")
    await watched(observer, lambda: quotes_result("told") > told)
    assert caller.breaker.failures == 1


async def test_who_wants_nothing_observed_has_nothing_asked():
    transport, _, observer = scripted(quotes_every_s=0, balances_every_s=0)
    await observer.run()
    assert transport.sent == []


async def test_balances_that_cannot_be_read_are_asked_for_again():
    transport, _, observer = scripted(quotes_every_s=0, balances_every_s=0.01)
    answers = iter([reply({}, 500), reply({"balances": []}), reply({"balances": []})])
    transport.answers["GET account"] = lambda _: next(answers, reply({"balances": []}))
    with structlog.testing.capture_logs() as logged:
        await watched(observer, lambda: len(transport.sent) >= 3)
    assert [line["event"] for line in logged].count("balances_not_read") == 1
