"""How one order is found at Coinbase, and what its rules and clock say."""

import pytest

from domain import money
from tests.venue_gateways.coinbase import examples
from tests.venue_gateways.coinbase.examples import (
    KEY_NAME,
    NOW_US,
    ORDER,
    OURS,
    PLACED,
    PRODUCT,
    RULES,
    THEIRS,
    V3,
    answer,
    at,
    fills,
    listed,
    order,
)
from venue_gateways.coinbase import Coinbase
from venue_gateways.coinbase.adapter import Search
from venue_gateways.venue import (
    Answer,
    Cancel,
    Finding,
    FindOrder,
    ListOpenOrders,
    OrderState,
    Outcome,
    Place,
    ReadClock,
    ReadRules,
)

SECOND_US = 1_000_000

# ── look-ups ────────────────────────────────────────────────────────────────────────────────────────────────────────


def look_up(adapter: Coinbase, *responses: object) -> tuple[Finding, list[object]]:
    """What a look-up finds out if the venue answers so, and what it asks."""
    asked = []
    plan = adapter.look_up("BTC-USD", OURS)
    call = next(plan)
    try:
        for response in responses:
            asked.append(call)
            adapter.build(call, NOW_US)
            call = plan.send(adapter.parse(call, response))
    except StopIteration as found:
        return found.value, asked
    raise AssertionError(f"it wants {call}")


def test_an_order_whose_name_at_the_venue_is_known_is_found_by_it(adapter):
    adapter.parse(Place(order()), answer(200, PLACED))
    finding, asked = look_up(adapter, answer(200, {"order": ORDER}))
    assert finding.order.state is OrderState.OPEN
    assert asked == [FindOrder("BTC-USD", OURS)]
    assert adapter.build(asked[0], 0).target == f"{V3}/orders/historical/{THEIRS}"


def test_an_order_that_was_sent_from_here_is_searched_from_then_on(adapter):
    adapter.build(Place(order()), NOW_US)
    adapter.build(Place(order()), NOW_US + 3_600 * SECOND_US)  # once more: the first counts
    target = adapter.build(Search("BTC-USD", OURS), NOW_US + 7_200 * SECOND_US).target
    assert "start_date=2024-01-15T10%3A29%3A00.123456Z" in target


def test_an_order_that_nobody_knows_of_is_searched_through_all_pages_and_the_open_ones(adapter):
    other = ORDER | {"client_order_id": "another", "order_id": "7"}
    finding, asked = look_up(
        adapter, listed(other, cursor="c1"), listed(other), listed(other, cursor="c2"), listed(ORDER)
    )
    assert finding.order.venue_order_id == THEIRS
    assert asked == [
        Search("BTC-USD", OURS),
        Search("BTC-USD", OURS, "c1"),
        Search("BTC-USD", OURS, only_open=True),
        Search("BTC-USD", OURS, "c2", only_open=True),
    ]


def test_not_found_is_an_answer_once_all_has_been_looked_through(adapter):
    assert look_up(adapter, listed(), listed())[0] == Finding(usable=True)
    assert look_up(adapter, listed(), answer(503, b""))[0] == Finding(usable=False)
    assert look_up(adapter, answer(500, b"<html>"))[0] == Finding(usable=False)
    assert look_up(adapter, listed(cursor="c1"), answer(429, {}))[0] == Finding(usable=False)


def test_a_search_that_never_ends_is_given_up(adapter):
    finding, asked = look_up(adapter, *[listed(cursor="c1")] * 400)
    assert finding == Finding(usable=False)
    assert len(asked) == 400


def test_an_order_that_has_traded_is_found_with_all_pages_of_its_trades(adapter):
    traded = ORDER | {"status": "FILLED", "filled_size": "0.01"}
    finding, asked = look_up(adapter, listed(traded), fills(at(1), cursor="c1"), fills(at(2)))
    assert [trade.trade_id for trade in finding.trades] == ["e1", "e2"]
    assert all(call.venue_order_id == THEIRS for call in asked[1:])


def test_trades_that_never_end_are_given_up(adapter):
    traded = ORDER | {"status": "FILLED", "filled_size": "0.01"}
    finding, asked = look_up(adapter, listed(traded), *[fills(at(1), cursor="c1")] * 400)
    assert finding == Finding(usable=False)
    assert len(asked) == 401


def test_somebody_else_s_order_without_a_name_is_not_remembered(adapter):
    adapter.parse(ListOpenOrders("account"), listed(ORDER | {"client_order_id": ""}))
    with pytest.raises(ValueError, match="looked up"):
        adapter.build(Cancel(order(client_order_id="")), NOW_US)


def test_an_order_whose_trades_can_t_be_read_is_not_told_half(adapter):
    traded = ORDER | {"status": "FILLED", "filled_size": "0.01"}
    assert look_up(adapter, listed(traded), answer(503, b""))[0] == Finding(usable=False)


def test_an_order_by_our_name_alone_is_absent_only_if_the_list_has_ended(adapter):
    call = FindOrder("BTC-USD", OURS)
    assert adapter.parse(call, listed(ORDER)).order.venue_order_id == THEIRS
    adapter = examples.adapter()
    assert adapter.parse(call, listed()).absent
    page = adapter.parse(call, listed(cursor="c1"))
    assert (page.absent, page.order) == (False, None)


# ── rules and the clock ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_rules_are_the_products_by_our_names(adapter):
    rules = adapter.parse(ReadRules(), answer(200, RULES)).rules
    assert rules.symbols == {"BTC-USD": "BTC-USD", "ETH-USD": "ETH-USD", "SOL-USD": "SOL-USD", "BTC-EUR": "XBT-EUR"}
    assert rules.limits == adapter.limits
    assert rules.grids["BTC-USD"].tick_size == money.parse("0.01")


@pytest.mark.parametrize(
    "body",
    [b"{}", b"null", b"<html>", b'{"products":[{}]}', {"products": [PRODUCT | {"base_increment": "x"}]}],
)
def test_rules_that_can_t_be_understood_are_no_rules(adapter, body):
    assert adapter.parse(ReadRules(), answer(200, body)).rules is None


def test_the_clock_is_read(adapter):
    body = {"iso": "2024-01-15T10:30:00Z", "epochSeconds": "1705314600", "epochMillis": "1705314600123"}
    assert adapter.parse(ReadClock(), answer(200, body)).venue_time_us == 1_705_314_600_123_000
    for wrong in ("x", "", "-5", "9" * 16):
        assert adapter.parse(ReadClock(), answer(200, {"epochMillis": wrong})) == Answer(
            Outcome.UNKNOWN, f"UNPARSABLE: {wrong!r} is no instant"
        )


def test_what_is_remembered_is_bounded():
    from venue_gateways.memory import Memory

    memory = Memory(2)
    for key in ("a", "b", "a", "c"):
        memory.note(key, key.upper())
    assert [memory.get(key) for key in "abc"] == ["A", None, "C"]
    memory.forget("a")
    memory.forget("nobody")
    assert memory.get("a") is None


def test_the_adapter_has_a_name_and_no_secret_in_its_headers(adapter):
    request = adapter.build(Place(order()), NOW_US)
    assert adapter.name == "coinbase"
    assert KEY_NAME not in str(request.headers)
