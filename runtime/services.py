"""What an installation on one machine consists of: its processes, their order, ports, environment and signs of life."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from runtime import broker, forking, instruments, jars, process, telemetry, topics
from runtime.instruments import SIMULATED
from runtime.settings import Settings, SettingsError, environment

#: The venues that can be simulated, and where each answers on WebSockets.
STREAM_PATHS: Final[Mapping[str, str]] = {
    SIMULATED: "/ws-api/v3",
    "binance": "/ws-api/v3",
    "coinbase": "/",
    "kraken": "/v2",
}


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A process to keep alive. *ready* tells, for the process ID of its present run, whether it does its work.

    One that is a *spare* is started only when somebody asks for it. One that is *forked* need not load its code first.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[int], bool]
    spare: bool = False
    forked: bool = False


#: What is started next to each other, or done before the next group starts.
Step: TypeAlias = tuple[Service, ...] | Callable[[], None]


class VenueEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a simulated venue answers, on HTTP and on WebSockets; and the file that it keeps of what happens there."""

    url: str
    stream_url: str
    journal: str


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parts of a running installation answer: the content of ``var/endpoints.json``."""

    bootstrap: str
    clickhouse: str
    venues: dict[str, VenueEndpoints]
    metrics: dict[str, str]


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """All of it: *steps* in their order of starting, under the folder *var*."""

    var: Path
    steps: tuple[Step, ...]
    endpoints: Endpoints


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What may differ between installations. A port of 0 takes a free one.

    A *proxy* port is where something listens that carries bytes to the broker or the venue: processes go there instead
    of to its own port; 0: there is none. *simulator* are further options of ``fillstream simulator`` by their names,
    with underscores. Without *venues* there is the one that is nobody's; where there are several, each has so many
    *gateways*, and the ports are of the first. A *probe* sends canaries, which a trial would take for strangers.
    """

    venues: tuple[str, ...] = ()
    workers: int = 2
    spare_workers: int = 0
    gateways: int = 1
    probe: bool = False
    broker_port: int = 0
    clickhouse_port: int = 0
    simulator_port: int = 0
    broker_proxy_port: int = 0
    venue_proxy_port: int = 0
    simulator: Mapping[str, str | int | float] = msgspec.field(default_factory=dict)


def local(settings: Settings, options: Options, metrics: Mapping[str, str]) -> Installation:
    """Everything on this machine, under ``settings.var``; *metrics* are addresses to publish besides the processes'.

    Raises SettingsError for a venue that can't be simulated.
    """
    var = settings.var.absolute()
    plan = _Plan(settings, var)
    names = _simulated(options.venues)
    broker_port, clickhouse_port, *venue_ports = _ports(
        options.broker_port, options.clickhouse_port, options.simulator_port, *(0 for _ in names[1:])
    )
    bootstrap = f"127.0.0.1:{broker_port}"
    venues = _venues(var / "simulator", names, venue_ports, options.venue_proxy_port)
    made = var / "instruments.toml" if options.venues and settings.instruments is None else None
    if made is not None:
        plan.share(instruments=made)
    plan.share(
        bootstrap_servers=f"127.0.0.1:{options.broker_proxy_port or broker_port}",
        clickhouse_url=f"http://127.0.0.1:{clickhouse_port}",
    )
    advertised = {"advertised_port": options.broker_proxy_port} if options.broker_proxy_port else {}
    stores = (
        plan.server("broker", broker_port, advertised, also=lambda: broker.cluster_at(bootstrap) is not None),
        *(plan.server(venue.simulator, venue.port, options=venue.options(options), of="simulator") for venue in venues),
        plan.server("clickhouse", clickhouse_port),
    )
    clients = _clients(plan, options, venues)

    def prepare() -> None:
        jars.java()
        jars.resolve(jars.cache_folder(settings))
        if made is not None:
            telemetry.write_atomically(made, instruments.built_in(options.venues).encode())

    def create_topics() -> None:
        reachable = settings.model_copy(update={"bootstrap_servers": bootstrap})
        topics.ensure(reachable, instruments.load(made or settings.instruments).venues)

    endpoints = Endpoints(
        bootstrap=bootstrap,
        clickhouse=f"http://127.0.0.1:{clickhouse_port}",
        venues={venue.name: venue.endpoints(venue.port) for venue in venues},
        metrics={**metrics, **plan.metrics},
    )
    return Installation(var=var, steps=(prepare, stores, create_topics, clients), endpoints=endpoints)


class _Venue(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated venue, and the *folder* where it keeps its journal and the credentials that it makes for itself.

    *reached_at* is the port where its gateways find it.
    """

    name: str
    folder: Path
    port: int
    reached_at: int

    @property
    def simulator(self) -> str:
        return "simulator" if self.name == SIMULATED else f"simulator-{self.name}"

    def gateway(self, number: int) -> str:
        return f"gateway-{self.name}-{number}" if number else f"gateway-{self.name}"

    def options(self, options: Options) -> dict[str, object]:
        """Those of its ``fillstream simulator``."""
        return {"venue": self.name, "journal": self.folder / "journal.jsonl", **options.simulator}

    def endpoints(self, port: int) -> VenueEndpoints:
        address = f"127.0.0.1:{port}"
        return VenueEndpoints(
            url=f"http://{address}",
            stream_url=f"ws://{address}{STREAM_PATHS[self.name]}",
            journal=str(self.folder / "journal.jsonl"),
        )

    def reach(self) -> dict[str, str]:
        """The settings of its gateways."""
        found = self.endpoints(self.reached_at)
        credentials = str(self.folder / "credentials.toml")
        return {"venue_url": found.url, "venue_stream_url": found.stream_url, "credentials": credentials}


def _simulated(venues: tuple[str, ...]) -> tuple[str, ...]:
    """The names of *venues*, or the one that is nobody's. Raises SettingsError."""
    if unknown := [name for name in venues if name not in STREAM_PATHS]:
        raise SettingsError(f"no simulator of {', '.join(unknown)}; there are: {', '.join(STREAM_PATHS)}")
    return venues or (SIMULATED,)


def _venues(var: Path, names: Iterable[str], ports: Iterable[int], proxy_port: int) -> list[_Venue]:
    """Each in a folder of *var*. A *proxy_port* is before the first."""
    return [
        _Venue(
            name=name,
            folder=var if name == SIMULATED else var / name,
            port=port,
            reached_at=port if number else proxy_port or port,
        )
        for number, (name, port) in enumerate(zip(names, ports, strict=True))
    ]


def _clients(plan: "_Plan", options: Options, venues: Iterable[_Venue]) -> tuple[Service, ...]:
    """What works on the topics."""
    workers = [
        plan.client(f"worker-{n}", "worker", worker_id=f"worker-{n}")
        for n in range(options.workers + options.spare_workers)
    ]
    spares = [msgspec.structs.replace(worker, spare=True) for worker in workers[options.workers :]]
    gateways = [
        plan.client(venue.gateway(n), "gateway", venue.name, gateway_id=f"gateway-{n}", **venue.reach())
        for venue in venues
        for n in range(options.gateways)
    ]
    watchers = [plan.client("probe", "probe")] if options.probe else []
    return (*workers[: options.workers], *spares, *gateways, plan.client("sink", "sink"), *watchers)


class _Plan:
    """Makes services that share an environment, each with a metrics port that stays the same when it restarts."""

    def __init__(self, settings: Settings, var: Path) -> None:
        self._var = var
        self._environment = {**process.environment(), **environment(settings), "FILLSTREAM_VAR": str(var)}
        self.metrics: dict[str, str] = {}

    def share(self, **values: object) -> None:
        """Settings of all services made from here on."""
        self._environment |= {f"FILLSTREAM_{name.upper()}": str(value) for name, value in values.items()}

    def server(
        self,
        name: str,
        port: int,
        options: Mapping[str, object] | None = None,
        *,
        of: str = "",
        also: Callable[[], bool] = lambda: True,
    ) -> Service:
        """The command *of* (or else *name*), which listens on *port*; *also* must be true of it once it does."""
        flags = {"port": port, **(options or {})}
        command = (of or name, *(f"--{option.replace('_', '-')}={value}" for option, value in flags.items()))
        return self._service(name, command, {}, lambda: process.listening(port) and also())

    def client(self, name: str, *command: str, **values: str) -> Service:
        """A process that is ready when it says so in its run file, with these settings of its own."""
        return self._service(name, command, values, lambda: True)

    def _service(
        self, name: str, command: tuple[str, ...], values: Mapping[str, str], answers: Callable[[], bool]
    ) -> Service:
        port = process.free_port()
        self.metrics[name] = f"http://127.0.0.1:{port}/metrics"
        own = {"process_name": name, "metrics_host": "127.0.0.1", "metrics_port": port, **values}
        return Service(
            name=name,
            command=(*process.FILLSTREAM, *command),
            environment=self._environment | {f"FILLSTREAM_{key.upper()}": str(value) for key, value in own.items()},
            ready=lambda pid: _has_reported(self._var, name, pid) and answers(),
            forked=forking.POSSIBLE and command[0] in forking.FORKED,
        )


def _has_reported(var: Path, name: str, pid: int) -> bool:
    record = telemetry.read_run_file(var, name)
    return record is not None and record.pid == pid


def _ports(*wanted: int) -> list[int]:
    """The *wanted* ports, with free ones in the place of zeros."""
    free = iter(process.free_ports(len(wanted)))
    return [port or next(free) for port in wanted]
