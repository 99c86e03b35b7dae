"""The process of the simulated venue: a venue's API over a real book, on the loopback interface.

State lives in memory: after a restart the venue knows no order, open or ended, and no trade. The journal is only ever
appended to, and order and trade IDs go on from its end.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import uvicorn
import uvloop
from typing_extensions import override

from domain.instruments import Instrument
from runtime import instruments, telemetry
from runtime.exits import Exit
from runtime.settings import Settings, SettingsError
from venue_gateways.simulator import credentials, faults, metrics
from venue_gateways.simulator.binance.front import Binance
from venue_gateways.simulator.coinbase.limits import PRIVATE_PER_S
from venue_gateways.simulator.connection import HttpConnection, WebSocketConnection
from venue_gateways.simulator.credentials import CredentialsError
from venue_gateways.simulator.dialect import Dialect
from venue_gateways.simulator.dialects import DIALECTS, SIMULATED, Published
from venue_gateways.simulator.faults import Dice, InvalidPlan, Plan
from venue_gateways.simulator.journal import Journal, JournalDamaged
from venue_gateways.simulator.market import Market, Temper
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.service import Clock, Service
from venue_gateways.simulator.venue import Venue
from venue_gateways.simulator.web import Application

HOST: Final = "127.0.0.1"
#: How long requests in flight may take when the process is asked to stop.
_GRACE_S: Final = 2

_log = structlog.get_logger()


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of venue it is. *opening* is what every account starts with, by asset; None: all it may want.

    It trades the instruments of *venue*; of ``simulated`` if there are none; or else of the only venue there is.
    """

    seed: int = 1
    venue: str = SIMULATED
    dialect: Dialect = Binance()
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


def main(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    settings: Settings,
    port: int = 0,
    journal: Path | None = None,
    credentials: Path | None = None,
    seed: int = 1,
    fault_plan: Path | None = None,
    weight_per_minute: int = 120_000,
    orders_per_10_s: int = 8_000,
    requests_per_s: int = PRIVATE_PER_S,
    venue: str = SIMULATED,
) -> int:
    """Run the venue until SIGTERM or Ctrl-C; its URL is the first line of stdout.

    *credentials* is a TOML file with ``key`` and ``secret``; without one, ``credentials.toml`` in :func:`home` is used,
    and made if it isn't there. *fault_plan* is a file as ``PUT /simulator/faults`` takes it. *venue* is whose API it
    has; the first two limits are Binance's, the last is Coinbase's, and Kraken's go by ``settings.kraken_tier``.
    """
    telemetry.start(settings, "simulator")
    try:
        plan = faults.parse(fault_plan.read_bytes()) if fault_plan else Plan()
        published = Published(
            weight_per_minute=weight_per_minute,
            orders_per_10_s=orders_per_10_s,
            requests_per_s=requests_per_s,
            kraken_tier=settings.kraken_tier,
        )
        dialect = _dialect(venue, published)
        known = load_credentials(dialect, credentials, home(settings, venue))
        serving = serve(
            settings,
            known,
            journal or home(settings, venue) / "journal.jsonl",
            Options(seed=seed, venue=venue, dialect=dialect, plan=plan),
            port=port,
        )
        return uvloop.run(_until_stopped(serving))
    except (CredentialsError, InvalidPlan, JournalDamaged, SettingsError) as error:
        _log.error("simulator_unusable", reason=str(error))
        return Exit.USAGE
    except OSError as error:
        _log.error("simulator_failed", reason=str(error))
        return Exit.TEMPORARY


def home(settings: Settings, venue: str) -> Path:
    """Where the simulated *venue* keeps its journal and its credentials unless told otherwise."""
    own = settings.var / "simulator"
    return own if venue == SIMULATED else own / venue


def _dialect(venue: str, published: Published) -> Dialect:
    """Raises SettingsError for a venue that can't be simulated."""
    make = DIALECTS.get(venue)
    if make is None:
        raise SettingsError(f"no simulator of {venue!r}; there are: {', '.join(DIALECTS)}")
    return make(published)


def load_credentials(dialect: Dialect, path: Path | None, directory: Path) -> Mapping[str, Any]:
    """The credentials at *path*, or the venue's own in *directory*, which are made at the first start."""
    own = path or directory / "credentials.toml"
    if path is None and not own.exists():
        credentials.create(own, *dialect.new_key())
    return credentials.read(own, dialect.credential)


@contextlib.asynccontextmanager
async def serve(
    settings: Settings,
    credentials: Mapping[str, Any],
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
    dialect = chosen.dialect
    symbols = _symbols(settings, chosen.venue)
    names = dialect.names(instrument.symbol for instrument in symbols)
    with contextlib.closing(Journal(journal, names)) as opened, _listen(port) as listener:
        service = _build(symbols, names, credentials, opened, chosen, clock)
        application = Application(service, stream_path=dialect.stream_path, lifetime_s=chosen.connection_lifetime_s)
        server = _Server(_configuration(application), service)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=[listener]))
            trading = tasks.create_task(_trade(service, chosen.step_interval_s))
            address = f"{HOST}:{listener.getsockname()[1]}"
            try:
                yield Running(f"http://{address}", f"ws://{address}{dialect.stream_path}", service)
            finally:
                trading.cancel()
                server.should_exit = True
                await serving


def _build(
    symbols: Iterable[Instrument],
    names: Names,
    credentials: Mapping[str, Any],
    journal: Journal,
    options: Options,
    clock: Clock,
) -> Service:
    dialect = options.dialect
    venue = Venue(
        symbols,
        fees=dialect.fees,
        rules=dialect.rules,
        opening=options.opening,
        order_id=journal.last_ids.order_id,
        trade_ids=journal.last_ids.trade_ids,
    )
    front = dialect.open(venue, names, credentials)
    market = Market(venue, seed=options.seed, temper=options.temper)
    service = Service(front, market, journal, Dice(options.plan, metrics.note_fault), clock)
    service.step()  # the first client finds a market
    return service


def _symbols(settings: Settings, venue: str) -> tuple[Instrument, ...]:
    """The symbols to trade. Raises SettingsError without any."""
    rulebook = instruments.load(settings.instruments)
    known = [name for name in (venue, SIMULATED) if name in rulebook.venues]
    if not known and len(rulebook.venues) == 1:
        known = list(rulebook.venues)
    if not known:
        raise SettingsError(
            f"{settings.instruments}: no instruments of {venue!r} in it; add some for the venue to trade"
        )
    return rulebook.of(known[0])


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
        self._service.front.announce_shutdown(self._service.clock())
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
