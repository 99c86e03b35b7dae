"""Creates the topics of ``schemas.topics`` and refuses to go on with a broker that keeps them otherwise."""

import time
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Final

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from typing_extensions import override

from runtime import instruments, kafka
from runtime.exits import CheckFailed, Exit, Unavailable
from runtime.settings import Settings
from schemas import topics as catalog
from schemas.topics import Topic

_TIMEOUT_S: Final = 30

log = structlog.get_logger()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as the broker has it; *replicas* is that of the partition with the fewest."""

    partitions: int
    replicas: int
    config: Mapping[str, str]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a topic isn't as it must be, and the command that mends it."""

    topic: str
    what: str
    mend: str

    @override
    def __str__(self) -> str:
        return f"{self.topic}: {self.what}. To mend it: {self.mend}"


def ensure(settings: Settings, venues: Iterable[str]) -> None:
    """Create the topics that are missing, then check all.

    Raises CheckFailed with a line per difference, and Unavailable if no broker answers.
    """
    wanted = list(catalog.every(tuple(sorted(venues))))
    create(settings, wanted)
    if differences := list(check(settings, wanted)):
        raise CheckFailed("\n".join(str(difference) for difference in differences))


def create(settings: Settings, wanted: Iterable[Topic]) -> None:
    """Create those of *wanted* that the broker doesn't have. Others may be doing the same at this moment."""
    admin = _admin(settings)
    existing = _metadata(admin, settings).topics
    missing = [topic for topic in wanted if topic.name not in existing]
    if not missing:
        return
    new = [
        NewTopic(topic.name, settings.partitions, settings.replication_factor, config=_creation_config(topic, settings))
        for topic in missing
    ]
    for name, done in admin.create_topics(new, operation_timeout=_TIMEOUT_S).items():
        try:
            done.result(_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Unavailable(f"the broker won't create topic {name}: {error.args[0].str()}") from error
    _await_visible(admin, settings, {topic.name for topic in missing})
    log.info("topics_created", topics=[topic.name for topic in missing], partitions=settings.partitions)


def check(settings: Settings, wanted: Iterable[Topic]) -> Iterator[Difference]:
    """How the broker's topics differ from *wanted*."""
    wanted = list(wanted)
    found = find(settings, {topic.name for topic in wanted})
    for topic in wanted:
        yield from differences(topic, found.get(topic.name), settings)


def differences(topic: Topic, found: Found | None, settings: Settings) -> Iterator[Difference]:
    """How *found* differs from *topic*; None stands for a topic that isn't there."""
    if found is None:
        yield Difference(topic=topic.name, what="doesn't exist", mend="fillstream topics")
        return
    if found.partitions != settings.partitions:
        yield Difference(
            topic=topic.name,
            what=f"{found.partitions} partitions instead of {settings.partitions}, so that users' records "
            "would be looked for where they aren't",
            mend=f"set FILLSTREAM_PARTITIONS={found.partitions} if every topic has so many; if not, and nothing in it "
            f"is needed, kafka-topics.sh --bootstrap-server {settings.bootstrap_servers} --delete --topic {topic.name}"
            " && fillstream topics",
        )
    if found.replicas < settings.replication_factor:
        yield Difference(
            topic=topic.name,
            what=f"{found.replicas} replicas instead of {settings.replication_factor}",
            mend=f"kafka-reassign-partitions.sh --bootstrap-server {settings.bootstrap_servers} with a plan for it, "
            f"or set FILLSTREAM_REPLICATION_FACTOR={found.replicas}",
        )
    for name, value in topic.config().items():
        if found.config.get(name) != value:
            what = f"{name}={found.config.get(name)} instead of {value}"
            yield Difference(topic=topic.name, what=what, mend="fillstream topics --repair")


def repair(settings: Settings, wanted: Iterable[Topic]) -> None:
    """Set the settings of existing topics to what they must be. Partitions and replicas it leaves alone."""
    changes = [
        ConfigResource(
            ResourceType.TOPIC,
            topic.name,
            incremental_configs=[
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in topic.config().items()
            ],
        )
        for topic in wanted
    ]
    admin = _admin(settings)  # a name of its own: its requests end with it
    _results(admin.incremental_alter_configs(changes, request_timeout=_TIMEOUT_S), settings)


def find(settings: Settings, names: Container[str]) -> Mapping[str, Found]:
    """Those of the broker's topics that *names* has. Raises Unavailable if no broker answers."""
    admin = _admin(settings)
    described = {name: topic for name, topic in _metadata(admin, settings).topics.items() if name in names}
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in described]
    answers = _results(admin.describe_configs(asked, request_timeout=_TIMEOUT_S), settings) if asked else {}
    configs = {
        resource.name: {name: str(entry.value) for name, entry in entries.items()}
        for resource, entries in answers.items()
    }
    return {
        name: Found(
            partitions=len(topic.partitions),
            replicas=min((len(partition.replicas) for partition in topic.partitions.values()), default=0),
            config=configs[name],
        )
        for name, topic in described.items()
    }


def main(settings: Settings, *, mend: bool = False) -> int:
    """Create and check the topics of every venue that has instruments; *mend* sets differing settings right first."""
    venues = instruments.load(settings.instruments).venues
    if mend:
        wanted = list(catalog.every(tuple(sorted(venues))))
        create(settings, wanted)
        repair(settings, wanted)
    ensure(settings, venues)
    return Exit.OK


def _await_visible(admin: AdminClient, settings: Settings, names: set[str]) -> None:
    """Wait until metadata show the new topics and their leaders: the broker that is asked may hear of them later."""
    deadline = time.monotonic() + _TIMEOUT_S
    while hidden := names - set(_led(_metadata(admin, settings))):
        if time.monotonic() > deadline:
            raise Unavailable(f"topics created but not to be seen after {_TIMEOUT_S} s: {', '.join(sorted(hidden))}")
        time.sleep(0.1)


def _led(metadata: Any) -> Iterator[str]:
    """The topics of which every partition has a leader."""
    for name, topic in metadata.topics.items():
        if all(partition.error is None and partition.leader >= 0 for partition in topic.partitions.values()):
            yield name


def _creation_config(topic: Topic, settings: Settings) -> dict[str, str]:
    """With three replicas or more, an acknowledged record must be on two of them."""
    durable = {"min.insync.replicas": "2"} if settings.replication_factor > 2 else {}
    return topic.config() | durable


def _admin(settings: Settings) -> AdminClient:
    return AdminClient(kafka.client(settings) | {"log_level": 0})  # what matters of its log comes back as errors


def _metadata(admin: AdminClient, settings: Settings) -> Any:
    try:
        return admin.list_topics(timeout=_TIMEOUT_S)
    except KafkaException as error:
        raise unreachable(settings, error) from error


def _results(futures: Mapping[Any, Future[Any]], settings: Settings) -> dict[Any, Any]:
    try:
        return {key: future.result(_TIMEOUT_S) for key, future in futures.items()}
    except KafkaException as error:
        raise unreachable(settings, error) from error


def unreachable(settings: Settings, error: KafkaException) -> Unavailable:
    """What to raise when no broker answers."""
    return Unavailable(
        f"no answer from Kafka at {settings.bootstrap_servers} ({error.args[0].str()}): is it running? "
        "`fillstream broker` starts one on this machine; FILLSTREAM_BOOTSTRAP_SERVERS says where another is"
    )
