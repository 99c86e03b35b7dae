import pytest

from tests.venue_gateways.simulator.client import open_front
from tests.venue_gateways.simulator.kraken.client import KNOWN, OTHER, Desk
from venue_gateways.simulator.kraken.front import Kraken
from venue_gateways.simulator.kraken.limits import Allowance, Counter, Tier, cancel_cost

EXCEEDED = "EOrder:Rate limit exceeded"


def test_orders_of_a_pair_are_counted_to_the_threshold_and_refusals_are_journaled(desk):
    assert all(desk.place().startswith("O") for _ in range(180))
    assert desk.place() == EXCEEDED
    assert desk.place(pair="ETHUSD", price="2000").startswith("O"), "every pair has a counter of its own"
    assert desk.ask("AddOrder", credential=OTHER, pair="XBTUSD", type="buy", ordertype="limit", price=1, volume=10) != (
        EXCEEDED
    ), "and every account"
    desk.later(1)
    placed = [desk.place() for _ in range(4)]
    assert [EXCEEDED in result for result in placed] == [False, False, False, True]
    refused = [line for line in desk.journal if line["event"] == "request_refused"]
    assert [(line["account"], line["status"], line["code"]) for line in refused] == [("main", 200, EXCEEDED)] * 2


def test_what_is_no_order_counts_as_one(desk):
    for _ in range(180):
        desk.place(price="0.001")
    assert desk.place() == EXCEEDED


@pytest.mark.parametrize(
    ("age_s", "cost"), [(0, 8), (4.9, 8), (5, 6), (9.9, 6), (10, 5), (15, 4), (45, 2), (90, 1), (299.9, 1), (300, 0)]
)
def test_a_cancel_costs_by_the_age_of_its_order(age_s, cost):
    assert cancel_cost(int(age_s * 1_000_000)) == cost


def test_a_cancel_that_does_not_fit_is_refused_and_a_cancel_of_all_costs_one_a_pair(desk):
    orders = [desk.place() for _ in range(21)]
    canceled = [desk.ask("CancelOrder", txid=txid) for txid in orders]
    assert canceled == [{"count": 1}] * 19 + [EXCEEDED] * 2
    assert [desk.place() for _ in range(8)][-1] == EXCEEDED
    assert desk.ask("CancelAll") == EXCEEDED
    desk.later(1)
    assert desk.ask("CancelAll") == {"count": 9}


def test_calls_of_a_key_are_counted_but_not_those_that_place_and_cancel(desk):
    for _ in range(10):
        desk.place()
        assert isinstance(desk.ask("TradesHistory"), dict), "two each"
    assert desk.ask("OpenOrders") == "EAPI:Rate limit exceeded"
    assert desk.place().startswith("O")
    assert isinstance(desk.ask("Balance", credential=OTHER), dict)
    desk.later(1)
    assert isinstance(desk.ask("OpenOrders"), dict)
    assert desk.ask("OpenOrders") == "EAPI:Rate limit exceeded"


def test_an_account_that_is_less_verified_may_less():
    desk = Desk(open_front(Kraken(tier=Tier.STARTER), KNOWN))
    assert [desk.place() for _ in range(61)].count(EXCEEDED) == 1


def test_a_counter_falls_with_time_to_nothing_and_not_with_a_clock_set_back():
    counter = Counter(Allowance(10, 2.0))
    assert counter.take(10, 5_000_000)
    assert not counter.take(1, 5_400_000)
    assert not counter.take(1, 0)
    assert counter.take(1, 500_000)
    assert counter.level(60_000_000) == 0
