"""Venues with ways of their own: changes by their IDs only, changes that are only noted, rules that forbid an order."""

import asyncio

import pytest
from msgspec.structs import replace
from typing_extensions import override

from domain.messages import Evidence, Operation, ReportKind
from tests.venue_gateways.handling_desk import ID, ORDER, Desk
from tests.venue_gateways.scripted import SYMBOLS, reply
from venue_gateways import handling as module
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.clock import steady_us
from venue_gateways.scheduler import Stage
from venue_gateways.venue import Amend, Answer, Cancel, OrderSeen, OrderState, Outcome, Rules


class Noting(Binance):
    """Changes orders by its own IDs only, only takes note of that, and has a rule that it refuses by."""

    def __init__(self) -> None:
        super().__init__("scripted", "key", HmacSigner("secret"))
        self.traits = replace(self.traits, changes_by_venue_order_id=True)
        self.learn(Rules(self.limits, SYMBOLS))
        self.changed: list[str | None] = []
        self.rule: str | None = None

    @override
    def build(self, call, now_us):
        if isinstance(call, Cancel | Amend):
            self.changed.append(call.venue_order_id)
        return super().build(call, now_us)

    @override
    def parse(self, call, response):
        noted = isinstance(call, Cancel | Amend) and response.status == 200
        return Answer(Outcome.ACCEPTED) if noted else super().parse(call, response)

    @override
    def refusal(self, request):
        return self.rule


@pytest.fixture
def noting(monkeypatch):
    desk = Desk()
    monkeypatch.setattr(module, "_NOTED_LOOKS_US", (1_000, 1_000))
    desk.caller.adapter = Noting()
    desk.transport.answers = {"DELETE order": reply({})}
    return desk


async def test_a_cancel_by_the_venue_s_own_id_looks_it_up_where_it_is_not_known(noting):
    noting.transport.answers["GET order"] = reply(ORDER)
    await noting.do(noting.work(Operation.CANCEL))
    assert noting.caller.adapter.changed == [str(ORDER["orderId"])]
    noting.facts.listed(OrderSeen(ID, "BTC-USD", OrderState.OPEN, 0, venue_order_id="77"))
    before = len(noting.transport.sent)
    await noting.do(noting.work(Operation.CANCEL))
    assert noting.caller.adapter.changed[1:] == ["77"]
    assert noting.transport.paths()[before] == "DELETE order"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (reply(ORDER | {"status": "FILLED"}), [(ReportKind.CANCEL_REJECTED, "ORDER_FILLED")]),
        (reply({"code": -2013}, 400), [(ReportKind.CANCEL_REJECTED, "ORDER_NOT_FOUND")]),
        (reply({}, 500), []),
    ],
)
async def test_an_order_that_can_t_be_found_open_is_not_canceled_by_the_venue_s_own_id(noting, found, expected):
    noting.transport.answers["GET order"] = found
    work = noting.work(Operation.CANCEL)
    await noting.do(work)
    assert noting.caller.adapter.changed == []
    assert noting.kinds()[-1:] == expected
    assert work.stage is (Stage.GONE if expected else Stage.QUEUED)


async def test_a_cancel_that_the_venue_has_noted_is_answered_once_the_order_has_left_the_book(noting):
    noting.facts.listed(OrderSeen(ID, "BTC-USD", OrderState.OPEN, 0, venue_order_id="77"))
    shown = iter([reply(ORDER), reply(ORDER | {"status": "CANCELED"})])
    noting.transport.answers["GET order"] = lambda _: next(shown)
    await noting.do(noting.work(Operation.CANCEL))
    assert noting.kinds()[-1] == (ReportKind.CANCELED, None)
    assert noting.caller.adapter.changed == ["77"]


async def test_a_cancel_that_the_venue_has_noted_is_answered_by_the_stream_without_a_look(noting):
    noting.facts.listed(OrderSeen(ID, "BTC-USD", OrderState.OPEN, 0, venue_order_id="77"))
    send = noting.transport.send

    async def send_and_tell(request):
        noting.facts.order(OrderSeen(ID, "BTC-USD", OrderState.CANCELED, 3, venue_order_id="77"), Evidence.STREAM)
        return await send(request)

    noting.transport.send = send_and_tell
    await noting.do(noting.work(Operation.CANCEL))
    assert [(r.kind, r.evidence) for r in noting.reports] == [(ReportKind.CANCELED, Evidence.STREAM)]
    assert noting.transport.paths() == ["DELETE order"]


async def test_a_noted_cancel_is_answered_as_soon_as_the_stream_tells_of_the_end(noting, monkeypatch):
    monkeypatch.setattr(module, "_NOTED_LOOKS_US", (30_000_000,))
    noting.facts.listed(OrderSeen(ID, "BTC-USD", OrderState.OPEN, 0, venue_order_id="77"))
    doing = asyncio.create_task(noting.do(noting.work(Operation.CANCEL)))
    await asyncio.sleep(0.01)
    noting.facts.order(OrderSeen(ID, "BTC-USD", OrderState.OPEN, 1, venue_order_id="77"), Evidence.STREAM)
    await asyncio.sleep(0.01)
    assert not doing.done()
    noting.facts.order(OrderSeen(ID, "BTC-USD", OrderState.CANCELED, 1, venue_order_id="77"), Evidence.STREAM)
    async with asyncio.timeout(60):
        await doing
    assert noting.kinds() == [(ReportKind.CANCELED, None)]
    assert noting.transport.paths() == ["DELETE order"]


async def test_a_cancel_that_the_venue_has_noted_and_not_done_is_made_again_for_a_bounded_time(noting):
    noting.transport.answers["GET order"] = reply(ORDER)
    work = noting.work(Operation.CANCEL)
    await noting.do(work)
    assert (work.stage, noting.reports) == (Stage.QUEUED, [])
    work.first_tried_us = steady_us() - 601_000_000
    noting.scheduler.begin(work)
    await noting.do(work)
    assert noting.kinds() == [(ReportKind.CANCEL_REJECTED, "VENUE_UNAVAILABLE")]


AMENDMENT = "PUT order/amend/keepPriority"
SMALLER = 4 * 10**17


@pytest.fixture
def open_order(noting):
    """One that the venue has, and whose ID there is known."""
    noting.facts.listed(OrderSeen(ID, "BTC-USD", OrderState.OPEN, 0, venue_order_id="77"))
    noting.transport.answers[AMENDMENT] = reply({})


@pytest.mark.usefixtures("open_order")
async def test_an_amendment_that_the_venue_has_noted_is_answered_once_a_look_shows_it(noting):
    shown = iter([reply(ORDER | {"origQty": "1"}), reply(ORDER | {"origQty": "0.4"})])
    noting.transport.answers["GET order"] = lambda _: next(shown)
    await noting.do(noting.work(Operation.AMEND, quantity=SMALLER))
    assert [(r.kind, r.evidence, r.order_quantity) for r in noting.reports] == [
        (ReportKind.ACKNOWLEDGED, Evidence.QUERY, SMALLER)
    ]
    assert noting.caller.adapter.changed == ["77"]


def tell_meanwhile(noting, quantity):
    """While the amendment is under way, the stream shows the order for *quantity*."""
    send = noting.transport.send

    async def send_and_tell(request):
        if request.method == "PUT":
            seen = OrderSeen(ID, "BTC-USD", OrderState.OPEN, 0, venue_order_id="77", quantity=quantity)
            noting.facts.order(seen, Evidence.STREAM)
        return await send(request)

    noting.transport.send = send_and_tell


@pytest.mark.usefixtures("open_order")
async def test_a_noted_amendment_is_answered_by_the_stream_without_a_look(noting):
    tell_meanwhile(noting, SMALLER)
    await noting.do(noting.work(Operation.AMEND, quantity=SMALLER))
    assert [(r.kind, r.evidence) for r in noting.reports] == [(ReportKind.ACKNOWLEDGED, Evidence.STREAM)]
    assert noting.transport.paths() == [AMENDMENT]


@pytest.mark.usefixtures("open_order")
async def test_what_the_stream_tells_of_the_order_as_it_was_is_no_answer_to_its_amendment(noting):
    tell_meanwhile(noting, 10**18)
    noting.transport.answers["GET order"] = reply(ORDER | {"origQty": "0.4"})
    await noting.do(noting.work(Operation.AMEND, quantity=SMALLER))
    assert noting.transport.paths() == [AMENDMENT, "GET order"]
    answer = next(r for r in noting.reports if r.operation is Operation.AMEND)
    assert (answer.kind, answer.evidence, answer.order_quantity) == (ReportKind.ACKNOWLEDGED, Evidence.QUERY, SMALLER)


@pytest.mark.usefixtures("open_order")
async def test_an_amendment_that_was_noted_and_that_no_look_shows_is_in_doubt(noting):
    noting.transport.answers["GET order"] = reply(ORDER | {"origQty": "1"})
    await noting.do(noting.work(Operation.AMEND, quantity=SMALLER))
    assert noting.kinds() == [(ReportKind.ACKNOWLEDGED, None), (ReportKind.AMEND_REJECTED, "OUTCOME_UNKNOWN")]


async def test_an_order_that_can_t_be_found_is_not_amended_by_the_venue_s_own_id(noting):
    noting.transport.answers["GET order"] = reply({"code": -2013}, 400)
    await noting.do(noting.work(Operation.AMEND, quantity=SMALLER))
    assert noting.kinds() == [(ReportKind.AMEND_REJECTED, "ORDER_NOT_FOUND")]
    assert noting.transport.paths() == ["GET order"]


async def test_a_placement_that_a_rule_of_the_venue_s_forbids_is_withheld_and_rejected(noting):
    noting.caller.adapter.rule = "PRICE_OFF_TICK"
    await noting.do(noting.work())
    assert noting.happened == ["commit w", "report REJECTED w"]
    assert [(r.reason, r.evidence) for r in noting.reports] == [("PRICE_OFF_TICK", Evidence.GATEWAY)]
    assert noting.transport.sent == []
