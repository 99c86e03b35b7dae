"""What calls cost at Kraken, and that what is granted never passes a counter of the venue's."""

import random

import pytest

from domain import money
from domain.messages import Operation
from domain.throttle import Charge, Throttle
from tests.venue_gateways.kraken.examples import NOON, ORDER, OURS, answer, order
from venue_gateways.kraken import Kraken, limits
from venue_gateways.kraken.calls import FindClosed, FindOpen, FindTrades
from venue_gateways.kraken.limits import Tier
from venue_gateways.kraken.signing import KrakenSigner
from venue_gateways.venue import (
    Amend,
    Cancel,
    CancelAll,
    FindOrder,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    OpenStream,
    Place,
    ReadClock,
    ReadQuotes,
    ReadRules,
    ReadStreamToken,
    priority,
)

SECOND = 1_000_000
#: Documented: maximum and decay (a second) of a pair's counter.
PUBLISHED = {Tier.STARTER: (60, 1.0), Tier.INTERMEDIATE: (125, 2.34), Tier.PRO: (180, 3.75)}
#: Documented: the age of an order in seconds, and what canceling it costs.
COSTS = [(0, 8), (4.99, 8), (5, 6), (9.99, 6), (10, 5), (15, 4), (44.99, 4), (45, 2), (90, 1), (299.99, 1), (300, 0)]
#: The same of an amendment, the fixed one included.
AMENDMENTS = [(0, 4), (4.99, 4), (5, 3), (9.99, 3), (10, 2), (14.99, 2), (15, 1), (44.99, 1), (300, 1)]
CANCEL = Cancel(order(Operation.CANCEL))
AMEND = Amend(order(Operation.AMEND, quantity=money.ONE))


@pytest.mark.parametrize(
    ("call", "cost"),
    [
        (FindOrder("BTC-USD", venue_order_id="O1"), 1),
        (FindOrder("BTC-USD", OURS), 1),
        (FindOpen(OURS), 1),
        (FindClosed(OURS), 1),
        (FindTrades(("T1",)), 2),
        (ListTrades("account"), 2),
        (ListOrders("account"), 1),
        (ListOpenOrders("account"), 1),
        (ReadStreamToken(), 1),
    ],
)
def test_a_call_is_charged_to_the_counter_of_its_key(adapter, call, cost):
    assert adapter.charges(call, NOON) == (Charge(limits.REST, cost),)


@pytest.mark.parametrize("call", [ReadRules(), ReadClock(), OpenStream()])
def test_public_calls_and_connections_are_in_no_counter(adapter, call):
    assert adapter.charges(call, NOON) == ()


def test_quotes_have_a_limit_of_their_own(adapter):
    assert adapter.charges(ReadQuotes(("BTC-USD", "ETH-USDT")), NOON) == (Charge(limits.PUBLIC, 1),)


def test_a_placement_is_charged_to_the_counter_of_its_pair_alone(adapter):
    assert adapter.charges(Place(order()), NOON) == (Charge(limits.TRADING, 1, "BTC-USD"),)
    assert adapter.lane(order(symbol="ETH-USDT")) == "ETH-USDT"


def test_all_orders_are_canceled_at_one_of_each_pair_and_one_of_them_at_what_its_age_costs(adapter):
    one = CancelAll(("BTC-USD",), ("O1",))
    assert adapter.charges(one, NOON) == (Charge(limits.TRADING, 8, "BTC-USD"),)
    adapter.parse(ListOpenOrders("account"), answer({"open": {"O1": ORDER}}))
    opened_us = round(ORDER["opentm"] * SECOND)
    assert adapter.charges(one, opened_us + 20 * SECOND) == (Charge(limits.TRADING, 4, "BTC-USD"),)
    assert adapter.charges(one, opened_us + 300 * SECOND) == ()
    pairs = (Charge(limits.TRADING, 1, "BTC-USD"), Charge(limits.TRADING, 1, "ETH-USDT"))
    assert adapter.charges(CancelAll(("BTC-USD", "ETH-USDT")), NOON) == (Charge(limits.REST, 1), *pairs)


@pytest.mark.parametrize("orders", [1, 6])
def test_what_became_of_several_orders_is_known_within_a_minute_at_the_lowest_tier(adapter, orders):
    """Each has filled and is looked up among the open, the ended, and its trades, one call after the other."""
    throttle = Throttle(limits.limits(Tier.STARTER), 4, 0.2, NOON)
    throttle.own(4, NOON)
    now = NOON + 60 * SECOND  # time in which nothing was asked, but for the polling of a stream that is up
    for _ in range(2):
        for call in (ListTrades("account"), ListOpenOrders("account")):
            assert throttle.take(adapter.charges(call, now), priority(call), now) is None
    began = now
    for _ in range(orders):
        for call in (FindOpen(OURS), FindClosed(OURS), FindTrades(("T1",))):
            while (again := throttle.take(adapter.charges(call, now), priority(call), now)) is not None:
                now = again
    assert now - began <= 60 * SECOND


@pytest.mark.parametrize(("age_s", "cost"), COSTS)
def test_a_cancel_costs_by_the_age_of_its_order(adapter, age_s, cost):
    opened_us = round(ORDER["opentm"] * SECOND)
    adapter.parse(FindOpen(OURS), answer({"open": {"O1": ORDER}}))
    charged = adapter.charges(CANCEL, opened_us + round(age_s * SECOND))
    assert charged == ((Charge(limits.TRADING, cost, "BTC-USD"),) if cost else ())


def test_a_cancel_of_an_order_whose_age_is_not_known_costs_as_if_it_were_young(adapter):
    assert adapter.charges(CANCEL, NOON) == (Charge(limits.TRADING, 8, "BTC-USD"),)


@pytest.mark.parametrize(("age_s", "cost"), AMENDMENTS)
def test_an_amendment_costs_by_the_age_of_its_order_and_is_in_no_other_counter(adapter, age_s, cost):
    opened_us = round(ORDER["opentm"] * SECOND)
    adapter.parse(FindOpen(OURS), answer({"open": {"O1": ORDER}}))
    charged = adapter.charges(AMEND, opened_us + round(age_s * SECOND))
    assert charged == (Charge(limits.TRADING, cost, "BTC-USD"),)


def test_an_amendment_of_an_order_whose_age_is_not_known_costs_as_if_it_were_young(adapter):
    assert adapter.charges(AMEND, NOON) == (Charge(limits.TRADING, 4, "BTC-USD"),)


def test_an_order_that_was_amended_is_as_young_as_the_amendment_s_deadline_allows_whatever_a_look_up_shows(adapter):
    found = answer({"open": {"O1": ORDER}})
    adapter.parse(FindOpen(OURS), found)
    amended_us = round(ORDER["opentm"] * SECOND) + 400 * SECOND
    assert adapter.charges(CANCEL, amended_us) == ()
    adapter.build(AMEND, amended_us)
    adapter.parse(FindOpen(OURS), found)
    for age_s, cancel, amend in ((9.9, 8, 4), (10.1, 6, 3), (305.1, 0, 1)):  # it may have been five seconds on its way
        now = amended_us + round(age_s * SECOND)
        assert sum(charge.tokens for charge in adapter.charges(CANCEL, now)) == cancel
        assert adapter.charges(AMEND, now)[0].tokens == amend
    adapter._ages.note_amended(OURS, amended_us + SECOND)  # as the stream has it
    assert adapter.charges(CANCEL, amended_us + 6 * SECOND)[0].tokens == 6


def test_the_documents_own_example_adds_up(adapter):
    """Guides, "Spot Trading Limits": an order, amended after 7 s, and canceled after 36 s more, counts 8."""
    counted = adapter.charges(Place(order()), NOON)
    adapter._ages.note(OURS, NOON)
    counted += adapter.charges(AMEND, NOON + 7 * SECOND)
    adapter._ages.note_amended(OURS, NOON + 7 * SECOND)
    counted += adapter.charges(CANCEL, NOON + 43 * SECOND)
    assert [charge.tokens for charge in counted] == [1, 3, 4]


def test_an_order_is_taken_to_be_as_young_as_its_deadline_allows(adapter):
    adapter.build(Place(order()), NOON)
    for age_s, cost in ((9.9, 8), (10.1, 6)):  # it may have been opened five seconds after it was signed
        assert adapter.charges(CANCEL, NOON + round(age_s * SECOND))[0].tokens == cost
    adapter._ages.note(OURS, NOON + SECOND)  # as the stream has it
    assert adapter.charges(CANCEL, NOON + 6 * SECOND)[0].tokens == 6


def test_an_order_that_is_signed_once_more_is_as_young_as_its_last_signature(adapter):
    for at in (NOON, NOON + 60 * SECOND):
        adapter.build(Place(order()), at)
    assert adapter.charges(CANCEL, NOON + 66 * SECOND)[0].tokens == 8


class Engine:
    """The venue's counter of one pair, which falls once a second, wherever a second starts."""

    def __init__(self, tier: Tier, phase_us: int) -> None:
        self.maximum, self._decay = PUBLISHED[tier]
        self._phase_us, self._second, self.stands = phase_us, 0, 0.0

    def count(self, tokens: int, now: int) -> None:
        second = (now + self._phase_us) // SECOND
        self.stands = max(0.0, self.stands - self._decay * (second - self._second)) + tokens
        self._second = second
        assert self.stands <= self.maximum + 1e-9


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("seed", range(4))
def test_no_counter_of_the_venue_s_is_passed_although_it_falls_in_steps(tier, seed):
    """Calls come one after the other, up to 50 ms after they were granted; cancels are of orders of any age."""
    dice = random.Random(seed)
    adapter = Kraken("kraken", "key", KrakenSigner(b"secret"), tier=tier)
    throttle = Throttle(adapter.limits, 1, 0.2, 0)
    throttle.own(1, 0)
    engine = Engine(tier, dice.randrange(SECOND))
    now, late, arrived, placed = 600 * SECOND, 0, 0, 0
    for number in range(1_500):
        now += dice.choice((0, 0, 0, 1_000, 40_000, 300_000))
        client_order_id = f"order-{dice.randrange(max(1, number))}"
        call = Place(order(client_order_id=f"order-{number}"))
        if dice.random() < 0.3:
            call = Cancel(order(Operation.CANCEL, client_order_id=client_order_id))
        charges = adapter.charges(call, now)
        if throttle.take(charges, priority(call), now) is None:
            if isinstance(call, Place):
                adapter._ages.note(call.request.client_order_id, now)
                placed += 1
            late = max(now + dice.randrange(50_000), late)
            arrived += sum(charge.tokens for charge in charges)
            engine.count(sum(charge.tokens for charge in charges), late)
    assert placed > 50
    elapsed_s = (now - 600 * SECOND) / SECOND
    assert arrived >= 0.9 * (engine.maximum + engine._decay * elapsed_s)  # and what is allowed is used


def test_the_counters_are_kept_a_step_below_their_maximum(adapter):
    shown = {limit.name: (limit.burst, limit.heaviest, limit.kept_back, limit.per_key) for limit in adapter.limits}
    assert shown == {
        limits.REST: (14, 2, True, True),
        limits.TRADING: (58, 8, True, False),
        limits.PUBLIC: (1, 1, False, True),
    }
