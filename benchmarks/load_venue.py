"""A venue for load tests: enough of Binance's REST and stream to take placements, fast, and tell when each arrived.

    python -m benchmarks.load_venue [--answer-after-ms 5]

It checks nothing, matches nothing and limits nothing: every placement is acknowledged as an open order after a fixed
time, and shown on the private stream. Its first line on the standard output is where it answers (HTTP, then the
stream), ``GET /arrivals`` gives what has arrived since the last time somebody asked, and ``GET /under-way`` how many
placements have waited for their answers at one time, at most. The simulated venue
(``fillstream simulator``) does all of the rest, at several times the cost of a gateway's whole work.
"""

import argparse
import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import msgspec
import uvloop
import websockets
from typing_extensions import override

#: So high that no gateway ever waits: what is measured is the gateway.
LIMIT: Final = 1_000_000_000
SYMBOLS: Final = {"BTCUSD": ("BTC", "USD"), "ETHUSD": ("ETH", "USD"), "SOLUSD": ("SOL", "USD")}
ARRIVALS: Final = "/arrivals"
UNDER_WAY: Final = "/under-way"
_PLACEMENT: Final = "POST /api/v3/order"
_CLIENT_ORDER_ID: Final = re.compile(rb"[?&]newClientOrderId=([^& ]+)")
_ORIGINAL_ID: Final = re.compile(rb"[?&]origClientOrderId=([^& ]+)")
_SYMBOL: Final = re.compile(rb"[?&]symbol=([^& ]+)")
_HEAD_END: Final = b"\r\n\r\n"


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """One placement: its client order ID, and when its first byte was read (ns of the machine's monotonic clock)."""

    client_order_id: str
    at_ns: int


class Venue:
    """What has been placed, and who listens on the stream."""

    def __init__(self, answer_after_s: float) -> None:
        self.answer_after_s = answer_after_s
        self.listeners: set[Any] = set()
        self._under_way = self._under_way_max = 0
        self._arrivals: list[tuple[bytes, int]] = []
        self._orders: dict[bytes, tuple[bytes, int, bytes, int]] = {}
        self._plain: dict[str, Callable[[], bytes]] = {
            "GET /api/v3/exchangeInfo": _rules,
            "GET /api/v3/time": lambda: b'{"serverTime":%d}' % (time.time_ns() // 1_000_000),
            "GET /api/v3/account": lambda: b'{"balances":[]}',
            f"GET {ARRIVALS}": self._take_arrivals,
            f"GET {UNDER_WAY}": lambda: b"%d" % self._under_way_max,
        }

    def note(self, client_order_id: bytes) -> None:
        self._arrivals.append((client_order_id, time.monotonic_ns()))
        self._under_way += 1
        self._under_way_max = max(self._under_way_max, self._under_way)

    def answer(self, head: bytes) -> tuple[bytes, bytes]:
        """Status and body that answer the request with this *head*; lists are empty."""
        wanted = _ORIGINAL_ID.search(head)
        if wanted is not None:
            order = self._orders.get(wanted[1])
            return (b"200 OK", _ORDER % order) if order is not None else (b"400 Bad Request", _NO_SUCH_ORDER)
        verb, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        body = self._plain.get(f"{verb.decode()} {path.decode()}")
        return b"200 OK", b"[]" if body is None else body()

    def place(self, head: bytes, client_order_id: bytes) -> bytes:
        """Open the order, tell the stream, and answer as newOrderRespType=FULL does."""
        symbol = _SYMBOL.search(head)
        name = symbol[1] if symbol is not None else b""
        self._under_way -= 1
        order = (name, len(self._orders) + 1, client_order_id, time.time_ns() // 1_000_000)
        self._orders[client_order_id] = order
        if self.listeners:
            told = (_EVENT % order).decode()
            websockets.broadcast(self.listeners, told)
        return _ORDER % order

    @property
    def count(self) -> int:
        return len(self._orders)

    def _take_arrivals(self) -> bytes:
        taken, self._arrivals = self._arrivals, []
        return msgspec.json.encode([Arrival(name.decode(), at_ns) for name, at_ns in taken])


class Connection(asyncio.Protocol):
    """One keep-alive connection: requests without bodies, one after the other."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._read = b""
        self._transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is not one by inheritance

    @override
    def data_received(self, data: bytes) -> None:
        self._read += data
        while _HEAD_END in self._read:
            head, _, self._read = self._read.partition(_HEAD_END)
            self._take(head)

    def _take(self, head: bytes) -> None:
        found = _CLIENT_ORDER_ID.search(head) if head.startswith(_PLACEMENT.encode()) else None
        if found is None:
            self._reply(*self._venue.answer(head))
            return
        self._venue.note(found[1])
        reply = self._venue.place
        loop = asyncio.get_running_loop()
        loop.call_later(self._venue.answer_after_s, lambda: self._reply(b"200 OK", reply(head, found[1])))

    def _reply(self, status: bytes, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(_HEAD % (status, self._venue.count, self._venue.count, len(body)) + body)


_HEAD: Final = (
    b"HTTP/1.1 %b\r\ncontent-type: application/json;charset=UTF-8\r\nx-mbx-uuid: load-test\r\n"
    b"x-mbx-used-weight: %d\r\nx-mbx-order-count-10s: %d\r\ncontent-length: %d\r\n\r\n"
)
_ORDER: Final = (
    b'{"symbol":"%b","orderId":%d,"orderListId":-1,"clientOrderId":"%b","transactTime":%d,"price":"0","origQty":"0",'
    b'"executedQty":"0.00000000","cummulativeQuoteQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT",'
    b'"side":"BUY","fills":[]}'
)
_NO_SUCH_ORDER: Final = b'{"code":-2013,"msg":"Order does not exist."}'
_EVENT: Final = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","s":"%b","i":%d,"c":"%b","T":%d,"x":"NEW","X":"NEW",'
    b'"z":"0.00000000","C":"","l":"0.00000000","L":"0.00000000","n":"0","N":null,"t":-1,"m":false,"r":"NONE"}}'
)


def _rules() -> bytes:
    limits = [
        {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": LIMIT}
        for kind, interval, number in (("REQUEST_WEIGHT", "MINUTE", 1), ("ORDERS", "SECOND", 10))
    ]
    symbols = [{"symbol": symbol, "baseAsset": base, "quoteAsset": quote} for symbol, (base, quote) in SYMBOLS.items()]
    return msgspec.json.encode({"rateLimits": limits, "symbols": symbols})


async def _listen(venue: Venue, listener: Any) -> None:
    """The subscription is accepted, whoever asks; from then on the listener is told of every order."""
    with contextlib.suppress(websockets.ConnectionClosedError):  # a gateway that was killed
        async for message in listener:
            asked = msgspec.json.decode(message)
            await listener.send(msgspec.json.encode({"id": asked["id"], "status": 200, "result": {}}).decode())
            venue.listeners.add(listener)
    venue.listeners.discard(listener)


async def serve(answer_after_s: float) -> None:
    """Serve on free ports of the loopback until canceled."""
    venue = Venue(answer_after_s)
    loop = asyncio.get_running_loop()
    rest = await loop.create_server(lambda: Connection(venue), "127.0.0.1", 0)
    async with rest, websockets.serve(partial(_listen, venue), "127.0.0.1", 0, compression=None) as stream:
        ports = [server.sockets[0].getsockname()[1] for server in (rest, stream)]
        print(f"http://127.0.0.1:{ports[0]} ws://127.0.0.1:{ports[1]}", flush=True)  # noqa: T201  # how it is found
        await loop.create_future()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--answer-after-ms", type=float, default=5.0)
    uvloop.run(serve(options.parse_args().answer_after_ms / 1_000))


if __name__ == "__main__":
    main()
