"""Following the answers and events while they happen, as an upstream program would: read committed, from the start."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import confluent_kafka
from typing_extensions import override

from runtime.trial import wire

TOPIC: Final = "order-events"
POLL_S: Final = 0.2

Coordinates = tuple[str, int, int]


class Mirror:
    """What the events say so far. Filled by one thread; others may read its counts at any time."""

    def __init__(self) -> None:
        self.events = 0
        self.answered_us: dict[Coordinates, int] = {}
        self.answers: Counter[str] = Counter()
        self.filled_us: dict[tuple[str, str, str], int] = {}
        self.orders: dict[tuple[str, str], tuple[int, str, str]] = {}

    def take(self, event: wire.Avro, read_us: int) -> None:
        self.events += 1
        if event.get("answer") is not None:
            self.answers[event["answer"]] += 1
            source = event["source_topic"], event["source_partition"], event["source_offset"]
            self.answered_us.setdefault(source, read_us)
        if event["trade_id"] is not None:
            self.filled_us.setdefault((event["client_order_id"], event["symbol"], event["trade_id"]), read_us)
        if event["order_id"] is not None and event["sequence"] and event["status"] is not None:
            order = event["user_id"], event["order_id"]
            state = event["sequence"], event["status"], event["client_order_id"] or ""
            self.orders[order] = max(self.orders.get(order, (0, "", "")), state)

    def statuses(self) -> Counter[str]:
        """How many orders are in each status."""
        return Counter(status for _, status, _ in list(self.orders.values()))

    def live(self) -> set[str]:
        """The client order IDs of orders that are on a venue's book, as far as is known."""
        return {client_order_id for _, status, client_order_id in list(self.orders.values()) if status in wire.LIVE}


def unheard(_partition: int, _written_us: int, _read_us: int) -> None:
    """What is told of each event goes nowhere."""


class Watcher(threading.Thread):
    """Reads ``order-events`` into a mirror until stopped. *failure* is set if it can't go on.

    *heard* is told of each event: its partition, and when it was written and read, in microseconds.
    """

    def __init__(self, bootstrap: str, partitions: int, heard: Callable[[int, int, int], None] = unheard) -> None:
        super().__init__(name="watcher", daemon=True)
        self.mirror = Mirror()
        self.failure: str | None = None
        self._heard = heard
        self._stopping = threading.Event()
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "fillstream-demo-watcher",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            },
            logger=wire.KAFKA_LOG,
        )
        self._consumer.assign([confluent_kafka.TopicPartition(TOPIC, number, 0) for number in range(partitions)])

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    @override
    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._take(self._consumer.poll(POLL_S))
        except Exception as error:  # noqa: BLE001  # whatever it is, the main thread must hear of it
            self.failure = repr(error)
        finally:
            self._consumer.close()

    def _take(self, message: Any) -> None:
        if message is None:
            return
        if message.error() is not None:
            if message.error().fatal():
                raise confluent_kafka.KafkaException(message.error())
            return  # a broker that is away comes back; librdkafka tries again by itself
        read_us = time.time_ns() // 1_000
        self.mirror.take(wire.decode(message.value())[1], read_us)
        self._heard(message.partition(), message.timestamp()[1] * 1_000, read_us)
