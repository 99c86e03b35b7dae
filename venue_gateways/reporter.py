"""Writes reports and dead letters to Kafka, and tells when they are there; and observations, which may be lost.

An idempotent producer: a client order ID's reports stay in the order in which they were published. A report that can't
be written after all of librdkafka's retries ends the process; what it answered is not committed, and is done again.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaException, Producer

from domain.messages import DeadLetter, Message, VenueReport
from runtime import kafka
from runtime.settings import Settings
from schemas import codec, topics
from schemas.topics import Topic
from venue_gateways import metrics

_POLL_S: Final = 0.1
_FULL_PAUSE_S: Final = 0.02
_FLUSH_S: Final = 10.0

log = structlog.get_logger()


class Reporter:
    """Start it, publish, stop it. *failed* is called in the event loop with what can't be mended."""

    def __init__(self, settings: Settings, failed: Callable[[BaseException], None]) -> None:
        self._producer = Producer(kafka.producer(settings, linger_ms=1, queue_buffering_max_messages=200_000))
        self._failed = failed
        self._loop: asyncio.AbstractEventLoop
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="reports", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Wait for what is on its way, for a while."""
        await asyncio.to_thread(self._producer.flush, _FLUSH_S)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    async def publish(self, reports: Sequence[tuple[int, VenueReport]]) -> None:
        """Write *reports*, each to its partition; returns once all are in the log."""
        if not reports:
            return
        written = _Written(self._loop, len(reports), self._failed)
        for partition, report in reports:
            metrics.REPORTS.labels(report.venue, report.kind, report.evidence).inc()
            await self._produce(
                topics.VENUE_REPORTS.name,
                codec.encode(report),
                key=report.client_order_id.encode(),
                partition=partition,
                on_delivery=written.one,
            )
        await written.all

    async def bury(self, letter: DeadLetter) -> None:
        """Write *letter*; returns once it is in the log."""
        metrics.DEAD_LETTERS.labels(letter.reason).inc()
        written = _Written(self._loop, 1, self._failed)
        await self._produce(topics.DEAD_LETTERS.name, codec.encode(letter), key=letter.key, on_delivery=written.one)
        await written.all

    def observe(self, topic: Topic, observations: Iterable[tuple[str, Message]]) -> None:
        """Hand over *observations* with their keys. One that can't be written is counted, and is no reason to stop."""
        written = _Observed(topic.name)
        for key, observation in observations:
            try:
                self._producer.produce(topic.name, codec.encode(observation), key=key, on_delivery=written.one)
            except BufferError:
                written.lost()

    async def _produce(self, topic: str, value: bytes, **more: Any) -> None:
        while True:
            try:
                self._producer.produce(topic, value, **more)
            except BufferError:  # the queue is full: wait until some of it is written
                await asyncio.sleep(_FULL_PAUSE_S)
            else:
                return

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_POLL_S)


class _Written:
    """Counts deliveries down, in the producer's thread; *all* is done in the event loop once all are there."""

    __slots__ = ("_failed", "_left", "_loop", "all")

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int, failed: Callable[[BaseException], None]) -> None:
        self._loop = loop
        self._left = count
        self._failed = failed
        self.all: asyncio.Future[None] = loop.create_future()

    def one(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._loop.call_soon_threadsafe(self._failed, KafkaException(error))
            return
        self._left -= 1
        if not self._left:
            self._loop.call_soon_threadsafe(self._done)

    def _done(self) -> None:
        if not self.all.done():
            self.all.set_result(None)


class _Observed:
    """Counts what became of observations for *topic*, in the producer's thread."""

    __slots__ = ("_topic",)

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def one(self, error: Any, _message: Any) -> None:
        if error is not None:
            log.warning("observation_lost", topic=self._topic, error=str(error))
            self.lost()
        else:
            metrics.OBSERVATIONS.labels(self._topic, "written").inc()

    def lost(self) -> None:
        metrics.OBSERVATIONS.labels(self._topic, "lost").inc()
