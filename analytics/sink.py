"""The sink's process: connects, brings the schema up to date, and keeps the pipeline running."""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaException

from analytics import gaps
from analytics.client import ClickHouseError, connect
from analytics.inserts import Inserter
from analytics.lanes import Limits
from analytics.metrics import SinkMetrics
from analytics.migrate import MigrationError, migrate
from analytics.pipeline import Pipeline, backoff_s
from analytics.rows import Mapper
from runtime import kafka, telemetry
from runtime.exits import Exit, Unavailable
from runtime.process import StopRequest
from runtime.settings import Settings, SettingsError
from schemas import catalog, codec, topics

_BATCH_BYTES_MAX: Final = 8 << 20
_POLL_INTERVAL_MAX_MS: Final = 60_000
_REQUEST_TIMEOUT_MS: Final = 10_000
_PREFETCH_KIB: Final = 16_384
_NEW_TOPICS_WITHIN_MS: Final = 30_000
_AUTHENTICATION_FAILED: Final = "Code: 516"

log = structlog.get_logger()


def main(settings: Settings, accept_gap: Sequence[str] = (), give_up_schema: Sequence[int] = ()) -> int:
    """Run the sink until SIGTERM or Ctrl-C. While ClickHouse is away it waits, and Kafka keeps the records.

    Each of *accept_gap* names offsets that were lost (``TOPIC:PARTITION:FROM:TO``) and are not waited for any more;
    records with a schema ID of *give_up_schema* become dead letters if that schema is not known.
    """
    try:
        accepted = gaps.parse(accept_gap)
    except gaps.BadGap as error:
        raise SettingsError(str(error)) from error
    telemetry.start(settings, "sink")
    mapper = Mapper(_use_registry(settings), give_up_schema)
    with StopRequest() as stop:
        client = _connected(settings, stop)
        if client is None:
            return Exit.OK

        def inserter(metrics: SinkMetrics) -> Inserter:
            return Inserter(client, settings.clickhouse_database, metrics, mapper)

        limits = Limits(settings.sink_batch_rows_max, _BATCH_BYTES_MAX, settings.sink_batch_wait_ms / 1_000)
        try:
            Pipeline(consumer_configuration(settings), limits, inserter, accepted).run(subscription(), stop)
        except KafkaException as error:
            raise Unavailable(f"Kafka won't serve this sink any more: {error}") from error
        finally:
            client.close()
    return Exit.OK


def group_of(settings: Settings) -> str:
    """The consumer group. Sinks into another database read everything for themselves."""
    return f"{settings.clickhouse_database}-sink"


def subscription() -> list[str]:
    """Every topic but ticks and changelogs; topics of venues by pattern, so that a new venue is found."""
    told = (*topics.INPUTS, *topics.OUTPUTS, *topics.OBSERVATIONS)
    named = [topic.name for topic in told if topic is not topics.TICKS]
    prefix = topics.venue_requests("").name.replace(".", r"\.")
    return [*named, f"^{prefix}.+"]


def consumer_configuration(settings: Settings) -> dict[str, Any]:
    return kafka.consumer(
        settings,
        group_of(settings),
        group_instance_id=settings.sink_id,
        client_id=settings.sink_id,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.session_timeout_ms // 4,
        max_poll_interval_ms=_POLL_INTERVAL_MAX_MS,
        socket_timeout_ms=_REQUEST_TIMEOUT_MS,
        topic_metadata_refresh_interval_ms=_NEW_TOPICS_WITHIN_MS,
        queued_max_messages_kbytes=_PREFETCH_KIB,
        enable_partition_eof=True,  # says where a drained partition ends, behind the markers of transactions
        auto_offset_reset="error",  # a committed offset that is gone means lost records: never skip them in silence
    )


def _use_registry(settings: Settings) -> int | None:
    """Take the schemas' ids from the registry, if there is one; returns the newest that it gives to known schemas."""
    if settings.schema_registry_url is None:
        return None
    from schemas.registry import RegistryError, RegistryIds  # noqa: PLC0415  # half of this process's time to start

    try:
        ids = RegistryIds(settings.schema_registry_url)
    except RegistryError as error:
        raise Unavailable(str(error)) from error
    codec.use_ids(ids)
    return max(ids.latest(name) for name in catalog.ids())


def _connected(settings: Settings, stop: StopRequest) -> Any | None:
    """A client to an up-to-date database, as soon as there is one; None if a stop was asked for first."""
    attempts = 0
    while not stop.requested:
        try:
            client = connect(settings)
            migrate(client, settings.clickhouse_database, replicated=settings.clickhouse_replicated)
        except ClickHouseError as error:
            if settings.clickhouse_password is not None and _AUTHENTICATION_FAILED in str(error):
                raise SettingsError(
                    f"ClickHouse refuses the account {settings.clickhouse_username!r}: set clickhouse_username and "
                    "clickhouse_password as for the clickhouse process"
                ) from error
            delay_s = backoff_s(attempts)
            log.warning("clickhouse_away", url=settings.clickhouse_url, detail=str(error), retry_in_s=delay_s)
            attempts += 1
            stop.wait(delay_s)
        except MigrationError as error:
            raise SettingsError(str(error)) from error
        else:
            return client
    return None
