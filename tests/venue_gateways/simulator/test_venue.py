import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import money
from domain.messages import Side
from tests.venue_gateways.simulator.client import make_venue, ticket, units
from venue_gateways.simulator.orders import Fees, Happening, Kind, Order, Reason, Refusal, SelfTrade, Status
from venue_gateways.simulator.venue import UNLIMITED, Rules


def placed(venue, *args, account="main", now=0, **more):
    order = venue.place(account, ticket(*args, **more), now)
    assert isinstance(order, Order), order
    return order


def test_a_client_order_id_is_unique_among_open_orders_only(venue):
    first = placed(venue, "BUY", 100, client_order_id="x")
    again = ticket("BUY", 101, client_order_id="x")
    assert venue.place("main", again, 0) is Refusal.DUPLICATE_CLIENT_ORDER_ID
    placed(venue, "SELL", 100, account="other")
    assert first.status is Status.FILLED
    second = placed(venue, "BUY", 101, client_order_id="x")
    assert second.order_id != first.order_id
    assert venue.find("main", "BTC-USD", None, "x") is second
    venue.cancel(second, 0)
    assert placed(venue, "BUY", 101, client_order_id="x").open


def test_other_accounts_and_symbols_may_use_the_same_client_order_id(venue):
    placed(venue, "BUY", 100, client_order_id="x")
    placed(venue, "BUY", 100, client_order_id="x", account="other")
    placed(venue, "BUY", 100, "1", symbol="ETH-USD", client_order_id="x")


def test_a_refused_order_leaves_its_client_order_id_free(venue):
    placed(venue, "SELL", 100, account="other")
    assert venue.place("main", ticket("BUY", 100, post_only=True, client_order_id="x"), 0) is Refusal.WOULD_MATCH
    assert venue.find("main", "BTC-USD", None, "x") is None
    assert placed(venue, "BUY", 99, client_order_id="x").open


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        (ticket("BUY", "100.001"), Refusal.PRICE_RULE),
        (ticket("BUY", "10000000.01"), Refusal.PRICE_RULE),
        (ticket("BUY", "100", "0.000001"), Refusal.QUANTITY_RULE),
        (ticket("BUY", "100", "0.000015"), Refusal.QUANTITY_RULE),
        (ticket("BUY", "100", "1000.00001"), Refusal.QUANTITY_RULE),
        (ticket("BUY", "100", "0.04999"), Refusal.NOTIONAL_RULE),
        (ticket("BUY", "100", symbol="BTC-EUR"), Refusal.UNKNOWN_SYMBOL),
        (ticket("BUY", kind="STOP", stop_price="100.001"), Refusal.PRICE_RULE),
        (ticket("BUY", kind="STOP", stop_price="100", quantity="0.04999"), Refusal.NOTIONAL_RULE),
    ],
)
def test_each_rule_of_a_symbol_is_kept(venue, order, refusal):
    assert venue.place("main", order, 0) is refusal
    assert venue.drain() == []


def test_the_bounds_themselves_are_allowed(venue):
    placed(venue, "BUY", "0.01", "1000")
    placed(venue, "BUY", "100", "0.05")


def test_a_market_order_is_worth_what_the_last_price_says(venue):
    placed(venue, "SELL", 100, account="other")
    placed(venue, "BUY", 100)
    assert venue.place("main", ticket("BUY", quantity="0.04"), 0) is Refusal.NOTIONAL_RULE


def test_open_orders_are_counted_by_symbol():
    venue = make_venue(rules=Rules(open_orders_max=2, trigger_orders_max=1))
    placed(venue, "BUY", kind="STOP", stop_price=100, quantity="1")
    assert venue.place("main", ticket("BUY", kind="STOP", stop_price=100, quantity="1"), 0) is (
        Refusal.TOO_MANY_TRIGGER_ORDERS
    )
    first = placed(venue, "BUY", 100)
    assert venue.place("main", ticket("BUY", 100), 0) is Refusal.TOO_MANY_ORDERS
    placed(venue, "BUY", 100, "1", symbol="ETH-USD")
    venue.cancel(first, 0)
    placed(venue, "BUY", 100)


def test_trade_ids_count_by_symbol_and_order_ids_go_on(venue):
    venue = make_venue(order_id=41, trade_ids={"BTC-USD": 7})
    for symbol in ("BTC-USD", "ETH-USD"):
        placed(venue, "SELL", 100, "1", symbol=symbol, account="other")
        placed(venue, "BUY", 100, "1", symbol=symbol)
    assert [t.trade_id for t in venue.trades("main", "BTC-USD")] == [8]
    assert [t.trade_id for t in venue.trades("main", "ETH-USD")] == [1]
    assert venue.order_id == 45


def test_trades_can_be_read_from_an_id_on(venue):
    for _ in range(5):
        placed(venue, "SELL", 100, account="other")
        placed(venue, "BUY", 100)
    assert [t.trade_id for t in venue.trades("main", "BTC-USD", 3)] == [3, 4, 5]
    last = venue.find("main", "BTC-USD", 10, None)
    assert [t.trade_id for t in venue.trades_of(last)] == [5]
    assert list(venue.trades_of(last, 6)) == []


def test_both_ids_must_agree(venue):
    order = placed(venue, "BUY", 100, client_order_id="x")
    assert venue.find("main", "BTC-USD", order.order_id, "x") is order
    assert venue.find("main", "BTC-USD", order.order_id, "y") is None
    assert venue.find("other", "BTC-USD", order.order_id, None) is None


def test_an_order_that_ended_cannot_be_canceled_or_reduced(venue):
    order = placed(venue, "BUY", 100)
    assert venue.cancel(order, 0) is None
    assert venue.cancel(order, 0) is Refusal.UNKNOWN_ORDER
    assert venue.reduce(order, units("0.005"), 0, "y") is Refusal.UNKNOWN_ORDER


def test_an_amended_order_answers_to_its_new_client_order_id(venue):
    order = placed(venue, "BUY", 10_000, "0.03", client_order_id="x")
    assert venue.reduce(order, units("0.02"), 0, "y") is None
    assert venue.find("main", "BTC-USD", None, "y") is order
    assert venue.find("main", "BTC-USD", None, "x") is None
    assert placed(venue, "BUY", 10_000, client_order_id="x").open
    assert venue.reduce(order, units("0.01"), 0, "x") is Refusal.DUPLICATE_CLIENT_ORDER_ID
    assert venue.reduce(order, units("0.03"), 0, "y") is Refusal.QUANTITY_INCREASE
    assert venue.reduce(order, units("0.02"), 0, "y") is Refusal.NO_CHANGE
    assert venue.reduce(order, units("0.000001"), 0, "y") is Refusal.QUANTITY_RULE


def test_an_order_is_not_reduced_below_what_has_traded(venue):
    order = placed(venue, "BUY", 10_000, "0.03")
    placed(venue, "SELL", 10_000, "0.02", account="other")
    assert venue.reduce(order, units("0.02"), 0, order.client_order_id) is Refusal.NO_CHANGE
    assert venue.reduce(order, units("0.025"), 0, order.client_order_id) is None
    assert order.leaves == units("0.005")


def test_only_so_many_ended_orders_are_remembered():
    venue = make_venue(rules=Rules(history_max=3))
    for number in range(10):
        venue.cancel(placed(venue, "BUY", 100, client_order_id=str(number)), 0)
    kept = placed(venue, "BUY", 100, client_order_id="open")
    assert [o.client_order_id for o in venue.orders("main", "BTC-USD")] == ["7", "8", "9", "open"]
    assert venue.find("main", "BTC-USD", None, "6") is None
    assert venue.find("main", "BTC-USD", kept.order_id, None) is kept


def test_limited_accounts_pay_from_what_they_have():
    venue = make_venue(opening={"USD": units(1_000), "BTC": units("0.5")})
    placed(venue, "BUY", 100, "9")
    assert venue.place("main", ticket("BUY", 100, "1.00001"), 0) is Refusal.INSUFFICIENT_BALANCE
    placed(venue, "BUY", 100, "1")
    assert venue.place("main", ticket("SELL", 200, "0.50001"), 0) is Refusal.INSUFFICIENT_BALANCE
    placed(venue, "SELL", 200, "0.5")
    assert venue.place("main", ticket("SELL", 200, "0.05"), 0) is Refusal.INSUFFICIENT_BALANCE


def test_a_market_buy_must_be_affordable_as_the_book_stands():
    venue = make_venue(opening={"USD": units(1_000), "BTC": units(100)})
    placed(venue, "SELL", 100, "5", account="other")
    placed(venue, "SELL", 200, "5", account="other")
    assert venue.place("main", ticket("BUY", quantity="7.51"), 0) is Refusal.INSUFFICIENT_BALANCE
    assert placed(venue, "BUY", quantity="7.5").status is Status.FILLED


ASSETS = ("BTC", "USD")


@st.composite
def histories(draw):
    return [
        (
            draw(st.sampled_from(["main", "other"])),
            ticket(
                draw(st.sampled_from(["BUY", "SELL"])),
                draw(st.integers(98, 102)),
                draw(st.integers(1, 4)),
                time_in_force=draw(st.sampled_from(["GTC", "GTC", "IOC", "FOK"])),
                self_trade=draw(st.sampled_from(list(SelfTrade))),
            ),
            draw(st.sampled_from(["keep", "keep", "cancel", "reduce"])),
        )
        for _ in range(draw(st.integers(1, 15)))
    ]


@given(histories())
def test_balances_are_what_the_trades_say_and_locks_what_is_open(history):
    venue = make_venue()
    orders: list[Order] = []
    for account, wanted, then in history:
        orders.append(placed_ticket(venue, account, wanted))
        target = orders[len(orders) // 2]
        if then == "cancel":
            venue.cancel(target, 0)
        elif then == "reduce":
            venue.reduce(target, units(1), 0, target.client_order_id)
    for name, account in venue.accounts.items():
        expected = dict.fromkeys(ASSETS, UNLIMITED)
        for trade in venue.trades(name, "BTC-USD"):
            cost = money.multiply(trade.quantity, trade.price)
            sign = 1 if trade.order.side is Side.BUY else -1
            expected["BTC"] += sign * trade.quantity
            expected["USD"] -= sign * cost
            expected[trade.fee_asset] -= trade.fee
        locked = dict.fromkeys(ASSETS, 0)
        for order in venue.open_orders(name, None):
            buys = order.side is Side.BUY
            locked["USD" if buys else "BTC"] += money.multiply(order.leaves, order.price) if buys else order.leaves
        for asset in ASSETS:
            balance = account.balance(asset)
            assert (balance.free + balance.locked, balance.locked) == (expected[asset], locked[asset])


def placed_ticket(venue, account, wanted):
    order = venue.place(account, wanted, 0)
    assert isinstance(order, Order), order
    return order


@given(histories())
def test_what_the_venue_remembers_is_what_it_told(history):
    venue = make_venue()
    for account, wanted, _ in history:
        placed_ticket(venue, account, wanted)
    told = venue.drain()
    for name, account in venue.accounts.items():
        mine = [e for e in told if e.order.account == name]
        traded = [e for e in mine if e.what is Happening.TRADED]
        assert sorted(venue.trades(name, "BTC-USD"), key=told.index) == traded
        assert {o.order_id for o in account.open.values()} == {e.order.order_id for e in mine if e.order.open}
        assert account.open_by_symbol["BTC-USD"] == len(account.open)


def test_the_house_keeps_no_account(venue):
    venue.submit_house("BTC-USD", Side.SELL, Kind.LIMIT, units(1), 0, units(100))
    bid = venue.submit_house("BTC-USD", Side.BUY, Kind.LIMIT, units(1), 0, units(90))
    placed(venue, "BUY", 100, "1")
    venue.cancel_house(bid, 0)
    assert set(venue.accounts) == {"main"}
    assert {e.order.account for e in venue.drain()} == {"main"}


# ── what differs between venues ─────────────────────────────────────────────────────────────────────────────────────


def test_an_order_ends_when_its_time_is_up_and_not_before(venue):
    early = placed(venue, "BUY", 100, expires_at=10)
    late = placed(venue, "BUY", 100, expires_at=20)
    filled = placed(venue, "BUY", 101, "0.1", expires_at=10)
    placed(venue, "SELL", 101, "0.1", account="other")
    stop = placed(venue, "BUY", kind="STOP", stop_price=200, expires_at=10)
    venue.drain()
    venue.expire_due(9)
    assert venue.drain() == []
    venue.expire_due(10)
    assert [(e.order, e.what, e.status) for e in venue.drain()] == [
        (early, Happening.EXPIRED, Status.EXPIRED),
        (stop, Happening.EXPIRED, Status.EXPIRED),
    ]
    assert (early.reason, late.open, filled.status) == (Reason.DUE, True, Status.FILLED)
    assert venue.account("main").balance("USD").locked == units("10"), "of the late one alone"
    assert [level for level, _ in venue.books["BTC-USD"].bids.levels(5)] == [units(100)]


def test_a_venue_may_take_a_post_only_order_that_would_match_and_end_it_at_once():
    venue = make_venue(rules=Rules(turns_away_late=True))
    placed(venue, "SELL", 100, account="other")
    venue.drain()
    order = placed(venue, "BUY", 100, post_only=True, client_order_id="x", expires_at=5)
    assert (order.status, order.reason, order.executed) == (Status.EXPIRED, Reason.WOULD_MATCH, 0)
    assert [e.what for e in venue.drain()] == [Happening.ACCEPTED, Happening.EXPIRED]
    assert venue.find("main", "BTC-USD", None, "x") is order
    assert venue.account("main").balance("USD").locked == 0
    venue.expire_due(5)
    assert venue.drain() == []


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_venue_may_take_its_fees_in_the_quote_asset_alone(side):
    venue = make_venue(fees=Fees(maker_rate=0, taker_rate=money.ONE // 100, in_quote=True), opening={
        "BTC": units(1), "USD": units(1_000),
    })  # fmt: skip
    placed(venue, "SELL" if side == "BUY" else "BUY", 100, account="other")
    placed(venue, side, 100)
    trade = next(e for e in venue.drain() if e.what is Happening.TRADED and not e.maker)
    assert (trade.fee, trade.fee_asset) == (units("0.1"), "USD")
    account, paid = venue.account("main"), units("10") if side == "BUY" else -units("10")
    assert account.balance("USD").free == units("1000") - paid - units("0.1")
    assert account.balance("BTC").free == units("1") + (units("0.1") if side == "BUY" else -units("0.1"))
