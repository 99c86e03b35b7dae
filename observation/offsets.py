"""Where logs begin and end, where groups stand, and what is there: read from Kafka, in no group of one's own."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Final

import msgspec
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from observation.lag import Head, Place
from runtime import kafka
from runtime.settings import Settings

_GROUP: Final = "fillstream-probe"  # librdkafka wants a name; nothing joins or commits under it
_ASK_WITHIN_S: Final = 8.0
_ENDED_WITHIN_S: Final = _ASK_WITHIN_S + 4.0
_READ_WITHIN_S: Final = 4.0
_POLL_S: Final = 0.1
_FETCH_BYTES: Final = 16_384  # one record is enough; a batch that is larger comes anyway


class Members(msgspec.Struct, frozen=True):
    """Who is in a group, by client ID, and what each of its partitions is owned by."""

    names: tuple[str, ...]
    owners: Mapping[Place, str]


class Offsets:
    """One connection. Every method raises KafkaException if the broker doesn't answer in time."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._consumer: Consumer | None = None
        self._groups: dict[str, Consumer] = {}
        self.renew()

    def renew(self) -> None:
        """Connect anew: what an outage has left in the old clients would be in the way."""
        self.close()
        self._admin = AdminClient(kafka.client(self._settings, client_id=self._client_id) | {"log_level": 0})

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        for asking in self._groups.values():
            asking.close()
        self._groups.clear()

    def partitions(self) -> Mapping[str, int]:
        """The number of partitions of each topic that there is."""
        described = self._admin.list_topics(timeout=_ASK_WITHIN_S).topics
        return {name: len(topic.partitions) for name, topic in described.items()}

    def bounds(self, places: Iterable[Place]) -> Mapping[Place, tuple[int, int]]:
        """First offset and high watermark of each."""
        wanted = [TopicPartition(place.topic, place.partition) for place in places]
        firsts = self._list(wanted, OffsetSpec.earliest())
        ends = self._list(wanted, OffsetSpec.latest())
        return {place: (firsts[place], end) for place, end in ends.items()}

    def committed(self, group: str, places: Iterable[Place]) -> Mapping[Place, int]:
        """The offsets of *group*, where it has one."""
        if group not in self._groups:
            self._groups[group] = Consumer(
                kafka.consumer(self._settings, group, client_id=self._client_id) | {"log_level": 0}
            )
        asked = [TopicPartition(place.topic, place.partition) for place in places]
        found = kafka.committed(self._groups[group], asked, _ASK_WITHIN_S) if asked else []
        return {Place(at.topic, at.partition): at.offset for at in found if at.offset >= 0}

    def members(self, names: Sequence[str]) -> Mapping[str, Members]:
        """The members of each group; none of one that nobody is in."""
        asked = self._admin.describe_consumer_groups(list(names), request_timeout=_ASK_WITHIN_S)
        return {name: _members(described) for name, described in _answers(asked).items()}

    def retention_s(self, names: Iterable[str]) -> Mapping[str, float]:
        """For how long each topic keeps its records, where it doesn't keep them for good."""
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._admin.describe_configs(asked, request_timeout=_ASK_WITHIN_S) if asked else {}
        configs = {resource.name: config for resource, config in _answers(answers).items()}
        kept = {
            name: int(config["retention.ms"].value)
            for name, config in configs.items()
            if "delete" in str(config["cleanup.policy"].value)
        }
        return {name: milliseconds / 1_000 for name, milliseconds in kept.items() if milliseconds >= 0}

    def heads(self, wanted: Mapping[Place, int]) -> Mapping[Place, Head]:
        """What a reader finds at each offset; without those that the broker was too slow for."""
        if not wanted:
            return {}
        consumer = self._consumer = self._consumer or self._open()
        consumer.assign([TopicPartition(place.topic, place.partition, offset) for place, offset in wanted.items()])
        found: dict[Place, Head] = {}
        deadline_s = time.monotonic() + _READ_WITHIN_S
        while len(found) < len(wanted) and time.monotonic() < deadline_s:
            for message in consumer.consume(500, _POLL_S):
                _note(found, wanted, message)
        consumer.unassign()
        return found

    def _list(self, wanted: Collection[TopicPartition], which: OffsetSpec) -> dict[Place, int]:
        if not wanted:
            return {}
        asked = self._admin.list_offsets(
            dict.fromkeys(wanted, which),
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_ASK_WITHIN_S,
        )
        return {Place(at.topic, at.partition): found.offset for at, found in _answers(asked).items()}

    def _open(self) -> Consumer:
        return Consumer(
            kafka.consumer(
                self._settings,
                _GROUP,
                client_id=self._client_id,
                enable_partition_eof=True,
                fetch_message_max_bytes=_FETCH_BYTES,
                queued_max_messages_kbytes=1_024,
                fetch_wait_max_ms=10,  # where there is nothing, that is soon told
            )
            | {"log_level": 0}
        )


def _answers(asked: Mapping[Any, Future[Any]]) -> dict[Any, Any]:
    """Each answer, once all requests have ended. Raises KafkaException for one that has failed, TimeoutError.

    Nobody may drop the client while a request is under way: that has crashed the process when the broker was too slow
    (librdkafka's issue 4605 looks alike).
    """
    wait(asked.values(), _ENDED_WITHIN_S)
    return {key: future.result(0) for key, future in asked.items()}


def _note(found: dict[Place, Head], wanted: Mapping[Place, int], message: Message) -> None:
    """Keep the first word on a place. Raises KafkaException for an error of all."""
    error, place = message.error(), Place(str(message.topic()), int(message.partition() or 0))
    if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name
        if error.fatal() or error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  # the same
            raise KafkaException(error)
        return
    if place in wanted and place not in found:
        offset = int(message.offset() or 0)
        found[place] = Head(None if error is not None else int(message.timestamp()[1]), offset)


def _members(described: Any) -> Members:
    owners = {
        Place(at.topic, at.partition): member.client_id
        for member in described.members
        if member.assignment is not None
        for at in member.assignment.topic_partitions
    }
    return Members(tuple(sorted(member.client_id for member in described.members)), owners)
