"""What every Kafka client of fillstream has in common: brokers, credentials, and how keys find partitions."""

import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from runtime.exits import Unavailable
from runtime.settings import Settings, SettingsError
from schemas import topics

#: librdkafka's default partitioner (CRC-32) would send a user's orders to a partition that doesn't own them: Java's
#: clients and Faust use murmur2.
PARTITIONER: Final = "murmur2_random"

#: What brokers answer for a partition that was just made, or whose leader has just changed: it passes by itself.
_LEADERLESS: Final = frozenset(
    {KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART}
)
_LEADER_WITHIN_S: Final = 20.0

#: What a broker answers that doesn't coordinate a group, or not yet: this passes by itself, too.
_UNCOORDINATED: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError._WAIT_COORD,  # noqa: SLF001  # librdkafka's own name
    }
)
_ASKED_EVERY_S: Final = 0.1

Answer = TypeVar("Answer")


def client(settings: Settings, **more: Any) -> dict[str, Any]:
    """Configuration of any librdkafka client: address, credentials, then *more* (dots written as underscores)."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
    }
    if settings.sasl_mechanism is not None:
        config["sasl.mechanism"] = settings.sasl_mechanism
        config["sasl.username"] = settings.sasl_username
        config["sasl.password"] = settings.sasl_password.get_secret_value() if settings.sasl_password else None
    if settings.ssl_ca_location is not None:
        config["ssl.ca.location"] = str(settings.ssl_ca_location)
    if settings.ssl_certificate_location is not None:
        config["ssl.certificate.location"] = str(settings.ssl_certificate_location)
        config["ssl.key.location"] = str(settings.ssl_key_location)
    if settings.ssl_key_password is not None:
        config["ssl.key.password"] = settings.ssl_key_password.get_secret_value()
    return config | {name.replace("_", "."): value for name, value in more.items()}


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The same for clients that speak TLS by Python's own means; None where the brokers don't.

    Raises SettingsError for a certificate or key that can't be used.
    """
    if not settings.security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_location)
        if settings.ssl_certificate_location is not None and settings.ssl_key_location is not None:
            password = settings.ssl_key_password
            context.load_cert_chain(
                settings.ssl_certificate_location,
                settings.ssl_key_location,
                password=password.get_secret_value() if password else "",  # without any, OpenSSL would ask the terminal
            )
    except OSError as error:  # ssl.SSLError is one
        files = (settings.ssl_ca_location, settings.ssl_certificate_location, settings.ssl_key_location)
        named = ", ".join(str(file) for file in files if file is not None)
        raise SettingsError(f"TLS with Kafka can't be set up from {named}: {error}") from error
    return context


def producer(settings: Settings, **more: Any) -> dict[str, Any]:
    """An idempotent producer that waits for all in-sync replicas, and partitions like every other client."""
    config = client(
        settings,
        partitioner=PARTITIONER,
        enable_idempotence=True,
        acks="all",
        linger_ms=2,
        message_max_bytes=topics.MESSAGE_BYTES_MAX,
    )
    return config | {name.replace("_", "."): value for name, value in more.items()}


def consumer(settings: Settings, group: str, **more: Any) -> dict[str, Any]:
    """A consumer that sees committed records only, starts at the earliest one, and commits only when told to."""
    return client(
        settings,
        group_id=group,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) | {name.replace("_", "."): value for name, value in more.items()}


def take_schema_ids(settings: Settings) -> None:
    """Schemas get the ids of the configured registry, if there is one. Raises Unavailable if it can't be used."""
    if settings.schema_registry_url is not None:
        from schemas import registry  # noqa: PLC0415  # its client takes 0.2 s and 20 MiB, and few need it

        try:
            registry.use(settings.schema_registry_url)
        except registry.RegistryError as error:
            raise Unavailable(str(error)) from error


def watermarks(reader: Consumer, at: TopicPartition, timeout_s: float = _LEADER_WITHIN_S) -> tuple[int, int]:
    """The first offset and the end of a partition, as *reader* would see it, which may be the broker's last stable one.

    Each question waits for *timeout_s*; a partition without a leader is asked again for as long. Raises KafkaException.
    """
    low, high = _patiently(lambda: reader.get_watermark_offsets(at, timeout=timeout_s), _LEADERLESS, timeout_s)
    return low, high


def committed(reader: Consumer, places: Sequence[TopicPartition], timeout_s: float) -> list[TopicPartition]:
    """Where the group of *reader* stands in *places*, and what it noted there. Nothing joins a group by asking.

    To be asked like this, never through an AdminClient: an answer from a broker that isn't the group's coordinator, or
    no longer, kills the process of that (librdkafka's issue 5040). Waits as ``watermarks`` does. Raises KafkaException.
    """

    def ask() -> list[TopicPartition]:
        found: list[TopicPartition] = reader.committed(list(places), timeout=timeout_s)
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
        return found

    return _patiently(ask, _UNCOORDINATED, timeout_s)


def committed_anywhere(reader: Consumer, timeout_s: float) -> list[TopicPartition]:
    """All that the group of *reader* has committed, of whatever topic. Waits and raises as ``committed`` does."""
    logs = reader.list_topics(timeout=timeout_s).topics
    places = [TopicPartition(topic, number) for topic, log in logs.items() for number in log.partitions]
    return [at for at in committed(reader, places, timeout_s) if at.offset >= 0]


def _patiently(ask: Callable[[], Answer], passing: frozenset[int], timeout_s: float) -> Answer:
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in passing or time.monotonic() > deadline_s:
                raise
            time.sleep(_ASKED_EVERY_S)
