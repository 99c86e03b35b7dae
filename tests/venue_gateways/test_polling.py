"""Reading back what the stream may have missed, page by page."""

import asyncio
import contextlib

import pytest

from domain import ids
from domain.messages import Evidence, ReportKind
from tests.venue_gateways.scripted import ScriptedTransport, make_caller, parameters, reply
from venue_gateways import metrics, polling
from venue_gateways.clock import wall_us
from venue_gateways.facts import Facts
from venue_gateways.guard import Bounds, Guard
from venue_gateways.polling import LOOK_BACK_US, OVERLAP_US, Incomplete, Poller
from venue_gateways.venue import FindOrder, OrderSeen, OrderState


def client_id(number: int) -> str:
    return ids.client_order_id(0, ids.order_key("alice", str(number)), 0)


class History:
    """A venue's orders and trades of BTC-USD; *page* rows in one answer."""

    def __init__(self, transport: ScriptedTransport) -> None:
        self.orders: list[dict[str, object]] = []
        self.trades: list[dict[str, object]] = []
        transport.answers = {
            "GET myTrades": lambda request: self._list(request, self.trades, "id", "fromId", "time"),
            "GET allOrders": lambda request: self._list(request, self.orders, "orderId", "orderId", "time"),
            "GET openOrders": lambda request: reply(
                [o for o in self.orders if o["status"] == "NEW" and o["symbol"] == parameters(request)["symbol"]]
            ),
            "GET order": self._find,
        }

    def _list(self, request, rows, number, from_name, time_name):
        asked = parameters(request)
        found = [row for row in rows if row["symbol"] == asked["symbol"]]
        if from_name in asked:
            found = [row for row in found if row[number] >= int(asked[from_name])]
        if "startTime" in asked:
            found = [row for row in found if row[time_name] >= int(asked["startTime"])]
        return reply(found[: int(asked["limit"])])

    def _find(self, request):
        asked = parameters(request)
        for order in self.orders:
            if str(order["orderId"]) == asked.get("orderId") or order["clientOrderId"] == asked.get(
                "origClientOrderId"
            ):
                return reply(order)
        return reply({"code": -2013, "msg": "Order does not exist."}, 400)

    def order(self, number: int, status: str = "NEW", *, age_s: float = 3_600, updated_s: float | None = None) -> None:
        now_ms = wall_us() // 1000
        self.orders.append(
            {
                "symbol": "BTCUSD",
                "orderId": number,
                "clientOrderId": client_id(number),
                "executedQty": "0",
                "status": status,
                "time": int(now_ms - age_s * 1000),
                "updateTime": int(now_ms - (age_s if updated_s is None else updated_s) * 1000),
            }
        )

    def trade(self, number: int, order: int, *, age_s: float = 10) -> None:
        self.trades.append(
            {
                "symbol": "BTCUSD",
                "id": number,
                "orderId": order,
                "price": "1",
                "qty": "1",
                "commission": "0",
                "commissionAsset": "USD",
                "time": int(wall_us() // 1000 - age_s * 1000),
                "isMaker": True,
            }
        )


@pytest.fixture
def transport():
    return ScriptedTransport()


class Rig:
    def __init__(self, transport):
        self.history = History(transport)
        self.told = []
        self.through = []
        self.transport = transport
        self.caller = make_caller(transport)
        self.facts = Facts("scripted", lambda partition: partition == 0, self.told.extend)
        self.guard = Guard(self.caller, self.facts.known, Bounds(0.2, 10))
        symbols = ["BTC-USD", "ETH-USD", "DOGE-USD"]
        self.poller = Poller(self.caller, self.facts, self.guard, symbols, self.through.append)

    async def sweep(self) -> list[tuple[ReportKind, str]]:
        before = len(self.told)
        await self.poller._sweep()
        return [(report.kind, report.trade_id or report.venue_order_id) for _, report in self.told[before:]]


@pytest.fixture
def rig(transport):
    return Rig(transport)


@pytest.fixture
def history(rig):
    return rig.history


async def test_a_first_look_goes_back_a_day_and_tells_what_ended_and_traded(rig, history):
    history.order(1, "FILLED")
    history.order(2, "CANCELED")
    history.order(3)
    history.order(4, "CANCELED", age_s=2 * 86_400)
    history.trade(10, 1)
    history.trade(11, 1, age_s=2 * 86_400)
    rig.poller.gained(0)
    began = wall_us()
    assert await rig.sweep() == [(ReportKind.CANCELED, "2"), (ReportKind.FILL, "10")]
    assert rig.told[0][1].evidence is rig.told[1][1].evidence is Evidence.POLL
    assert rig.told[1][1].client_order_id == client_id(1)
    start = int(parameters(rig.transport.sent[0])["startTime"]) * 1000
    assert start == pytest.approx(began - LOOK_BACK_US, abs=10_000_000)
    assert rig.through == [pytest.approx(began // 1000, abs=10_000)]


async def test_with_a_mark_of_the_former_owner_only_what_is_newer_is_told(rig, history):
    history.order(1, "CANCELED", age_s=7_200, updated_s=7_000)
    history.order(2, "CANCELED", age_s=7_200, updated_s=5)
    history.trade(10, 1, age_s=7_100)
    history.trade(11, 1, age_s=5)
    rig.poller.gained(wall_us() // 1000 - 60_000)
    assert await rig.sweep() == [(ReportKind.CANCELED, "2"), (ReportKind.FILL, "11")]
    trades = next(r for r in rig.transport.sent if "myTrades" in r.target)
    assert int(parameters(trades)["startTime"]) == pytest.approx((wall_us() - 60_000_000 - OVERLAP_US) // 1000, abs=999)


async def test_later_looks_start_where_the_last_one_ended(rig, history):
    history.order(1)
    history.trade(10, 1)
    rig.poller.gained(0)
    await rig.sweep()
    history.trade(12, 1)
    rig.transport.sent.clear()
    assert await rig.sweep() == [(ReportKind.FILL, "12")]
    asked = [parameters(r) for r in rig.transport.sent]
    assert [(a["symbol"], a.get("fromId")) for a in asked] == [("BTCUSD", "11"), ("ETHUSD", None)]
    assert await rig.sweep() == []


async def test_all_pages_are_read(rig, history):
    history.order(1)
    for number in range(2_500):
        history.trade(number, 1)
    rig.poller.gained(0)
    assert len(await rig.sweep()) == 2_500
    assert sum("myTrades" in r.target and "BTCUSD" in r.target for r in rig.transport.sent) == 3


async def test_a_trade_of_an_order_that_is_not_in_the_list_is_looked_up_by_its_number(rig, history):
    history.order(1, "FILLED", age_s=3 * 86_400)
    history.trade(10, 1)
    rig.poller.gained(0)
    assert await rig.sweep() == [(ReportKind.FILL, "10")]
    assert [parameters(r)["orderId"] for r in rig.transport.sent if "/order?" in r.target] == ["1"]


async def test_a_trade_whose_order_can_t_be_found_holds_up_the_mark_for_some_looks_only(rig, history):
    history.trade(10, 99)
    history.order(1)
    history.trade(11, 1)
    rig.poller.gained(0)
    for _ in range(4):
        with pytest.raises(Incomplete, match="which can't be found"):
            await rig.sweep()
    assert rig.through == []
    assert await rig.sweep() == [(ReportKind.FILL, "11")]
    assert len(rig.through) == 1


async def test_an_order_that_we_think_open_and_the_venue_does_not_is_looked_up(rig, history):
    history.order(1, "EXPIRED")
    history.order(2)
    for number in (1, 2, 3):
        seen = OrderSeen(client_id(number), "BTC-USD", OrderState.OPEN, 0, venue_order_id=str(number), updated_at=5)
        rig.facts.known.learn(seen)
    fresh = OrderSeen(client_id(4), "BTC-USD", OrderState.OPEN, 0, venue_order_id="4", updated_at=wall_us())
    rig.facts.known.learn(fresh)
    rig.poller.reconnected()
    assert await rig.sweep() == [(ReportKind.EXPIRED, "1")]
    assert set(rig.facts.known.open) == {client_id(2), client_id(3), client_id(4)}  # not found proves nothing


def held_back(kind):
    return metrics.HELD_BACK.labels("scripted", kind)._value.get()


def shown_open(rig, count):
    """The gateway has seen so many orders open, long ago."""
    for number in range(1, count + 1):
        seen = OrderSeen(client_id(number), "BTC-USD", OrderState.OPEN, 0, venue_order_id=str(number), updated_at=5)
        rig.facts.known.learn(seen)


def looked_up(rig):
    return sum("/order?" in request.target for request in rig.transport.sent)


async def test_the_end_of_many_orders_at_once_is_held_back_and_the_next_look_starts_over(rig, history):
    for number in range(1, 51):
        history.order(number, "CANCELED" if number <= 11 else "NEW")
    shown_open(rig, 50)
    rig.poller.reconnected()
    assert await rig.sweep() == []
    assert (held_back("ended"), held_back("missing")) == (11, 0)
    assert rig.through == []  # nobody may think that all has been told
    assert len(rig.facts.known.open) == 50
    history.orders[0]["status"] = "NEW"  # and so it is one order less
    rig.poller.reconnected()
    assert len(await rig.sweep()) == 10
    assert (held_back("ended"), len(rig.through)) == (0, 1)


async def test_orders_that_were_filled_are_no_part_of_too_much(rig, history):
    for number in range(1, 21):
        history.order(number, "FILLED" if number > 1 else "EXPIRED")
        history.trade(number, number)
    shown_open(rig, 20)
    rig.poller.reconnected()
    kinds = [kind for kind, _ in await rig.sweep()]
    assert (kinds.count(ReportKind.FILL), kinds.count(ReportKind.EXPIRED)) == (20, 1)
    assert rig.facts.known.open == {}


async def test_fewer_orders_than_the_least_are_believed_whatever_their_share(rig, history):
    for number in range(1, 10):
        history.order(number, "CANCELED")
    shown_open(rig, 9)
    rig.poller.reconnected()
    assert len(await rig.sweep()) == 9


async def test_orders_that_vanish_altogether_hold_back_the_end_of_others(rig, history):
    history.order(1, "CANCELED")
    shown_open(rig, 10)
    rig.poller.reconnected()
    assert await rig.sweep() == []
    assert (held_back("ended"), held_back("missing")) == (1, 9)


async def test_an_order_that_a_look_missed_is_looked_for_again_until_it_is_found(rig, history, monkeypatch):
    monkeypatch.setattr("venue_gateways.polling._SETTLING_US", 0)
    history.order(1)
    shown_open(rig, 2)
    rig.poller.reconnected()
    for _ in range(3):
        assert await rig.sweep() == []
        assert held_back("missing") == 1
    history.order(2)
    assert await rig.sweep() == []
    assert held_back("missing") == 0
    rig.transport.sent.clear()
    await rig.sweep()
    assert not any("openOrders" in request.target for request in rig.transport.sent)


async def test_orders_of_partitions_that_have_gone_elsewhere_are_no_part_of_a_look(rig):
    for number in range(12):
        elsewhere = ids.client_order_id(1, ids.order_key("alice", str(number)), 0)
        rig.facts.known.learn(OrderSeen(elsewhere, "BTC-USD", OrderState.OPEN, 0, venue_order_id="1", updated_at=5))
    rig.poller.reconnected()
    assert await rig.sweep() == []
    assert (held_back("missing"), looked_up(rig), rig.facts.known.open) == (0, 0, {})


async def test_orders_that_were_too_fresh_when_the_stream_came_back_are_compared_at_the_next_look(
    rig, history, monkeypatch
):
    history.order(1, "EXPIRED")
    seen = OrderSeen(client_id(1), "BTC-USD", OrderState.OPEN, 0, venue_order_id="1", updated_at=wall_us())
    rig.facts.known.learn(seen)
    rig.poller.reconnected()
    assert await rig.sweep() == []
    monkeypatch.setattr("venue_gateways.polling._SETTLING_US", 0)
    assert await rig.sweep() == [(ReportKind.EXPIRED, "1")]
    rig.transport.sent.clear()
    await rig.sweep()
    assert not any("openOrders" in request.target for request in rig.transport.sent)


async def test_a_list_is_not_believed_whose_first_missing_orders_are_all_open(rig, history):
    for number in range(1, 31):
        history.order(number)
    shown_open(rig, 30)
    rig.transport.answers["GET openOrders"] = reply([])
    rig.poller.reconnected()
    assert await rig.sweep() == []
    assert looked_up(rig) == 5
    assert (held_back("ended"), len(rig.through)) == (0, 1)


@pytest.mark.parametrize("broken", ["GET myTrades", "GET allOrders", "GET openOrders"])
async def test_a_look_that_fails_anywhere_is_repeated_whole(rig, history, broken):
    history.order(1)
    history.trade(10, 1)
    well = rig.transport.answers[broken]
    rig.transport.answers[broken] = reply({}, 500)
    rig.poller.gained(0)
    with pytest.raises(Incomplete, match="HTTP_500"):
        await rig.sweep()
    assert rig.through == []
    rig.transport.answers[broken] = well
    rig.poller.reconnected()
    await rig.sweep()
    assert [report.trade_id for _, report in rig.told if report.kind is ReportKind.FILL] == ["10"]
    assert len(rig.through) == 1


async def test_it_looks_when_woken_and_while_the_stream_is_down_and_never_while_idle(rig, monkeypatch):
    monkeypatch.setattr("venue_gateways.polling.DOWN_INTERVAL_S", 0.02)
    state = {"idle": True}
    task = asyncio.create_task(rig.poller.run(lambda: False, lambda: state["idle"]))
    rig.poller.gained(0)
    await asyncio.sleep(0.1)
    assert rig.transport.sent == []
    state["idle"] = False
    await asyncio.sleep(0.3)
    assert len(rig.through) >= 2
    rig.transport.answers["GET myTrades"] = reply({}, 500)
    count = len(rig.through)
    await asyncio.sleep(0.1)
    assert len(rig.through) <= count + 1
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_trades_that_are_due_are_looked_for_once_for_all_of_them_and_nothing_else_is(rig, history, monkeypatch):
    monkeypatch.setattr(polling, "DUE_S", 0.05)
    monkeypatch.setattr(polling, "UP_INTERVAL_S", 60)
    rig.poller._compare = False
    history.order(1, "FILLED")
    history.trade(10, 1)
    running = asyncio.create_task(rig.poller.run(lambda: True, lambda: False))
    for _ in range(3):
        rig.poller.trades_due()
        await asyncio.sleep(0.01)
    async with asyncio.timeout(60):
        while not rig.told:  # noqa: ASYNC110  # there is nothing to wait for but that
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert [call for call in rig.transport.paths() if call != "GET order"] == ["GET myTrades"] * 2  # of each symbol
    assert rig.told[0][1].trade_id == "10"
    rig.poller.trades_due()  # and again, later
    async with asyncio.timeout(60):
        while len(rig.transport.paths()) < 5:  # noqa: ASYNC110  # the same
            await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_an_order_that_has_left_the_list_is_asked_for_by_both_its_ids(rig, history, monkeypatch):
    history.order(1)
    await rig.sweep()
    history.orders[0]["status"] = "CANCELED"
    asked = []
    ask = rig.caller.ask
    monkeypatch.setattr(rig.caller, "ask", lambda call: asked.append(call) or ask(call))
    rig.poller._compare = True
    await rig.sweep()
    (found,) = [call for call in asked if isinstance(call, FindOrder)]
    assert (found.client_order_id, found.venue_order_id) == (client_id(1), "1")


async def test_what_was_unclear_has_open_orders_looked_at_too(rig, history, monkeypatch):
    monkeypatch.setattr(polling, "DUE_S", 0.01)
    rig.poller._compare = False
    history.order(1)
    rig.poller.unclear()
    running = asyncio.create_task(rig.poller.run(lambda: True, lambda: False))
    async with asyncio.timeout(60):
        while "GET openOrders" not in rig.transport.paths():  # noqa: ASYNC110  # there is nothing to wait for but that
            await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
