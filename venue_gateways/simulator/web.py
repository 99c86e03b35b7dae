"""The simulated venue on the web: requests and sessions in, answers and events out, and the faults in between."""

import asyncio
from typing import Final

import msgspec
import orjson
import structlog

from venue_gateways.simulator import faults, sessions
from venue_gateways.simulator.connection import reset
from venue_gateways.simulator.dialect import Reply, Request, html, lies
from venue_gateways.simulator.faults import Fate, Outcome
from venue_gateways.simulator.service import Service
from venue_gateways.simulator.sessions import Receive, Scope, Send

BODY_BYTES_MAX: Final = 65_536

_JSON: Final = [(b"content-type", b"application/json;charset=UTF-8")]

_log = structlog.get_logger()


class MarketSwitch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the venue's own traders move. While they don't, their quotes stay, and they take nothing."""

    running: bool


class Application:
    """The ASGI application. *stream_path* is where the stream is, *lifetime_s* how long a connection to it lives."""

    def __init__(self, service: Service, *, stream_path: str, lifetime_s: float) -> None:
        self._service = service
        self._stream_path = stream_path
        self._lifetime_s = lifetime_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await sessions.serve(self._service, self._stream_path, scope, receive, send, lifetime_s=self._lifetime_s)
            return
        body = await _read(receive)
        if body is None:
            reply: Reply | None = Reply(413, b"", [])
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

    async def _request(self, scope: Scope, body: bytes) -> Reply | None:
        """The answer to a request, or None if its connection is to be cut."""
        service = self._service
        request = Request(
            verb=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            body=body,
            address=scope["client"][0],
            arrived=service.clock(),
            headers=dict(scope["headers"]),
        )
        operation = service.front.operation(request)
        fate = service.dice.request(operation)
        reply = self._perform(request, fate) if fate is faults.KIND else await self._suffer(request, fate)
        service.count(operation, reply.status if reply else 0)
        return reply

    def _perform(self, request: Request, fate: Fate) -> Reply:
        """Let *request* in, and perform it at once."""
        refused = self._service.front.admit(request)
        return self._deal_with(request, fate) if refused is None else self._recorded(refused)

    def _deal_with(self, request: Request, fate: Fate) -> Reply:
        return self._recorded(self._service.front.answer(request, self._service.clock(), lies(fate)))

    def _recorded(self, reply: Reply) -> Reply:
        """*reply*, once all that has happened is written down and told."""
        self._service.tell(self._service.record(), self._service.clock())
        return reply

    async def _suffer(self, request: Request, fate: Fate) -> Reply | None:
        plan, outcome = self._service.dice.plan, fate.outcome
        if outcome is not None and outcome in faults.NEVER_PERFORMED:
            return self._instead(outcome)
        refused = self._service.front.admit(request)
        if refused is not None:
            return self._recorded(refused)
        await asyncio.sleep(fate.before_s(plan))
        reply = self._deal_with(request, fate)
        await asyncio.sleep(fate.after_s(plan))
        if outcome is Outcome.TRUNCATED:
            return msgspec.structs.replace(reply, body=reply.body[: len(reply.body) // 2])
        if outcome is Outcome.HTML:
            return html(200)
        return self._instead(outcome) if outcome is not None and outcome in faults.UNANSWERED else reply

    def _instead(self, outcome: Outcome) -> Reply | None:
        """What is said in place of an answer; nothing where the connection is cut."""
        if outcome in {Outcome.REQUEST_LOST, Outcome.RESPONSE_LOST}:
            return None
        return self._service.front.instead(outcome, self._service.dice, self._service.clock())

    # ── people and tests ───────────────────────────────────────────────────────────────────────────────────────────

    def _control(self, verb: str, path: str, body: bytes) -> Reply:
        """Below ``/simulator/``: ``state`` and ``markets`` to read; ``faults`` and ``market`` to read and to put."""
        service = self._service
        views = {"/simulator/state": service.state, "/simulator/markets": service.markets}
        switches = {"/simulator/faults": self._plan_faults, "/simulator/market": self._switch_market}
        if verb == "GET" and path in views:
            return Reply(200, orjson.dumps(views[path]()), _JSON)
        if path not in switches or verb not in {"GET", "PUT"}:
            return _error(404, f"there are {', '.join([*views, *switches])}")
        if verb == "PUT":
            try:
                switches[path](body)
            except (faults.InvalidPlan, msgspec.MsgspecError) as error:
                return _error(400, str(error))
        now = service.dice.plan if path == "/simulator/faults" else MarketSwitch(running=service.market_running)
        return Reply(200, msgspec.json.encode(now), _JSON)

    def _plan_faults(self, body: bytes) -> None:
        plan = faults.parse(body)
        self._service.dice.set(plan)
        _log.info("faults_planned", **{name: getattr(plan, name) for name in faults.NAMES if getattr(plan, name)})

    def _switch_market(self, body: bytes) -> None:
        self._service.market_running = msgspec.json.decode(body, type=MarketSwitch).running
        _log.info("market_switched", running=self._service.market_running)


def _error(status: int, message: str) -> Reply:
    return Reply(status, orjson.dumps({"error": message}), _JSON)


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
