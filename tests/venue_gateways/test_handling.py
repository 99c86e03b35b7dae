"""The steps of a request in their order: what is committed, then sent, then reported, then done."""

import asyncio
from types import SimpleNamespace

import pytest

from domain import ids
from domain.messages import Evidence, Operation, ReportKind
from tests.venue_gateways.handling_desk import ID, ORDER, Desk
from tests.venue_gateways.scripted import reply
from venue_gateways import handling as module
from venue_gateways.clock import steady_us, wall_us
from venue_gateways.guard import OPERATORS
from venue_gateways.progress import Step
from venue_gateways.scheduler import Stage
from venue_gateways.transport import Lost, NotSent
from venue_gateways.venue import OrderSeen, OrderState

ACKNOWLEDGED, AMEND_REJECTED = ReportKind.ACKNOWLEDGED, ReportKind.AMEND_REJECTED


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_placement_is_committed_as_attempted_then_sent_then_reported_then_done(desk):
    desk.transport.answers = {"POST order": reply(ORDER)}
    work = desk.work()
    await desk.do(work)
    assert desk.happened == ["commit a", "POST a", "report ACKNOWLEDGED a"]
    assert work.stage is Stage.GONE
    assert desk.holding.progress.encode()[0] == 1


async def test_a_placement_whose_intent_is_refused_is_not_sent_and_tried_again(desk):
    desk.transport.answers = {"POST order": reply(ORDER)}
    desk.refuse_commits = 1
    work = desk.work()
    await desk.do(work)
    assert desk.happened == ["commit a"]
    assert (work.stage, desk.step(0)) == (Stage.QUEUED, "u")
    desk.scheduler.begin(work)
    await desk.do(work)
    assert desk.happened[-1] == "report ACKNOWLEDGED a"


async def test_a_placement_that_is_no_longer_ours_once_it_is_committed_is_not_sent(desk):
    work = desk.work()

    async def lost() -> None:
        desk.holding.live = False

    desk.secured = lost
    await desk.do(work)
    assert desk.transport.sent == []
    assert desk.reports == []
    assert work.stage is Stage.GONE


async def test_a_placement_without_a_lease_is_not_sent_and_tried_again(desk):
    desk.caller._lease.end()
    work = desk.work()
    await desk.do(work)
    assert desk.transport.sent == []
    assert (work.stage, desk.step(0)) == (Stage.QUEUED, "u")


async def test_a_deadline_that_passes_while_the_intent_is_committed_is_kept(desk, monkeypatch):
    work = desk.work(expires_at=wall_us() + 1_000_000)
    real = wall_us

    async def slow() -> None:
        monkeypatch.setattr(module, "wall_us", lambda: real() + 2_000_000)

    desk.secured = slow
    await desk.do(work)
    assert desk.transport.sent == []
    assert desk.kinds() == [(ReportKind.NOT_SENT, "DEADLINE_PASSED")]


async def test_a_grant_that_has_grown_old_is_paid_for_again(desk):
    desk.transport.answers = {"POST order": reply(ORDER)}
    before = desk.caller.throttle.left(wall_us())["orders_10s"]
    await desk.do(desk.work(), granted_us=steady_us() - 60_000)
    assert desk.caller.throttle.left(wall_us())["orders_10s"] == pytest.approx(before - 1, abs=0.2)


async def test_a_grant_that_has_grown_old_and_is_not_renewed_sends_the_placement_back_to_the_queue(desk, monkeypatch):
    monkeypatch.setattr(module, "_RENEWS_US", 1_000)
    desk.caller.throttle.freeze(desk.caller.clock.now_us() + 60_000_000)
    work = desk.work(expires_at=wall_us() + 3_600_000_000)
    await desk.do(work, granted_us=steady_us() - 60_000)
    assert (work.stage, desk.step(0), desk.transport.sent) == (Stage.QUEUED, "u", [])
    assert desk.reports == []


async def test_a_placement_that_is_lost_while_it_waits_for_tokens_again_is_not_sent(desk):
    work = desk.work()
    acquire = desk.caller.acquire

    async def slow(*arguments) -> int:
        desk.holding.live = False
        return await acquire(*arguments)

    desk.caller.acquire = slow
    await desk.do(work, granted_us=steady_us() - 60_000)
    assert desk.transport.sent == []
    assert work.stage is Stage.GONE


async def test_what_is_not_sent_is_committed_as_withheld_before_anybody_is_told(desk, monkeypatch):
    monkeypatch.setattr(module, "_RECOMMIT_US", 1_000)
    desk.refuse_commits = 2
    work = desk.work()
    desk.scheduler.offer(work)
    desk.scheduler.begin(work)
    await desk.handling.never_sent(work, "DEADLINE_PASSED")
    assert desk.happened == ["commit w", "commit w", "commit w", "report NOT_SENT w"]


async def test_a_collapse_answers_the_placement_and_ends_both(desk):
    place, cancel = desk.work(), desk.work(Operation.CANCEL)
    desk.scheduler.offer(place)
    assert desk.scheduler.offer(cancel) is place
    await desk.handling.collapse(place, cancel)
    assert desk.kinds() == [(ReportKind.NOT_SENT, "CANCELED_BEFORE_SENDING")]
    assert desk.holding.progress.encode()[0] == 2
    assert desk.transport.sent == []


async def test_what_is_lost_before_the_word_is_committed_is_left_to_the_next_owner(desk):
    work = desk.work()
    desk.scheduler.offer(work)
    desk.scheduler.begin(work)
    desk.holding.live = False
    await desk.handling.never_sent(work, "DEADLINE_PASSED")
    assert desk.reports == []
    assert work.stage is Stage.GONE


async def test_what_is_lost_while_the_word_is_being_committed_is_left_to_the_next_owner(desk):
    """With the partition gone there is nothing left to commit, so it succeeds, and vouches for nothing."""
    work = desk.work()
    desk.scheduler.offer(work)
    desk.scheduler.begin(work)
    secured = desk.secured

    async def lost() -> None:
        desk.holding.live = False
        await secured()

    desk.handling._committer = SimpleNamespace(secured=lost)
    await desk.handling.never_sent(work, "CANCELED_BEFORE_SENDING")
    assert desk.reports == []
    assert work.stage is Stage.GONE


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (NotSent("ConnectError"), "u"),
        (reply({"code": -1003, "msg": "slow down"}, 429), "u"),
        (reply({"code": -1008, "msg": "busy"}, 400), "u"),
    ],
)
async def test_what_provably_had_no_effect_is_tried_again_as_if_untouched(desk, answer, step):
    desk.transport.answers = {"POST order": answer}
    work = desk.work()
    await desk.do(work)
    assert (work.stage, work.retries, desk.step(0)) == (Stage.QUEUED, 1, step)
    assert desk.reports == []
    assert work.not_before_us > steady_us()


async def test_pauses_grow_with_every_retry_up_to_a_bound(desk):
    desk.transport.answers = {"POST order": NotSent("ConnectError")}
    work = desk.work()
    pauses = []
    desk.scheduler.offer(work)
    for _ in range(12):
        desk.scheduler.begin(work)
        now = steady_us()
        await desk.handling.perform(work, now, 0)
        pauses.append(work.not_before_us - now)
    assert pauses[0] <= 60_000
    assert 2_500_000 <= pauses[-1] <= 5_100_000


async def test_a_duplicate_id_is_looked_up_and_the_order_adopted(desk):
    desk.transport.answers = {
        "POST order": reply({"code": -2010, "msg": "Duplicate order sent."}, 400),
        "GET order": reply(ORDER),
    }
    await desk.do(desk.work())
    assert desk.kinds() == [(ReportKind.ACKNOWLEDGED, None)]
    assert desk.reports[0].evidence is Evidence.QUERY


async def test_a_duplicate_id_that_can_t_be_found_is_unknown(desk):
    desk.transport.answers = {
        "POST order": reply({"code": -2010, "msg": "Duplicate order sent."}, 400),
        "GET order": reply({"code": -2013, "msg": "Order does not exist."}, 400),
    }
    await desk.do(desk.work())
    assert desk.kinds() == [(ReportKind.UNKNOWN, "DUPLICATE_CLIENT_ORDER_ID")]


async def test_a_lost_answer_is_made_good_by_what_the_stream_said_meanwhile(desk):
    async def send(_request):
        desk.facts.order(OrderSeen(ID, "BTC-USD", OrderState.CANCELED, 3, venue_order_id="7"), Evidence.STREAM)
        raise Lost("ReadError")

    desk.transport.send = send
    await desk.do(desk.work())
    assert [(r.kind, r.evidence, r.cumulative_quantity) for r in desk.reports] == [
        (ReportKind.ACKNOWLEDGED, Evidence.STREAM, 3),
        (ReportKind.CANCELED, Evidence.STREAM, 3),
    ]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (reply(ORDER | {"status": "CANCELED"}), [(ReportKind.CANCELED, None)]),
        (reply(ORDER | {"status": "EXPIRED"}), [(ReportKind.EXPIRED, None)]),
        (reply(ORDER | {"status": "FILLED"}), [(ReportKind.CANCEL_REJECTED, "ORDER_FILLED")]),
        (reply(ORDER), [(ReportKind.CANCEL_REJECTED, "OUTCOME_UNKNOWN")]),
        (reply({"code": -2013}, 400), [(ReportKind.CANCEL_REJECTED, "ORDER_NOT_FOUND")]),
        (reply({}, 500), [(ReportKind.CANCEL_REJECTED, "OUTCOME_UNKNOWN")]),
    ],
)
async def test_a_cancel_of_what_is_not_open_reports_what_it_is(desk, found, expected):
    desk.transport.answers = {"DELETE order": reply({"code": -2011, "msg": "Unknown order sent."}, 400)}
    desk.transport.answers["GET order"] = found
    await desk.do(desk.work(Operation.CANCEL))
    assert desk.kinds() == expected
    assert desk.holding.progress.encode()[0] == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply({"code": -2015, "msg": "key"}, 401), (ReportKind.CANCEL_REJECTED, "INVALID_KEY")),
        (Lost("ReadTimeout"), (ReportKind.CANCEL_REJECTED, "OUTCOME_UNKNOWN")),
    ],
)
async def test_a_cancel_that_fails_for_good_is_said_to_have(desk, answer, expected):
    desk.transport.answers = {"DELETE order": answer}
    await desk.do(desk.work(Operation.CANCEL))
    assert desk.kinds() == [expected]


async def test_a_cancel_is_retried_for_a_bounded_time(desk):
    desk.transport.answers = {"DELETE order": NotSent("ConnectError")}
    work = desk.work(Operation.CANCEL)
    await desk.do(work)
    assert (desk.reports, work.stage) == ([], Stage.QUEUED)
    work.first_tried_us = steady_us() - module._CHANGE_GIVES_UP_US
    desk.scheduler.begin(work)
    await desk.do(work)
    assert desk.kinds() == [(ReportKind.CANCEL_REJECTED, "VENUE_UNAVAILABLE")]


async def test_a_cancel_that_gets_no_tokens_or_is_no_longer_ours_makes_no_call(desk, monkeypatch):
    monkeypatch.setattr(module, "_CHANGE_WAITS_US", 1_000)
    desk.caller.throttle.freeze(wall_us() + 60_000_000)
    work = desk.work(Operation.CANCEL)
    await desk.do(work)
    assert work.stage is Stage.QUEUED
    desk.caller.throttle._frozen_until_us = 0
    desk.holding.live = False
    desk.scheduler.begin(work)
    await desk.do(work)
    assert desk.transport.sent == []
    assert work.stage is Stage.GONE


AMENDMENT = "PUT order/amend/keepPriority"
SMALLER = 4 * 10**17
AMENDED = {"symbol": "BTCUSD", "orderId": 7, "clientOrderId": ID, "qty": "0.4", "executedQty": "0.1", "status": "NEW"}
NOT_AMENDED = reply({"code": -2038, "msg": "Order amend (quantity increase) is not supported."}, 400)


async def test_an_amendment_whose_answer_shows_the_order_smaller_is_told_as_that(desk):
    desk.transport.answers = {AMENDMENT: reply({"transactTime": 5, "amendedOrder": AMENDED})}
    await desk.do(desk.work(Operation.AMEND, quantity=SMALLER))
    (report,) = desk.reports
    assert (report.kind, report.evidence, report.order_quantity) == (ACKNOWLEDGED, Evidence.RESPONSE, SMALLER)
    assert (report.cumulative_quantity, report.operation) == (10**17, Operation.AMEND)
    assert desk.transport.paths() == [AMENDMENT]


async def test_an_amendment_whose_answer_shows_the_order_as_it_was_is_looked_up(desk, monkeypatch):
    monkeypatch.setattr(module, "_NOTED_LOOKS_US", (1_000, 1_000))
    as_it_was = reply({"transactTime": 5, "amendedOrder": AMENDED | {"qty": "1"}})
    desk.transport.answers = {AMENDMENT: as_it_was, "GET order": reply(ORDER | {"origQty": "0.4"})}
    await desk.do(desk.work(Operation.AMEND, quantity=SMALLER))
    assert [(r.kind, r.evidence, r.order_quantity) for r in desk.reports] == [(ACKNOWLEDGED, Evidence.QUERY, SMALLER)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (reply(ORDER | {"origQty": "0.4"}), [(ACKNOWLEDGED, None)]),  # an earlier copy of it has come through
        (reply(ORDER | {"origQty": "1"}), [(ACKNOWLEDGED, None), (AMEND_REJECTED, "NOT_AMENDED")]),
        (reply(ORDER | {"status": "FILLED", "origQty": "1"}), [(ACKNOWLEDGED, None), (AMEND_REJECTED, "ORDER_FILLED")]),
        (reply(ORDER | {"status": "CANCELED"}), [(ReportKind.CANCELED, None)]),
        (reply({"code": -2013}, 400), [(AMEND_REJECTED, "ORDER_NOT_FOUND")]),
        (reply({}, 500), [(AMEND_REJECTED, "OUTCOME_UNKNOWN")]),
    ],
)
async def test_an_amendment_that_is_refused_is_looked_up_and_told_as_what_is_found(desk, found, expected):
    desk.transport.answers = {AMENDMENT: NOT_AMENDED, "GET order": found}
    await desk.do(desk.work(Operation.AMEND, quantity=SMALLER))
    assert desk.kinds() == expected
    assert desk.holding.progress.encode()[0] == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply({"code": -2015, "msg": "key"}, 401), (AMEND_REJECTED, "INVALID_KEY")),
        (Lost("ReadTimeout"), (AMEND_REJECTED, "OUTCOME_UNKNOWN")),
        (reply({}, 503), (AMEND_REJECTED, "OUTCOME_UNKNOWN")),
    ],
)
async def test_an_amendment_of_which_nobody_knows_says_so(desk, answer, expected):
    desk.transport.answers = {AMENDMENT: answer}
    await desk.do(desk.work(Operation.AMEND, quantity=SMALLER))
    assert desk.kinds() == [expected]
    assert desk.transport.paths() == [AMENDMENT]


async def test_an_amendment_that_provably_had_no_effect_is_made_again_for_a_bounded_time(desk):
    desk.transport.answers = {AMENDMENT: NotSent("ConnectError")}
    work = desk.work(Operation.AMEND, quantity=SMALLER)
    await desk.do(work)
    assert (desk.reports, work.stage) == ([], Stage.QUEUED)
    work.first_tried_us = steady_us() - module._CHANGE_GIVES_UP_US
    desk.scheduler.begin(work)
    await desk.do(work)
    assert desk.kinds() == [(AMEND_REJECTED, "VENUE_UNAVAILABLE")]


async def test_a_query_without_a_usable_answer_is_done_without_a_report(desk):
    desk.transport.answers = {"GET order": reply({}, 503)}
    await desk.do(desk.work(Operation.QUERY))
    assert desk.reports == []
    assert desk.holding.progress.encode()[0] == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("NEW", ReportKind.ACKNOWLEDGED),
        ("FILLED", ReportKind.ACKNOWLEDGED),
        ("CANCELED", ReportKind.CANCELED),
        ("EXPIRED", ReportKind.EXPIRED),
        ("REJECTED", ReportKind.REJECTED),
    ],
)
async def test_a_query_ends_with_the_order_s_state(desk, status, expected):
    desk.transport.answers = {"GET order": reply(ORDER | {"status": status})}
    await desk.do(desk.work(Operation.QUERY))
    assert [report.kind for report in desk.reports] == [expected]
    assert desk.reports[0].operation is Operation.QUERY


@pytest.mark.parametrize(
    ("step", "expires_in_us", "expected"),
    [
        (Step.ATTEMPTED, None, (ReportKind.UNKNOWN, "HANDED_OVER")),
        (Step.WITHHELD, None, (ReportKind.NOT_SENT, "CANCELED_BEFORE_SENDING")),
        (Step.WITHHELD, 60_000_000, (ReportKind.NOT_SENT, "CANCELED_BEFORE_SENDING")),
        (Step.WITHHELD, -1, (ReportKind.NOT_SENT, "DEADLINE_PASSED")),
    ],
)
async def test_what_a_former_owner_left_is_answered_and_not_sent(desk, step, expires_in_us, expected):
    work = desk.work(expires_at=None if expires_in_us is None else wall_us() + expires_in_us)
    await desk.handling.inherit(work, step)
    assert desk.kinds() == [expected]
    assert desk.reports[0].evidence is Evidence.GATEWAY
    assert desk.transport.sent == []
    assert desk.holding.progress.encode()[0] == 1


# ── a venue that finds nothing any more ─────────────────────────────────────────────────────────────────────────────

NO_SUCH_ORDER = reply({"code": -2013, "msg": "Order does not exist."}, 400)


def another(number: int) -> str:
    return ids.client_order_id(0, ids.order_key("alice", f"o{number}"), 0)


async def ask_for(desk: Desk, count: int) -> list[ReportKind]:
    """What is told of *count* orders that nobody has seen."""
    before = len(desk.reports)
    for number in range(count):
        await desk.do(desk.work(Operation.QUERY, client_order_id=another(number)))
    return [report.kind for report in desk.reports[before:]]


def shown(number: int) -> OrderSeen:
    return OrderSeen(another(number), "BTC-USD", OrderState.OPEN, 0, venue_order_id=str(number))


async def test_few_orders_that_can_t_be_found_are_believed_gone(desk):
    desk.transport.answers = {"GET order": NO_SUCH_ORDER}
    assert await ask_for(desk, 2) == [ReportKind.NOT_FOUND] * 2
    assert await ask_for(desk, 2) == [ReportKind.NOT_FOUND] * 2  # the same two


async def test_many_orders_that_can_t_be_found_are_believed_gone_if_the_venue_finds_one_that_it_has_shown(desk):
    desk.facts.known.learn(shown(77))
    found = ORDER | {"clientOrderId": another(77)}
    desk.transport.answers = {
        "GET order": lambda request: reply(found) if another(77) in request.target else NO_SUCH_ORDER
    }
    assert await ask_for(desk, 6) == [ReportKind.NOT_FOUND] * 6


@pytest.mark.parametrize("answer", [NO_SUCH_ORDER, reply({}, 503), Lost("ReadTimeout")])
async def test_many_orders_that_can_t_be_found_say_nothing_while_those_can_t_be_found_either_that_exist(desk, answer):
    desk.facts.known.learn(shown(77))
    desk.transport.answers = {"GET order": lambda request: answer if another(77) in request.target else NO_SUCH_ORDER}
    assert await ask_for(desk, 6) == [ReportKind.NOT_FOUND] * 2
    assert all(desk.step(offset) == "-" for offset in range(6))  # answered for: who asked will ask again


async def test_without_any_order_that_exists_many_that_can_t_be_found_say_nothing(desk):
    desk.transport.answers = {"GET order": NO_SUCH_ORDER}
    assert await ask_for(desk, 4) == [ReportKind.NOT_FOUND] * 2


async def test_absence_is_believed_again_once_the_venue_finds_what_exists(desk, monkeypatch):
    monkeypatch.setattr("venue_gateways.guard._WITNESS_US", 0)
    desk.facts.known.learn(shown(77))
    desk.transport.answers = {"GET order": NO_SUCH_ORDER}
    assert await ask_for(desk, 4) == [ReportKind.NOT_FOUND] * 2
    found = ORDER | {"clientOrderId": another(77)}
    desk.transport.answers["GET order"] = lambda request: (
        reply(found) if another(77) in request.target else NO_SUCH_ORDER
    )
    assert await ask_for(desk, 4) == [ReportKind.NOT_FOUND] * 4


async def test_nothing_is_believed_while_the_witness_is_being_looked_for(desk):
    desk.facts.known.learn(shown(77))
    desk.transport.answers = {"GET order": NO_SUCH_ORDER}
    assert await ask_for(desk, 2) == [ReportKind.NOT_FOUND] * 2
    send = desk.transport.send

    async def slowly(request):
        await asyncio.sleep(0.02 if another(77) in request.target else 0)
        return await send(request)

    desk.transport.send = slowly
    works = [desk.work(Operation.QUERY, client_order_id=another(number)) for number in range(2, 6)]
    await asyncio.gather(*map(desk.do, works))
    assert len(desk.reports) == 2


async def test_what_many_open_orders_make_a_small_share_is_believed(desk):
    for number in range(100, 130):
        desk.facts.known.learn(shown(number))
    desk.transport.answers = {"GET order": NO_SUCH_ORDER}
    assert await ask_for(desk, 7) == [ReportKind.NOT_FOUND] * 7
    assert await ask_for(desk, 8) == [ReportKind.NOT_FOUND] * 7  # of 38, 8 are too many


async def test_an_operator_s_question_has_the_order_given_up_that_can_t_be_found(desk):
    desk.facts.known.learn(shown(0))
    desk.transport.answers = {"GET order": NO_SUCH_ORDER}
    await ask_for(desk, 4)
    asked = f"{OPERATORS}bob:1"
    await desk.do(desk.work(Operation.QUERY, client_order_id=another(0), request_id=asked))
    told = desk.reports[-1]
    assert (told.kind, told.evidence, told.reason) == (ReportKind.CANCELED, Evidence.OPERATOR, "NOT_AT_VENUE")
    assert (told.request_id, told.client_order_id) == (asked, another(0))
    assert desk.facts.known.open == {}
