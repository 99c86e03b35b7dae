"""The Faust application on the chunked transport, with every setting that matters spelled out; and running it."""

import asyncio
import contextlib
import ctypes
import gc
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import faust
import structlog
from faust.transport.drivers import TRANSPORTS
from typing_extensions import override

from runtime import kafka
from runtime.exits import Exit
from runtime.settings import Settings
from schemas import topics
from streaming import failure
from streaming.transport import ChunkSchema

if TYPE_CHECKING:
    from streaming.lane import Lane

log = structlog.get_logger()

_SCHEME: Final = "chunked"
_HOUR_S: Final = 3_600.0
_STOP_WITHIN_S: Final = 8.0

#: Python's default looks for cycles whenever 700 objects have come and not yet gone, which every fetch of records does.
_COLLECT_AFTER_OBJECTS: Final = 50_000

_M_ARENA_MAX: Final = -8  # <malloc.h>

#: Threads that fetch and commit need the interpreter for microseconds; they shouldn't wait 5 ms for it each time.
_SWITCH_S: Final = 0.001


class App(faust.App):  # type: ignore[misc]  # Faust is not typed for us
    """A Faust application that knows its lane and its settings."""

    lane: "Lane"
    settings: Settings

    @override
    def _create_directories(self) -> None:
        """None: nothing is kept on disk, so there is nothing that could be out of date."""

    @override
    async def on_stop(self) -> None:
        watchdog = threading.Timer(_STOP_WITHIN_S, failure.stop, ["stop_took_too_long"])
        watchdog.daemon = True
        watchdog.start()  # a broker that doesn't answer can hold up every part of a clean stop
        await self.lane.close()
        await super().on_stop()


def application(settings: Settings, name: str = topics.APPLICATION) -> App:
    """An application named *name*, without agents and tables yet. Connects nowhere."""
    TRANSPORTS.aliases[_SCHEME] = "streaming.transport:Transport"
    session_s = settings.session_timeout_ms / 1_000
    app = App(
        name,
        broker=f"{_SCHEME}://{settings.bootstrap_servers.replace(',', ';')}",
        broker_credentials=_credentials(settings),
        broker_client_id=settings.worker_id,
        processing_guarantee="exactly_once",
        # the group: a worker that comes back in time gets its partitions back, without a rebalance
        consumer_group_instance_id=settings.worker_id,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 10,
        broker_rebalance_timeout=max(60.0, session_s),
        broker_request_timeout=max(40.0, session_s),
        broker_max_poll_interval=300.0,  # an agent that never returns loses its partitions
        consumer_auto_offset_reset="earliest",
        # topics are made and checked by runtime.topics; Faust makes none
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_allow_declare=False,
        topic_disable_leader=True,
        reply_create_topic=False,
        # tables are restored by the lane, in full, each time a partition comes to this worker
        TableManager="streaming.transport:TableManager",
        store="memory://",
        table_standby_replicas=0,
        # nothing is acknowledged by Faust: the lane commits positions
        broker_commit_interval=_HOUR_S,
        stream_wait_empty=False,
        # no server: it would serve tables to anybody, on all addresses
        web_enabled=False,
        canonical_url=f"http://{settings.worker_id}",
    )
    app.settings = settings
    return app


def input_topic(app: App, topic: topics.Topic) -> Any:
    """*topic* as a channel for agents whose body is Lane.run."""
    return app.topic(topic.name, schema=ChunkSchema(), partitions=app.conf.topic_partitions, acks=False)


def run(app: App, settings: Settings) -> int:
    """Run a worker of *app* in this process until SIGTERM or Ctrl-C; its exit code.

    A clean stop finishes the chunks that are being committed. Any fault ends the process at once (streaming.failure).
    """
    if settings.log_level != "debug":
        for chatty in ("faust", "mode", "streaming"):  # each service tells when it starts and stops
            logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.setswitchinterval(_SWITCH_S)
    _share_heaps()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: to look through it takes 90 ms, in which nothing is decided
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(app, loop=loop, quiet=True, override_logging=False)
    worker.spinner = None  # it would write to the terminal, whatever the log's format
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        if end.code:
            log.critical("worker_failed", reason=repr(worker.crash_reason))
            return Exit.INTERNAL
    log.info("worker_stopped", worker=settings.worker_id)
    return Exit.OK


def _share_heaps() -> None:
    """Has all threads share two heaps, where the C library is glibc: it would give each thread one, with room to spare
    in all of them, and a tenth of the process's memory is that room.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library, which does as it likes
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _credentials(settings: Settings) -> Any:
    """Faust's form of the credentials that runtime.kafka gives librdkafka."""
    context = kafka.ssl_context(settings)
    if settings.sasl_mechanism is None:
        return None if context is None else faust.SSLCredentials(context)
    password = settings.sasl_password
    return faust.SASLCredentials(
        username=settings.sasl_username,
        password=password.get_secret_value() if password else None,
        mechanism=settings.sasl_mechanism,
        ssl_context=context,
    )
