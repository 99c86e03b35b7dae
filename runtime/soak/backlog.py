"""What waits in the topics for workers, gateway and sink: how many records each has yet to take."""

from collections.abc import Mapping
from typing import Final

import msgspec
from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from runtime import kafka
from runtime.trial import wire
from runtime.trial.plan import VENUE

ASK_WITHIN_S: Final = 10.0
REQUESTS: Final = f"venue-requests.{VENUE}"
INPUTS: Final = ("order-commands", "transfers", "venue-reports")


class Reader(msgspec.Struct, frozen=True):
    """A consumer group, what it reads, and how many records may wait for it before it counts as behind."""

    group: str
    topics: tuple[str, ...]
    room: int


#: A few seconds' worth each. The sink takes everything, and by the batch.
READERS: Final[Mapping[str, Reader]] = {
    "workers": Reader("fillstream", INPUTS, 4_000),
    "gateway": Reader(f"fillstream-gateway-{VENUE}", (REQUESTS,), 2_000),
    "sink": Reader("fillstream-sink", (*INPUTS, REQUESTS, "order-events", "ledger-entries", "dead-letters"), 100_000),
}

Waiting = Mapping[str, int]
"""How many records wait, by reader. Marks of transactions count as well: it is seldom quite 0."""


class Backlog:
    """Asks the broker at *bootstrap* whenever it is looked at."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._client = AdminClient({"bootstrap.servers": bootstrap}, logger=wire.KAFKA_LOG)
        config = {"bootstrap.servers": bootstrap, "enable.auto.commit": False}
        self._groups = {
            reader.group: Consumer(config | {"group.id": reader.group}, logger=wire.KAFKA_LOG)
            for reader in READERS.values()
        }
        self._partitions = range(partitions)

    def look(self) -> Waiting | None:
        """None if the broker doesn't answer."""
        try:
            return self._look()
        except KafkaException:
            return None

    def _look(self) -> Waiting:
        places = {topic: self._places(topic) for reader in READERS.values() for topic in reader.topics}
        latest = OffsetSpec.latest()
        asked = self._client.list_offsets(
            {place: latest for of_topic in places.values() for place in of_topic},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=ASK_WITHIN_S,
        )
        ends = {(place.topic, place.partition): end.result().offset for place, end in asked.items()}
        return {
            name: self._behind(reader, [place for topic in reader.topics for place in places[topic]], ends)
            for name, reader in READERS.items()
        }

    def _behind(self, reader: Reader, places: list[TopicPartition], ends: Mapping[tuple[str, int], int]) -> int:
        standing = kafka.committed(self._groups[reader.group], places, ASK_WITHIN_S)
        return sum(max(0, ends[at.topic, at.partition] - max(0, at.offset)) for at in standing)

    def _places(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in self._partitions]


def fullness(waiting: Waiting) -> float:
    """How full the fullest reader's room is; above 1, somebody is behind."""
    return max(count / READERS[name].room for name, count in waiting.items())
