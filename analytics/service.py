"""The process that has the embedded ClickHouse open, and lets every ClickHouse client query it."""

import socket
from typing import Final

import structlog
import uvicorn

from analytics import account
from analytics.embedded import users
from analytics.embedded.access import ANYBODY, Users
from analytics.embedded.engine import Engine
from analytics.embedded.http import Application
from analytics.embedded.metrics import ServiceMetrics
from runtime import telemetry
from runtime.exits import Exit
from runtime.process import StopRequest
from runtime.settings import Settings, SettingsError

HOST: Final = "127.0.0.1"
_STOP_WITHIN_S: Final = 10

log = structlog.get_logger()


def main(settings: Settings, port: int = 0) -> int:
    """Serve the engine on ``var/clickhouse`` until SIGTERM or Ctrl-C. A *port* of 0 takes any free one.

    Who may read, says the file that ``clickhouse_users`` names; without one, ``default`` may without a password. Who
    writes, says account.py.
    """
    telemetry.start(settings, "clickhouse")
    readers = (ANYBODY,) if settings.clickhouse_users is None else users.read(settings.clickhouse_users)
    listener = _listen(port)
    engine = Engine(settings.var / "clickhouse")
    writer = account.made(settings)
    application = Application(engine, Users(writer, readers), ServiceMetrics())
    address = f"http://{HOST}:{listener.getsockname()[1]}"
    log.info("clickhouse_ready", url=address, version=engine.version, writer=writer.name)
    with StopRequest():  # uvicorn handles both signals itself, and raises them again once it has stopped
        uvicorn.Server(_configuration(application)).run(sockets=[listener])
    application.close()
    engine.close()
    return Exit.OK


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        raise SettingsError(f"port {port} of {HOST} can't be had ({error.strerror}): choose another, or 0") from error
    return listener


def _configuration(application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=_STOP_WITHIN_S,
    )
