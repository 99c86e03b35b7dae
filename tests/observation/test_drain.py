"""Seconds until drained: by what a venue allows, or by what a group was seen to take."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.throttle import Charge, Limit
from observation import budget, drain
from observation.burrow import Sample
from runtime import instruments
from runtime.settings import Settings


def looks(*pairs):
    return [Sample(10.0 * number, committed, lag) for number, (committed, lag) in enumerate(pairs)]


def test_nothing_that_waits_is_drained_at_once_at_whatever_rate():
    assert [drain.drain_s(0, rate) for rate in (None, 0.0, 5.0)] == [0.0, 0.0, 0.0]


def test_what_waits_takes_as_long_as_the_rate_says():
    assert drain.drain_s(100, 4.0) == 25.0
    assert drain.drain_s(100, 0.0) == math.inf
    assert drain.drain_s(100, None) is None


def test_the_rate_is_what_all_partitions_together_moved():
    assert drain.consumed_per_s([looks((0, 5), (100, 5)), looks((50, 5), (60, 9))]) == 11.0


def test_one_look_says_nothing_about_a_rate():
    assert drain.consumed_per_s([looks((0, 5))]) is None
    assert drain.consumed_per_s([]) is None


def test_who_had_nothing_to_do_may_still_be_fast():
    assert drain.consumed_per_s([looks((7, 0), (7, 1))]) is None


def test_who_had_something_to_do_and_did_nothing_stands_still():
    assert drain.consumed_per_s([looks((7, 2), (7, 3)), looks((9, 0), (9, 0))]) == 0.0


def test_a_rewind_is_no_negative_rate():
    assert drain.consumed_per_s([looks((7, 2), (5, 4))]) == 0.0


@given(st.integers(1, 1 << 30), st.floats(1e-3, 1e6), st.floats(1e-3, 1e6))
def test_more_takes_longer_and_faster_takes_less(waiting, rate, more):
    assert drain.drain_s(waiting + 1, rate) > drain.drain_s(waiting, rate)
    assert drain.drain_s(waiting, rate + more) < drain.drain_s(waiting, rate)


LIMITS = (
    Limit(name="weight", burst=10, refill=6_000, per_us=60_000_000, kept_back=True),
    Limit(name="orders", burst=5, refill=50, per_us=10_000_000),
    Limit(name="queries", burst=5, refill=1, per_us=10_000_000),
)


def test_the_tightest_limit_that_placements_draw_on_decides():
    assert drain.placements_per_s(LIMITS, [Charge("weight", 1), Charge("orders", 1)], 0.2) == 5.0


def test_what_is_kept_back_for_cancels_is_not_for_placements():
    assert drain.placements_per_s(LIMITS, [Charge("weight", 10)], 0.2) == pytest.approx(8.0)


def test_without_a_limit_there_is_no_bound():
    assert drain.placements_per_s(LIMITS, [], 0.2) == math.inf


def test_each_venues_budget_is_what_it_documents(tmp_path):
    """Binance: 50 orders in 10 s. Coinbase: as set, less what is kept back. Kraken: a pair's counter falls by 1 a s."""
    file = tmp_path / "instruments.toml"
    file.write_text(instruments.built_in(["binance", "coinbase", "kraken"]))
    settings = Settings(
        instruments=file, coinbase_requests_per_s=20, kraken_tier="starter", cancel_share=0.2, venue_url="http://v"
    )
    allowed = budget.placements_per_s(settings)
    assert allowed["binance"] == pytest.approx(5.0, rel=0.1)
    assert allowed["coinbase"] == pytest.approx(16.0, rel=0.1)
    assert allowed["kraken"] == pytest.approx(0.8, rel=0.1)
