"""A venue that answers on loopback: what clients see, each fault for real, and the process."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
import websockets

from runtime.exits import Exit
from runtime.settings import Settings
from tests.venue_gateways.simulator.client import CREDENTIAL
from venue_gateways.simulator.binance.limits import Limit, LimitType
from venue_gateways.simulator.journal import Journal
from venue_gateways.simulator.server import Options, main, serve

ROOT = Path(__file__).parents[3]
#: A market that does not move while a test looks.
STILL = {"step_interval_s": 60.0}


async def test_an_order_lives_and_dies_over_http(serving):
    async with serving(**STILL) as client:
        placed = await client.place(newClientOrderId="x")
        assert (placed.status_code, placed.json()["status"]) == (200, "NEW")
        assert placed.headers["x-mbx-used-weight-1m"] == "1"
        canceled = await client.call("DELETE", "order", symbol="BTCUSD", origClientOrderId="x")
        assert canceled.json()["status"] == "CANCELED"
        assert [line["event"] for line in client.journal()] == ["order_accepted", "order_canceled"]


async def test_there_is_a_market_from_the_beginning(serving):
    async with serving(**STILL) as client:
        bought = (await client.place(type="MARKET", quantity="0.5")).json()
        assert bought["status"] == "FILLED"
        assert 59_000 < float(bought["fills"][0]["price"]) < 61_000


async def test_the_market_moves_and_fills_resting_orders(serving):
    async with serving(step_interval_s=0.002) as client, client.stream() as stream:
        best = (await client.http.get("/api/v3/depth?symbol=BTCUSD&limit=1")).json()["bids"][0][0]
        await client.place(price=best[:-6])
        new, trade = await stream.reports(2, timeout_s=20)
        assert (new["x"], trade["x"]) == ("NEW", "TRADE")


async def test_the_journal_the_api_and_the_stream_say_the_same(serving):
    async with serving(step_interval_s=0.01) as client, client.stream() as stream:
        for number in range(60):
            side = "BUY" if number % 2 else "SELL"
            price = f"{60_000 + (number % 7 - 3) * 5}.00"
            more = {"type": "MARKET"} if number % 5 == 0 else {"price": price}
            if "price" in more:
                more["timeInForce"] = ("GTC", "IOC", "FOK")[number % 3]
            assert (await client.place(side=side, newClientOrderId=f"x{number}", **more)).status_code == 200
        await client.call("DELETE", "openOrders", symbol="BTCUSD")
        reports = await stream.silence(1.5)
        orders = (await client.call("GET", "allOrders", symbol="BTCUSD", limit=1000)).json()
        trades = (await client.call("GET", "myTrades", symbol="BTCUSD", fromId=0, limit=1000)).json()
    accepted = {line["order_id"]: line for line in client.journal("order_accepted")}
    fills = client.journal("fill")
    ended = {line["order_id"]: line for line in client.journal("order_canceled", "order_expired")}
    assert {str(order["orderId"]): order["clientOrderId"] for order in orders} == {
        order_id: line["client_order_id"] for order_id, line in accepted.items()
    }
    keys = [
        (int(line["trade_id"]), int(line["order_id"]), float(line["price"]), float(line["quantity"])) for line in fills
    ]
    assert sorted(keys) == sorted((t["id"], t["orderId"], float(t["price"]), float(t["qty"])) for t in trades)
    streamed = [r for r in reports if r["x"] == "TRADE"]
    assert keys == [(r["t"], r["i"], float(r["L"]), float(r["l"])) for r in streamed]
    assert [float(line["fee"]) for line in fills] == [float(r["n"]) for r in streamed]
    for order in orders:
        line = ended.get(str(order["orderId"]))
        assert (line is None) == (order["status"] == "FILLED")
        if line is not None:
            assert float(line["executed_quantity"]) == float(order["executedQty"])
    assert len(fills) > 10


async def test_limits_hold_over_http_and_refusals_are_journaled(serving):
    limits = (
        Limit(LimitType.REQUEST_WEIGHT, "MINUTE", 1, 100_000),
        Limit(LimitType.ORDERS, "DAY", 1, 5),
    )
    async with serving(limits=limits, **STILL) as client:
        replies = await asyncio.gather(*(client.place() for _ in range(8)))
        assert sorted(reply.status_code for reply in replies) == [200] * 5 + [429] * 3
        assert all(int(reply.headers["retry-after"]) > 0 for reply in replies if reply.status_code == 429)
        lines = client.journal("request_refused")
        assert [(line["account"], line["status"], line["code"]) for line in lines] == [("main", 429, -1015)] * 3
        answers = {(row["operation"], row["status"]): row["count"] for row in (await client.state())["answers"]}
        assert answers == {("place", 200): 5, ("place", 429): 3}


async def test_orders_that_trade_leave_room_for_more_over_http_too(serving):
    async with serving(limits=(Limit(LimitType.ORDERS, "DAY", 1, 5),), **STILL) as client:
        replies = [await client.place(type="MARKET", quantity="0.001") for _ in range(10)]
        assert {reply.status_code for reply in replies} == {200}


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_connection_lives_only_so_long(serving):
    async with serving(connection_lifetime_s=0.3, **STILL) as client:
        async with client.stream() as stream:
            with pytest.raises(websockets.ConnectionClosedOK) as closed:
                await stream.reports()
        assert closed.value.rcvd.code == 1001


async def test_there_is_one_websocket_api(serving):
    async with serving(**STILL) as client:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(client.running.stream_url.replace("/ws-api/v3", "/ws/listen-key")):
                pass
        assert refused.value.response.status_code == 404


async def test_pings_are_answered(serving):
    async with serving(**STILL) as client, client.stream() as stream:
        await asyncio.wait_for(await stream.socket.ping(), 60)


async def test_too_many_connections_are_refused(serving):
    async with serving(**STILL) as client:
        client.service.exchange.address("127.0.0.1")._connections.count = 300
        client.service.exchange.address("127.0.0.1")._connections._interval = client.service.clock() // 300_000_000
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with client.stream():
                pass
        assert refused.value.response.status_code == 429


async def test_a_huge_body_is_refused(serving):
    async with serving(**STILL) as client:
        assert (await client.http.post("/api/v3/order", content=b"x" * 70_000)).status_code == 413


async def test_the_goodbye_is_said_before_the_connection_ends(tmp_path):
    known = {CREDENTIAL.key: CREDENTIAL}
    async with serve(Settings(var=tmp_path), known, tmp_path / "journal.jsonl", Options(**STILL)) as running:
        wire = await websockets.connect(running.stream_url)
    assert json.loads(await wire.recv())["event"]["e"] == "serverShutdown"
    with pytest.raises(websockets.ConnectionClosed):
        await wire.recv()
    await wire.close()


async def test_ids_go_on_after_a_restart_and_open_orders_are_forgotten(serving):
    async with serving(**STILL) as client:
        await client.place(newClientOrderId="x")
        last = (await client.place(type="MARKET")).json()
    async with serving(**STILL) as client:
        assert (await client.call("GET", "order", symbol="BTCUSD", origClientOrderId="x")).json()["code"] == -2013
        bought = (await client.place(type="MARKET")).json()
        assert bought["orderId"] == last["orderId"] + 1
        assert bought["fills"][0]["tradeId"] > last["fills"][-1]["tradeId"]
        assert len(client.journal("order_accepted")) == 3


async def test_a_journal_that_cannot_be_written_ends_the_venue(serving, monkeypatch):
    def fail(_journal, _entries):
        raise OSError(28, "No space left on device")

    async def run():
        async with serving(step_interval_s=0.05) as client:
            monkeypatch.setattr(Journal, "append", fail)
            assert (await client.place()).status_code == 500
            await asyncio.sleep(5)

    with pytest.raises(ExceptionGroup) as ended:
        await run()
    assert ended.value.subgroup(OSError) is not None


async def test_it_plays_the_only_venue_there_is(tmp_path):
    built_in = (ROOT / "runtime" / "instruments.toml").read_text()
    other = tmp_path / "instruments.toml"
    other.write_text(built_in.replace('"simulated"', '"elsewhere"'))
    settings = Settings(var=tmp_path, instruments=other)
    async with serve(settings, {}, tmp_path / "journal.jsonl", Options(**STILL)) as running:
        assert "BTC-USD" in running.service.exchange.venue.books


# ── the process ─────────────────────────────────────────────────────────────────────────────────────────────────────


def start(tmp_path, *options):
    script = (
        "import sys; from pathlib import Path; from runtime.settings import Settings\n"
        "from venue_gateways.simulator.server import main\n"
        f"sys.exit(main(Settings(var=Path({str(tmp_path)!r})), {', '.join(options)}))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    )
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_where_it_answers_and_stops_cleanly(tmp_path, number):
    process, url = start(tmp_path)
    try:
        assert httpx.get(f"{url}/api/v3/ping").json() == {}
        key = tomllib.loads((tmp_path / "simulator" / "credentials.toml").read_text())
        assert set(key) == {"account", "key", "secret"}
        process.send_signal(number)
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == Exit.OK
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events[0] == "process_started"
    assert events[-2:] == ["simulator_started", "simulator_stopped"]
    assert key["secret"] not in log


@pytest.fixture
def usable(monkeypatch):
    """`main` in this process, without the logs and metrics of a process."""
    monkeypatch.setattr("runtime.telemetry.start", lambda _settings, _process: None)


@pytest.mark.usefixtures("usable")
def test_what_cannot_be_used_is_said_before_anything_starts(tmp_path):
    settings, bad = Settings(var=tmp_path), tmp_path / "bad"
    bad.write_text("{")
    assert main(settings, credentials=tmp_path / "missing.toml") == Exit.USAGE
    assert main(settings, fault_plan=bad) == Exit.USAGE
    bad.write_text("")
    assert main(Settings(var=tmp_path, instruments=bad)) == Exit.USAGE
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(settings, port=taken.getsockname()[1]) == Exit.TEMPORARY
