from random import Random

from domain import money
from domain.messages import Side
from tests.venue_gateways.simulator.client import make_venue, ticket
from venue_gateways.simulator.market import PRICES, Market
from venue_gateways.simulator.orders import Kind, Order, Status, Ticket


def history(seed, client_seed=1, steps=40):
    """What a venue tells over some steps of a market and a client who places around its price."""
    venue, dice = make_venue(), Random(client_seed)
    market = Market(venue, seed=seed)
    told = []
    for now in range(steps):
        market.step(now)
        for _ in range(5):
            price = market.prices()["BTC-USD"] * dice.randrange(9_990, 10_010) // 10_000 // 10**16 * 10**16
            side = dice.choice([Side.BUY, Side.SELL])
            wanted = Ticket(symbol="BTC-USD", side=side, kind=Kind.LIMIT, quantity=10**16, price=price)
            assert isinstance(venue.place("main", wanted, now), Order)
        told += [(e.what, e.order.order_id, e.quantity, e.price, e.trade_id, e.maker) for e in venue.drain()]
    return told, [
        (b.trade_id, b.last_price, list(b.bids.levels(50)), list(b.asks.levels(50))) for b in venue.books.values()
    ]


def test_one_seed_gives_one_history():
    assert history(3) == history(3)


def test_another_seed_gives_another():
    assert history(3) != history(4)


def test_every_book_is_two_sided_around_the_price():
    venue = make_venue()
    market = Market(venue, seed=1)
    for now in range(50):
        market.step(now)
        for symbol, book in venue.books.items():
            assert book.bids.best_price() < market.prices()[symbol] < book.asks.best_price()
            assert min(len(list(book.bids.levels(100))), len(list(book.asks.levels(100)))) > 5


def test_quotes_keep_the_symbols_rules():
    venue = make_venue()
    Market(venue, seed=1).step(0)
    for symbol, book in venue.books.items():
        rules = venue.instruments[symbol]
        for order in (*book.bids, *book.asks):
            assert order.price % rules.tick_size == 0
            assert order.quantity % rules.lot_size == 0
            assert rules.quantity_min <= order.quantity <= rules.quantity_max
            assert money.multiply(order.quantity, order.price) >= rules.notional_min


def test_the_price_stays_near_where_it_began():
    venue = make_venue()
    market = Market(venue, seed=5)
    for now in range(2_000):
        market.step(now)
        for symbol, price in market.prices().items():
            assert abs(price - PRICES[symbol]) < PRICES[symbol] // 50


def test_old_quotes_do_not_pile_up():
    venue = make_venue()
    market = Market(venue, seed=1)
    for now in range(20):
        market.step(now)
    assert all(len(list(book.bids)) <= 10 for book in venue.books.values())


def test_orders_that_rest_near_the_price_are_filled_in_a_while_and_distant_ones_are_not():
    venue = make_venue()
    market = Market(venue, seed=1)
    market.step(0)
    near = [venue.place("main", ticket(side, price), 0) for side, price in (("BUY", 59_990), ("SELL", 60_010)) * 20]
    distant = [venue.place("main", ticket(side, price), 0) for side, price in (("BUY", 50_000), ("SELL", 70_000))]
    for now in range(300):
        market.step(now)
    assert sum(order.status is Status.FILLED for order in near) > len(near) // 2
    assert any(t.maker for t in venue.trades("main", "BTC-USD"))
    assert [order.status for order in distant] == [Status.NEW, Status.NEW]


def test_some_orders_fill_in_parts():
    venue = make_venue()
    market = Market(venue, seed=1)
    market.step(0)
    order = venue.place("main", ticket("BUY", 60_000, "20"), 0)
    for now in range(300):
        market.step(now)
    assert len(list(venue.trades_of(order))) > 3
