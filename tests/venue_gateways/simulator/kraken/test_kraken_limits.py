import pytest

from tests.venue_gateways.simulator.client import open_front
from tests.venue_gateways.simulator.kraken.client import KNOWN, OTHER, Desk
from venue_gateways.simulator.kraken.front import Kraken
from venue_gateways.simulator.kraken.limits import Allowance, Counter, Tier, amend_cost, cancel_cost

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


@pytest.mark.parametrize(("age_s", "cost"), [(0, 4), (4.9, 4), (5, 3), (9.9, 3), (10, 2), (14.9, 2), (15, 1), (300, 1)])
def test_an_amendment_costs_by_the_age_of_its_order(age_s, cost):
    assert amend_cost(int(age_s * 1_000_000)) == cost


def test_the_published_example_of_an_order_that_is_amended_and_canceled_adds_up(desk):
    """guides/general/ratelimits: amended after 7 s, canceled after 36 s more."""
    txid = desk.place()
    desk.later(7)
    desk.ask("AmendOrder", txid=txid, order_qty="0.005")
    desk.later(36)
    desk.ask("CancelOrder", txid=txid)
    assert desk.exchange.orders_counted("main", "BTC-USD").taken == 8


def test_an_order_that_is_amended_is_young_again(desk):
    txid = desk.place()
    desk.later(300)
    counter = desk.exchange.orders_counted("main", "BTC-USD")
    desk.ask("AmendOrder", txid=txid, order_qty="0.005")
    assert counter.taken == 1 + 1
    desk.ask("AmendOrder", txid=txid, order_qty="0.004")
    assert counter.taken == 1 + 1 + 4
    desk.ask("CancelOrder", txid=txid)
    assert counter.taken == 1 + 1 + 4 + 8


def test_an_amendment_that_is_refused_is_counted_and_one_of_no_order_is_not(desk):
    txid = desk.place()
    assert desk.ask("AmendOrder", txid=txid, order_qty="1") == "EGeneral:Invalid arguments:order_qty"
    assert desk.ask("AmendOrder", txid="OAAAAA-AAAAA-AAAAAA", order_qty="1") == "EOrder:Unknown order"
    assert desk.exchange.orders_counted("main", "BTC-USD").taken == 5


def test_amendments_are_counted_to_the_pair_s_threshold_and_are_no_calls_of_the_key(desk):
    txid = desk.place(volume="0.1")
    amended = [desk.ask("AmendOrder", txid=txid, order_qty=f"0.0{90 - number}") for number in range(45)]
    assert all(isinstance(result, dict) for result in amended[:44])
    assert amended[44] == EXCEEDED
    assert desk.ask("OpenOrders")["open"][txid]["vol"] == "0.04700000"
    assert isinstance(desk.ask("Balance"), dict)


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
