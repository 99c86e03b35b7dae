"""The process of the simulated venue: Binance Spot's API over a real book, on the loopback interface.

State lives in memory: after a restart the venue knows no order, open or ended, and no trade. The journal is only ever
appended to, and order and trade IDs go on from its end.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog
import uvicorn
import uvloop
from typing_extensions import override

from domain import money
from domain.instruments import Instrument
from runtime import instruments, telemetry
from runtime.exits import Exit
from runtime.settings import Settings, SettingsError
from venue_gateways.simulator import faults, metrics, sessions
from venue_gateways.simulator.binance import security
from venue_gateways.simulator.binance.exchange import LIMITS, Exchange
from venue_gateways.simulator.binance.limits import Ban, Limit, LimitType
from venue_gateways.simulator.binance.security import Credential, CredentialsError
from venue_gateways.simulator.connection import HttpConnection, WebSocketConnection
from venue_gateways.simulator.faults import Dice, InvalidPlan, Plan
from venue_gateways.simulator.journal import Journal, JournalDamaged
from venue_gateways.simulator.market import Market, Temper
from venue_gateways.simulator.orders import Fees
from venue_gateways.simulator.service import Clock, Service
from venue_gateways.simulator.venue import Rules, Venue
from venue_gateways.simulator.web import Application

VENUE: Final = "simulated"
HOST: Final = "127.0.0.1"
#: How long requests in flight may take when the process is asked to stop.
_GRACE_S: Final = 2

_log = structlog.get_logger()


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of venue it is. *opening* is what every account starts with, by asset; None: all it may want."""

    seed: int = 1
    limits: tuple[Limit, ...] = LIMITS
    ban: Ban = Ban()
    fees: Fees = Fees(maker_rate=money.ONE // 1_000, taker_rate=money.ONE // 1_000)
    rules: Rules = Rules()
    opening: dict[str, int] | None = None
    plan: Plan = Plan()
    temper: Temper = Temper()
    step_interval_s: float = 0.1
    connection_lifetime_s: float = 86_400


class Running(msgspec.Struct, frozen=True):
    """A venue that answers: at *url* for REST, at *stream_url* for WebSocket."""

    url: str
    stream_url: str
    service: Service


def main(
    settings: Settings,
    port: int = 0,
    journal: Path | None = None,
    credentials: Path | None = None,
    seed: int = 1,
    fault_plan: Path | None = None,
    weight_per_minute: int = 120_000,
    orders_per_10_s: int = 8_000,
) -> int:
    """Run the venue until SIGTERM or Ctrl-C; its URL is the first line of stdout.

    *credentials* is a TOML file with ``key`` and ``secret``; without one, ``simulator/credentials.toml`` under
    ``settings.var`` is used, and made if it isn't there. *fault_plan* is a file as ``PUT /simulator/faults`` takes it.
    """
    telemetry.start(settings, "simulator")
    limits = (
        Limit(LimitType.REQUEST_WEIGHT, "MINUTE", 1, weight_per_minute),
        Limit(LimitType.ORDERS, "SECOND", 10, orders_per_10_s),
    )
    try:
        plan = faults.parse(fault_plan.read_bytes()) if fault_plan else Plan()
        known = load_credentials(settings, credentials)
        serving = serve(
            settings,
            known,
            journal or settings.var / "simulator" / "journal.jsonl",
            Options(seed=seed, limits=limits, plan=plan),
            port=port,
        )
        return uvloop.run(_until_stopped(serving))
    except (CredentialsError, InvalidPlan, JournalDamaged, SettingsError) as error:
        _log.error("simulator_unusable", reason=str(error))
        return Exit.USAGE
    except OSError as error:
        _log.error("simulator_failed", reason=str(error))
        return Exit.TEMPORARY


def load_credentials(settings: Settings, path: Path | None) -> dict[str, Credential]:
    """The credentials at *path*, or the venue's own, which are made at the first start."""
    if path is not None:
        return security.read(path)
    own = settings.var / "simulator" / "credentials.toml"
    return security.read(own) if own.exists() else security.create(own)


@contextlib.asynccontextmanager
async def serve(
    settings: Settings,
    credentials: dict[str, Credential],
    journal: Path,
    options: Options | None = None,
    *,
    port: int = 0,
    clock: Clock = lambda: time.time_ns() // 1_000,
) -> AsyncIterator[Running]:
    """A venue in this event loop, for as long as the context lasts. Raises OSError if the port is taken.

    An error of the venue's own cancels whoever is inside, and is raised when they leave.
    """
    chosen = options or Options()
    with contextlib.closing(Journal(journal)) as opened, _listen(port) as listener:
        service = _build(settings, credentials, opened, chosen, clock)
        application = Application(service, lifetime_s=chosen.connection_lifetime_s)
        server = _Server(_configuration(application), service)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=[listener]))
            trading = tasks.create_task(_trade(service, chosen.step_interval_s))
            address = f"{HOST}:{listener.getsockname()[1]}"
            try:
                yield Running(f"http://{address}", f"ws://{address}{sessions.PATH}", service)
            finally:
                trading.cancel()
                server.should_exit = True
                await serving


def _build(
    settings: Settings, credentials: dict[str, Credential], journal: Journal, options: Options, clock: Clock
) -> Service:
    venue = Venue(
        _symbols(settings),
        fees=options.fees,
        rules=options.rules,
        opening=options.opening,
        order_id=journal.last_ids.order_id,
        trade_ids=journal.last_ids.trade_ids,
    )
    exchange = Exchange(venue, credentials, published=options.limits, ban=options.ban)
    market = Market(venue, seed=options.seed, temper=options.temper)
    service = Service(exchange, market, journal, Dice(options.plan, metrics.note_fault), clock)
    service.step()  # the first client finds a market
    return service


def _symbols(settings: Settings) -> tuple[Instrument, ...]:
    """The symbols of the venue ``simulated``, or of the only venue there is. Raises SettingsError without any."""
    rulebook = instruments.load(settings.instruments)
    played = VENUE if VENUE in rulebook.venues or len(rulebook.venues) != 1 else next(iter(rulebook.venues))
    symbols = rulebook.of(played)
    if not symbols:
        raise SettingsError(
            f"{settings.instruments}: no instruments of {VENUE!r} in it; add some for the venue to trade"
        )
    return symbols


async def _trade(service: Service, interval_s: float) -> None:
    while True:
        await asyncio.sleep(interval_s)
        service.step()


async def _until_stopped(serving: contextlib.AbstractAsyncContextManager[Running]) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        async with serving as running:
            sys.stdout.write(f"{running.url}\n")
            sys.stdout.flush()
            _log.info("simulator_started", url=running.url, stream_url=running.stream_url)
            await stopped.wait()
    except* OSError as failed:
        raise failed.exceptions[0] from None
    _log.info("simulator_stopped")
    return Exit.OK


class _Server(uvicorn.Server):
    """uvicorn's, which leaves signals to others and says goodbye to open streams."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.hub.announce_shutdown(self._service.clock())
        await asyncio.sleep(0)  # let outboxes empty
        await super().shutdown(sockets)


def _listen(port: int) -> socket.socket:
    listener = socket.create_server((HOST, port), backlog=1_024)
    # connections inherit it; asyncio itself sets it only where a socket names its protocol, which this one doesn't
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _configuration(application: Application) -> uvicorn.Config:
    """Pings every 20 s, each answered within a minute, as Binance has it (web-socket-api.md)."""
    return uvicorn.Config(
        application,
        http=HttpConnection,
        ws=WebSocketConnection,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=60.0,
        ws_per_message_deflate=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_S,
    )
