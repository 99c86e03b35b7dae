"""The saturated phase: what is asked of each venue, and how the use of its limits is counted."""

from collections import Counter
from decimal import Decimal

import pytest

from runtime.demo import saturation
from runtime.demo.saturation import Reading, Usage
from runtime.trial import wire
from runtime.trial.exchange import Limit
from runtime.trial.oracle.evidence import Evidence, Rows, Tables
from runtime.trial.plan import Market, Shape

BITCOIN = ("BTC-USD", Decimal(60_000), Decimal("0.01"), Decimal("0.00001"))
CROSS = ("ETH-BTC", Decimal("0.05"), Decimal("0.00001"), Decimal("0.0001"))
MARKETS = [Market(*terms, venue=venue) for venue in ("binance", "kraken") for terms in (BITCOIN, CROSS)]
SHAPE = Shape(users=7, seed=3)
SYMBOLS = {"BTC-USD", "ETH-USD"}


@pytest.fixture(scope="module")
def flood():
    return saturation.flood(SHAPE, MARKETS, 1_000_000, 11_000_000)


def read(**limits):
    return Reading(limits.pop("at_s"), {venue: dict(found) for venue, found in limits.items()})


def test_each_venue_is_asked_for_more_than_it_allows_by_orders_that_anybody_can_pay(flood):
    orders = [wire.decode(planned.value)[1]["command"] for planned in flood]
    assert Counter(order["venue"] for order in orders) == {"binance": 70, "kraken": 720 + 170}
    assert {order["symbol"] for order in orders} == {"BTC-USD"}
    for order in orders:
        assert wire.units(order["price"]) == 58_200 * 10**18
        assert 15 * 10**18 <= wire.units(order["price"]) * wire.units(order["quantity"]) // 10**18 < 16 * 10**18
    assert {planned.user_id for planned in flood} == {f"user-{number:05d}" for number in range(7)}
    assert len({planned.command_id for planned in flood}) == len(flood)


def test_no_order_outlives_the_phase_unsent_and_none_rests(flood):
    for planned in flood:
        record = wire.decode(planned.value)[1]
        assert record["expires_at"] == 11_000_000
        assert record["command"]["time_in_force"] == "IOC"
    times = [planned.at_ms for planned in flood]
    assert times == sorted(times)
    assert 7_000 < times[-1] < 8_000


def test_the_limit_of_which_most_was_used_counts():
    orders, weight = ("main", "ORDERS/10S"), ("ip", "WEIGHT/1M")
    before = read(at_s=5.0, binance={orders: Limit(5.0, 40), weight: Limit(100.0, 7)})
    after = read(at_s=25.0, binance={orders: Limit(5.0, 137), weight: Limit(100.0, 900)})
    assert saturation.used(before, after, SYMBOLS) == {"binance": Usage("ORDERS/10S", 100.0, 97)}


def test_what_a_venue_limits_by_symbol_counts_where_it_was_used():
    taken = {"orders/BTC-USD": (100, 137), "orders/ETH-USD": (0, 36), "orders/ETH-BTC": (8, 8)}
    before = read(at_s=0.0, kraken={("main", name): Limit(3.75, old) for name, (old, _) in taken.items() if old})
    after = read(at_s=10.0, kraken={("main", name): Limit(3.75, new) for name, (_, new) in taken.items()})
    found = saturation.used(before, after, {*SYMBOLS, "ETH-BTC"})["kraken"]
    assert found == Usage("orders", 75.0, 73)
    assert found.share == pytest.approx(0.9733, abs=1e-4)


@pytest.mark.parametrize(("used", "holds"), [(95, True), (94.9, False)])
def test_less_than_95_percent_is_too_little(used, holds):
    check = saturation.published_rates_are_used({"kraken": Usage("orders", 100, used), "v": Usage("x", 10, 10)})
    assert check.holds == holds
    assert all("kraken counts 94.9 orders where 100 were allowed" in fault for fault in check.faults)


def test_a_request_that_a_venue_refused_for_its_number_is_one_too_many():
    code = "EAPI:Rate limit exceeded"
    refusal = {"venue": "kraken", "event": "request_refused", "at_us": 5, "status": 200, "code": code}
    nothing = {"sent": [], "records": {}, "tables": Tables({}, {}, {}, {}), "rows": Rows({}, {}, {}, {})}
    assert saturation.no_limit_was_passed(Evidence(journal=[], **nothing)).holds
    check = saturation.no_limit_was_passed(Evidence(journal=[refusal], **nothing))
    assert check.faults == ("kraken answered 200 EAPI:Rate limit exceeded at 5",)
