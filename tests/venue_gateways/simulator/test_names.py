import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venue_gateways.simulator.client import make_venue, ticket
from venue_gateways.simulator.coinbase.names import Entries
from venue_gateways.simulator.kraken.names import Transactions
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import Happening

SYMBOLS = ("BTC-USD", "ETH-USD")
KINDS = [Names(), Transactions(SYMBOLS), Entries(SYMBOLS)]
KIND = pytest.mark.parametrize("names", KINDS, ids=lambda names: type(names).__name__)


@KIND
@given(number=st.integers(1, 2**40))
def test_a_name_gives_its_number_back(names, number):
    assert names.order_number(names.order(number)) == number


@KIND
def test_what_is_no_name_is_refused(names):
    for name in ("", "x", "O", "OABCDE-FGHIJ-KLMNO1", "TABCDE-FGHIJ-KLMNO2", "1-2-3"):
        with pytest.raises(ValueError):  # noqa: PT011  # that it is refused is all that callers ask
            names.order_number(name)


@pytest.mark.parametrize("names", KINDS[1:], ids=lambda names: type(names).__name__)
def test_each_side_of_each_trade_of_each_symbol_has_a_name_of_its_own(names):
    venue = make_venue()
    for symbol in SYMBOLS:
        for _ in range(3):
            venue.place("main", ticket("BUY", 100, "1", symbol=symbol), 0)
            venue.place("main", ticket("SELL", 100, "1", symbol=symbol), 0)
    trades = [execution for execution in venue.drain() if execution.what is Happening.TRADED]
    assert len({names.trade(trade) for trade in trades}) == len(trades) == 12
    assert [names.trade_number(names.trade(trade)) for trade in trades] == [trade.trade_id for trade in trades]


def test_names_look_as_the_venues_do():
    assert uuid.UUID(Entries(SYMBOLS).order(7)).version == 4
    assert [len(part) for part in Transactions(SYMBOLS).order(7).split("-")] == [6, 5, 6]
    rising = [Transactions(SYMBOLS).order(number) for number in range(20)]
    assert rising != sorted(rising), "they tell no order"
