"""What an installation on one machine consists of: its processes, their order, ports, environment and signs of life."""

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from runtime import broker, instruments, jars, process, telemetry, topics
from runtime.settings import Settings, environment

#: Where the simulated venue answers WebSocket requests, as Binance does.
_STREAM_PATH: Final = "/ws-api/v3"
_ROOT: Final = Path(__file__).parent.parent


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A process to keep alive. *ready* tells, for the process ID of its present run, whether it does its work.

    One that is a *spare* is started only when somebody asks for it.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[int], bool]
    spare: bool = False


#: What is started next to each other, or done before the next group starts.
Step: TypeAlias = tuple[Service, ...] | Callable[[], None]


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parts of a running installation answer: the content of ``var/endpoints.json``."""

    bootstrap: str
    clickhouse: str
    simulator: str
    simulator_stream: str
    simulator_journal: str
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
    with underscores.
    """

    workers: int = 2
    spare_workers: int = 0
    gateways: int = 1
    broker_port: int = 0
    clickhouse_port: int = 0
    simulator_port: int = 0
    broker_proxy_port: int = 0
    venue_proxy_port: int = 0
    simulator: Mapping[str, str | int | float] = msgspec.field(default_factory=dict)


def local(settings: Settings, options: Options, metrics: Mapping[str, str]) -> Installation:
    """Everything on this machine, under ``settings.var``; *metrics* are addresses to publish besides the processes'."""
    var = settings.var.absolute()
    plan = _Plan(settings, var)
    broker_port, clickhouse_port, simulator_port = _ports(
        options.broker_port, options.clickhouse_port, options.simulator_port
    )
    bootstrap = f"127.0.0.1:{broker_port}"
    credentials = var / "simulator" / "credentials.toml"
    simulator = {"journal": var / "simulator" / "journal.jsonl", "credentials": credentials, **options.simulator}
    endpoints = Endpoints(
        bootstrap=bootstrap,
        clickhouse=f"http://127.0.0.1:{clickhouse_port}",
        simulator=f"http://127.0.0.1:{simulator_port}",
        simulator_stream=f"ws://127.0.0.1:{simulator_port}{_STREAM_PATH}",
        simulator_journal=str(simulator["journal"]),
        metrics=dict(metrics),
    )
    venue = f"127.0.0.1:{options.venue_proxy_port or simulator_port}"
    plan.share(
        bootstrap_servers=f"127.0.0.1:{options.broker_proxy_port or broker_port}",
        clickhouse_url=endpoints.clickhouse,
        venue_url=f"http://{venue}",
        venue_stream_url=f"ws://{venue}{_STREAM_PATH}",
        credentials=credentials,
    )
    advertised = {"advertised_port": options.broker_proxy_port} if options.broker_proxy_port else {}
    stores = (
        plan.server("broker", broker_port, advertised, also=lambda: broker.cluster_at(bootstrap) is not None),
        plan.server("simulator", simulator_port, options=simulator),
        plan.server("clickhouse", clickhouse_port),
    )

    clients = _clients(plan, options)

    def prepare() -> None:
        jars.java()
        jars.resolve(jars.cache_folder(settings))
        make_credentials(credentials)

    def create_topics() -> None:
        reachable = settings.model_copy(update={"bootstrap_servers": bootstrap})
        topics.ensure(reachable, instruments.load(settings.instruments).venues)

    endpoints.metrics.update(plan.metrics)
    return Installation(var=var, steps=(prepare, stores, create_topics, clients), endpoints=endpoints)


def _clients(plan: "_Plan", options: Options) -> tuple[Service, ...]:
    """What works on the topics."""
    workers = [
        plan.client(f"worker-{n}", "worker", worker_id=f"worker-{n}")
        for n in range(options.workers + options.spare_workers)
    ]
    spares = [msgspec.structs.replace(worker, spare=True) for worker in workers[options.workers :]]
    gateways = [
        plan.client(
            f"gateway-simulated-{n}" if n else "gateway-simulated", "gateway", "simulated", gateway_id=f"gateway-{n}"
        )
        for n in range(options.gateways)
    ]
    return (*workers[: options.workers], *spares, *gateways, plan.client("sink", "sink"))


def make_credentials(path: Path) -> None:
    """A random key and secret of the simulated venue's account at *path*, unless there are some."""
    if not path.exists():
        content = f'key = "{secrets.token_hex(32)}"\nsecret = "{secrets.token_hex(32)}"\n'
        telemetry.write_atomically(path, content.encode(), mode=0o400)


class _Plan:
    """Makes services that share an environment, each with a metrics port that stays the same when it restarts."""

    def __init__(self, settings: Settings, var: Path) -> None:
        self._var = var
        search = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {
            **os.environ,
            **environment(settings),
            "FILLSTREAM_VAR": str(var),
            "PYTHONPATH": os.pathsep.join(search),
            "PYTHONUNBUFFERED": "1",
        }
        self.metrics: dict[str, str] = {}

    def share(self, **values: object) -> None:
        """Settings of all services made from here on."""
        self._environment |= {f"FILLSTREAM_{name.upper()}": str(value) for name, value in values.items()}

    def server(
        self, name: str, port: int, options: Mapping[str, object] | None = None, also: Callable[[], bool] = lambda: True
    ) -> Service:
        """The command *name*, which listens on *port*, and about which *also* must be true once it does."""
        flags = {"port": port, **(options or {})}
        command = (name, *(f"--{option.replace('_', '-')}={value}" for option, value in flags.items()))
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
            command=(sys.executable, "-m", "runtime", *command),
            environment=self._environment | {f"FILLSTREAM_{key.upper()}": str(value) for key, value in own.items()},
            ready=lambda pid: _has_reported(self._var, name, pid) and answers(),
        )


def _has_reported(var: Path, name: str, pid: int) -> bool:
    record = telemetry.read_run_file(var, name)
    return record is not None and record.pid == pid


def _ports(*wanted: int) -> list[int]:
    """The *wanted* ports, with free ones in the place of zeros."""
    free = iter(process.free_ports(len(wanted)))
    return [port or next(free) for port in wanted]
