"""Balances move as trades say, or there is a difference: for any trades, told in any order, and any readings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.messages import Liquidity, Side
from tests.builders import units
from venue_gateways.reconciliation.balances import TOLERANCE, Range
from venue_gateways.reconciliation.drift import SIMULTANEOUS_US, Drift, movement
from venue_gateways.venue import Balance, TradeSeen

SECOND = 1_000_000
EVERY = 60 * SECOND
TOOK = SECOND // 10
READINGS = 8
OPENING = {"BTC": units("3"), "USD": units("10000"), "BNB": units("7")}
BOUGHT = TradeSeen(
    "1", "7", "BTC-USD", units("0.5"), units("100.25"), units("0.1"), "BNB", Liquidity.TAKER, 30 * SECOND, Side.BUY
)


def point(text: str) -> Range:
    return Range(units(text), units(text))


# ── what a trade moves ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_trade_moves_both_assets_and_that_of_its_fee():
    assert movement(BOUGHT) == {"BTC": point("0.5"), "USD": point("-50.125"), "BNB": point("-0.1")}
    sold = replace(BOUGHT, side=Side.SELL, fee_asset="USD")
    assert movement(sold) == {"BTC": point("-0.5"), "USD": point("50.025")}
    rebate = replace(BOUGHT, fee=-BOUGHT.fee, fee_asset="BTC")
    assert movement(rebate) == {"BTC": point("0.6"), "USD": point("-50.125")}


def test_a_cost_that_no_venue_books_to_its_last_digit_is_a_range():
    fine = replace(BOUGHT, quantity=units("0.00001"), price=units("100.0005"), fee=0)
    assert movement(fine)["USD"] == Range(units("-0.00100001"), units("-0.001"))
    sold = replace(fine, side=Side.SELL)
    assert movement(sold)["USD"] == Range(units("0.001"), units("0.00100001"))


def test_a_trade_that_may_have_gone_either_way_moves_anything_between():
    found = movement(replace(BOUGHT, side=None))
    assert found["BTC"] == Range(units("-0.5"), units("0.5"))
    assert found["USD"] == Range(units("-50.125"), units("50.125"))
    assert found["BNB"] == point("-0.1")  # a fee is paid in any case


# ── any trades, any readings ────────────────────────────────────────────────────────────────────────────────────────


READING = st.integers(0, READINGS - 1)
NEAR = st.integers(-3 * SECOND, 3 * SECOND)


@st.composite
def trades(draw: st.DrawFn) -> list[tuple[TradeSeen, int]]:
    """Trades, and when each is told: before the second reading that it can be in."""
    made = []
    for number in range(draw(st.integers(0, 12))):
        at = draw(st.integers(0, READINGS * EVERY) | st.builds(lambda k, off: k * EVERY + off, READING, NEAR))
        first = max(0, -(-(at - TOOK - SIMULTANEOUS_US) // EVERY))
        told = draw(st.integers(at, max(at, (first + 1) * EVERY - 1)))
        made.append(
            (
                TradeSeen(
                    str(number),
                    "7",
                    draw(st.sampled_from(("BTC-USD", "ETH-USD", "ETH-BTC"))),
                    draw(st.integers(1, 10**6)) * 10**13,
                    draw(st.integers(1, 10**6)) * 10**12,
                    draw(st.integers(-(10**3), 10**6)) * 10**10,
                    draw(st.sampled_from(("BTC", "USD", "BNB"))),
                    Liquidity.TAKER,
                    at,
                    draw(st.sampled_from((Side.BUY, Side.SELL))),
                ),
                told,
            )
        )
    return made


def differences(made, dice, deposits=()):
    """What a drift says at each reading, of a venue at which all this happens."""
    drift, moved, said = Drift(), [], []
    for trade, _ in made:
        exactly = {asset: dice.choice((amount.low, amount.high)) for asset, amount in movement(trade).items()}
        moved.append((trade.traded_at, exactly))
    untold = sorted(made, key=lambda each: each[1])
    in_readings = [False] * len(moved)
    for number in range(READINGS):
        asked = number * EVERY
        while untold and untold[0][1] < asked:
            trade, _ = untold.pop(0)
            for _ in range(dice.choice((1, 1, 2))):
                drift.traded(trade)
        totals = dict(OPENING)
        for index, (at, exactly) in enumerate(moved):
            near = asked - SIMULTANEOUS_US <= at <= asked + TOOK + SIMULTANEOUS_US
            in_readings[index] |= dice.random() < 0.5 if near else at < asked
            for asset, amount in exactly.items() if in_readings[index] else ():
                totals[asset] = totals.get(asset, 0) + amount
        for at, asset, amount in deposits:
            totals[asset] = totals.get(asset, 0) + (amount if at <= asked else 0)
        held = {asset: Balance(asset, total - total // 3, total // 3) for asset, total in totals.items()}
        rows = drift.read(held, asked, asked + TOOK)
        said.append({row.asset: row.difference for row in rows if row.difference})
    return said


@given(trades(), st.randoms(use_true_random=False))
def test_trades_alone_are_never_a_difference(made, dice):
    assert differences(made, dice) == [{}] * READINGS


@given(trades(), st.randoms(use_true_random=False), st.integers(-(10**6), 10**6), st.integers(1, READINGS - 2))
def test_what_is_paid_in_shows_as_far_as_trades_cannot_hide_it(made, dice, cents, number):
    """It is paid in just before a reading, and shows from the next one on."""
    deposit = cents * 10**16
    said = differences(made, dice, [(number * EVERY, "USD", deposit)])
    for found in said[: number + 1]:
        assert found == {}
    for found in said[number + 1 :]:
        assert found.keys() <= {"USD"}
        shown = found.get("USD", 0)
        assert abs(shown) <= abs(deposit) + TOLERANCE
        assert shown == 0 or (shown > 0) == (deposit > 0)


@given(trades(), st.randoms(use_true_random=False), st.integers(1, 10**6))
def test_away_from_readings_trades_hide_nothing(made, dice, cents):
    whole = [replace(trade, traded_at=trade.traded_at // EVERY * EVERY + EVERY // 2, price=10**18) for trade, _ in made]
    quiet = [(trade, trade.traded_at) for trade in whole]
    said = differences(quiet, dice, [(EVERY + 1, "USD", -cents * 10**16)])
    assert said == [{}] * 3 + [{"USD": -cents * 10**16}] * (READINGS - 3)


# ── one by one ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read(drift: Drift, second: int, **totals: str) -> dict[str, int]:
    held = {asset: Balance(asset, units(total), 0) for asset, total in totals.items()}
    rows = drift.read(held, second * SECOND, second * SECOND)
    return {row.asset: row.difference for row in rows if row.difference}


def test_a_trade_that_only_the_history_tells_is_a_difference_until_then():
    drift = Drift()
    assert [read(drift, second, BTC="3", USD="10000", BNB="1") for second in (0, 20)] == [{}, {}]
    short = {"BTC": "3.5", "USD": "9949.875", "BNB": "0.9"}
    assert read(drift, 60, **short) == {}
    assert read(drift, 120, **short) == {"BTC": units("0.5"), "USD": units("-50.125"), "BNB": units("-0.1")}
    drift.traded(BOUGHT)  # of second 30
    assert read(drift, 180, **short) == {}


def test_a_trade_from_before_the_first_reading_that_is_told_later_changes_nothing():
    drift = Drift()
    for second in (60, 120, 180):
        assert read(drift, second, BTC="3", USD="1") == {}
    drift.traded(BOUGHT)
    for second in (240, 300):
        assert read(drift, second, BTC="3", USD="1") == {}


def test_an_asset_that_has_come_or_gone_is_a_difference():
    drift = Drift()
    for second in (0, 60):
        assert read(drift, second, BTC="3") == {}
    for second in (120, 180):
        found = read(drift, second, ETH="2")
    assert found == {"BTC": units("-3"), "ETH": units("2")}


def test_what_comes_and_goes_between_two_readings_is_no_difference():
    drift = Drift()
    for second in (0, 60):
        assert read(drift, second, USD="5") == {}
    assert read(drift, 120, USD="6") == {}
    assert read(drift, 180, USD="5") == {}


def test_readings_without_trades_tell_better_what_there_was_at_first():
    """The first was taken while a trade came in; whether it was in it or not, the second shows."""
    drift = Drift()
    drift.traded(replace(BOUGHT, traded_at=60 * SECOND, fee=0))
    for second in (60, 120, 180):
        assert read(drift, second, BTC="3", USD="100") == {}
    for second in (240, 300):
        found = read(drift, second, BTC="3.4", USD="100")
    assert found == {"BTC": units("0.4")}


def test_somebody_who_has_not_read_for_a_while_begins_again():
    drift = Drift()
    for second in (0, 60):
        assert read(drift, second, USD="5") == {}
    drift.forget()
    assert drift.baseline_us is None
    for second in (120, 180, 240):
        assert read(drift, second, USD="9") == {}
    assert drift.baseline_us == 120 * SECOND


@pytest.mark.parametrize(("more", "shown"), [("0.00000001", {}), ("0.00000002", {"USD": units("0.00000002")})])
def test_the_last_digit_that_venues_show_is_no_difference(more, shown):
    drift = Drift()
    for second in (0, 60):
        assert read(drift, second, USD="5") == {}
    for second in (120, 180):
        found = drift.read({"USD": Balance("USD", units("5") + units(more), 0)}, second * SECOND, second * SECOND)
    assert {row.asset: row.difference for row in found if row.difference} == shown
