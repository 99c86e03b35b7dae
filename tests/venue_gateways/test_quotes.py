"""The best prices that each venue shows: how they are asked for, and what no quote is made of."""

import pytest

from domain.throttle import Charge
from tests.venue_gateways.contract.dialects import DIALECTS, QUOTE, changed
from venue_gateways.venue import MARKET_DATA, Outcome, ReadQuotes

NOW_US = 1_705_314_600_000_000
ASKED = ReadQuotes(("BTC-USD",))
#: Two symbols that the examples of each venue list.
PAIRS = {"binance": ("BTC-USD", "BTC-USDT"), "coinbase": ("BTC-USD", "ETH-USD"), "kraken": ("BTC-USD", "ETH-USDT")}
TARGETS = {
    "binance": "/api/v3/ticker/bookTicker?symbols=%5B%22BTCUSD%22%2C%22XBTUSDT%22%5D",
    "coinbase": "/api/v3/brokerage/best_bid_ask?product_ids=BTC-USD&product_ids=ETH-USD",
    "kraken": "/0/public/Ticker?pair=XBTUSD,ETHUSDT",
}
#: Where the answer has the highest bid.
BIDS = {
    "binance": (0, "bidPrice"),
    "coinbase": ("pricebooks", 0, "bids", 0, "price"),
    "kraken": ("result", "XXBTZUSD", "b", 0),
}

each_venue = pytest.mark.parametrize("venue", sorted(DIALECTS))


def quoted(venue, response):
    return DIALECTS[venue].adapter().parse(ASKED, response)


@each_venue
def test_one_call_asks_for_all_symbols_in_the_venue_s_own_names(venue):
    request = DIALECTS[venue].adapter().build(ReadQuotes(PAIRS[venue]), NOW_US)
    assert (request.method, request.target) == ("GET", TARGETS[venue])


@each_venue
def test_only_where_the_venue_wants_one_is_there_a_key(venue):
    names = {name.lower() for name, _ in DIALECTS[venue].adapter().build(ASKED, NOW_US).headers}
    assert ("authorization" in names) == (venue == "coinbase")
    assert not names & {"x-mbx-apikey", "api-key"}


def test_what_quotes_weigh_is_what_the_venues_say():
    charged = {name: DIALECTS[name].adapter().charges(ASKED, NOW_US) for name in DIALECTS}
    assert charged["binance"][0] == Charge("request_weight_1m", 4)
    assert charged["coinbase"] == (Charge("private_1s", 1),)
    assert charged["kraken"] == (Charge("public_1s", 1),)


@each_venue
def test_a_book_that_nobody_bids_for_has_no_quote(venue):
    response = DIALECTS[venue].succeeds[ASKED]
    assert quoted(venue, response).quotes == (QUOTE,)
    path = BIDS[venue]
    empty = changed(response, ("pricebooks", 0, "bids"), []) if venue == "coinbase" else changed(response, path, "0.0")
    found = quoted(venue, empty)
    assert (found.outcome, found.quotes) == (Outcome.ACCEPTED, ())


@each_venue
@pytest.mark.parametrize("price", [4.0, 4, None, "four", "-4"])
def test_a_price_that_is_none_or_has_lost_its_digits_is_not_taken(venue, price):
    found = quoted(venue, changed(DIALECTS[venue].succeeds[ASKED], BIDS[venue], price))
    assert (found.outcome, found.quotes) == (Outcome.UNKNOWN, ())


@each_venue
def test_a_symbol_that_the_venue_does_not_list_is_not_guessed_at(venue):
    response = DIALECTS[venue].succeeds[ASKED]
    body = response.body.replace(b"BTC-USD", b"NEW-USD").replace(b"BTCUSD", b"NEWUSD").replace(b"XXBTZUSD", b"NEWUSD")
    found = quoted(venue, type(response)(200, {}, body))
    assert (found.outcome, found.quotes) == (Outcome.UNKNOWN, ())


def test_quotes_say_nothing_of_the_account():
    assert frozenset({ReadQuotes}) == MARKET_DATA
