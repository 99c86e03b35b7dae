"""The gateway process: the product's own Gateway, with the model of the log, the group, the venue and its stream.

Three of its parts have threads or sockets. Here they are subclasses that do what their threads do as steps of the loop.
"""

import asyncio
from typing import Any

from typing_extensions import override

from runtime.settings import Settings
from tests.simulation.clients import Consumer, current
from tests.simulation.group import Group
from tests.simulation.loop import PROCESS, Process
from tests.simulation.points import Point
from tests.simulation.venue import NAME
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.gateway import Gateway
from venue_gateways.reporter import Reporter
from venue_gateways.requests import CommitRefused, Requests, States
from venue_gateways.stream import Refused, Stream
from venue_gateways.venue import Answer, Call, Place, StreamEvent, StreamSession

_COORDINATOR_S = 0.01


class SimulatedRequests(Requests):
    """What the consumer's thread does, one step after another; and the group's member."""

    group: Group
    process: Process
    instance: str

    @override
    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.process = current()
        self.group = self.process.world.gateways
        self.instance = str(self._config["group.instance.id"])
        self._consumer = Consumer(self._config)
        self._consumer.member = self
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        for partition in range(self.process.world.partitions):
            self.process.world.broker.logs[self._topic, partition].watchers.append(self._wake.set)
        self._running = self._loop.create_task(self._run_in_steps())
        self.group.join(self)

    @override
    async def stop(self, *, release: bool) -> None:
        self._abandoned = not release
        self._stopping.set()
        self._wake.set()
        await self._running

    @override
    async def commit(self, states: States) -> int:
        self._wake.set()
        return await super().commit(states)

    async def _run_in_steps(self) -> None:
        while not self._stopping.is_set():
            await self._wake.wait()
            self._wake.clear()
            async with self._turn:
                await asyncio.sleep(_COORDINATOR_S)
                self._mind_backlog()
                self._serve_commits(0)
                if self._read():
                    self._wake.set()
        await self.release(sorted(partition for _, partition in self._consumer.positions))
        self._consumer.close()
        self._refuse_commits("the consumer is closed")

    # ── the group's member ──────────────────────────────────────────────────────────────────────────────────────────

    async def release(self, partitions: list[int]) -> None:
        """What _on_revoke does: meanwhile nothing is read and nothing else committed."""
        if self._abandoned or not partitions:
            return
        async with self._turn:
            states = await self._owner.released(partitions)
            self.process.world.reach(Point.GATEWAY_RELEASING)
            self._refuse_commits("partitions were released")
            for partition in partitions:
                self._consumer.positions.pop((self._topic, partition), None)
            if states:
                try:
                    self._commit(states)
                except CommitRefused:
                    self.process.world.trace("the last commit is refused")

    def gain(self, owned: list[int], new: list[int]) -> None:  # noqa: ARG002  # the others' positions stay
        self._on_assign(self._consumer, [_place(self._topic, partition) for partition in new])
        for partition, first, _ in self._gains:
            self._consumer.positions.setdefault((self._topic, partition), first)
        if new:
            self.process.world.trace(f"gains partitions {new}")
            self.process.world.reach(Point.GATEWAY_GAINING)
        self._wake.set()

    def lost(self) -> None:
        self.process.spawn(self._lose())

    async def _lose(self) -> None:
        """What _on_lost does; then the client joins again."""
        async with self._turn:
            partitions = sorted(partition for _, partition in self._consumer.positions)
            await self._owner.lost(partitions)
            self._refuse_commits("partitions were lost")
            self._gains.clear()
            self._consumer.positions.clear()
        self.group.join(self)


def _place(topic: str, partition: int) -> Any:
    from confluent_kafka import TopicPartition  # the real one: a value

    return TopicPartition(topic, partition)


class SimulatedReporter(Reporter):
    """Deliveries are told by the loop, not by a thread that polls."""

    @override
    def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    @override
    async def stop(self) -> None:
        while self._producer.waiting:  # noqa: ASYNC110  # as flush does
            await asyncio.sleep(_COORDINATOR_S)


class SimulatedStream(Stream):
    """Listens to the model's messages, which are events already."""

    @override
    async def _listen(self, session: StreamSession) -> None:
        process = current()
        venue = process.world.venue
        connection = venue.connect(process)
        try:
            while (message := await connection.messages.get()) is not None:
                self._take(session, message)
        finally:
            venue.cut(connection)
        raise Refused("the venue closed the connection")


class Envelope:
    """A request before it becomes bytes."""

    def __init__(self, call: Call, signed_us: int) -> None:
        self.call = call
        self.signed_us = signed_us


class Dialect(Binance):
    """Binance's limits, costs and look-ups, without its bytes: calls and answers travel as they are."""

    def __init__(self) -> None:
        super().__init__(NAME, "", HmacSigner(""))

    @override
    def build(self, call: Call, now_us: int) -> Any:
        return Envelope(call, now_us)

    @override
    def parse(self, call: Call, response: Any) -> Answer:
        answer: Answer = response
        return answer

    @override
    def usage(self, response: Any) -> tuple[tuple[str, int], ...]:
        return ()

    @override
    def stream_session(self, token: str | None) -> StreamSession:
        return Session()


class Session(StreamSession):
    """A connection that has nothing to send, and whose messages are events already."""

    @override
    def subscriptions(self, now_us: int) -> tuple[bytes, ...]:
        return ()

    @override
    def events(self, message: Any) -> tuple[StreamEvent, ...]:
        return (message,)


class Wire:
    """Stands for the HTTP client."""

    def __init__(self, process: Process) -> None:
        self._world = process.world

    async def send(self, envelope: Envelope) -> Answer:
        placing = isinstance(envelope.call, Place)
        if placing:
            self._world.reach(Point.GATEWAY_SENDING)
            await asyncio.sleep(0)  # a process that is stopped here sends once it goes on
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._world.venue.receive(envelope.call, envelope.signed_us, done)
        if placing:
            self._world.reach(Point.GATEWAY_SENT)
        answer = await done
        if placing:
            self._world.reach(Point.GATEWAY_ANSWERED)
            await asyncio.sleep(0)
        return answer


async def run(settings: Settings) -> None:
    """A gateway process from its start to its end."""
    process = current()
    gateway = Gateway(settings, Dialect(), Wire(process), "")  # type: ignore[arg-type]  # the same methods
    process.stop = gateway.stop
    await gateway.run()
    assert PROCESS.get() is process
