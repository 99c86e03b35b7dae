"""Each fault of the simulated venue, for real."""

import asyncio
import json
import time

import httpx
import pytest
import websockets
from prometheus_client import REGISTRY

from tests.venue_gateways.simulator.client import ask
from venue_gateways.simulator import faults

#: A market that does not move while a test looks.
STILL = {"step_interval_s": 60.0}


async def journaled(client):
    return [line["client_order_id"] for line in client.journal("order_accepted")]


@pytest.mark.parametrize(("fault", "accepted"), [("response_lost", ["x"]), ("request_lost", [])])
async def test_a_connection_may_be_reset_after_or_before_acceptance(serving, fault, accepted):
    async with serving(**STILL) as client:
        await client.lie(**{fault: 1.0, "times": {fault: 1}})
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.place(newClientOrderId="x")
        assert await journaled(client) == accepted
        assert (await client.place(newClientOrderId="y")).status_code == 200, "only once"
        assert (await client.state())["faults"] == {fault: 1}


@pytest.mark.parametrize(("fault", "accepted"), [("error_after", True), ("error_before", False)])
async def test_a_5xx_says_nothing_about_acceptance(serving, fault, accepted):
    async with serving(**STILL) as client:
        await client.lie(**{fault: 1.0})
        replies = [await client.place(newClientOrderId=f"x{number}") for number in range(12)]
        assert {reply.status_code for reply in replies} == {500, 502, 503, 504}
        assert len(await journaled(client)) == (12 if accepted else 0)


@pytest.mark.parametrize(("fault", "status"), [("too_many_requests", 429), ("banned", 418)])
async def test_a_limit_may_be_pretended(serving, fault, status):
    async with serving(**STILL) as client:
        await client.lie(**{fault: 1.0, "retry_after_s": 3, "ban_s": 3})
        reply = await client.place()
        assert (reply.status_code, reply.json()["code"], reply.headers["retry-after"]) == (status, -1003, "3")
        assert client.journal() == [], "no real limit was passed"


async def test_a_firewall_may_stand_in_front(serving):
    async with serving(**STILL) as client:
        await client.lie(forbidden=1.0)
        reply = await client.place()
        assert (reply.status_code, reply.headers["content-type"]) == (403, "text/html")
        assert client.journal() == []


async def test_the_venues_clock_may_be_wrong(serving):
    async with serving(**STILL) as client:
        await client.lie(clock_offset_ms=3_600_000)
        assert (await client.place()).json()["code"] == -1021
        theirs = (await client.http.get("/api/v3/time")).json()["serverTime"]
        assert abs(theirs - time.time() * 1_000 - 3_600_000) < 60_000
        assert (await client.place(timestamp=theirs)).status_code == 200


async def test_an_answer_over_websocket_comes_before_what_it_caused(serving):
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    async with serving(**STILL) as client, client.stream() as stream:
        assert (await ask(stream.socket, "order.place", signed=True, **order))["result"]["status"] == "FILLED"
        assert [report["x"] for report in await stream.reports(2)] == ["NEW", "TRADE"]
        await client.lie(hold=1.0, hold_ms=200)
        await ask(stream.socket, "order.place", signed=True, **order)
        with pytest.raises(TimeoutError):
            await stream.reports(timeout_s=0.3)


async def test_a_stall_after_acceptance_is_only_slow(serving):
    async with serving(**STILL) as client:
        await client.lie(stall_after=1.0, stall_ms=300)
        with pytest.raises(httpx.ReadTimeout):
            await with_timeout(client, 0.1)
        await until(lambda: client.journal("order_accepted"))
        started = asyncio.get_running_loop().time()
        assert (await client.place()).status_code == 200
        assert asyncio.get_running_loop().time() - started >= 0.3


async def until(holds, within_s=60):
    """Wait until something *holds*."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  # what it looks at is a file
            await asyncio.sleep(0.02)


async def with_timeout(client, seconds, **parameters):
    client.http.timeout = httpx.Timeout(5, read=seconds)
    try:
        return await client.place(newClientOrderId="x", **parameters)
    finally:
        client.http.timeout = httpx.Timeout(5)


async def test_a_stalled_request_may_be_performed_after_its_client_has_given_up(serving):
    async with serving(**STILL) as client:
        await client.lie(stall_before=1.0, stall_ms=3_000)
        with pytest.raises(httpx.ReadTimeout):
            await with_timeout(client, 0.1)
        assert await journaled(client) == []
        await until(lambda: client.journal("order_accepted"))


async def test_a_stalled_request_whose_time_has_run_out_is_refused(serving):
    async with serving(**STILL) as client:
        await client.lie(stall_before=1.0, stall_ms=300)
        reply = await client.place(recvWindow=250)
        assert (reply.status_code, reply.json()["code"]) == (400, -1021)
        assert await journaled(client) == []


@pytest.mark.parametrize("fault", ["truncated", "html"])
async def test_a_body_may_be_no_json_although_the_order_was_accepted(serving, fault):
    async with serving(**STILL) as client:
        await client.lie(**{fault: 1.0, "times": {fault: 1}})
        reply = await client.place(newClientOrderId="x")
        assert reply.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            reply.json()
        assert await journaled(client) == ["x"]


async def test_a_request_may_be_delayed(serving):
    async with serving(**STILL) as client:
        await client.lie(delay=1.0, delay_ms=60)
        started = asyncio.get_running_loop().time()
        for _ in range(20):
            assert (await client.place()).status_code == 200
        assert asyncio.get_running_loop().time() - started > 0.2


async def test_fills_may_come_before_the_acknowledgement(serving):
    async with serving(**STILL) as client, client.stream() as stream:
        await client.lie(hold=1.0, hold_ms=4_000)
        placing = asyncio.create_task(client.place(type="MARKET"))
        reports = await stream.reports(2, timeout_s=3.9)
        assert [report["x"] for report in reports] == ["NEW", "TRADE"]
        assert not placing.done()
        assert (await placing).json()["status"] == "FILLED"


async def test_an_accepted_order_may_not_be_found_for_a_while(serving):
    async with serving(**STILL) as client:
        await client.lie(hide=1.0, hide_ms=1_500)
        await client.place(newClientOrderId="x")
        query = {"symbol": "BTCUSD", "origClientOrderId": "x"}
        assert (await client.call("GET", "order", **query)).json()["code"] == -2013
        assert (await client.call("GET", "openOrders")).json() == []
        await asyncio.sleep(1.5)
        assert (await client.call("GET", "order", **query)).json()["status"] == "NEW"
        assert len((await client.call("GET", "openOrders")).json()) == 1


async def test_the_list_of_open_orders_may_be_empty(serving):
    async with serving(**STILL) as client:
        await client.place()
        await client.lie(empty_open_orders=1.0)
        assert (await client.call("GET", "openOrders")).json() == []
        assert (await client.call("GET", "order", symbol="BTCUSD", orderId=1)).json()["status"] == "NEW"
        await client.lie()
        assert len((await client.call("GET", "openOrders")).json()) == 1


async def test_an_order_that_is_there_may_be_denied(serving):
    async with serving(**STILL) as client:
        await client.place()
        await client.lie(deny=1.0)
        assert (await client.call("GET", "order", symbol="BTCUSD", orderId=1)).json()["code"] == -2013
        assert len((await client.call("GET", "openOrders")).json()) == 1
        await client.lie()
        assert (await client.call("GET", "order", symbol="BTCUSD", orderId=1)).json()["status"] == "NEW"


async def test_a_cancel_may_find_that_its_order_has_just_been_filled_and_nothing_else_has_moved(serving):
    async with serving(**STILL) as client, client.stream() as stream:
        await client.place(price="59000", quantity="0.2")
        prices = (await client.state())["prices"]
        await client.lie(fill_first=1.0)
        refused = await client.call("DELETE", "order", symbol="BTCUSD", orderId=1)
        assert refused.json()["code"] == -2011
        assert (await client.call("GET", "order", symbol="BTCUSD", orderId=1)).json()["status"] == "FILLED"
        (trade,) = (await client.call("GET", "myTrades", symbol="BTCUSD")).json()
        assert (float(trade["price"]), float(trade["qty"]), trade["isMaker"]) == (59_000, 0.2, True)
        assert [report["x"] for report in await stream.reports(2)] == ["NEW", "TRADE"]
        assert (await client.state())["prices"] == prices


@pytest.mark.parametrize(
    ("plan", "numbers"),
    [
        ({"stream_duplicate": 1.0}, [1, 1, 2, 2]),
        ({"stream_loss": 1.0, "times": {"stream_loss": 1}}, [2]),
        ({"stream_reorder": 1.0, "times": {"stream_reorder": 1}}, [2, 1]),
        ({"stream_delay": 1.0, "stream_delay_ms": 300, "times": {"stream_delay": 1}}, [2, 1]),
    ],
)
async def test_the_stream_may_repeat_lose_reorder_and_delay(serving, plan, numbers):
    async with serving(**STILL) as client, client.stream() as stream:
        await client.lie(**plan)
        await client.place(type="MARKET", quantity="0.001")
        assert [report["I"] for report in await stream.silence(1.0)] == numbers


async def test_the_stream_may_be_cut(serving):
    async with serving(**STILL) as client, client.stream() as stream:
        await client.lie(stream_reset=1.0)
        await client.place()
        with pytest.raises(websockets.ConnectionClosedError):
            await stream.reports()
        await client.lie()
        async with client.stream() as again:
            await client.place()
            assert len(await again.reports()) == 1


async def test_faults_meet_requests_over_websocket_too(serving):
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    order |= {"price": "50000", "newClientOrderId": "x"}
    async with serving(**STILL) as client:
        for fault, status in (("error_before", 504), ("too_many_requests", 429), ("banned", 418)):
            await client.lie(**{fault: 1.0})
            async with websockets.connect(client.running.stream_url) as wire:
                assert (await ask(wire, "order.place", signed=True, **order))["status"] == status
        assert await journaled(client) == []
        for fault in ("request_lost", "response_lost"):
            await client.lie(**{fault: 1.0})
            async with websockets.connect(client.running.stream_url) as wire:
                with pytest.raises(websockets.ConnectionClosedError):
                    await ask(wire, "order.place", signed=True, **order)
        assert await journaled(client) == ["x"]
        await client.lie(error_after=1.0)
        async with websockets.connect(client.running.stream_url) as wire:
            order["newClientOrderId"] = "y"
            assert (await ask(wire, "order.place", signed=True, **order))["status"] == 504
        assert await journaled(client) == ["x", "y"]


async def test_among_all_faults_at_once_a_definite_answer_is_never_a_lie(serving):
    short = {"stall_ms": 20, "delay_ms": 5, "hold_ms": 5, "hide_ms": 50, "stream_delay_ms": 20, "retry_after_s": 0}
    async with serving(step_interval_s=0.01) as client:
        await client.lie(**dict.fromkeys(faults.NAMES, 0.05), **short, seed=9)
        answers = {}
        for number in range(300):
            name = f"x{number}"
            try:
                answers[name] = await client.place(newClientOrderId=name, price=str(59_990 + number % 20))
            except httpx.TransportError:
                answers[name] = None
        hits = {name for name, count in (await client.state())["faults"].items() if count}
        await client.lie()
        await asyncio.sleep(0.1)
        orders = (await client.call("GET", "allOrders", symbol="BTCUSD", orderId=1, limit=1000)).json()
        trades = (await client.call("GET", "myTrades", symbol="BTCUSD", fromId=0, limit=1000)).json()
    accepted = await journaled(client)
    assert sorted(order["clientOrderId"] for order in orders) == sorted(accepted) == sorted(set(accepted))
    assert {(t["id"], t["orderId"]) for t in trades} == {
        (int(line["trade_id"]), int(line["order_id"])) for line in client.journal("fill")
    }
    for name, answer in answers.items():
        if answer is None or answer.status_code >= 500 or (answer.status_code == 200 and not is_json(answer)):
            continue
        assert (answer.status_code == 200) == (name in accepted), answer.text
    assert hits >= {*faults.Outcome, "delay", "hold", "hide"}


def is_json(answer):
    try:
        answer.json()
    except json.JSONDecodeError:
        return False
    return True


async def test_a_plan_can_be_read_back_and_an_impossible_one_changes_nothing(serving):
    async with serving(**STILL) as client:
        await client.lie(seed=5, hide=0.25)
        refused = await client.http.put("/simulator/faults", content=b'{"hide": 2}')
        assert (refused.status_code, "hide" in refused.json()["error"]) == (400, True)
        plan = (await client.http.get("/simulator/faults")).json()
        assert (plan["seed"], plan["hide"], plan["response_lost"]) == (5, 0.25, 0.0)
        assert (await client.http.get("/simulator/nothing")).status_code == 404


async def test_the_market_can_be_told_to_stand_still(serving):
    async with serving(step_interval_s=0.005) as client:
        reply = await client.http.put("/simulator/market", json={"running": False})
        assert reply.json() == {"running": False}
        before = await client.state()
        await asyncio.sleep(0.1)
        assert await client.state() == before
        assert (await client.place(type="MARKET")).json()["status"] == "FILLED", "its quotes stay"
        await client.http.put("/simulator/market", json={"running": True})
        await asyncio.sleep(0.3)
        after = await client.state()
        assert after["trade_ids"] != before["trade_ids"]
        assert (await client.http.get("/simulator/market")).json() == {"running": True}
        assert (await client.http.put("/simulator/market", json={"runing": True})).status_code == 400


async def test_what_happens_is_counted(serving):
    async with serving(**STILL) as client:

        def counted(name, **labels):
            return REGISTRY.get_sample_value(f"fillstream_simulator_{name}_total", labels) or 0

        before = counted("orders"), counted("fills"), counted("faults", fault="hide")
        await client.lie(hide=1.0)
        await client.place(type="MARKET", quantity="0.001")
        assert (counted("orders"), counted("fills"), counted("faults", fault="hide")) == tuple(n + 1 for n in before)
        assert counted("requests", operation="place", status="200") > 0
