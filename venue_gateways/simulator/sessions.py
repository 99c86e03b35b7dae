"""WebSocket connections: each a session of the dialect, with an outbox and the faults in between."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import orjson

from venue_gateways.simulator import faults, metrics
from venue_gateways.simulator.binance import stream
from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.exchange import HONEST, Lies
from venue_gateways.simulator.binance.stream import Session
from venue_gateways.simulator.connection import reset
from venue_gateways.simulator.faults import Fate, Outcome
from venue_gateways.simulator.outbox import Outbox
from venue_gateways.simulator.service import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATH: Final = "/ws-api/v3"
_PATHS: Final = frozenset({PATH, "/"})  # the second for who has only the address of the process

#: What is said in place of an answer; any other outcome cuts the connection.
_INSTEAD: Final = {
    Outcome.ERROR_BEFORE: (504, -1007, "Timeout waiting for response from backend server."),
    Outcome.ERROR_AFTER: (504, -1007, "Timeout waiting for response from backend server."),
    Outcome.TOO_MANY_REQUESTS: (429, -1003, "Too many requests queued."),
    Outcome.FORBIDDEN: (403, -1002, "You are not authorized to execute this request."),
    Outcome.BANNED: (418, -1003, "Way too much request weight used; IP banned."),
}


def lies(fate: Fate) -> Lies:
    """What the dialect has to know of a request's fate."""
    lies = Lies(
        hide_us=fate.hide_ms * 1_000,
        denied=fate.denied,
        no_open_orders=fate.no_open_orders,
        filled_first=fate.filled_first,
    )
    return HONEST if lies == HONEST else lies


async def serve(service: Service, scope: Scope, receive: Receive, send: Send, *, lifetime_s: float) -> None:
    """Hold one connection until the client goes, or for *lifetime_s*."""
    await receive()  # websocket.connect
    now, address = service.clock(), scope["client"][0]
    if scope["path"] not in _PATHS:
        await _refuse(send, ApiError(-1020, f"There is no WebSocket API here, but at {PATH}.", 404))
        return
    try:
        service.exchange.address(address).connect(now)
    except ApiError as error:
        await _refuse(send, error)
        return
    await send({"type": "websocket.accept"})
    outbox = Outbox(service.dice, lambda: reset(scope))
    session = Session(service.exchange, address, outbox.deliver, now, scope["query_string"].decode("latin-1"))
    service.hub.sessions[session] = None
    metrics.SESSIONS.inc()
    sender = asyncio.create_task(_send_all(outbox, send))
    try:
        async with asyncio.timeout(lifetime_s):
            await _converse(service, session, outbox, receive)
    except TimeoutError:
        await send({"type": "websocket.close", "code": 1001, "reason": "the connection has lived long enough"})
    finally:
        metrics.SESSIONS.dec()
        del service.hub.sessions[session]
        outbox.close()
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sender


async def _converse(service: Service, session: Session, outbox: Outbox, receive: Receive) -> None:
    """Answer requests, one after the other, until the client has gone or is to be cut off."""
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text") or message.get("bytes") or b""
        operation = stream.operation(text)
        fate = service.dice.request(operation)
        answered = await _answer(service, session, outbox, text, fate)
        service.count(operation, 200 if answered else 0)
        if not answered:
            outbox.cut()
            return


async def _answer(service: Service, session: Session, outbox: Outbox, text: str | bytes, fate: Fate) -> bool:
    """Perform a request and put its answer out; False if the connection is to be cut instead."""
    arrived, plan, outcome = service.clock(), service.dice.plan, fate.outcome
    if fate is faults.KIND:
        answer = session.answer(text, arrived, arrived)
        happened = service.record()
        outbox.put(answer)  # first: what it caused follows
        service.tell(happened, arrived)
        return True
    said: bytes | None = None
    if outcome not in faults.NEVER_PERFORMED:
        await asyncio.sleep(fate.before_s(plan))
        now = service.clock()
        said = session.answer(text, arrived, now, lies(fate))
        service.tell(service.record(), now)
        await asyncio.sleep(fate.after_s(plan))
    if outcome in {Outcome.TRUNCATED, Outcome.HTML}:
        said = (said or b"")[: len(said or b"") // 2]
    elif outcome in faults.NEVER_PERFORMED | {Outcome.RESPONSE_LOST, Outcome.ERROR_AFTER}:
        said = _instead(text, outcome)
    if said is None:
        return False
    outbox.put(said)
    return True


def _instead(text: str | bytes, outcome: Outcome | None) -> bytes | None:
    said = _INSTEAD.get(outcome) if outcome else None
    return stream.instead(text, *said) if said else None


async def _refuse(send: Send, error: ApiError) -> None:
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": orjson.dumps(error.payload())})


async def _send_all(outbox: Outbox, send: Send) -> None:
    while True:
        text = await outbox.get()
        try:
            await send({"type": "websocket.send", "text": text.decode()})
        except OSError:  # the client has gone: whoever receives hears of it too
            return
