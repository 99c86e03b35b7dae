"""The worker process: the product's own lane, partitions, writer, restore, tables and agents, without Faust.

What Faust does for the lane is modelled here: it delivers stretches of the inputs to the agents, now and then twice or
with a gap, as it may around a rebalance; and it tells what the group decides.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from faust.types import TP

from agents import desk
from agents.app import takers
from agents.desk import Books
from domain.instruments import Rulebook
from runtime.settings import Settings
from schemas import topics
from streaming.chunk import Admission, Chunk, Stretch
from streaming.lane import Lane
from streaming.table import Fingerprint, Rows, Table
from tables.answers import AnswerRows
from tables.balances import BalanceRows
from tables.orders import OrderRows
from tests.simulation.clients import current
from tests.simulation.group import Group
from tests.simulation.loop import Process
from tests.simulation.points import Point

#: So many records make a full chunk: few, so that there are many transactions.
CHUNK_RECORDS: Final = 6


class BareTable:
    """A table of the lane's, without the Faust table that it is as well."""

    load = Table.load
    partition = Table.partition
    attach = Table.attach
    detach = Table.detach

    def __init__(self, topic: topics.Topic, rows: type[Rows[Any]]) -> None:
        self.changelog = topic.name
        self.fingerprint = Fingerprint(topic.name)
        self._row = topic.value
        self._rows = rows
        self._partitions: dict[int, Rows[Any]] = {}


def tables() -> list[Any]:
    """Orders, balances and answers, empty."""
    return [
        BareTable(topics.ORDERS_CHANGELOG, OrderRows),
        BareTable(topics.BALANCES_CHANGELOG, BalanceRows),
        BareTable(topics.ANSWERS_CHANGELOG, AnswerRows),
    ]


def books(made: list[Any], rules: Rulebook, settings: Settings) -> Books:
    policy = desk.policy(
        settings.unknown_bound_s, settings.order_retention_s, settings.answer_retention_s, settings.unknown_bounds_s
    )
    return Books(*made, rules=rules, policy=policy)


class _Event:
    """A Faust event: what Lane.run reads of one."""

    def __init__(self, topic: str, partition: int, stretch: Stretch) -> None:
        self.message = SimpleNamespace(topic=topic, partition=partition)
        self.value = stretch


class _Stream:
    def __init__(self) -> None:
        self.waiting: asyncio.Queue[_Event] = asyncio.Queue()

    async def events(self) -> AsyncIterator[_Event]:
        while True:
            yield await self.waiting.get()


class Worker:
    """One worker process: the app, the consumer and the group's member that the lane needs, in one."""

    def __init__(self, settings: Settings, rules: Rulebook) -> None:
        self.process: Process = current()
        self.instance = settings.worker_id
        self._world = self.process.world
        self.group: Group = self._world.workers
        self.conf = SimpleNamespace(id=topics.APPLICATION)
        self.consumer = self
        self._admissions: dict[tuple[str, int], Admission] = {}
        self._fetching: set[Admission] = set()
        self._streams = {topic.name: _Stream() for topic in topics.INPUTS}
        made = tables()
        self._process = takers(books(made, rules, settings), settings.partitions)
        self.lane = Lane(self, settings, made)  # type: ignore[arg-type]  # what it uses of a Faust app is here

    def timer(self, **_: Any) -> Callable[[Any], Any]:
        """Group offsets are for lag tools: nobody publishes them here."""
        return lambda what: what

    async def run(self) -> None:
        for _, log in self._world.input_logs():
            log.watchers.append(self._look)
        for topic, stream in self._streams.items():
            self.process.spawn(self.lane.run(stream, self._witnessed(self._process[topic])))
        self.group.join(self)
        await asyncio.Event().wait()

    def _witnessed(self, process: Callable[[Chunk], None]) -> Callable[[Chunk], None]:
        """*process*, with the points at which it can be struck, and with a note of what was taken in which order."""

        def take(chunk: Chunk) -> None:
            world = self._world
            world.reach(Point.WORKER_DECIDING)
            emit = chunk.emit

            def struck(topic: str, value: bytes | None, key: bytes | None) -> None:
                emit(topic, value, key)
                world.reach(Point.WORKER_EMITTING)
                world.reach(Point.WORKER_ERRING)

            process(Chunk(chunk.topic, chunk.partition, chunk.records, struck))
            producer = emit.__self__._producer  # type: ignore[attr-defined]  # the writer's
            producer.note(chunk.topic, [record.offset for record in chunk.records])
            world.reach(Point.WORKER_DECIDED)

        return take

    # ── the group's member ──────────────────────────────────────────────────────────────────────────────────────────

    async def release(self, partitions: list[int]) -> None:  # noqa: ARG002  # Faust stops all of them
        await self.lane.rest()
        self._world.reach(Point.WORKER_RESTING)

    def gain(self, owned: list[int], new: list[int]) -> None:
        self._world.trace(f"owns partitions {owned}, new among them {new}")
        self.lane.assign([TP(topic.name, partition) for partition in owned for topic in topics.INPUTS])

    def lost(self) -> None:
        self.process.spawn(self._lose())

    async def _lose(self) -> None:
        await self.lane.rest()
        self.group.join(self)

    # ── the consumer ────────────────────────────────────────────────────────────────────────────────────────────────

    def admit(self, topic: str, partition: int, offset: int) -> Admission:
        admission = self._admissions[topic, partition] = Admission(topic, partition, offset)
        self._fetch_soon(admission)
        return admission

    def taken(self, stretch: Stretch) -> None:
        stretch.admission.taken += stretch.weight
        self._fetch_soon(stretch.admission)

    async def publish(self, next_offsets: Mapping[TP, int]) -> None:
        """Group offsets: see timer."""

    def _look(self) -> None:
        """Something is new in an input."""
        if self.process.alive:
            for admission in self._admissions.values():
                self._fetch_soon(admission)

    def _fetch_soon(self, admission: Admission) -> None:
        if admission not in self._fetching:
            self._fetching.add(admission)
            self.process.call(self._world.network_s(), self._fetch, admission)

    def _fetch(self, admission: Admission) -> None:
        """A fetch's answer: the next records of an input, with what may go wrong between Kafka and an agent."""
        self._fetching.discard(admission)
        place = admission.topic, admission.partition
        if self._admissions.get(place) is not admission or admission.waiting >= 1:
            return
        world, log = self._world, self._world.broker.logs[place]
        again = min(admission.reached, world.dice.randint(1, 5)) if world.happens(0.05) else 0  # delivered twice
        start = admission.reached - again
        records, end = log.read(start, again + world.dice.randint(1, CHUNK_RECORDS))
        if end <= admission.reached:
            return
        admission.reached = end
        if world.happens(0.03) and log.read(end, 1)[0]:
            self._fetch_soon(admission)  # dropped, and something comes after it
            return
        weight = len(records) / CHUNK_RECORDS
        admission.fetched += weight
        stretch = Stretch(
            start=start, end=end, records=records, weight=weight, highwater=log.stable_end, admission=admission
        )
        self._streams[admission.topic].waiting.put_nowait(_Event(*place, stretch))
        self._fetch_soon(admission)


async def run(settings: Settings, rules: Rulebook) -> None:
    """A worker process from its start to its end."""
    await Worker(settings, rules).run()
