"""Each fact is told once, by the gateway that owns it, and by the answer rather than beside it."""

import pytest
from msgspec.structs import replace

from domain import ids
from domain.messages import Evidence, Liquidity, ReportKind
from venue_gateways.facts import Facts, KnownOrders, Memory
from venue_gateways.venue import OrderSeen, OrderState, TradeSeen

OURS = ids.client_order_id(3, ids.order_key("alice", "o"), 0)
ELSEWHERE = ids.client_order_id(4, ids.order_key("alice", "o"), 0)
ORDER = OrderSeen(OURS, "BTC-USD", OrderState.OPEN, 0, venue_order_id="7")
TRADE = TradeSeen("11", "7", "BTC-USD", 5, 100, 1, "BTC", Liquidity.MAKER, 42)


@pytest.fixture
def told():
    return []


@pytest.fixture
def facts(told) -> Facts:
    return Facts("venue", lambda partition: partition == 3, told.extend)


def kinds(told) -> list[ReportKind]:
    return [report.kind for _, report in told]


def test_a_trade_is_told_once_to_its_order_s_partition(facts, told):
    facts.trade(TRADE, OURS, Evidence.STREAM)
    facts.trade(TRADE, OURS, Evidence.POLL)
    facts.trade(replace(TRADE, symbol="ETH-USD"), OURS, Evidence.POLL)
    assert [(partition, report.kind, report.evidence) for partition, report in told] == [
        (3, ReportKind.FILL, Evidence.STREAM),
        (3, ReportKind.FILL, Evidence.POLL),
    ]
    report = told[0][1]
    assert (report.trade_id, report.fill_quantity, report.fill_price, report.fee, report.fee_asset) == (
        "11",
        5,
        100,
        1,
        "BTC",
    )
    assert (report.client_order_id, report.liquidity, report.transacted_at) == (OURS, Liquidity.MAKER, 42)


@pytest.mark.parametrize("client_order_id", [ELSEWHERE, "web_0123", "", OURS[:-1]])
def test_what_is_not_ours_is_not_told(facts, told, client_order_id):
    facts.trade(TRADE, client_order_id, Evidence.STREAM)
    facts.order(replace(ORDER, client_order_id=client_order_id), Evidence.STREAM)
    assert told == []
    assert facts.known.open == {}


def test_a_trade_seen_while_the_partition_was_elsewhere_is_told_once_it_is_ours(told):
    owned = set()
    facts = Facts("venue", lambda partition: partition in owned, told.extend)
    facts.trade(TRADE, OURS, Evidence.STREAM)
    owned.add(3)
    facts.trade(TRADE, OURS, Evidence.POLL)
    assert kinds(told) == [ReportKind.FILL]


@pytest.mark.parametrize(
    ("state", "filled", "kind"),
    [
        (OrderState.OPEN, 0, ReportKind.ACKNOWLEDGED),
        (OrderState.FILLED, 5, ReportKind.ACKNOWLEDGED),
        (OrderState.CANCELED, 5, ReportKind.CANCELED),
        (OrderState.EXPIRED, 0, ReportKind.EXPIRED),
        (OrderState.REJECTED, 0, ReportKind.REJECTED),
        (OrderState.REJECTED, 5, ReportKind.EXPIRED),
    ],
)
def test_a_state_is_told_once_as_the_report_it_means(facts, told, state, filled, kind):
    order = replace(ORDER, state=state, filled_quantity=filled)
    facts.order(order, Evidence.STREAM)
    facts.order(order, Evidence.STREAM)
    assert kinds(told) == [kind]
    assert told[0][1].cumulative_quantity == filled


def test_an_end_is_told_after_the_opening_and_again_with_another_quantity(facts, told):
    facts.order(ORDER, Evidence.STREAM)
    for filled in (1, 1, 2):
        facts.order(replace(ORDER, state=OrderState.CANCELED, filled_quantity=filled), Evidence.STREAM)
    assert kinds(told) == [ReportKind.ACKNOWLEDGED, ReportKind.CANCELED, ReportKind.CANCELED]


def test_news_about_an_order_waits_for_the_call_that_is_under_way(facts, told):
    facts.hold(OURS)
    facts.order(ORDER, Evidence.STREAM)
    facts.trade(TRADE, OURS, Evidence.STREAM)
    assert kinds(told) == [ReportKind.FILL]
    assert facts.held(OURS) == ORDER
    facts.answered(ORDER, ())
    facts.settle(OURS)
    assert kinds(told) == [ReportKind.FILL]
    assert facts.held(OURS) is None


def test_what_the_answer_did_not_say_is_told_after_it(facts, told):
    facts.hold(OURS)
    facts.order(replace(ORDER, state=OrderState.CANCELED), Evidence.POLL)
    facts.answered(ORDER, ())
    facts.settle(OURS)
    facts.settle(OURS)
    assert [(report.kind, report.evidence) for _, report in told] == [(ReportKind.CANCELED, Evidence.POLL)]


def test_what_was_answered_is_not_told_again(facts, told):
    facts.answered(replace(ORDER, state=OrderState.EXPIRED), (TRADE,))
    facts.order(ORDER, Evidence.STREAM)
    facts.order(replace(ORDER, state=OrderState.EXPIRED), Evidence.STREAM)
    facts.trade(TRADE, OURS, Evidence.STREAM)
    assert told == []
    assert facts.is_told(TRADE)


def test_memory_is_bounded_and_forgets_the_oldest():
    memory = Memory(most=3)
    assert [memory.note(key) for key in (1, 2, 1, 3, 4)] == [True, True, False, True, True]
    assert [key in memory for key in (1, 2, 3, 4)] == [True, False, True, True]


def test_known_orders_are_bounded_and_know_which_are_open():
    known = KnownOrders(most=2)
    for number in range(3):
        known.learn(replace(ORDER, client_order_id=f"c{number}", venue_order_id=str(number)))
    assert known.client_order_id("BTC-USD", "0") is None
    assert known.client_order_id("BTC-USD", "2") == "c2"
    assert known.client_order_id("ETH-USD", "2") is None
    assert set(known.open) == {"c0", "c1", "c2"}
    known.learn(replace(ORDER, client_order_id="c1", venue_order_id=None, state=OrderState.FILLED))
    assert set(known.open) == {"c0", "c2"}


def test_only_our_own_orders_count_as_open_and_of_all_the_names_are_known(facts):
    for client_order_id, number in ((OURS, "7"), (ELSEWHERE, "8"), ("web_1", "9")):
        facts.listed(replace(ORDER, client_order_id=client_order_id, venue_order_id=number))
    assert set(facts.known.open) == {OURS}
    assert facts.known.client_order_id("BTC-USD", "9") == "web_1"


def test_an_end_that_the_stream_tells_of_somebody_else_s_order_is_learnt_without_being_told(facts, told):
    facts.known.learn(replace(ORDER, client_order_id=ELSEWHERE))
    facts.order(replace(ORDER, client_order_id=ELSEWHERE, state=OrderState.CANCELED), Evidence.STREAM)
    assert (facts.known.open, told) == ({}, [])


def test_what_was_known_of_a_partition_before_it_was_gained_is_forgotten(facts):
    facts.known.learn(ORDER)
    facts.gained(4)
    assert set(facts.known.open) == {OURS}
    facts.gained(3)
    assert facts.known.open == {}


def test_the_witness_is_the_order_that_has_been_open_longest_or_else_the_oldest_there_is(facts):
    assert facts.known.witness() is None
    older = ids.client_order_id(3, ids.order_key("alice", "older"), 0)
    for client_order_id, number in ((older, "6"), (OURS, "7")):
        facts.listed(replace(ORDER, client_order_id=client_order_id, venue_order_id=number))
    facts.listed(replace(ORDER, client_order_id=older, venue_order_id="6", state=OrderState.FILLED))
    assert facts.known.witness() == ("BTC-USD", OURS)
    facts.known.forget(OURS)
    assert facts.known.witness() == ("BTC-USD", older)


def test_an_order_without_a_client_order_id_is_no_witness(facts):
    facts.listed(replace(ORDER, client_order_id="", venue_order_id="5"))
    assert facts.known.witness() is None
    facts.listed(replace(ORDER, state=OrderState.CANCELED))
    assert facts.known.witness() == ("BTC-USD", OURS)
