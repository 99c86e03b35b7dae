"""The lane: which partitions this worker owns, from fencing and restoring one to letting it go again."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog
from confluent_kafka import KafkaException
from faust.types import TP

from runtime.settings import Settings
from schemas import topics
from streaming import failure, metrics
from streaming.app import App
from streaming.chunk import Chunk
from streaming.partition import Pace, Partition
from streaming.restore import Restored, RestoreError, restore
from streaming.table import Table
from streaming.writer import Abandoned, Writer

log = structlog.get_logger()

_OPENED_AT_ONCE_MAX: Final = 8
_PROCESS_BUDGET_S: Final = 0.05
_PUBLISH_EVERY_S: Final = 1.0
_PUBLISH_WITHIN_S: Final = 3.0


class _Opening:
    """A partition on its way to being owned: being fenced and restored, until it is no longer *wanted*."""

    __slots__ = ("fenced", "number", "task", "wanted")

    def __init__(self, number: int) -> None:
        self.number = number
        self.wanted = True
        self.fenced = False
        self.task: asyncio.Task[None] | None = None


class Lane:
    """Runs chunks of the application's inputs through its agents, each exactly once, one transaction a chunk.

    One for each application. Everything but fencing, restoring and committing happens in the event loop.
    """

    def __init__(
        self,
        app: App,
        settings: Settings,
        tables: Sequence[Table],
        positions: topics.Topic = topics.POSITIONS_CHANGELOG,
    ) -> None:
        self._app = app
        self._settings = settings
        self._tables = tables
        self._positions = positions.name
        self._pace = Pace(_PROCESS_BUDGET_S, settings.chunk_records_max)
        self._live: dict[int, Partition] = {}
        self._opening: dict[int, _Opening] = {}
        self._flowing = False
        self._published: dict[TP, int] = {}
        self._openers = ThreadPoolExecutor(min(_OPENED_AT_ONCE_MAX, settings.partitions), "lane-open")
        self._committers = ThreadPoolExecutor(settings.partitions, "lane-commit")
        app.lane = self
        app.timer(interval=_PUBLISH_EVERY_S, name="group-offsets")(self._publish_while_flowing)

    @property
    def partitions(self) -> frozenset[int]:
        """The numbers of the partitions that this worker owns, has restored, and processes."""
        return frozenset(self._live)

    @property
    def next_offsets(self) -> dict[TP, int]:
        """Where every input of every owned partition goes on."""
        return {
            TP(topic, number): offset
            for number, partition in self._live.items()
            for topic, offset in partition.next_offsets.items()
        }

    async def run(self, stream: Any, process: Callable[[Chunk], None]) -> None:
        """The body of an agent: has *process* decide every chunk of *stream*.

        *process* changes rows and emits; it must not wait. What it raises ends the process, with nothing committed.
        """
        with failure.stops("agent_failed"):  # Faust would start it again, past what it had in hand
            async for event in stream.events():
                partition = self._live.get(event.message.partition)
                if partition is not None:  # else it was fetched before a rebalance; its new owner fetches it again
                    partition.offer(event.message.topic, event.value, process)

    async def rest(self) -> None:
        """Finishes the transactions that are open, and starts none and fences nobody until the next assignment."""
        self._flowing = False
        await asyncio.gather(self._fence_no_more(), *(partition.rest() for partition in self._live.values()))

    async def _fence_no_more(self) -> None:
        """Gives up openings that have not fenced yet: a fence that came after the next owner's would stop that one.

        Those that we still own after the rebalance are opened anew.
        """
        unfenced = [opening for opening in self._opening.values() if not opening.fenced]
        for opening in unfenced:
            opening.wanted = False
        tasks = [opening.task for opening in unfenced if opening.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Rests for good, and tells lag tools where everything stands, if that can be had in little time."""
        await self.rest()
        for opening in self._opening.values():
            opening.wanted = False
        self._openers.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._publish(), _PUBLISH_WITHIN_S)

    async def _publish_while_flowing(self) -> None:
        if self._flowing:
            await self._publish()

    async def _publish(self) -> None:
        """Commits the group's offsets where they have changed. Only lag tools read them."""
        standing = self.next_offsets
        news = {tp: offset for tp, offset in standing.items() if self._published.get(tp) != offset}
        if news:
            await self._app.consumer.publish(news)
        self._published = standing

    def assign(self, assigned: Iterable[TP]) -> None:
        """From now on this worker owns *assigned*, and nothing else.

        Lets go of what it no longer owns, opens what is new in the background, and lets the rest flow on.
        """
        inputs = _copartitioned(assigned)
        for number in self._live.keys() - inputs.keys():
            self._live.pop(number).close()
            for table in self._tables:
                table.detach(number)
        for number in self._opening.keys() - inputs.keys():
            self._opening[number].wanted = False
        for number in inputs.keys() - self._live.keys():
            self._ensure_opening(number, sorted(inputs[number]))
        self._flowing = True
        for partition in self._live.values():
            partition.resume()
        metrics.PARTITIONS.set(len(self._live))
        log.info("partitions_assigned", live=sorted(self._live), opening=sorted(inputs.keys() - self._live.keys()))

    def _ensure_opening(self, number: int, inputs: Sequence[str]) -> None:
        """Starts to open the partition, unless that is under way already."""
        former = self._opening.get(number)
        if former is None or not former.wanted:  # one that went and came back: another has had it since it was fenced
            opening = self._opening[number] = _Opening(number)
            opening.task = asyncio.create_task(self._open(opening, inputs, former))

    async def _open(self, opening: _Opening, inputs: Sequence[str], former: _Opening | None) -> None:
        """Fences whoever had the partition before, restores its tables, and lets it flow."""
        if former is not None and former.task is not None:
            await asyncio.wait([former.task])  # else the former could fence the latter
        number, loop = opening.number, asyncio.get_running_loop()
        try:
            writer, restored = await loop.run_in_executor(self._openers, self._fence_and_restore, opening, inputs)
        except Abandoned:
            return
        except (RestoreError, KafkaException) as error:
            failure.stop("partition_not_restored", partition=number, reason=str(error))
        except Exception as error:  # noqa: BLE001  # a worker that owns a partition and doesn't process it is worse
            failure.stop("partition_not_restored", error, partition=number)
        if not opening.wanted:
            return
        del self._opening[number]
        for table, rows in zip(self._tables, restored.rows, strict=True):
            table.attach(number, rows)
        partition = self._live[number] = Partition(
            number, writer, restored, self._tables, self._positions, self._app.consumer, self._pace, self._committers
        )
        metrics.PARTITIONS.set(len(self._live))
        if self._flowing:
            partition.resume()

    def _fence_and_restore(self, opening: _Opening, inputs: Sequence[str]) -> tuple[Writer, Restored]:
        """Runs in a thread."""

        def wanted() -> bool:
            return opening.wanted

        writer = Writer(self._settings, f"{self._app.conf.id}-{opening.number}", opening.number, wanted)
        opening.fenced = True
        return writer, restore(self._settings, self._tables, self._positions, opening.number, inputs, wanted)


def _copartitioned(assigned: Iterable[TP]) -> Mapping[int, frozenset[str]]:
    """The input topics of each partition number. Stops the process unless every number has all of them."""
    inputs: dict[int, set[str]] = defaultdict(set)
    for topic, number in assigned:
        inputs[number].add(topic)
    if len({frozenset(topics_) for topics_ in inputs.values()}) > 1:
        failure.stop(
            "inputs_not_copartitioned",
            assigned={number: sorted(topics_) for number, topics_ in inputs.items()},
            advice_first="every input topic must have the same number of partitions",
        )
    return {number: frozenset(topics_) for number, topics_ in inputs.items()}
