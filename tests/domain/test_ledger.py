"""The ledger: whatever is booked sums to zero per asset, and a fill moves exactly what was traded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ledger, money
from domain.ledger import Fill
from domain.messages import Account, Posting, Side
from domain.state import Balance
from tests.builders import an_order, units

ALICE, CLEARING, FEES, TREASURY = "user:alice", "clearing:simulated", "fees:simulated", "treasury"


def settled(order, *, quantity="1", price="100", fee="0", fee_asset="USD"):
    """What the fill adds to each account, by owner, side and asset; and what is left of the reserve."""
    fill = Fill("trade-1", units(quantity), units(price), units(fee), fee_asset)
    postings, left = ledger.settle(order, fill, "BTC", "USD")
    assert not ledger.imbalance(postings)
    sums = {}
    for posting in postings:
        assert posting.amount
        key = (posting.owner, posting.account.value, posting.asset)
        sums[key] = money.text(units(sums.get(key, "0")) + posting.amount)
    return sums, money.text(left)


def test_a_buy_gives_the_quote_asset_from_the_reserve_and_takes_the_base_asset():
    sums, left = settled(an_order(reserved="100.2"))
    assert sums == {
        (ALICE, "RESERVED", "USD"): "-100",
        (CLEARING, "AVAILABLE", "USD"): "100",
        (CLEARING, "AVAILABLE", "BTC"): "-1",
        (ALICE, "AVAILABLE", "BTC"): "1",
    }
    assert left == "0.2"


def test_a_sell_gives_the_base_asset_from_the_reserve_and_takes_the_quote_asset():
    sums, left = settled(an_order(side=Side.SELL, reserved="1"), quantity="0.4")
    assert sums == {
        (ALICE, "RESERVED", "BTC"): "-0.4",
        (CLEARING, "AVAILABLE", "BTC"): "0.4",
        (CLEARING, "AVAILABLE", "USD"): "-40",
        (ALICE, "AVAILABLE", "USD"): "40",
    }
    assert left == "0.6"


def test_a_fee_in_what_is_given_adds_to_it_and_comes_from_the_reserve():
    sums, left = settled(an_order(reserved="100.2"), fee="0.15")
    assert sums[ALICE, "RESERVED", "USD"] == "-100.15"
    assert sums[CLEARING, "AVAILABLE", "USD"] == "100"
    assert sums[FEES, "AVAILABLE", "USD"] == "0.15"
    assert left == "0.05"


def test_a_fee_in_what_is_taken_comes_off_it():
    sums, left = settled(an_order(reserved="100.2"), fee="0.001", fee_asset="BTC")
    assert sums[ALICE, "AVAILABLE", "BTC"] == "0.999"
    assert sums[FEES, "AVAILABLE", "BTC"] == "0.001"
    assert left == "0.2"


def test_a_fee_in_a_third_asset_is_borne_by_the_house():
    sums, _ = settled(an_order(reserved="100.2"), fee="0.01", fee_asset="BNB")
    assert sums[FEES, "AVAILABLE", "BNB"] == "0.01"
    assert sums[TREASURY, "AVAILABLE", "BNB"] == "-0.01"
    assert not [key for key in sums if key[0] == ALICE and key[2] == "BNB"]


def test_a_rebate_is_the_users():
    sums, left = settled(an_order(reserved="100.2"), fee="-0.05")
    assert sums[ALICE, "RESERVED", "USD"] == "-99.95"
    assert sums[FEES, "AVAILABLE", "USD"] == "-0.05"
    assert left == "0.25"


def test_a_rebate_beyond_the_cost_goes_to_the_available_side():
    sums, left = settled(an_order(reserved="1"), quantity="0.001", fee="-0.3")
    assert sums[ALICE, "AVAILABLE", "USD"] == "0.2"
    assert left == "1"


def test_what_the_reserve_does_not_cover_is_taken_from_the_available_side():
    sums, left = settled(an_order(reserved="30"))
    assert sums[ALICE, "RESERVED", "USD"] == "-30"
    assert sums[ALICE, "AVAILABLE", "USD"] == "-70"
    assert left == "0"


AMOUNTS = st.integers(1, 10**24)


@given(
    side=st.sampled_from(Side),
    quantity=AMOUNTS,
    price=AMOUNTS,
    fee=st.integers(-(10**20), 10**20),
    fee_asset=st.sampled_from(["USD", "BTC", "BNB"]),
    reserved=st.integers(0, 10**24),
)
def test_every_fill_balances_and_takes_no_more_of_the_reserve_than_there_is(
    side, quantity, price, fee, fee_asset, reserved
):
    order = an_order(side=side, reserved=reserved)
    postings, left = ledger.settle(order, Fill("t", quantity, price, fee, fee_asset), "BTC", "USD")
    given_asset = "USD" if side is Side.BUY else "BTC"
    from_reserve = -sum(p.amount for p in postings if p.account is Account.RESERVED)
    assert ledger.imbalance(postings) == {}
    assert 0 <= left <= reserved
    assert from_reserve == reserved - left
    assert all(p.asset == given_asset for p in postings if p.account is Account.RESERVED)
    assert sum(p.amount for p in postings if p.owner == FEES) == fee


def test_a_reserve_moves_between_the_sides_of_one_owner():
    postings = ledger.reserve("alice", "USD", 7)
    assert [(p.owner, p.account, p.amount) for p in postings] == [
        (ALICE, Account.AVAILABLE, -7),
        (ALICE, Account.RESERVED, 7),
    ]


def test_a_posting_changes_the_side_it_names():
    balance = Balance("user:alice", "USD", 10, 5)
    assert ledger.apply(balance, Posting(ALICE, Account.AVAILABLE, "USD", -3)) == Balance(ALICE, "USD", 7, 5)
    assert ledger.apply(balance, Posting(ALICE, Account.RESERVED, "USD", 3)) == Balance(ALICE, "USD", 10, 8)


@pytest.mark.parametrize(("amounts", "off"), [((1, -1), {}), ((1, -2), {"USD": -1}), ((), {})])
def test_an_imbalance_is_named_by_asset(amounts, off):
    assert ledger.imbalance(Posting(ALICE, Account.AVAILABLE, "USD", amount) for amount in amounts) == off
