"""The book against a naive one, and its promises over random histories."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import money
from domain.instruments import Instrument
from domain.messages import Side, TimeInForce
from venue_gateways.simulator.book import Book
from venue_gateways.simulator.orders import (
    TRIGGERED,
    UNPRICED,
    Execution,
    Fees,
    Happening,
    Kind,
    Order,
    Reason,
    Refusal,
    SelfTrade,
    Status,
)

ONE = money.ONE
INSTRUMENT = Instrument(
    venue="simulated",
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    tick_size=ONE,
    lot_size=ONE,
    quantity_min=ONE,
    quantity_max=1_000 * ONE,
    price_max=1_000 * ONE,
    notional_min=0,
    fee_rate_max=ONE // 100,
)
FEES = Fees(maker_rate=ONE // 1_000, taker_rate=ONE // 500)
RISING = {("BUY", "STOP"), ("BUY", "STOP_LIMIT"), ("SELL", "TAKE_PROFIT"), ("SELL", "TAKE_PROFIT_LIMIT")}


@dataclass
class Naive:
    """The rules as prose has them, on lists: the best price first, then the earliest; everything looked for anew."""

    resting: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    trades: list[tuple[int, int, int, int]] = field(default_factory=list)
    last: int | None = None
    arrivals: int = 0

    def candidates(self, order):
        return sorted(
            (other for other in self.resting if other["side"] != order["side"] and self.reaches(order, other["price"])),
            key=lambda other: (other["price"] if order["side"] == "BUY" else -other["price"], other["arrival"]),
        )

    def reaches(self, order, price):
        if order["kind"] in {"MARKET", "STOP", "TAKE_PROFIT"}:
            return True
        return price <= order["price"] if order["side"] == "BUY" else price >= order["price"]

    def submit(self, order):
        if order["kind"] not in {"MARKET", "LIMIT"}:
            self.waiting.append(order)
            return
        self.work(order)
        while due := [o for o in self.waiting if self.due(o)]:
            rising = [o for o in due if (o["side"], o["kind"]) in RISING]
            first = (
                min(rising, key=lambda o: (o["stop"], o["id"]))
                if rising
                else min(due, key=lambda o: (-o["stop"], o["id"]))
            )
            self.waiting.remove(first)
            self.work(first)

    def due(self, order):
        if self.last is None:
            return False
        rising = (order["side"], order["kind"]) in RISING
        return self.last >= order["stop"] if rising else self.last <= order["stop"]

    def work(self, order):
        mode = order["mode"]
        if order["tif"] == "FOK" and self.fillable(order) < order["leaves"]:
            return
        while order["leaves"] and (found := self.candidates(order)):
            maker = found[0]
            common = min(order["leaves"], maker["leaves"])
            if mode != "NONE" and maker["account"] == order["account"]:
                if mode != "EXPIRE_TAKER":
                    maker["leaves"] -= common if mode == "DECREMENT" else maker["leaves"]
                if mode != "EXPIRE_MAKER":
                    order["leaves"] -= common if mode == "DECREMENT" else order["leaves"]
            else:
                order["leaves"] -= common
                maker["leaves"] -= common
                self.last = maker["price"]
                self.trades.append((order["id"], maker["id"], maker["price"], common))
            if not maker["leaves"]:
                self.resting.remove(maker)
        if order["leaves"] and order["tif"] == "GTC" and order["kind"] not in {"MARKET", "STOP", "TAKE_PROFIT"}:
            self.arrivals += 1
            order["arrival"] = self.arrivals
            self.resting.append(order)

    def fillable(self, order):
        total = 0
        for maker in self.candidates(order):
            if order["mode"] != "NONE" and maker["account"] == order["account"]:
                if order["mode"] == "EXPIRE_MAKER":
                    continue
                break
            total += maker["leaves"]
        return total

    def cancel(self, number):
        self.resting = [o for o in self.resting if o["id"] != number]
        self.waiting = [o for o in self.waiting if o["id"] != number]


def order(number=1, side="BUY", kind="LIMIT", quantity=1, price=0, stop=0, tif="GTC", account="a", **more):
    return Order(
        order_id=number,
        account=account,
        client_order_id=str(number),
        symbol="BTC-USD",
        side=Side(side),
        kind=Kind(kind),
        quantity=quantity * ONE,
        price=price * ONE,
        stop_price=stop * ONE,
        time_in_force=TimeInForce(tif),
        created_at=0,
        **more,
    )


@st.composite
def instructions(draw):
    """A history: each step an order, or the number of an order to cancel."""
    steps = []
    for number in range(1, draw(st.integers(1, 25)) + 1):
        if number > 1 and draw(st.integers(0, 5)) == 0:
            steps.append(draw(st.integers(1, number - 1)))
        kind = draw(st.sampled_from(list(Kind) + [Kind.LIMIT] * 4))
        steps.append(
            order(
                number,
                side=draw(st.sampled_from(["BUY", "SELL"])),
                kind=kind,
                quantity=draw(st.integers(1, 5)),
                price=0 if kind in UNPRICED else draw(st.integers(95, 105)),
                stop=draw(st.integers(95, 105)) if kind in TRIGGERED else 0,
                tif="GTC" if kind in UNPRICED else draw(st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK"])),
                account=draw(st.sampled_from(["a", "b"])),
                self_trade=draw(st.sampled_from(list(SelfTrade))),
                post_only=kind is Kind.LIMIT and draw(st.integers(0, 5)) == 0,
            )
        )
    return steps


def play(steps):
    """The book after *steps*, all its orders by number, what was refused, and what happened."""
    book, orders, refused, out = Book(INSTRUMENT, FEES), {}, {}, []
    for now, step in enumerate(steps):
        if isinstance(step, int):
            if step in orders and orders[step].open:
                book.cancel(orders[step], now, out)
            continue
        refusal = book.submit(step, now, out)
        if refusal is None:
            orders[step.order_id] = step
        else:
            refused[step.order_id] = refusal
        best_bid, best_ask = book.bids.best_price(), book.asks.best_price()
        assert best_bid is None or best_ask is None or best_bid < best_ask, "the book is crossed"
    return book, orders, refused, out


def played(steps):
    return play([step if isinstance(step, int) else copy(step) for step in steps])


def copy(one):
    return Order(**{name: getattr(one, name) for name in one.__struct_fields__})


def naive_play(steps, refused):
    naive = Naive()
    for step in steps:
        if isinstance(step, int):
            naive.cancel(step)
        elif step.order_id not in refused:
            naive.submit(
                {
                    "id": step.order_id,
                    "side": str(step.side),
                    "kind": str(step.kind),
                    "leaves": step.quantity // ONE,
                    "price": step.price // ONE,
                    "stop": step.stop_price // ONE,
                    "tif": str(step.time_in_force),
                    "account": step.account,
                    "mode": str(step.self_trade),
                }
            )
    return naive


def trades(out):
    """Taker, maker, price and quantity of each trade, from the two sides' executions."""
    sides: dict[int, dict[bool, Execution]] = {}
    for execution in out:
        if execution.what is Happening.TRADED:
            sides.setdefault(execution.trade_id, {})[execution.maker] = execution
    return [
        (pair[False].order.order_id, pair[True].order.order_id, pair[True].price // ONE, pair[True].quantity // ONE)
        for _, pair in sorted(sides.items())
    ]


@given(instructions())
def test_trades_are_those_of_price_time_priority(steps):
    _, _, refused, out = played(steps)
    assert trades(out) == naive_play(steps, refused).trades


@given(instructions())
def test_what_rests_is_what_a_naive_book_would_hold(steps):
    book, _, refused, _ = played(steps)
    naive = naive_play(steps, refused)
    resting = [(o.order_id, o.leaves // ONE) for ladder in (book.bids, book.asks) for o in ladder]
    expected = sorted(
        naive.resting,
        key=lambda o: (o["side"], -o["price"] if o["side"] == "BUY" else o["price"], o["arrival"]),
    )
    assert resting == [(o["id"], o["leaves"]) for o in expected]


@given(instructions())
def test_quantity_is_conserved(steps):
    _, orders, _, out = played(steps)
    for one in orders.values():
        assert one.executed + one.prevented + one.leaves == one.quantity
        assert one.leaves >= 0
        assert (one.leaves == 0) == (one.status in {Status.FILLED, Status.PREVENTED})
        assert one.executed == sum(e.quantity for e in out if e.what is Happening.TRADED and e.order is one)
        assert one.cost == sum(
            money.multiply(e.quantity, e.price) for e in out if e.what is Happening.TRADED and e.order is one
        )
    bought = sum(o.executed for o in orders.values() if o.side is Side.BUY)
    assert bought == sum(o.executed for o in orders.values() if o.side is Side.SELL)


@given(instructions())
def test_an_order_tells_of_its_beginning_first_and_of_its_end_last(steps):
    _, orders, _, out = played(steps)
    for one in orders.values():
        told = [e for e in out if e.order is one]
        assert told[0].what is Happening.ACCEPTED
        assert [e.what for e in told].count(Happening.ACCEPTED) == 1
        assert told[-1].status is one.status
        assert [e.executed for e in told] == sorted(e.executed for e in told)
        assert all(e.status in {Status.NEW, Status.PARTIALLY_FILLED} for e in told[:-1])


@given(instructions())
def test_a_limit_is_never_overstepped(steps):
    _, orders, _, out = played(steps)
    for e in out:
        if e.what is Happening.TRADED and e.order.kind not in UNPRICED:
            better = e.price <= e.order.price if e.order.side is Side.BUY else e.price >= e.order.price
            assert better
    for one in orders.values():
        if one.time_in_force is TimeInForce.FOK and one.working_at is not None:
            assert one.executed in {0, one.quantity}
        if one.time_in_force is not TimeInForce.GTC and one.working_at is not None:
            assert not one.open
        if one.post_only:
            assert all(e.maker for e in out if e.what is Happening.TRADED and e.order is one)


@given(instructions())
def test_nobody_trades_with_himself_unless_he_asked_for_it(steps):
    _, orders, _, out = played(steps)
    for taker, maker, _, _ in trades(out):
        if orders[taker].account == orders[maker].account:
            assert orders[taker].self_trade is SelfTrade.NONE


@given(instructions())
def test_fees_are_a_share_of_what_is_received_rounded_down(steps):
    _, _, _, out = played(steps)
    for e in out:
        if e.what is not Happening.TRADED:
            assert (e.fee, e.fee_asset) == (0, None)
            continue
        buys = e.order.side is Side.BUY
        received = e.quantity if buys else money.multiply(e.quantity, e.price)
        exact = received * (FEES.maker_rate if e.maker else FEES.taker_rate) // ONE
        assert e.fee_asset == ("BTC" if buys else "USD")
        assert exact - FEES.grain < e.fee <= exact
        assert e.fee % FEES.grain == 0


def submit(book, *orders):
    out: list[Execution] = []
    refusals = [book.submit(one, 0, out) for one in orders]
    assert refusals == [None] * len(orders)
    return out


def test_a_fee_is_cut_to_eight_decimals():
    book = Book(INSTRUMENT, Fees(maker_rate=1, taker_rate=123_456_789_012_345_678))
    out = submit(book, order(1, "SELL", price=3), order(2, "BUY", price=3, account="b"))
    fees = {e.order.order_id: e.fee for e in out if e.what is Happening.TRADED}
    assert fees == {1: 0, 2: 123_456_780_000_000_000}


def test_a_trade_is_at_the_resting_price():
    book = Book(INSTRUMENT, FEES)
    out = submit(book, order(1, "SELL", price=100), order(2, "BUY", price=105, account="b"))
    assert [e.price // ONE for e in out if e.what is Happening.TRADED] == [100, 100]


def test_a_post_only_order_that_would_take_is_refused_and_leaves_no_trace():
    book, out = Book(INSTRUMENT, FEES), []
    submit(book, order(1, "SELL", price=100))
    assert book.submit(order(2, "BUY", price=100, post_only=True, account="b"), 0, out) is Refusal.WOULD_MATCH
    assert out == []
    assert book.bids.best_price() is None


def test_a_market_order_without_enough_liquidity_expires():
    book = Book(INSTRUMENT, FEES)
    out = submit(book, order(1, "SELL", price=100, quantity=2), order(2, "BUY", "MARKET", quantity=3, account="b"))
    assert (out[-1].what, out[-1].status, out[-1].executed) == (Happening.EXPIRED, Status.EXPIRED, 2 * ONE)
    assert out[-1].order.reason is Reason.NO_LIQUIDITY


@pytest.mark.parametrize(
    ("side", "kind", "stop", "wakes_at"),
    [
        ("BUY", "STOP", 102, 102),
        ("SELL", "STOP", 98, 98),
        ("BUY", "TAKE_PROFIT", 98, 98),
        ("SELL", "TAKE_PROFIT", 102, 102),
    ],
)
def test_a_stop_order_works_only_when_the_last_price_has_reached_it(side, kind, stop, wakes_at):
    book = Book(INSTRUMENT, FEES)
    waiting = order(9, side, kind, stop=stop, account="w")
    submit(book, order(1, "SELL", price=100), order(2, "BUY", price=100, account="b"), waiting)
    nearly = wakes_at + (-1 if wakes_at > 100 else 1)
    number = 10
    for price, working in ((nearly, False), (wakes_at, True)):
        maker, taker = ("SELL", "BUY") if price > 100 else ("BUY", "SELL")
        submit(
            book,
            order(number, maker, price=price),
            order(number + 1, taker, "MARKET", account="b"),
        )
        assert (waiting.working_at is not None) is working
        number += 2


def test_a_stop_order_that_would_fire_at_once_is_refused():
    book, out = Book(INSTRUMENT, FEES), []
    submit(book, order(1, "SELL", price=100), order(2, "BUY", price=100, account="b"))
    assert book.submit(order(3, "BUY", "STOP", stop=100), 0, out) is Refusal.WOULD_TRIGGER
    assert book.submit(order(4, "BUY", "STOP", stop=101), 0, out) is None


def test_a_canceled_stop_order_never_works():
    book, out = Book(INSTRUMENT, FEES), []
    waiting = order(3, "BUY", "STOP", stop=101)
    submit(book, order(1, "SELL", price=100), order(2, "BUY", price=100, account="b"), waiting)
    book.cancel(waiting, 0, out)
    submit(book, order(4, "SELL", price=101, quantity=2), order(5, "BUY", "MARKET", account="b"))
    assert (waiting.status, waiting.executed) == (Status.CANCELED, 0)


def test_a_reduced_order_keeps_its_place():
    book = Book(INSTRUMENT, FEES)
    first, second = order(1, "SELL", price=100, quantity=3), order(2, "SELL", price=100, quantity=3)
    submit(book, first, second)
    out: list[Execution] = []
    book.reduce(first, 2 * ONE, 0, out, "1")
    assert (out[0].what, out[0].quantity) == (Happening.REDUCED, ONE)
    submit(book, order(3, "BUY", price=100, quantity=3, account="b"))
    assert (first.status, second.executed) == (Status.FILLED, ONE)


@pytest.mark.parametrize(("budget", "quantity"), [(99, 0), (100, 1), (299, 2), (310, 3), (10_000, 4)])
def test_a_budget_buys_as_many_whole_lots_as_it_pays_for(budget, quantity):
    book, out = Book(INSTRUMENT, FEES), []
    submit(book, order(1, "SELL", price=100, quantity=2), order(2, "SELL", price=105, quantity=2))
    buyer = order(3, "BUY", "MARKET", quantity=0, budget=budget * ONE, account="b")
    refusal = book.submit(buyer, 0, out)
    assert refusal is (None if quantity else Refusal.NO_LIQUIDITY)
    assert (buyer.executed, buyer.quantity) == (quantity * ONE, quantity * ONE)
    assert buyer.cost <= budget * ONE


def test_nobody_is_told_of_the_houses_orders():
    book = Book(INSTRUMENT, FEES)
    out = submit(book, order(-1, "SELL", price=100, house=True), order(1, "BUY", price=100, account="b"))
    assert {e.order.order_id for e in out} == {1}
