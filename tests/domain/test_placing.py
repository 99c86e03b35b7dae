"""Placing an order: accepted with its worst case reserved and a request to the venue, or refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import commands, decision, money
from domain.decision import SECOND_US
from domain.instruments import Rulebook
from domain.messages import (
    Account,
    Answer,
    EntryKind,
    EventKind,
    Message,
    Operation,
    OrderStatus,
    OrderType,
    Posting,
    Side,
    TimeInForce,
)
from domain.reasons import Reason
from tests.builders import (
    NOW,
    PARTITION,
    a_cancel,
    a_cancel_all,
    a_command,
    a_decision,
    a_place,
    an_instrument,
    an_order,
    described,
    units,
)
from tests.domain.acting import answered, moved, placed, refused, stored

MARKET, STOP, STOP_LIMIT = OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT
GTD, IOC, FOK = TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
SELL = Side.SELL


def test_a_placement_is_answered_reserved_and_sent():
    decided = placed(a_place(quantity="2", price="100"), expires_at=NOW + 5)
    event, order, (request,) = answered(decided), stored(decided), decided.requests

    assert (event.kind, event.answer, event.command_id) == (EventKind.ORDER_ACCEPTED, Answer.ACCEPTED, "command-1")
    assert (event.sequence, event.source_offset, event.status) == (1, 7, OrderStatus.PENDING_SUBMISSION)
    assert (event.quantity, event.leaves_quantity, event.filled_quantity) == (units("2"), units("2"), 0)
    assert (order.status, order.attempt, order.accepted_offset) == (OrderStatus.PENDING_SUBMISSION, 1, 7)
    assert order.reserved == units("200.4")
    assert (request.operation, request.sequence, request.quantity) == (Operation.PLACE, 1, units("2"))
    assert (request.requested_at, request.expires_at) == (NOW, NOW + 5)
    assert request.client_order_id == event.client_order_id == decision.client_order_id(order, PARTITION)


@pytest.mark.parametrize(
    ("terms", "asset", "reserved"),
    [
        ({"price": "100"}, "USD", "100.2"),
        ({"quantity": "0.333", "price": "99.99"}, "USD", "33.36326334"),
        ({"side": SELL}, "BTC", "1"),
        ({"order_type": MARKET, "max_cost": "150"}, "USD", "150"),
        ({"order_type": MARKET, "side": SELL}, "BTC", "1"),
        ({"order_type": STOP_LIMIT, "price": "100"}, "USD", "100.2"),
    ],
)
def test_what_an_order_may_cost_at_worst_is_reserved_fee_included(terms, asset, reserved):
    place = a_place(**terms)
    decided = placed(place)
    assert moved(decided.entries) == {(asset, "available"): -units(reserved), (asset, "reserved"): units(reserved)}
    assert [entry.kind for entry in decided.entries] == [EntryKind.RESERVE]
    assert commands.reserve_asset(place, an_instrument()) == asset


def test_a_reserve_is_rounded_up_never_down():
    rules = Rulebook([an_instrument(fee_rate_max="0.000000000000000001")])
    decided = placed(a_place(quantity="0.333", price="99.99"), rules=rules)
    assert stored(decided).reserved == units("33.29667") + 34


def test_money_that_is_just_enough_is_enough():
    assert answered(placed(a_place(), "100.2")).answer is Answer.ACCEPTED
    assert refused(placed(a_place(), "100.199999999999999999")) == Reason.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"venue": "nowhere"}, Reason.UNKNOWN_VENUE),
        ({"symbol": "DOGE-USD"}, Reason.UNKNOWN_SYMBOL),
        ({"quantity": 0}, Reason.QUANTITY_NOT_POSITIVE),
        ({"quantity": "-1"}, Reason.QUANTITY_NOT_POSITIVE),
        ({"quantity": "1000.001"}, Reason.QUANTITY_TOO_LARGE),
        ({"quantity": 10**40}, Reason.QUANTITY_TOO_LARGE),
        ({"quantity": "0.0009"}, Reason.QUANTITY_TOO_SMALL),
        ({"quantity": "1.0001"}, Reason.QUANTITY_OFF_LOT),
        ({"price": None}, Reason.PRICE_REQUIRED),
        ({"order_type": STOP_LIMIT, "price": None}, Reason.PRICE_REQUIRED),
        ({"order_type": MARKET, "price": "100"}, Reason.PRICE_NOT_ALLOWED),
        ({"order_type": STOP, "price": "100"}, Reason.PRICE_NOT_ALLOWED),
        ({"price": 0}, Reason.PRICE_NOT_POSITIVE),
        ({"price": "1000000.01"}, Reason.PRICE_TOO_LARGE),
        ({"price": 10**40}, Reason.PRICE_TOO_LARGE),
        ({"price": "100.001"}, Reason.PRICE_OFF_TICK),
        ({"quantity": "0.049"}, Reason.NOTIONAL_TOO_SMALL),
        ({"order_type": STOP, "stop_price": None}, Reason.STOP_PRICE_REQUIRED),
        ({"stop_price": "90"}, Reason.STOP_PRICE_NOT_ALLOWED),
        ({"order_type": MARKET, "stop_price": "90"}, Reason.STOP_PRICE_NOT_ALLOWED),
        ({"order_type": STOP, "stop_price": 0}, Reason.STOP_PRICE_NOT_POSITIVE),
        ({"order_type": STOP, "stop_price": "1000000.01"}, Reason.STOP_PRICE_TOO_LARGE),
        ({"order_type": STOP, "stop_price": "90.001"}, Reason.STOP_PRICE_OFF_TICK),
        ({"order_type": MARKET, "max_cost": None}, Reason.MAX_COST_REQUIRED),
        ({"order_type": STOP, "max_cost": None}, Reason.MAX_COST_REQUIRED),
        ({"max_cost": "150"}, Reason.MAX_COST_NOT_ALLOWED),
        ({"order_type": MARKET, "side": SELL, "max_cost": "150"}, Reason.MAX_COST_NOT_ALLOWED),
        ({"order_type": MARKET, "max_cost": 0}, Reason.MAX_COST_NOT_POSITIVE),
        ({"order_type": MARKET, "max_cost": "2000000000.01"}, Reason.MAX_COST_TOO_LARGE),
        ({"order_type": MARKET, "max_cost": 10**40}, Reason.MAX_COST_TOO_LARGE),
        ({"order_type": MARKET, "max_cost": "0.01"}, Reason.MAX_COST_TOO_SMALL),
        ({"order_type": MARKET, "max_cost": "5"}, Reason.MAX_COST_TOO_SMALL),
        ({"time_in_force": GTD, "good_till": None}, Reason.GOOD_TILL_REQUIRED),
        ({"time_in_force": GTD, "good_till": NOW}, Reason.GOOD_TILL_PASSED),
        ({"good_till": NOW + 1}, Reason.GOOD_TILL_NOT_ALLOWED),
        ({"post_only": True, "time_in_force": IOC}, Reason.POST_ONLY_NOT_ALLOWED),
        ({"post_only": True, "order_type": MARKET}, Reason.POST_ONLY_NOT_ALLOWED),
    ],
)
def test_what_can_not_be_placed_is_refused_by_name(terms, reason):
    assert refused(placed(a_place(**terms))) == reason


@pytest.mark.parametrize(
    "terms",
    [
        {"quantity": "1000", "price": "0.01"},
        {"quantity": "0.05"},
        {"order_type": MARKET, "max_cost": "5.02"},
        {"order_type": MARKET, "max_cost": "2000000000"},
        {"order_type": STOP, "stop_price": "1000000"},
        {"time_in_force": GTD, "good_till": NOW + 1},
        {"time_in_force": GTD, "good_till": NOW + 1, "post_only": True},
    ],
)
def test_what_is_just_within_the_rules_is_accepted(terms):
    assert answered(placed(a_place(**terms), "3000000000")).answer is Answer.ACCEPTED


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"command_id": ""}, Reason.INVALID_COMMAND_ID),
        ({"command_id": "x" * 65}, Reason.INVALID_COMMAND_ID),
        ({"command": a_cancel("")}, Reason.INVALID_ORDER_ID),
        ({"command": a_place(order_id="x" * 65)}, Reason.INVALID_ORDER_ID),
        ({"expires_at": NOW}, Reason.DEADLINE_PASSED),
        ({"expires_at": NOW + 1}, None),
        ({"command": a_cancel_all()}, None),
        ({"command_id": "x" * 64, "command": a_cancel("x" * 64)}, None),
    ],
)
def test_some_commands_are_refused_whatever_they_ask_for(command, reason):
    assert commands.refused_outright(a_command(**command), NOW) == reason


def test_a_refusal_repeats_what_was_asked_as_far_as_it_can_be_repeated():
    d = a_decision()
    commands.refuse(d, a_command(a_place(order_id="y" * 100), command_id="x" * 100), Reason.INVALID_ORDER_ID)
    commands.refuse(d, a_command(a_place(symbol="z" * 10_000)), Reason.UNKNOWN_SYMBOL)
    commands.refuse(d, a_command(a_cancel_all()), Reason.DEADLINE_PASSED)
    long, unknown, everything = d.events

    assert (long.command_id, long.order_id, long.side) == ("x" * 64, "y" * 64, Side.BUY)
    assert (unknown.symbol, unknown.venue, unknown.order_id) == (None, None, "order-1")
    assert everything.order_id is None
    assert {event.answer for event in d.events} == {Answer.REJECTED}


def test_a_repeat_gets_the_first_answer_and_changes_nothing():
    d = a_decision()
    first = commands.FirstAnswer(Answer.REJECTED, Reason.PRICE_OFF_TICK, "order-1", 42, 0)
    commands.repeat(d, "alice", "command-1", first)
    (event,) = d.events

    assert (event.kind, event.answer) == (EventKind.COMMAND_REPEATED, Answer.DUPLICATE)
    assert (event.first_answer, event.first_reason, event.first_offset) == (Answer.REJECTED, "PRICE_OFF_TICK", 42)
    assert (d.orders, d.entries, d.requests) == ([], [], [])


# ── what is sent ────────────────────────────────────────────────────────────────────────────────────────────────────


def sent(**terms):
    (request,) = placed(a_place(**terms)).requests
    return request.order_type, request.price, request.time_in_force


def test_a_market_buy_is_sent_as_a_limit_that_can_not_cost_more_than_max_cost():
    limit = units("149.7")  # × 1.002 is 149.9994; one tick more would be beyond
    assert sent(order_type=MARKET, max_cost="150") == (OrderType.LIMIT, limit, IOC)
    assert sent(order_type=STOP, max_cost="150") == (STOP_LIMIT, limit, TimeInForce.GTC)


def test_a_market_buy_that_must_fill_whole_or_not_at_all_is_sent_so():
    assert sent(order_type=MARKET, time_in_force=FOK)[2] is FOK
    assert sent(order_type=MARKET, time_in_force=IOC)[2] is IOC


def test_a_sell_is_sent_as_it_is():
    assert sent(order_type=MARKET, side=SELL) == (MARKET, None, TimeInForce.GTC)
    assert sent(order_type=STOP, side=SELL) == (STOP, None, TimeInForce.GTC)


def test_good_till_date_is_kept_here_and_not_at_the_venue():
    (request,) = placed(a_place(time_in_force=GTD, good_till=NOW + 60)).requests
    assert request.time_in_force is TimeInForce.GTC


@pytest.mark.parametrize(
    ("good_till", "expires_at", "deadline"),
    [(None, None, None), (None, 50, 50), (60, None, 60), (60, 50, 50), (60, 70, 60)],
)
def test_nothing_is_sent_after_its_deadline_or_after_the_end_of_its_life(good_till, expires_at, deadline):
    terms = {} if good_till is None else {"time_in_force": GTD, "good_till": NOW + good_till}
    decided = placed(a_place(**terms), expires_at=expires_at and NOW + expires_at)
    assert decided.requests[0].expires_at == (deadline and NOW + deadline)


@given(
    budget=st.integers(1, 10**26),
    lots=st.integers(1, 10**6),
    tick=st.sampled_from(["0.01", "1", "0.5"]),
    fee=st.integers(0, 10**17),
)
def test_a_collar_is_the_highest_price_that_the_budget_can_pay(budget, lots, tick, fee):
    instrument = an_instrument(tick_size=tick, fee_rate_max=fee)
    quantity = lots * instrument.lot_size
    limit = decision.collar(budget, quantity, instrument)

    def worst(price):
        cost = money.multiply(price, quantity)
        return cost + cost * fee // money.ONE

    assert limit % instrument.tick_size == 0
    assert 0 <= limit <= instrument.price_max
    assert not limit or worst(limit) <= budget
    slack = (quantity + 2 * instrument.price_max) // money.ONE + 2  # a unit of price and one of quantity, rounded
    assert limit >= instrument.price_max - instrument.tick_size or worst(limit + instrument.tick_size) + slack >= budget


def test_nothing_left_to_trade_has_no_price_that_is_too_high():
    assert decision.collar(units("1"), 0, an_instrument()) == an_instrument().price_max


def shared(one: Message, other: Message) -> set[str]:
    """The fields that both have, by name."""
    return set(one.__struct_fields__) & set(other.__struct_fields__)


def test_an_order_an_event_an_entry_and_a_request_say_the_same_of_what_they_share():
    """They are built by position: each field must have got its own value."""
    place = a_place(order_type=STOP_LIMIT, quantity="3", price="7", stop_price="6", time_in_force=GTD)
    decided = placed(place, expires_at=NOW + 5 * SECOND_US)
    row = stored(decided)
    (event,), (entry,), (request,) = decided.events, decided.entries, decided.requests
    assert described(row, *shared(row, place)) == described(place, *shared(row, place))
    for message in (event, entry):
        assert described(message, *shared(message, row)) == described(row, *shared(message, row)), message
    same = shared(request, row) - {"sequence", "time_in_force", "expires_at"}
    assert described(request, *same) == described(row, *same)
    assert (request.time_in_force, request.expires_at) == (TimeInForce.GTC, row.expires_at)
    assert (row.accepted_offset, row.created_at, row.updated_at) == (7, NOW, NOW)
    assert (event.leaves_quantity, entry.reference) == (row.quantity, row.command_id)


def test_a_request_names_its_attempt_and_its_place_in_the_sequence():
    d = a_decision()
    order = d.ask(an_order(attempt=3, request_sequence=4), Operation.CANCEL)
    (request,) = d.requests
    assert request.request_id == f"{decision.client_order_id(order, PARTITION)}:5"
    assert (request.sequence, request.expires_at) == (5, None)


def test_an_order_whose_symbol_left_the_rulebook_stops_the_process():
    with pytest.raises(LookupError, match="BTC-USD at simulated left the rulebook while order order-1 lives"):
        a_decision(rules=Rulebook([])).instrument(an_order())


def test_an_entry_that_does_not_balance_stops_the_process():
    with pytest.raises(AssertionError, match=r"entry x is off by \{'USD': 1\}"):
        a_decision().enter("alice", EntryKind.CREDIT, "x", (Posting("treasury", Account.AVAILABLE, "USD", 1),))


def test_the_events_of_an_order_are_counted_from_one_without_a_gap():
    d = a_decision()
    order = an_order(status=OrderStatus.NEW, sequence=0)
    for kind in EventKind:
        order = d.note(order, kind)
    assert [event.sequence for event in d.events] == list(range(1, len(EventKind) + 1))
    assert [event.index for event in d.events] == list(range(len(EventKind)))
    assert (order.sequence, order.updated_at) == (len(EventKind), NOW)
