"""A venue that says what a test tells it to, at the seam of bytes: no sockets, no time."""

from collections.abc import Callable

import msgspec

from domain.breaker import Breaker
from domain.throttle import Throttle
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.calls import Caller
from venue_gateways.clock import VenueClock, steady_us
from venue_gateways.lease import Lease
from venue_gateways.transport import Lost, NotSent
from venue_gateways.venue import HttpRequest, HttpResponse, Rules

Reply = HttpResponse | Lost | NotSent
SYMBOLS = {"BTC-USD": "BTCUSD", "ETH-USD": "ETHUSD"}


def reply(body: object, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, msgspec.json.encode(body)
    )


class ScriptedTransport:
    """Answers each path by what is in *answers*: a reply, or a function of the request."""

    def __init__(self) -> None:
        self.answers: dict[str, Reply | Callable[[HttpRequest], Reply]] = {}
        self.sent: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        path = request.target.partition("?")[0].rpartition("/v3/")[2]
        answer = self.answers[f"{request.method} {path}"]
        found = answer(request) if callable(answer) else answer
        if isinstance(found, Exception):
            raise found
        return found

    def paths(self) -> list[str]:
        return [f"{r.method} {r.target.partition('?')[0].rpartition('/v3/')[2]}" for r in self.sent]


def parameters(request: HttpRequest) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in request.target.partition("?")[2].split("&"))


def make_caller(transport: ScriptedTransport) -> Caller:
    """A caller with full buckets and a fresh lease."""
    adapter = Binance("scripted", "key", HmacSigner("secret"))
    adapter.learn(Rules(adapter.limits, SYMBOLS))
    throttle = Throttle(adapter.limits, 1, 0.2, 0)
    throttle.own(1, 0)
    lease = Lease(4_000_000)
    lease.renew(steady_us())
    return Caller(adapter, transport, throttle, Breaker(), lease, VenueClock())
