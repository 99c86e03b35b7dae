"""The broker as the launcher sees it: topics, a backlog behind a gate, members of a group, and outputs read back."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from benchmarks.w1.reference import Record
from runtime import kafka, settings

PARTITIONS: Final = 4

#: What matters of librdkafka's own log also comes as an exception.
_QUIET: Final = {"log_level": 2}
_CALL_WITHIN_S: Final = 30.0
_READ_WITHIN_S: Final = 120.0
_GATE_OPEN_WITHIN_S: Final = 300


class Cluster:
    """Everything that a run asks of the broker at *bootstrap*."""

    def __init__(self, bootstrap: str) -> None:
        self.settings = settings.load(bootstrap_servers=bootstrap, partitions=PARTITIONS)
        self._admin = AdminClient(kafka.client(self.settings) | _QUIET)

    def create(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        """Makes *topics*: names with their settings."""
        new = [NewTopic(name, PARTITIONS, 1, config=dict(config)) for name, config in topics.items()]
        for done in self._admin.create_topics(new, operation_timeout=_CALL_WITHIN_S).values():
            done.result(_CALL_WITHIN_S)

    def delete(self, application: str) -> None:
        """Deletes every topic that bears the *application*'s name, those that a framework made included."""
        if names := self.topics(application):
            for done in self._admin.delete_topics(names, operation_timeout=_CALL_WITHIN_S).values():
                done.result(_CALL_WITHIN_S)

    def topics(self, application: str) -> list[str]:
        """The names of all topics that bear the *application*'s name."""
        return sorted(name for name in self._admin.list_topics(timeout=_CALL_WITHIN_S).topics if application in name)

    def joined(self, group: str) -> int:
        """How many members of *group* have settled on who reads what; 0 while they haven't."""
        try:
            found = self._admin.describe_consumer_groups([group])[group].result(_CALL_WITHIN_S)
        except KafkaException:
            return 0  # nobody has joined yet
        return len(found.members) if found.state is ConsumerGroupState.STABLE else 0

    def producer(self, **more: Any) -> Producer:
        config = kafka.producer(self.settings, queue_buffering_max_messages=1_000_000, **more)
        return Producer(config | _QUIET)

    def reader(self, topic: str, starts: Sequence[int] = (0,) * PARTITIONS, **more: Any) -> Consumer:
        """A read-committed consumer of all of *topic* from *starts* on."""
        config = kafka.consumer(self.settings, "w1-reader", fetch_wait_max_ms=10, **more)
        consumer = Consumer(config | _QUIET)
        consumer.assign([TopicPartition(topic, number, start) for number, start in enumerate(starts)])
        return consumer

    def ends(self, topic: str) -> list[int]:
        """How far a read-committed reader gets in each partition, transaction markers counted."""
        asked = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        answers = self._admin.list_offsets(
            dict.fromkeys(asked, OffsetSpec.latest()), isolation_level=IsolationLevel.READ_COMMITTED
        )
        return [answers[partition].result(_CALL_WITHIN_S).offset for partition in asked]

    def read(self, topic: str) -> Iterator[Any]:
        """Every committed message of *topic*, as the client hands it over. Raises TimeoutError after two minutes."""
        consumer = self.reader(topic, enable_partition_eof=True)
        open_, deadline = set(range(PARTITIONS)), time.monotonic() + _READ_WITHIN_S
        try:
            while open_:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{topic} could not be read within {_READ_WITHIN_S:.0f} s")
                for message in consumer.consume(10_000, 0.5):
                    if message.error() is None:
                        yield message
                    elif message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name
                        open_.discard(message.partition())
                    else:
                        raise KafkaException(message.error())
        finally:
            consumer.close()


class Gate:
    """A backlog that nobody can read yet: records of an open transaction. Opening it commits.

    So every process of a variant can start, join and warm its connections before the first record is there to be taken.
    """

    def __init__(self, cluster: Cluster, topic: str, records: Iterable[Record]) -> None:
        self._producer = cluster.producer(
            transactional_id=f"gate-{topic}", transaction_timeout_ms=_GATE_OPEN_WITHIN_S * 1_000, linger_ms=20
        )
        self._producer.init_transactions(_CALL_WITHIN_S)
        self._producer.begin_transaction()
        for key, value in records:
            produce(self._producer, topic, key, value)
        self._producer.flush(_CALL_WITHIN_S)

    def open(self) -> None:
        self._producer.commit_transaction(_CALL_WITHIN_S)


def produce(producer: Producer, topic: str, key: bytes, value: bytes) -> None:
    """Waits while the producer's queue is full."""
    while True:
        try:
            producer.produce(topic, value, key)
        except BufferError:
            producer.poll(0.1)
        else:
            return
