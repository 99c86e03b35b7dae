"""WebSocket connections: each a session of the dialect, with an outbox and the faults in between."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from venue_gateways.simulator import faults, metrics
from venue_gateways.simulator.connection import reset
from venue_gateways.simulator.dialect import Refused, Reply, Session, lies
from venue_gateways.simulator.faults import Fate, Outcome
from venue_gateways.simulator.outbox import Outbox
from venue_gateways.simulator.service import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def serve(service: Service, path: str, scope: Scope, receive: Receive, send: Send, *, lifetime_s: float) -> None:
    """Hold one connection until the client goes, or for *lifetime_s*. The stream is at *path* and at ``/``."""
    await receive()  # websocket.connect
    now, address = service.clock(), scope["client"][0]
    outbox = Outbox(service.dice, lambda: reset(scope))
    if scope["path"] not in {path, "/"}:  # the second for who has only the address of the process
        await _refuse(send, Reply(404, f"There is no stream here, but at {path}.".encode()))
        return
    try:
        query = scope["query_string"].decode("latin-1")
        session = service.front.session(address, query, outbox.deliver, now)
    except Refused as refused:
        await _refuse(send, refused.reply)
        return
    await send({"type": "websocket.accept"})
    service.front.sessions[session] = None
    metrics.SESSIONS.inc()
    outbox.put_all(session.welcome(now))
    tasks = [asyncio.create_task(_send_all(outbox, send)), asyncio.create_task(_beat(service, session, outbox))]
    try:
        async with asyncio.timeout(lifetime_s):
            await _converse(service, session, outbox, receive)
    except TimeoutError:
        await send({"type": "websocket.close", "code": 1001, "reason": "the connection has lived long enough"})
    finally:
        metrics.SESSIONS.dec()
        del service.front.sessions[session]
        outbox.close()
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _beat(service: Service, session: Session, outbox: Outbox) -> None:
    """Say what is said regularly, until the venue has had enough of the connection."""
    while session.beat_s is not None:
        await asyncio.sleep(session.beat_s)
        said = session.beat(service.clock())
        if said is None:
            outbox.cut()
            return
        outbox.put_all(said)


async def _converse(service: Service, session: Session, outbox: Outbox, receive: Receive) -> None:
    """Answer requests, one after the other, until the client has gone or is to be cut off."""
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text") or message.get("bytes") or b""
        operation = session.operation(text)
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
        outbox.put_all(answer)  # first: what it caused follows
        service.tell(happened, arrived)
        return True
    said: tuple[bytes, ...] = ()
    if outcome not in faults.NEVER_PERFORMED:
        await asyncio.sleep(fate.before_s(plan))
        now = service.clock()
        said = session.answer(text, arrived, now, lies(fate))
        service.tell(service.record(), now)
        await asyncio.sleep(fate.after_s(plan))
    if outcome in {Outcome.TRUNCATED, Outcome.HTML}:
        said = tuple(answer[: len(answer) // 2] for answer in said)
    elif outcome is not None and outcome in faults.UNANSWERED:
        instead = session.instead(text, outcome)
        if instead is None:
            return False
        said = (instead,)
    outbox.put_all(said)
    return True


async def _refuse(send: Send, reply: Reply) -> None:
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "websocket.http.response.body", "body": reply.body})


async def _send_all(outbox: Outbox, send: Send) -> None:
    while True:
        text = await outbox.get()
        try:
            await send({"type": "websocket.send", "text": text.decode()})
        except OSError:  # the client has gone: whoever receives hears of it too
            return
