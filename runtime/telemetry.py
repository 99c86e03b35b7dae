"""What a process tells about itself: structured logs on stderr, Prometheus metrics over HTTP, and where to find them.

Every process calls :func:`start` once, first. Afterwards ``structlog.get_logger()`` and the standard ``logging``
(Faust, httpx, uvicorn …) write the same lines, and ``var/run/<process>.json`` says which process answers where.
"""

import logging
import math
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO
from wsgiref.simple_server import WSGIServer

import msgspec
import orjson
import prometheus_client
import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

from runtime.settings import Settings, SettingsError

MASK: Final = "**********"

#: Fields that never show, whatever they hold.
_SECRET_FIELDS: Final = frozenset(
    {"api_key", "authorization", "key_secret", "password", "sasl_password", "secret", "signature"}
)

#: Libraries that log every request at INFO, some with a signed query string in it.
_CHATTY: Final = ("aiokafka", "asyncio", "httpcore", "httpx", "urllib3", "uvicorn.access", "websockets")

#: What a library complains of is written once in so long. While the broker is away, some do so five times a second.
_AGAIN_AFTER_S: Final = 10.0
#: So many kinds of complaints are told apart: some libraries put names and numbers into their formats.
_KINDS_MAX: Final = 1_000

_secrets: set[str] = set()
SECRET_LENGTH_MIN: Final = 6


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``var/run/<process>.json``. It outlives the process: believe it if *pid* is the one you know."""

    process: str
    pid: int
    metrics: str
    started_at: str


class Thinned(logging.Filter):
    """Lets one of a library's warnings or errors of a kind through every *again_after_s*.

    It then says in ``repeats`` how many were held back since the last. Of a kind are those of one logger and one
    format. What comes with a traceback always passes.
    """

    def __init__(self, again_after_s: float = _AGAIN_AFTER_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._again_after_s = again_after_s
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        kind, now_s = (record.name, str(record.msg)), self._clock()
        written_s, repeats = self._kinds.pop(kind, (-math.inf, 0))
        passes = now_s - written_s >= self._again_after_s
        self._kinds[kind] = (now_s, 0) if passes else (written_s, repeats + 1)
        if len(self._kinds) > _KINDS_MAX:
            self._kinds.popitem(last=False)
        if passes and repeats:
            record.repeats = repeats
        return passes


class Telemetry:
    """A process's running telemetry. Closing it is for tests: a process keeps it for as long as it lives."""

    __slots__ = ("_server", "_thread", "record")

    def __init__(self, record: RunRecord, server: WSGIServer, thread: threading.Thread) -> None:
        self.record = record
        self._server = server
        self._thread = thread

    def close(self) -> None:
        """Stop answering for metrics; the run file stays."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start(settings: Settings, process: str, output: TextIO | None = None) -> Telemetry:
    """Set up logs (to stderr unless *output* is given) and metrics of this process.

    Its name is *process* unless the setting ``process_name`` says otherwise. Raises SettingsError if the metrics port
    can't be had.
    """
    name = settings.process_name or process
    hide(*(value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)))
    configure_logging(settings, name, output)
    server, thread, url = _serve_metrics(settings)
    record = RunRecord(
        process=name, pid=os.getpid(), metrics=url, started_at=datetime.fromtimestamp(time.time(), UTC).isoformat()
    )
    write_atomically(run_file(settings.var, name), msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    structlog.get_logger().info("process_started", pid=record.pid, metrics=url)
    return Telemetry(record, server, thread)


def hide(*secrets: str) -> None:
    """Replace these values wherever a log line of this process would hold them.

    Shorter ones than SECRET_LENGTH_MIN are in every other word, and masking them would tell what they are.
    """
    _secrets.update(secret for secret in secrets if len(secret) >= SECRET_LENGTH_MIN)


def configure_logging(settings: Settings, process: str, output: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to *output* (stderr) as lines of one format."""
    file = output or sys.stderr
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared = _shared_processors(process)
    render: Processor = _json if settings.log_format == "json" else _console(file)
    structlog.configure(
        processors=[*shared, render, _mask_values],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=file),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(file)
    handler.addFilter(Thinned())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render, _mask_values],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def run_file(var: Path, process: str) -> Path:
    return var / "run" / f"{process}.json"


def read_run_file(var: Path, process: str) -> RunRecord | None:
    """What *process* wrote last, or None if it has written nothing."""
    try:
        return msgspec.json.decode(run_file(var, process).read_bytes(), type=RunRecord)
    except FileNotFoundError:
        return None


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace the file at *path*, so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    part.replace(path)


def _shared_processors(process: str) -> list[Processor]:
    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        name_process,
        structlog.processors.format_exc_info,  # the plain one: the others show local variables, secrets among them
        _mask_fields,
    ]


def _mask_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in event:
        if name.lower() in _SECRET_FIELDS:
            event[name] = MASK
    return event


def _mask_values(_logger: WrappedLogger, _method: str, line: Any) -> str:
    """The last step: *line* is the rendered text."""
    text: str = line
    for secret in _secrets:
        text = text.replace(secret, MASK)
    return text


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _console(file: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=file.isatty(), timestamp_key="at")


def _serve_metrics(settings: Settings) -> tuple[WSGIServer, threading.Thread, str]:
    serve: Callable[..., tuple[WSGIServer, threading.Thread]] = prometheus_client.start_http_server
    try:
        server, thread = serve(settings.metrics_port, addr=settings.metrics_host)
    except OSError as error:
        raise SettingsError(
            f"metrics can't be served on {settings.metrics_host}:{settings.metrics_port} ({error.strerror}): "
            "set metrics_port to a free one, or to 0 for any"
        ) from error
    return server, thread, f"http://{settings.metrics_host}:{server.server_port}/metrics"
