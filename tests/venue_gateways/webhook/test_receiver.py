"""Each event is passed on once, to the partition that its order's name gives, and answered when it is in the log."""

import asyncio

import pytest

from domain.messages import Evidence, ReportKind
from tests.venue_gateways.webhook.events import BEYOND, ELSEWHERE, NOW_US, OURS, SECRET, TRADE, body, headers
from venue_gateways.facts import Facts
from venue_gateways.webhook import event, receiver
from venue_gateways.webhook.keys import Secrets
from venue_gateways.webhook.receiver import NotWritten, Receiver, Result

ACKNOWLEDGED, FILL = ReportKind.ACKNOWLEDGED, ReportKind.FILL


class Desk:
    """A receiver at a gateway that owns partition 3 of 8, and all that it has written."""

    def __init__(self, file) -> None:
        file.write_text(SECRET)
        file.chmod(0o400)
        self.told = []
        self.failure = None
        self.writing = asyncio.Event()
        self.writing.set()
        self.facts = Facts("binance", lambda partition: partition == 3, self.told.extend)
        self.receiver = Receiver("binance", 8, Secrets(file), self.facts, self.write)

    async def write(self, told) -> None:
        await self.writing.wait()
        if self.failure is not None:
            raise self.failure
        self.told.extend(told)

    async def push(self, **changes) -> Result:
        content = body(**changes)
        result, _ = await self.receiver.receive(headers(content), content, NOW_US)
        return result

    @property
    def reports(self):
        return [(partition, report.kind) for partition, report in self.told]


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path / "secrets")


@pytest.mark.parametrize(("client_order_id", "partition"), [(OURS, 3), (ELSEWHERE, 4)])
async def test_a_trade_and_its_order_s_state_go_to_the_order_s_partition_whoever_owns_it(
    desk, client_order_id, partition
):
    assert await desk.push(client_order_id=client_order_id) is Result.TAKEN
    assert desk.reports == [(partition, FILL), (partition, ACKNOWLEDGED)]
    fill = desk.told[0][1]
    (trade,) = event.parse(body(), "binance", NOW_US).trades
    assert fill.client_order_id == client_order_id
    assert (fill.venue, fill.evidence, fill.transacted_at) == ("binance", Evidence.STREAM, trade.traded_at)
    assert (fill.trade_id, fill.fill_quantity, fill.fill_price, fill.fee) == (
        trade.trade_id,
        trade.quantity,
        trade.price,
        trade.fee,
    )


@pytest.mark.parametrize("client_order_id", [OURS, ELSEWHERE])
async def test_an_event_that_comes_again_is_answered_and_not_told_again(desk, client_order_id):
    assert await desk.push(client_order_id=client_order_id) is Result.TAKEN
    assert await desk.push(client_order_id=client_order_id) is Result.REPEATED
    assert len(desk.told) == 2


async def test_an_event_id_that_is_used_again_costs_no_fill(desk):
    await desk.push()
    assert await desk.push(trades=[TRADE | {"trade_id": "12"}]) is Result.TAKEN
    assert [report.trade_id for _, report in desk.told if report.kind is FILL] == ["11", "12"]


async def test_a_fill_that_the_stream_has_told_is_told_once(desk):
    (trade,) = event.parse(body(), "binance", NOW_US).trades
    desk.facts.trade(trade, OURS, Evidence.STREAM)
    assert await desk.push() is Result.TAKEN
    desk.facts.trade(trade, OURS, Evidence.POLL)
    assert desk.reports == [(3, FILL), (3, ACKNOWLEDGED)]


@pytest.mark.parametrize("client_order_id", ["somebody-else's", BEYOND])
async def test_an_order_that_is_not_ours_is_answered_and_left_alone(desk, client_order_id):
    assert await desk.push(client_order_id=client_order_id) is Result.FOREIGN
    assert desk.told == []


async def test_nothing_is_answered_before_it_is_written_nor_remembered_unless_it_was(desk, monkeypatch):
    monkeypatch.setattr(receiver, "WRITE_S", 0.05)
    desk.writing.clear()
    pushing = asyncio.create_task(desk.push(client_order_id=ELSEWHERE))
    await asyncio.sleep(0.01)
    assert not pushing.done()
    assert await pushing is Result.NOT_WRITTEN
    desk.writing.set()
    desk.failure = NotWritten()
    assert await desk.push(client_order_id=ELSEWHERE) is Result.NOT_WRITTEN
    desk.failure = None
    assert await desk.push(client_order_id=ELSEWHERE) is Result.TAKEN
    assert desk.reports == [(4, FILL), (4, ACKNOWLEDGED)]


async def test_no_more_events_wait_at_one_time_than_there_is_room_for(desk, monkeypatch):
    monkeypatch.setattr(receiver, "UNDER_WAY_MAX", 1)
    desk.writing.clear()
    first = asyncio.create_task(desk.push())
    await asyncio.sleep(0)
    assert await desk.push(event_id="e-2") is Result.NOT_WRITTEN
    desk.writing.set()
    assert await first is Result.TAKEN
    assert await desk.push(event_id="e-2") is Result.TAKEN


async def test_what_nobody_signed_is_refused_before_it_is_read(desk):
    assert (await desk.receiver.receive({}, b"{", NOW_US))[0] is Result.REFUSED
    assert (await desk.receiver.receive(headers(b"{"), b"{", NOW_US))[0] is Result.UNPARSABLE
    assert desk.told == []
