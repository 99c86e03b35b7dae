"""Gateways that ask for all they may, against venues that count: nobody is refused, and little is left over.

Throttle, adapter and simulated venue are real; only time is made up, so that the figures are the same on any machine.
"""

import heapq
import random
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from domain import ids, money
from domain.messages import Operation, OrderType, Side, VenueRequest
from domain.throttle import Throttle
from tests.venue_gateways.simulator.client import CREDENTIAL, NOON, open_front
from tests.venue_gateways.simulator.coinbase import client as coinbase_client
from tests.venue_gateways.simulator.kraken import client as kraken_client
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.coinbase import Coinbase
from venue_gateways.kraken import Kraken, Tier
from venue_gateways.kraken.signing import KrakenSigner
from venue_gateways.simulator import dialects
from venue_gateways.simulator.dialect import Request
from venue_gateways.venue import (
    Cancel,
    HttpResponse,
    ListOpenOrders,
    Outcome,
    Place,
    ReadRules,
    priority,
)

HOST = "api.coinbase.com"
SECOND_US = 1_000_000
#: How late a request may arrive after its tokens were granted.
DELAY_US = 40_000


@dataclass
class Trade:
    """Somebody who places as fast as he may at one venue, cancels and looks around in between."""

    adapter: object
    front: object
    seed: int = 1
    now: int = NOON
    refused: list = field(default_factory=list)

    def __post_init__(self):
        self.dice = random.Random(self.seed)
        self.open = []
        self.under_way = []
        self.arrived = 0
        self.number = 0
        self.ask(ReadRules(), self.now)
        self.throttle = Throttle(self.adapter.limits, 4, 0.2, self.now)
        self.throttle.own(4, self.now)

    def run(self, seconds, cancels, queries):
        """Go on for so long: of what is asked for, so many are cancels and queries."""
        ends = self.now + seconds * SECOND_US
        while self.now < ends:
            call = self.next_call(cancels, queries)
            granted = False
            while not granted and self.now < ends:
                again = self.throttle.take(self.adapter.charges(call, self.now), priority(call), self.now)
                granted = again is None
                if granted:
                    arrives = max(self.arrived, self.now + self.dice.randrange(DELAY_US))  # in order: nonces rise
                    self.arrived = arrives
                    self.number += 1
                    heapq.heappush(self.under_way, (arrives, self.number, call, self.now))
                else:
                    self.now = min(again, ends)
                self.deliver()

    def next_call(self, cancels, queries):
        share = self.dice.random()
        if share < cancels and self.open:
            name, venue_order_id = self.open.pop(0)
            return Cancel(self.request(Operation.CANCEL, name), venue_order_id)
        if share < cancels + queries:
            return ListOpenOrders("account" if not isinstance(self.adapter, Binance) else "BTC-USD")
        name = ids.client_order_id(0, ids.order_key("user", str(self.number)), self.seed)
        return Place(self.request(Operation.PLACE, name))

    def request(self, operation, name):
        return VenueRequest(
            request_id=name,
            client_order_id=name,
            user_id="user",
            order_id=name,
            venue="venue",
            symbol="BTC-USD",
            operation=operation,
            sequence=1,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity=money.parse("0.001"),
            price=money.parse("20000"),
            requested_at=self.now,
        )

    def deliver(self):
        while self.under_way and self.under_way[0][0] <= self.now:
            arrives, _, call, sent = heapq.heappop(self.under_way)
            answer = self.ask(call, arrives, sent)
            if answer.outcome is not Outcome.ACCEPTED:
                self.refused.append((call, answer))
            elif isinstance(call, Place):
                self.open.append((call.request.client_order_id, answer.order.venue_order_id))

    def ask(self, call, arrives, sent=None):
        built = self.adapter.build(call, sent or arrives)
        url = urlsplit(built.target)
        headers = {name.lower().encode(): value.encode() for name, value in built.headers}
        request = Request(
            verb=built.method,
            path=url.path,
            query=url.query.encode(),
            body=built.body,
            address="1.2.3.4",
            arrived=arrives,
            headers={b"host": HOST.encode(), **headers},
        )
        reply = self.front.admit(request) or self.front.answer(request, arrives)
        self.front.exchange.observe(self.front.exchange.venue.drain())
        told = {name.decode(): value.decode() for name, value in reply.headers}
        response = HttpResponse(reply.status, told, reply.body)
        if sent is not None:
            for limit, used in self.adapter.usage(response):
                self.throttle.observe(limit, used, sent_us=sent, received_us=arrives)
        answer = self.adapter.parse(call, response)
        if answer.rules is not None:
            self.adapter.learn(answer.rules)
        return answer

    def taken(self, name):
        """How much of a limit was taken so far, and how much of it there is in a second."""
        limit = self.front.exchange.used()["main"][name]
        rate = limit["decay_per_s"] if "decay_per_s" in limit else limit["limit"] / limit["window_s"]
        return limit["taken"], rate


def binance(seed):
    published = dialects.Published(weight_per_minute=6_000, orders_per_10_s=50)
    adapter = Binance("binance", CREDENTIAL.key, HmacSigner(CREDENTIAL.secret.decode()))
    front = open_front(dialects.DIALECTS["binance"](published), {CREDENTIAL.key: CREDENTIAL})
    return Trade(adapter, front, seed)


def coinbase(seed):
    published = dialects.Published(requests_per_s=30)
    adapter = Coinbase("coinbase", coinbase_client.KEY, coinbase_client.PRIVATE, host=HOST, requests_per_s=30)
    return Trade(adapter, open_front(dialects.DIALECTS["coinbase"](published), coinbase_client.KNOWN), seed)


def kraken(seed):
    published = dialects.Published(kraken_tier="pro")
    known = kraken_client.CREDENTIAL
    adapter = Kraken("kraken", known.key, KrakenSigner(known.secret), tier=Tier.PRO)
    return Trade(adapter, open_front(dialects.DIALECTS["kraken"](published), kraken_client.KNOWN), seed)


VENUES = pytest.mark.parametrize(
    ("make", "limit", "seconds"),
    [(binance, "ORDERS/10S", 100), (coinbase, "requests", 20), (kraken, "orders/BTC-USD", 120)],
)


@VENUES
def test_who_places_all_he_may_is_never_refused_and_leaves_little(make, limit, seconds):
    trade = make(seed=3)
    trade.run(seconds, cancels=0.0, queries=0.0)  # the throttle begins empty, and keeps a share back
    before, rate = trade.taken(limit)
    trade.run(seconds, cancels=0.0, queries=0.0)
    assert trade.refused == trade.front.exchange.drain_refusals() == []
    assert trade.taken(limit)[0] - before >= 0.95 * rate * seconds


@VENUES
def test_who_cancels_and_asks_as_well_is_never_refused(make, limit, seconds):
    trade = make(seed=4)
    trade.run(seconds, cancels=0.3, queries=0.05)
    assert trade.refused == trade.front.exchange.drain_refusals() == []
    assert trade.taken(limit)[0] > 0
