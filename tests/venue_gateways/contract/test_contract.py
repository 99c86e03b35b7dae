"""What holds for every venue: the same cases, in each venue's own bytes. Nothing raises, and nothing is guessed."""

import contextlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import money
from domain.messages import Side
from domain.throttle import Priority
from tests.venue_gateways.contract.dialects import DIALECTS, QUOTE, Dialect, changed, leaves, with_surprises
from venue_gateways.venue import (
    Amend,
    Answer,
    Cancel,
    CancelAll,
    Finding,
    HttpResponse,
    ListOpenOrders,
    ListTrades,
    OpenStream,
    OrderSeen,
    OrderState,
    Outcome,
    Place,
    ReadBalances,
    ReadClock,
    ReadQuotes,
    ReadRules,
    ReadStreamToken,
    ReadUsage,
    Remedy,
    Repeat,
    StreamSignal,
    Unparsable,
    priority,
)

NOW = 1_705_314_600_000_000
#: What may stand where something else belongs.
ODDITIES = (None, True, 1.5, -1, 1e400, "", "x", "NaN", "-1", [], [{}], {}, {"a": 1})
PAGES = (b"<html><body>502 Bad Gateway</body></html>", b"", b"\xff\xfe\x00", b"null", b"[]", b"{}", b'"ok"', b"0")

dialects = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
calls = pytest.mark.parametrize(
    ("dialect", "call"),
    [
        pytest.param(dialect, call, id=f"{name}-{type(call).__name__}")
        for name, dialect in DIALECTS.items()
        for call in dialect.succeeds
    ],
)


def placed(dialect: Dialect) -> tuple[Place, HttpResponse]:
    return next((call, response) for call, response in dialect.succeeds.items() if isinstance(call, Place))


def canceled(dialect: Dialect) -> Cancel:
    return next(call for call in dialect.succeeds if isinstance(call, Cancel))


def amended(dialect: Dialect) -> tuple[Amend, HttpResponse]:
    return next((call, response) for call, response in dialect.succeeds.items() if isinstance(call, Amend))


def says(dialect: Dialect, response: HttpResponse) -> Answer:
    """The answer of a fresh adapter to a placement that brought *response*."""
    return dialect.adapter().parse(placed(dialect)[0], response)


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


@calls
def test_every_call_is_a_request_of_plain_bytes(dialect, call):
    request = dialect.adapter().build(call, NOW)
    assert request.method in {"GET", "POST", "PUT", "DELETE"}
    assert request.target.startswith("/")
    assert request.target.isascii()
    assert " " not in request.target
    assert isinstance(request.body, bytes)
    assert all(name.isascii() and value.isascii() and "\n" not in value for name, value in request.headers)


@dialects
def test_a_placement_carries_its_client_order_id_and_so_does_or_need_not_what_changes_it(dialect):
    adapter = dialect.adapter()
    place = adapter.build(placed(dialect)[0], NOW)
    assert dialect.client_order_id in place.target + place.body.decode()
    named = dialect.venue_order_id if adapter.traits.changes_by_venue_order_id else dialect.client_order_id
    for call in (canceled(dialect), amended(dialect)[0]):
        change = adapter.build(call, NOW)
        assert named in change.target + change.body.decode()


@dialects
def test_what_is_public_is_asked_without_a_key(dialect):
    for call in (ReadClock(), ReadRules()):
        request = dialect.adapter().build(call, NOW)
        assert request.method == "GET"
        assert not {name.lower() for name, _ in request.headers} & {"api-key", "x-mbx-apikey", "authorization"}


@dialects
def test_every_placement_asks_for_self_trades_to_be_prevented(dialect):
    request = dialect.adapter().build(placed(dialect)[0], NOW)
    asked = (request.target + request.body.decode()).lower().replace("_", "")
    assert "selftradeprevention" in asked or "stptype" in asked


# ── what a venue says of a placement ────────────────────────────────────────────────────────────────────────────────


@dialects
def test_an_accepted_placement_has_an_open_order_with_the_venue_s_id(dialect):
    found = says(dialect, placed(dialect)[1])
    assert (found.outcome, found.order.state) == (Outcome.ACCEPTED, OrderState.OPEN)
    assert (found.order.client_order_id, found.order.venue_order_id) == (
        dialect.client_order_id,
        dialect.venue_order_id,
    )
    assert (found.order.symbol, found.order.filled_quantity) == ("BTC-USD", 0)


@dialects
def test_a_rejected_placement_has_the_venue_s_own_reason(dialect):
    response, reason = dialect.rejected
    found = says(dialect, response)
    assert (found.outcome, found.reason, found.order) == (Outcome.REJECTED, reason, None)


@dialects
def test_a_placement_that_may_be_sent_again_has_to_wait(dialect):
    found = says(dialect, dialect.try_again)
    assert (found.outcome, found.order) == (Outcome.RETRY_SAFE, None)
    assert found.wait_us > 0


@dialects
def test_a_repeated_placement_is_answered_as_the_matrix_says(dialect):
    response, outcome = dialect.repeated
    found = says(dialect, response)
    assert found.outcome is outcome
    if dialect.adapter().traits.repeat is Repeat.SAME_ORDER:
        assert found.order is not None
    else:
        assert found.remedy is Remedy.LOOK_UP


@dialects
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 530, 599])
def test_whatever_a_5xx_says_nobody_knows_what_happened(dialect, status):
    bodies = [placed(dialect)[1].body, dialect.rejected[0].body, dialect.try_again.body, *PAGES]
    for body in bodies:
        found = says(dialect, HttpResponse(status, {}, body))
        assert (found.outcome, found.order) == (Outcome.UNKNOWN, None), body


@dialects
def test_a_success_that_is_cut_short_anywhere_is_unknown(dialect):
    response = placed(dialect)[1]
    for length in range(len(response.body)):
        found = says(dialect, HttpResponse(200, {}, response.body[:length]))
        assert (found.outcome, found.order) == (Outcome.UNKNOWN, None), response.body[:length]


@dialects
@pytest.mark.parametrize("body", PAGES)
def test_a_success_that_says_nothing_is_unknown(dialect, body):
    assert says(dialect, HttpResponse(200, {}, body)).outcome is Outcome.UNKNOWN


@dialects
@pytest.mark.parametrize("status", [100, 204, 301, 302, 400, 401, 404, 409, 418, 451])
def test_a_page_without_a_code_never_proves_an_order(dialect, status):
    for body in PAGES:
        found = says(dialect, HttpResponse(status, {}, body))
        assert found.outcome is not Outcome.ACCEPTED
        assert found.order is None


@dialects
def test_what_is_not_what_it_should_be_in_a_success_never_makes_a_rejection(dialect):
    """Whichever value is exchanged for whatever else: the order is there, or nobody knows."""
    response = placed(dialect)[1]
    for path in leaves(msgspec.json.decode(response.body)):
        for oddity in ODDITIES:
            if path == ("success",) and oddity is not True:
                continue  # that one word is the venue's own "no"
            found = says(dialect, changed(response, path, oddity))
            expected = {Outcome.ACCEPTED, Outcome.UNKNOWN} | ({Outcome.REJECTED} if path[-1] == "status" else set())
            assert found.outcome in expected, (path, oddity)


# ── what a venue says of anything ───────────────────────────────────────────────────────────────────────────────────


@calls
def test_all_is_well_with_what_the_documents_show(dialect, call):
    found = dialect.adapter().parse(call, dialect.succeeds[call])
    assert found.outcome is Outcome.ACCEPTED
    orders = [found.order] if found.order else found.orders
    assert {order.client_order_id for order in orders} <= {dialect.client_order_id}
    assert {trade.symbol for trade in found.trades} <= {"BTC-USD"}
    assert (found.rules is not None) == isinstance(call, ReadRules)
    assert (found.venue_time_us > 0) == isinstance(call, ReadClock)
    assert bool(found.token) == isinstance(call, ReadStreamToken)
    assert bool(found.trades) or not isinstance(call, ListTrades)
    assert bool(found.orders) or not isinstance(call, ListOpenOrders)
    assert found.quotes == ((QUOTE,) if isinstance(call, ReadQuotes) else ())
    assert {trade.side for trade in found.trades} <= {Side.BUY}
    assert found.balances == (dialect.balances if isinstance(call, ReadBalances) else ())


@calls
def test_fields_that_nobody_knows_make_no_difference(dialect, call):
    response = dialect.succeeds[call]
    body = msgspec.json.encode(with_surprises(msgspec.json.decode(response.body)))
    surprised = HttpResponse(response.status, response.headers, body)
    assert dialect.adapter().parse(call, surprised) == dialect.adapter().parse(call, response)


@calls
def test_whatever_is_exchanged_for_whatever_else_nothing_raises(dialect, call):
    adapter, response = dialect.adapter(), dialect.succeeds[call]
    for path in leaves(msgspec.json.decode(response.body)):
        for oddity in ODDITIES:
            assert isinstance(adapter.parse(call, changed(response, path, oddity)), Answer)


@calls
@pytest.mark.parametrize("status", [100, 200, 302, 400, 401, 403, 404, 409, 418, 429, 500, 503])
def test_whatever_page_comes_nothing_raises_and_nothing_is_taken_from_it(dialect, call, status):
    for body in PAGES:
        found = dialect.adapter().parse(call, HttpResponse(status, {}, body))
        assert (found.order, found.trades, found.rules, found.token) == (None, (), None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("error", "result", "code", "msg", "success", "order", "orders", "open", "closed", "trades", "txid")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(JSON, st.sampled_from([200, 400, 401, 404, 429, 500]))
def test_no_json_at_all_makes_an_adapter_raise(body, status):
    response = HttpResponse(status, {}, msgspec.json.encode(body))
    for dialect in DIALECTS.values():
        adapter = dialect.adapter()
        for call in dialect.succeeds:
            assert isinstance(adapter.parse(call, response), Answer)
            adapter.usage(response)


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dialects
def test_an_order_that_is_not_there_is_absent_and_no_answer_is_not(dialect):
    found = dialect.adapter().parse(dialect.found, dialect.not_found)
    assert (found.outcome, found.absent, found.order) == (Outcome.REJECTED, True, None)
    for response in (HttpResponse(503, {}, dialect.not_found.body), dialect.try_again, HttpResponse(200, {}, b"{}")):
        assert not dialect.adapter().parse(dialect.found, response).absent


@dialects
def test_a_cancel_of_an_order_that_is_not_open_has_to_be_looked_up(dialect):
    found = dialect.adapter().parse(canceled(dialect), dialect.not_open)
    assert (found.outcome, found.remedy, found.order) == (Outcome.REJECTED, Remedy.LOOK_UP, None)


@dialects
def test_an_amendment_asks_for_the_whole_that_the_order_comes_down_to(dialect):
    call, _ = amended(dialect)
    smaller = msgspec.structs.replace(call.request, quantity=money.parse("0.00000123"))
    request = dialect.adapter().build(msgspec.structs.replace(call, request=smaller), NOW)
    assert "0.00000123" in request.target + request.body.decode()


@dialects
def test_an_amendment_has_the_order_as_it_is_now_or_is_looked_up(dialect):
    call, response = amended(dialect)
    found = dialect.adapter().parse(call, response)
    assert found.outcome is Outcome.ACCEPTED
    assert found.order is None or found.order.quantity is not None


@dialects
def test_whether_an_order_was_amended_is_not_known_without_an_answer(dialect):
    call, response = amended(dialect)
    for length in range(len(response.body)):
        assert dialect.adapter().parse(call, HttpResponse(200, {}, response.body[:length])).outcome is Outcome.UNKNOWN
    for status in (500, 503, 504):
        for body in (response.body, *PAGES):
            assert dialect.adapter().parse(call, HttpResponse(status, {}, body)).outcome is Outcome.UNKNOWN
    assert dialect.adapter().parse(call, dialect.try_again).outcome is Outcome.RETRY_SAFE


@dialects
def test_an_order_that_is_found_is_shown_with_what_it_is_for(dialect):
    found = dialect.adapter().parse(dialect.found, dialect.succeeds[dialect.found])
    assert found.order.quantity is not None
    assert found.order.quantity > found.order.filled_quantity


@dialects
@pytest.mark.parametrize("status", ["ON_THE_MOON", "", "NEW ", "Filled!"])
def test_a_status_that_is_not_documented_is_not_guessed_at(dialect, status):
    response = changed(dialect.succeeds[dialect.found], dialect.status, status)
    found = dialect.adapter().parse(dialect.found, response)
    assert (found.outcome, found.order) == (Outcome.UNKNOWN, None)


@dialects
@pytest.mark.parametrize("amount", [0.1, 1, 1e400, "NaN", "-1", "1e77", "0.0000000000000000001", "1,5", ""])
def test_an_amount_that_is_none_or_has_lost_its_digits_is_not_taken(dialect, amount):
    for path in dialect.amounts:
        found = dialect.adapter().parse(dialect.found, changed(dialect.succeeds[dialect.found], path, amount))
        assert (found.outcome, found.order) == (Outcome.UNKNOWN, None)


@dialects
@pytest.mark.parametrize("whole_account", [True, False])
def test_all_that_is_listed_is_canceled_by_calls_that_name_it(dialect, whole_account):
    """By symbol, by the venue's IDs, or the account's all; and nothing is asked if nothing is listed."""
    adapter = dialect.adapter()
    listed = [
        OrderSeen(f"order-{number}", ("BTC-USD", "ETH-USD")[number % 2], OrderState.OPEN, 0, f"V{number}")
        for number in range(250)
    ]
    made = adapter.cancel_all(listed, whole_account=whole_account)
    assert {symbol for call in made for symbol in call.symbols} == {"BTC-USD", "ETH-USD"}
    named = [each for call in made for each in call.venue_order_ids]
    assert sorted(named) in ([], sorted(order.venue_order_id for order in listed))
    assert all(len(call.venue_order_ids) <= 100 for call in made)
    for call in made:
        request = adapter.build(call, NOW)
        assert all(each in request.target + request.body.decode() for each in call.venue_order_ids)
        assert priority(call) is Priority.CANCEL
    assert adapter.cancel_all([], whole_account=whole_account) == ()


@dialects
def test_whether_anything_was_canceled_is_not_known_without_an_answer(dialect):
    for call in dialect.succeeds:
        if isinstance(call, CancelAll):
            for status, body in ((200, b"{"), (200, b"{}"), (503, b"{}")):
                assert dialect.adapter().parse(call, HttpResponse(status, {}, body)).outcome is Outcome.UNKNOWN
            assert dialect.adapter().parse(call, dialect.try_again).outcome is Outcome.RETRY_SAFE


def look_up(dialect: Dialect, respond: Callable[[type], HttpResponse]) -> Finding:
    adapter = dialect.adapter()
    plan = adapter.look_up("BTC-USD", dialect.client_order_id)
    try:
        call = next(plan)
        for _ in range(20):
            call = plan.send(adapter.parse(call, respond(type(call))))
    except StopIteration as found:
        return found.value
    raise AssertionError("it never ends")


@dialects
def test_an_order_that_is_nowhere_is_not_found(dialect):
    assert look_up(dialect, lambda kind: dialect.nowhere[kind]) == Finding(usable=True)


@dialects
def test_a_look_up_with_any_answer_missing_finds_nothing_out(dialect):
    for missing in dialect.nowhere:
        answers = {**dialect.nowhere, missing: HttpResponse(503, {}, b"")}
        assert look_up(dialect, answers.__getitem__) == Finding(usable=False)


# ── limits, rules, traits ───────────────────────────────────────────────────────────────────────────────────────────


@calls
def test_every_call_is_charged_to_limits_that_there_are(dialect, call):
    adapter = dialect.adapter()
    limits = {limit.name: limit for limit in adapter.limits}
    for charge in adapter.charges(call, NOW):
        assert 0 < charge.tokens <= limits[charge.limit].burst
        if not isinstance(call, Place | ReadUsage):  # the one draws on the rest, the other is asked for once an hour
            assert charge.tokens <= limits[charge.limit].heaviest
    adapter.charges(OpenStream(), NOW)


@dialects
def test_cancels_and_queries_have_a_share_of_what_they_draw_on(dialect):
    adapter = dialect.adapter()
    kept_back = {limit.name for limit in adapter.limits if limit.kept_back}
    for call in dialect.succeeds:
        if not isinstance(call, Place | ReadQuotes):  # quotes are done without rather than draw on it
            assert {charge.limit for charge in adapter.charges(call, NOW)} <= kept_back


@dialects
def test_limits_that_were_never_passed_are_learned_again_without_a_change(dialect):
    adapter = dialect.adapter()
    before = adapter.limits
    adapter.learn(adapter.parse(ReadRules(), dialect.succeeds[ReadRules()]).rules)
    assert adapter.limits == before


@dialects
def test_what_keeps_to_the_venue_s_rules_is_worth_sending(dialect):
    assert dialect.adapter().refusal(dialect.order(quantity=10**16)) is None


@dialects
def test_the_traits_leave_time_for_what_was_signed_to_be_executed(dialect):
    assert dialect.adapter().traits.late_us >= 5_000_000


# ── the private stream ──────────────────────────────────────────────────────────────────────────────────────────────


@dialects
def test_a_stream_from_its_beginning_is_subscribed_once_and_tells_of_the_order(dialect):
    session = dialect.adapter().stream_session("token")
    events = [event for message in dialect.messages for event in session.events(message)]
    assert [event.signal for event in events].count(StreamSignal.SUBSCRIBED) == 1
    (told,) = [event for event in events if event.order is not None]
    assert (told.order.client_order_id, told.order.state) == (dialect.client_order_id, OrderState.OPEN)
    assert told.order.filled_quantity == 1_250_000_000_000_000_000
    assert told.trades_due != (told.trade is not None)  # either it is told, or it has to be read
    assert told.trade is None or told.trade.side is Side.BUY


@dialects
def test_the_subscriptions_are_messages_of_their_own(dialect):
    messages = dialect.adapter().stream_session("token").subscriptions(NOW)
    assert messages
    assert all(isinstance(msgspec.json.decode(message), dict) for message in messages)


@dialects
def test_a_message_that_is_cut_short_or_changed_anywhere_raises_nothing_but_that(dialect):
    for number, message in enumerate(dialect.messages):
        spoilt = [message[:length] for length in range(len(message))]
        body = HttpResponse(200, {}, message)
        spoilt += [changed(body, p, oddity).body for p in leaves(msgspec.json.decode(message)) for oddity in ODDITIES]
        for one in spoilt:
            session = dialect.adapter().stream_session("token")
            for before in dialect.messages[:number]:
                session.events(before)
            with contextlib.suppress(Unparsable):
                session.events(one)


@dialects
def test_what_is_no_message_is_said_to_be_none(dialect):
    for message in (b"", b"{", b"[]", b"\xff", b"<html>"):
        with pytest.raises(Unparsable):
            dialect.adapter().stream_session("token").events(message)


@dialects
def test_the_numbers_of_a_stream_are_watched_wherever_it_has_any(dialect):
    """What comes twice tells nothing new or the same again; what is left out is a gap."""
    numbered = [m for m in dialect.messages if b"sequence" in m]
    if not numbered:
        return
    session = dialect.adapter().stream_session("token")
    session.events(numbered[0])
    field = "sequence" if b'"sequence":' in numbered[0] else "sequence_num"
    late = msgspec.json.encode(msgspec.json.decode(numbered[1]) | {field: 99})
    assert [event.signal for event in session.events(late)] == [StreamSignal.GAP]
