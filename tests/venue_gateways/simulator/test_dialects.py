"""What is the same in every dialect, on loopback: faults, the journal, streams, and how a process is started."""

import asyncio
import contextlib
import json
import time
import uuid
from datetime import UTC, datetime

import httpx
import pytest
import websockets

from runtime.exits import Exit
from runtime.settings import Settings
from tests.venue_gateways.simulator.coinbase import client as coinbase
from tests.venue_gateways.simulator.kraken import client as kraken
from venue_gateways.simulator import faults
from venue_gateways.simulator.coinbase import stream
from venue_gateways.simulator.dialects import DIALECTS, Published
from venue_gateways.simulator.faults import Outcome
from venue_gateways.simulator.server import Options, home, load_credentials, main, serve

VENUES = ("kraken", "coinbase")


class KrakenClient:
    """A client of Kraken's API on loopback. It takes so many orders for two messages on the stream."""

    orders_for_two_messages = 2

    def __init__(self, http, stream_url):
        self.http = http
        self.stream_url = stream_url

    async def ask(self, name, **parameters):
        path, headers, body = kraken.signed(name, time.time_ns(), **parameters)
        return await self.http.post(path, content=body, headers=headers)

    async def place(self, name, order=kraken.REST, **more):
        return await self.ask("AddOrder", **order, cl_ord_id=name, **more)

    async def buy(self, name):
        return await self.place(name, kraken.MARKET)

    async def fills(self):
        """By the ID that a fill has at the venue: of which order."""
        trades = (await self.ask("TradesHistory")).json()["result"]["trades"]
        return {name: trade["ordertxid"] for name, trade in trades.items()}

    @contextlib.asynccontextmanager
    async def stream(self):
        token = (await self.ask("GetWebSocketsToken")).json()["result"]["token"]
        async with websockets.connect(self.stream_url) as socket:
            await socket.send(json.dumps({"method": "subscribe", "params": {"channel": "executions", "token": token}}))
            yield socket

    def numbers(self, message):
        return [message["sequence"]] if message.get("type") == "update" and "sequence" in message else []


class CoinbaseClient(KrakenClient):
    """A client of Coinbase's API on loopback."""

    orders_for_two_messages = 1

    async def ask(self, verb, path, body=None):
        full = f"/api/v3/brokerage/{path}"
        host = self.http.base_url.netloc.decode()
        bearer = coinbase.token(time.time() * 1e6, f"{verb} {host}{full}")
        return await self.http.request(verb, full, json=body, headers={"Authorization": f"Bearer {bearer}"})

    async def place(self, name, order=coinbase.REST):
        body = {"client_order_id": name, "product_id": "BTC-USD", "side": "BUY", "order_configuration": order}
        return await self.ask("POST", "orders", body)

    async def buy(self, name):
        return await self.place(name, coinbase.MARKET)

    async def fills(self):
        fills = (await self.ask("GET", "orders/historical/fills")).json()["fills"]
        return {fill["entry_id"]: fill["order_id"] for fill in fills}

    @contextlib.asynccontextmanager
    async def stream(self):
        async with websockets.connect(self.stream_url) as socket:
            for channel in ("heartbeats", "user"):
                wanted = {"type": "subscribe", "channel": channel, "jwt": coinbase.token(time.time() * 1e6)}
                await socket.send(json.dumps(wanted))
            yield socket

    def numbers(self, message):
        return [message["sequence_num"]] if message["events"][0].get("type") == "update" else []


class Scene:
    """A venue on loopback, its client and its journal."""

    def __init__(self, running, http, journal, make):
        self.service = running.service
        self.http = http
        self.client = make(http, running.stream_url)
        self._journal = journal

    def journal(self, event):
        lines = [json.loads(line) for line in self._journal.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def accepted(self):
        return [line["client_order_id"] for line in self.journal("order_accepted")]

    async def lie(self, **plan):
        (await self.http.put("/simulator/faults", json=plan)).raise_for_status()


@pytest.fixture
def playing(tmp_path):
    """A context manager: a venue of one dialect, whose market stands still."""
    kinds = {
        "kraken": (kraken.KNOWN, KrakenClient),
        "coinbase": (coinbase.KNOWN, CoinbaseClient),
    }

    @contextlib.asynccontextmanager
    async def play(venue, **published):
        known, make = kinds[venue]
        dialect = DIALECTS[venue](Published(**published))
        journal, options = tmp_path / f"{venue}.jsonl", Options(venue=venue, dialect=dialect, step_interval_s=60.0)
        async with (
            serve(Settings(var=tmp_path), known, journal, options) as running,
            httpx.AsyncClient(base_url=running.url, timeout=30) as http,
        ):
            yield Scene(running, http, journal, make)

    return play


@pytest.mark.parametrize("venue", VENUES)
async def test_each_outcome_of_a_request_is_as_its_group_says(playing, venue):
    async with playing(venue) as scene:
        for outcome in Outcome:
            await scene.lie(**{outcome: 1.0}, stall_ms=30, operations=["place"])
            with contextlib.suppress(httpx.TransportError):
                await scene.client.place(outcome)
        assert set(scene.accepted()) == set(Outcome) - faults.NEVER_PERFORMED
        counts = (await scene.http.get("/simulator/state")).json()["faults"]
        assert counts == dict.fromkeys(Outcome, 1)


@pytest.mark.parametrize("venue", VENUES)
async def test_an_error_of_the_venue_looks_the_same_before_and_after_the_deed(playing, venue):
    async with playing(venue) as scene:
        looks = []
        for outcome in (Outcome.ERROR_BEFORE, Outcome.ERROR_AFTER):
            await scene.lie(**{outcome: 1.0}, operations=["place"])
            replies = [await scene.client.place(f"{outcome}-{number}"[-18:]) for number in range(8)]
            looks.append([(reply.status_code, reply.text) for reply in replies])
        assert looks[0] == looks[1]
        assert len(set(looks[0])) > 2
        assert len(scene.accepted()) == 8


@pytest.mark.parametrize("venue", VENUES)
async def test_the_journal_calls_orders_and_fills_what_the_api_calls_them(playing, venue):
    async with playing(venue) as scene:
        await scene.client.buy("x")
        await scene.client.buy("y")
        lines = {line["trade_id"]: line["order_id"] for line in scene.journal("fill")}
        assert lines == await scene.client.fills()
        assert scene.accepted() == ["x", "y"]
    async with playing(venue) as scene:
        await scene.client.buy("x")
        assert len({line["trade_id"] for line in scene.journal("fill")}) == 3, "IDs go on after a restart"
        assert len({line["order_id"] for line in scene.journal("order_accepted")}) == 3


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("plan", "offsets"),
    [
        ({"stream_duplicate": 1.0}, [0, 0, 1, 1]),
        ({"stream_loss": 1.0, "times": {"stream_loss": 1}}, [1]),
        ({"stream_reorder": 1.0, "times": {"stream_reorder": 1}}, [1, 0]),
    ],
)
async def test_what_befalls_a_stream_shows_in_its_numbers(playing, venue, plan, offsets):
    async with playing(venue) as scene, scene.client.stream() as stream:
        while b"snapshot" not in (await stream.recv()).encode():
            pass
        await asyncio.sleep(0.05)
        await scene.lie(**plan)
        for name in ("a", "b")[: scene.client.orders_for_two_messages]:
            await scene.client.place(name)
        numbers = []
        with contextlib.suppress(TimeoutError):
            while len(numbers) < len(offsets):
                numbers += scene.client.numbers(json.loads(await asyncio.wait_for(stream.recv(), 60)))
        first = min(numbers) if 0 in offsets else min(numbers) - 1
        assert [number - first for number in numbers] == offsets


async def test_a_request_that_stalls_has_shown_its_nonce_and_may_miss_its_deadline(playing):
    async with playing("kraken") as scene:
        await scene.lie(stall_before=1.0, stall_ms=300)
        deadline = datetime.fromtimestamp(time.time() + 5, UTC).isoformat()
        waits = (("late", deadline), ("patient", ""))
        stalled = [asyncio.create_task(scene.client.place(name, deadline=until)) for name, until in waits]
        await asyncio.sleep(0.1)
        await scene.lie(clock_offset_ms=10_000)
        assert (await scene.client.place("overtaking")).json()["error"] == []
        assert [reply.json()["error"] for reply in await asyncio.gather(*stalled)] == [
            ["EService:Deadline elapsed"],
            [],
        ]
        assert scene.accepted() == ["overtaking", "patient"]


async def test_who_may_not_come_in_may_not_when_something_goes_wrong_either(playing):
    async with playing("kraken") as scene:
        await scene.lie(delay=1.0, delay_ms=1)
        path, headers, body = kraken.signed("Balance", 5)
        for error in ([], ["EAPI:Invalid nonce"]):
            assert (await scene.http.post(path, content=body, headers=headers)).json()["error"] == error


@pytest.mark.parametrize(("venue", "orders"), [("coinbase", 1), ("kraken", 2)])
async def test_a_repeated_placement_is_one_order_where_the_venue_says_so(playing, venue, orders):
    name = str(uuid.uuid4())
    async with playing(venue) as scene:
        await scene.lie(response_lost=1.0, times={"response_lost": 1})
        with pytest.raises(httpx.TransportError):
            await scene.client.buy(name)
        await scene.client.buy(name)
        assert scene.accepted() == [name] * orders


async def test_what_was_taken_of_each_limit_is_told(playing):
    async with playing("kraken") as scene:
        for name in ("a", "b"):
            await scene.client.place(name)
        await scene.client.ask("TradesHistory")
        limits = (await scene.http.get("/simulator/state")).json()["limits"]
        assert limits == {
            "main": {
                "calls": {"limit": 20, "decay_per_s": 1.0, "taken": 2},
                "orders/BTC-USD": {"limit": 180, "decay_per_s": 3.75, "taken": 2},
            }
        }
    async with playing("coinbase", requests_per_s=2) as scene:
        assert [(await scene.client.place(name)).status_code for name in ("c", "d", "e")].count(429) <= 1
        limits = (await scene.http.get("/simulator/state")).json()["limits"]
        assert limits["main"] == {"requests": {"limit": 2, "window_s": 1, "taken": limits["main"]["requests"]["taken"]}}


async def test_what_trades_and_at_which_price_is_told_in_no_dialect(playing):
    async with playing("kraken") as scene:
        markets = {row["symbol"]: row for row in (await scene.http.get("/simulator/markets")).json()}
        bitcoin = markets["BTC-USD"]
        assert (bitcoin["tick"], bitcoin["lot"], len(markets)) == ("0.01", "0.00001", 5)
        assert float(bitcoin["bid"]) < 60_000 < float(bitcoin["ask"])


async def test_a_session_beats_until_the_venue_has_had_enough_of_it(playing, monkeypatch):
    monkeypatch.setattr(stream.Session, "beat_s", 0.02)
    async with playing("coinbase") as scene:
        async with scene.client.stream() as socket:
            channels = {json.loads(await socket.recv())["channel"] for _ in range(6)}
            assert channels == {"heartbeats", "subscriptions", "user"}
        monkeypatch.setattr(stream, "_PATIENCE_US", 100_000)
        async with websockets.connect(scene.client.stream_url) as silent:
            with pytest.raises(websockets.ConnectionClosedError):
                await asyncio.wait_for(silent.recv(), 60)
        assert (await scene.http.get("/simulator/state")).json()["sessions"] == 0


# ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("venue", DIALECTS)
def test_every_venue_has_a_home_and_keys_of_its_own(tmp_path, venue):
    dialect, settings = DIALECTS[venue](Published()), Settings(var=tmp_path)
    made = load_credentials(dialect, None, home(settings, venue))
    assert load_credentials(dialect, None, home(settings, venue)).keys() == made.keys()
    assert [found.account for found in made.values()] == ["main"]
    assert (home(settings, venue) / "credentials.toml").stat().st_mode & 0o777 == 0o400


def test_a_venue_that_nobody_can_play_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.telemetry.start", lambda _settings, _process: None)
    assert main(Settings(var=tmp_path), venue="elsewhere") == Exit.USAGE
