"""A venue for tests: by hand without a clock, and on loopback with clients that sign."""

import asyncio
import contextlib
import hmac
import json
import time
from hashlib import sha256
from urllib.parse import urlencode

import orjson
import websockets

from domain import money
from domain.messages import Side, TimeInForce
from runtime import instruments
from venue_gateways.simulator.binance import rest
from venue_gateways.simulator.binance.security import Credential
from venue_gateways.simulator.dialect import HONEST, Request
from venue_gateways.simulator.orders import Fees, Kind, Ticket
from venue_gateways.simulator.venue import Venue

FEES = Fees(maker_rate=money.ONE // 1_000, taker_rate=money.ONE // 1_000)
CREDENTIAL = Credential("main", "k" * 64, b"s" * 64)
NOON = 1_800_000_000_000_000
TRADED = instruments.load().of("simulated")


def units(text):
    return money.parse(str(text))


def ticket(side="BUY", price=None, quantity="0.1", kind=None, symbol="BTC-USD", **more):
    """A limit order if it has a price, a market order otherwise."""
    return Ticket(
        symbol=symbol,
        side=Side(side),
        kind=Kind(kind or ("LIMIT" if price is not None else "MARKET")),
        price=units(price) if price is not None else 0,
        quantity=units(quantity),
        stop_price=units(more.pop("stop_price", 0)),
        time_in_force=TimeInForce(more.pop("time_in_force", "GTC")),
        **more,
    )


def make_venue(**options):
    return Venue(TRADED, **{"fees": FEES, **options})


def open_front(dialect, known):
    """What clients of a venue of that dialect meet; *known* are their credentials."""
    names = dialect.names(instrument.symbol for instrument in TRADED)
    return dialect.open(make_venue(fees=dialect.fees, rules=dialect.rules), names, known)


def sign(parameters, secret=CREDENTIAL.secret):
    """The query string of *parameters*, signed."""
    query = urlencode(parameters)
    return f"{query}&signature={hmac.digest(secret, query.encode(), sha256).hex()}"


class Desk:
    """Binance's dialect without a web: requests in, (status, JSON, headers) out, at any time one likes."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.now = NOON

    def ask(self, verb, path, *, lies=HONEST, arrived=None, address="1.2.3.4", **parameters):
        parameters.setdefault("timestamp", self.now // 1_000)
        return self.send(verb, path, sign(parameters), lies=lies, arrived=arrived, address=address)

    def send(self, verb, path, query, *, key=CREDENTIAL.key, body=b"", lies=HONEST, arrived=None, address="1.2.3.4"):
        request = Request(
            verb=verb,
            path=f"/api/v3/{path}",
            query=query.encode(),
            body=body,
            address=address,
            arrived=arrived or self.now,
            headers={b"x-mbx-apikey": key.encode()} if key else {},
        )
        reply = rest.answer(self.exchange, request, self.now, lies)
        self.exchange.observe(self.exchange.venue.drain())
        return reply.status, orjson.loads(reply.body), {k.decode(): v.decode() for k, v in reply.headers}

    def place(self, **parameters):
        """A resting limit order unless told otherwise."""
        order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "quantity": "0.01"}
        if parameters.get("type", "LIMIT") == "LIMIT":
            order |= {"timeInForce": "GTC", "price": "50000"}
        return self.ask("POST", "order", **(order | parameters))


class Client:
    """A client of a venue on loopback."""

    def __init__(self, running, http, journal):
        self.running = running
        self.service = running.service
        self.http = http
        self._journal = journal

    def journal(self, *events):
        lines = [json.loads(line) for line in self._journal.read_text().splitlines()]
        return [line for line in lines if not events or line["event"] in events]

    async def call(self, verb, path, **parameters):
        parameters.setdefault("timestamp", int(time.time() * 1_000))
        url = f"/api/v3/{path}?{sign(parameters)}"
        return await self.http.request(verb, url, headers={"X-MBX-APIKEY": CREDENTIAL.key})

    async def place(self, **parameters):
        order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "quantity": "0.01"}
        if parameters.get("type", "LIMIT") == "LIMIT":
            order |= {"timeInForce": "GTC", "price": "50000"}
        return await self.call("POST", "order", **(order | parameters))

    async def state(self):
        return (await self.http.get("/simulator/state")).json()

    async def lie(self, **plan):
        reply = await self.http.put("/simulator/faults", json=plan)
        assert reply.status_code == 200, reply.text

    @contextlib.asynccontextmanager
    async def stream(self):
        """An open, subscribed user data stream."""
        async with websockets.connect(self.running.stream_url) as socket:
            answer = await ask(socket, "userDataStream.subscribe.signature", signed=True)
            assert answer["status"] == 200, answer
            yield Stream(socket)


class Stream:
    def __init__(self, socket):
        self.socket = socket

    async def reports(self, count=1, timeout_s=20):
        """The next *count* order updates."""
        found = []
        async with asyncio.timeout(timeout_s):
            while len(found) < count:
                event = json.loads(await self.socket.recv())["event"]
                if event["e"] == "executionReport":
                    found.append(event)
        return found

    async def silence(self, for_s=0.3):
        """The order updates that come before nothing comes for a while."""
        found = []
        with contextlib.suppress(TimeoutError):
            while True:
                found += await self.reports(timeout_s=for_s)
        return found


async def ask(socket, method, *, signed=False, **parameters):
    """One request over a WebSocket, and its answer."""
    if signed:
        parameters |= {"apiKey": CREDENTIAL.key, "timestamp": int(time.time() * 1_000)}
        payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        parameters["signature"] = hmac.digest(CREDENTIAL.secret, payload.encode(), sha256).hex()
    await socket.send(json.dumps({"id": method, "method": method, "params": parameters}))
    while "id" not in (answer := json.loads(await socket.recv())):
        pass
    return answer


#: An order that rests below the market.
NEW = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.02", "price": "51000"}


def quote(desk, side, price, quantity="1", symbol="BTC-USD"):
    """Somebody else's order on the book."""
    return desk.exchange.venue.place("other", ticket(side, price, quantity, symbol=symbol), desk.now)
