"""The simulated venue on the web: requests and sessions in, answers and events out, and the faults in between."""

import asyncio
from typing import Final

import msgspec
import orjson
import structlog

from venue_gateways.simulator import faults, sessions
from venue_gateways.simulator.binance import rest
from venue_gateways.simulator.connection import reset
from venue_gateways.simulator.faults import Fate, Outcome
from venue_gateways.simulator.service import Service
from venue_gateways.simulator.sessions import Receive, Scope, Send

BODY_BYTES_MAX: Final = 65_536

_JSON: Final = [(b"content-type", b"application/json;charset=UTF-8")]
_PAGE: Final = b"<html>\r\n<head><title>Error</title></head>\r\n<body>Something is in the way.</body>\r\n</html>\r\n"
_HTML: Final = [(b"content-type", b"text/html")]
#: How a 5xx may look; none says whether the request was performed.
_ERRORS: Final = (
    rest.Reply(
        504,
        b'{"code":-1007,"msg":"Timeout waiting for response from backend server. '
        b'Send status unknown; execution status unknown."}',
        _JSON,
    ),
    rest.Reply(502, _PAGE, _HTML),
    rest.Reply(500, b'{"code":-1000,"msg":"An unknown error occurred while processing the request."}', _JSON),
    rest.Reply(
        503,
        b'{"code":-1008,"msg":"Server is currently overloaded with other requests. '
        b'Please try again in a few minutes."}',
        _JSON,
    ),
)

_log = structlog.get_logger()


class MarketSwitch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the venue's own traders move. While they don't, their quotes stay, and they take nothing."""

    running: bool


class Application:
    """The ASGI application. *lifetime_s* is how long a WebSocket connection lives at most."""

    def __init__(self, service: Service, *, lifetime_s: float) -> None:
        self._service = service
        self._lifetime_s = lifetime_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await sessions.serve(self._service, scope, receive, send, lifetime_s=self._lifetime_s)
            return
        body = await _read(receive)
        if body is None:
            reply: rest.Reply | None = rest.Reply(413, b"", [])
        elif scope["path"].startswith("/simulator/"):
            reply = self._control(scope["method"], scope["path"], body)
        else:
            reply = await self._request(scope, body)
        if reply is None:
            reset(scope)
            await receive()  # until uvicorn has seen that the connection is gone
            return
        headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    # ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _request(self, scope: Scope, body: bytes) -> rest.Reply | None:
        """The answer to a request, or None if its connection is to be cut."""
        headers = dict(scope["headers"])
        request = rest.Request(
            verb=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            body=body,
            address=scope["client"][0],
            arrived=self._service.clock(),
            key=headers.get(b"x-mbx-apikey", b"").decode("latin-1") or None,
            microseconds=headers.get(b"x-mbx-time-unit", b"").upper() == b"MICROSECOND",
        )
        operation = rest.operation(request.verb, request.path) or "unknown"
        fate = self._service.dice.request(operation)
        reply = self._perform(request, fate) if fate is faults.KIND else await self._suffer(request, fate)
        self._service.count(operation, reply.status if reply else 0)
        return reply

    def _perform(self, request: rest.Request, fate: Fate) -> rest.Reply:
        service = self._service
        now = service.clock()
        reply = rest.answer(service.exchange, request, now, sessions.lies(fate))
        service.tell(service.record(), now)
        return reply

    async def _suffer(self, request: rest.Request, fate: Fate) -> rest.Reply | None:
        plan, outcome = self._service.dice.plan, fate.outcome
        if outcome in faults.NEVER_PERFORMED:
            return self._instead(outcome)
        await asyncio.sleep(fate.before_s(plan))
        reply = self._perform(request, fate)
        await asyncio.sleep(fate.after_s(plan))
        if outcome is Outcome.TRUNCATED:
            return msgspec.structs.replace(reply, body=reply.body[: len(reply.body) // 2])
        if outcome is Outcome.HTML:
            return rest.Reply(200, _PAGE, _HTML)
        return self._instead(outcome) if outcome in {Outcome.RESPONSE_LOST, Outcome.ERROR_AFTER} else reply

    def _instead(self, outcome: Outcome | None) -> rest.Reply | None:
        """What is said in place of an answer."""
        dice = self._service.dice
        if outcome in {Outcome.ERROR_BEFORE, Outcome.ERROR_AFTER}:
            return _ERRORS[dice.choose(len(_ERRORS))]
        if outcome is Outcome.TOO_MANY_REQUESTS:
            body = orjson.dumps({"code": -1003, "msg": "Too many requests queued."})
            return rest.Reply(429, body, [*_JSON, (b"retry-after", b"%d" % dice.plan.retry_after_s)])
        if outcome is Outcome.BANNED:
            until = self._service.clock() // 1_000 + dice.plan.ban_s * 1_000
            body = orjson.dumps({"code": -1003, "msg": f"Way too much request weight used; IP banned until {until}."})
            return rest.Reply(418, body, [*_JSON, (b"retry-after", b"%d" % dice.plan.ban_s)])
        return rest.Reply(403, _PAGE, _HTML) if outcome is Outcome.FORBIDDEN else None

    # ── people and tests ───────────────────────────────────────────────────────────────────────────────────────────

    def _control(self, verb: str, path: str, body: bytes) -> rest.Reply:
        """``/simulator/state`` to read; ``/simulator/faults`` and ``/simulator/market`` to read and to put."""
        service = self._service
        switches = {"/simulator/faults": self._plan_faults, "/simulator/market": self._switch_market}
        if verb == "GET" and path == "/simulator/state":
            return rest.Reply(200, orjson.dumps(service.state()), _JSON)
        if path not in switches or verb not in {"GET", "PUT"}:
            return _error(404, "there are /simulator/state, /simulator/faults and /simulator/market")
        if verb == "PUT":
            try:
                switches[path](body)
            except (faults.InvalidPlan, msgspec.MsgspecError) as error:
                return _error(400, str(error))
        now = service.dice.plan if path == "/simulator/faults" else MarketSwitch(running=service.market_running)
        return rest.Reply(200, msgspec.json.encode(now), _JSON)

    def _plan_faults(self, body: bytes) -> None:
        plan = faults.parse(body)
        self._service.dice.set(plan)
        _log.info("faults_planned", **{name: getattr(plan, name) for name in faults.NAMES if getattr(plan, name)})

    def _switch_market(self, body: bytes) -> None:
        self._service.market_running = msgspec.json.decode(body, type=MarketSwitch).running
        _log.info("market_switched", running=self._service.market_running)


def _error(status: int, message: str) -> rest.Reply:
    return rest.Reply(status, orjson.dumps({"error": message}), _JSON)


async def _read(receive: Receive) -> bytes | None:
    """The body of a request, or None if it is too long to be one."""
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > BODY_BYTES_MAX:
            return None
        if not message.get("more_body"):
            return body
