"""The ``fillstream`` command (also ``python -m runtime``): a subcommand for each process and each look at them."""

import contextlib
import importlib
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final, NoReturn

import structlog
import typer
from rich.console import Console
from rich.table import Table

from runtime import settings as settings_module
from runtime import telemetry
from runtime.dlq.selection import Coordinate, Selection, coordinate, instant_us
from runtime.exits import CheckFailed, Exit, Unavailable
from runtime.settings import Settings, SettingsError

#: Where each subcommand's ``main(settings, **options) -> int`` is. By name: the layers above may import this one only.
ENTRIES: Final = {
    "demo": "runtime.demo",
    "chaos": "runtime.chaos",
    "soak": "runtime.soak",
    "up": "runtime.supervisor",
    "jars": "runtime.jars",
    "broker": "runtime.broker",
    "topics": "runtime.topics",
    "acls": "runtime.acls",
    "worker": "agents.worker",
    "gateway": "venue_gateways.worker",
    "reconcile": "venue_gateways.reconciliation.command",
    "sink": "analytics.sink",
    "clickhouse": "analytics.service",
    "simulator": "venue_gateways.simulator.server",
    "dlq list": "runtime.dlq.listing",
    "dlq show": "runtime.dlq.show",
    "dlq replay": "runtime.dlq.replay",
    "audit": "agents.audit",
    "venue list": "venue_gateways.debugging.listing",
    "venue sign": "venue_gateways.debugging.sign",
    "venue request": "venue_gateways.debugging.request",
    "venue seal": "venue_gateways.debugging.seal",
}

#: For commands that talk to Kafka: whose rights their account must have; with none, it only has to be let in.
ROLES: Final = {
    "worker": "worker",
    "gateway": "gateway-{venue}",
    "sink": "sink",
    "topics": "",
    "acls": "",
    "dlq list": "",
    "dlq show": "",
    "dlq replay": "",
    "audit": "",
    "reconcile": "",
}

app = typer.Typer(
    name="fillstream",
    help="Executes crypto orders on third-party exchanges as an exactly-once stream pipeline.",
    epilog="Settings come from FILLSTREAM_* variables and fillstream.toml: `fillstream settings` lists them. "
    "Exit codes: 0 done, 1 a check failed, 2 wrong usage or settings, 70 a fault of fillstream, "
    "75 something it needs is missing or doesn't answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show local variables, secrets among them
    context_settings={"help_option_names": ["-h", "--help"]},
)

dlq = typer.Typer(help="Look at dead letters, and send again what was in them.", no_args_is_help=True)
app.add_typer(dlq, name="dlq")

venue = typer.Typer(help="See what would be sent to a venue. Nothing of this sends anything.", no_args_is_help=True)
app.add_typer(venue, name="venue")


def _since(text: str) -> int:
    return instant_us(text, datetime.now(UTC))


def _named(venues: str) -> tuple[str, ...]:
    """The names in a list of *venues*, each once."""
    return tuple(dict.fromkeys(name.strip() for name in venues.split(",") if name.strip()))


ReasonOption = Annotated[str | None, typer.Option(help="Only this reason, such as TRUNCATED.")]
StageOption = Annotated[str | None, typer.Option(help="Only what this process or step could not take: agents, …")]
TopicOption = Annotated[str | None, typer.Option(help="Only records of this topic.")]
SinceOption = Annotated[
    int | None, typer.Option(parser=_since, metavar="TIME", help="Only later ones: ISO 8601, or like 90m, 2h, 7d ago.")
]
UserOption = Annotated[str | None, typer.Option(help="Only records whose key or user_id is this.")]
VenuesOption = Annotated[str, typer.Option(metavar="VENUE,…", help="Simulate binance, coinbase, kraken or some.")]
PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="TCP port on 127.0.0.1; 0: any free one.")]


@app.command()
def demo(
    commands: Annotated[int | None, typer.Option(min=1, help="Order commands: 20000; 1000 with --venues.")] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users to send them for: 1000; 100.")] = None,
    rate: Annotated[float | None, typer.Option(min=1.0, help="Commands a second, on average: 650; 20.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the commands and of the market.")] = 1,
    venues: VenuesOption = "",
    saturate: Annotated[float, typer.Option(min=0.0, help="Seconds of asking --venues for too much.")] = 42.0,
    kill: Annotated[bool, typer.Option("--kill", help="Kill workers, gateway and sink while it runs.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards.")] = False,
) -> None:
    """Run the whole system on made-up commands, show how it does, and check every answer, order, fill and cent.

    Writes var/demo/summary.json and var/demo/report.html. Exits with 1 if a single check fails.
    """
    size = {"commands": commands, "users": users, "rate": rate, "seed": seed}
    _run("demo", **size, venues=_named(venues), saturate=saturate, kill=kill, keep=keep)


@app.command()
def chaos(
    minutes: Annotated[float, typer.Option(min=0.2, max=1_440.0, help="How long to send commands.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Seed of the commands, of the market and of the faults.")] = 1,
    rate: Annotated[float, typer.Option(min=1.0, help="Commands a second, on average.")] = 170.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards.")] = False,
) -> None:
    """Run the whole system while killing, stopping and cutting off its parts, and check that nothing came of it.

    Writes var/chaos/report.json and var/chaos/index.html. Exits with 1 if a single thing was lost or done twice.
    """
    _run("chaos", minutes=minutes, seed=seed, rate=rate, keep=keep)


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=0.5, max=10_080.0, help="How long, after the warm-up.")] = 30.0,
    rate: Annotated[
        float, typer.Option(min=0.0, help="Records a second; 0: 70 % of what this machine can take, found out before.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the commands and of the market.")] = 1,
) -> None:
    """Run the whole system at a steady load, and see that no worker, gateway or sink grows.

    Writes var/soak/report.json and var/soak/index.html. Exits with 1 if one grows by more than 2 MiB an hour.
    """
    _run("soak", minutes=minutes, rate=rate, seed=seed)


@app.command()
def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Order worker processes.")] = 2,
    venues: VenuesOption = "",
    broker_port: PortOption = 0,
    clickhouse_port: PortOption = 0,
    simulator_port: PortOption = 0,
) -> None:
    """Run everything on this machine and keep it running.

    Broker, topics, simulated venues, ClickHouse, workers, gateways, sink; restarts what dies. var/endpoints.json says
    where they answer, var/log/ has a log of each. Ctrl-C stops all.
    """
    ports = {"broker_port": broker_port, "clickhouse_port": clickhouse_port, "simulator_port": simulator_port}
    _run("up", workers=workers, venues=_named(venues), **ports)


@app.command()
def jars() -> None:
    """Fetch the broker's jars now. Maven does it, once; the broker would do it at its first start."""
    _run("jars")


@app.command()
def broker(
    port: PortOption = 9092,
    heap_mib: Annotated[int, typer.Option(min=128, help="Java heap, in MiB.")] = 1024,
    advertised_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port that clients are sent to, of a proxy to this broker.")
    ] = None,
) -> None:
    """Run a Kafka broker on this machine (one node, data in var/kafka). Needs Java 17+, and Maven the first time."""
    _run("broker", port=port, heap_mib=heap_mib, advertised_port=advertised_port)


@app.command()
def topics(
    repair: Annotated[bool, typer.Option("--repair", help="Set differing topic settings right first.")] = False,
) -> None:
    """Create the topics that are missing, and check that all are as they must be."""
    _run("topics", mend=repair)


@app.command()
def acls(
    principal: Annotated[
        str, typer.Option(help="What the broker calls the account of a role.")
    ] = "User:fillstream-{role}",
    apply: Annotated[
        bool, typer.Option("--apply", help="Make those that aren't there, instead of showing all.")
    ] = False,
) -> None:
    """Show what each role must be allowed to do on Kafka, as lines for kafka-acls.sh; or allow it."""
    _run("acls", principal=principal, apply=apply)


@app.command()
def worker() -> None:
    """Run an order worker: decides on commands and venue reports. Give each a FILLSTREAM_WORKER_ID of its own."""
    _run("worker")


@app.command()
def gateway(venue: Annotated[str, typer.Argument(help="Whose orders to place, for example: simulated.")]) -> None:
    """Run a gateway: carries requests to a venue and its reports back. Give each a FILLSTREAM_GATEWAY_ID of its own."""
    _run("gateway", venue=venue)


@app.command()
def reconcile(
    venue: Annotated[str, typer.Argument(help="Whose orders to compare with ours, for example: simulated.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run/--apply", help="Only show what differs, or have it believed as the venue has it.")
    ] = True,
    actor: Annotated[str, typer.Option(help="Who decides that it is believed; its reports name you.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Compare our live orders, and what the ledger says of the account's balances, with what a venue says of them.

    Exits with 1 if there are differences that somebody has to look at.
    """
    _run("reconcile", venue=venue, apply=not dry_run, actor=actor, as_json=as_json)


@app.command()
def sink() -> None:
    """Run the sink: writes every event into ClickHouse once."""
    _run("sink")


@app.command()
def clickhouse(port: PortOption = 8123) -> None:
    """Run ClickHouse in this process (data in var/clickhouse), for any client of its HTTP protocol."""
    _run("clickhouse", port=port)


@app.command()
def simulator(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    port: PortOption = 8081,
    journal: Annotated[
        Path | None, typer.Option(help="File for every accepted order and fill; in var/simulator/ unless given.")
    ] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="TOML file with key and secret of the account; in var/simulator/ unless given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the market's moves.")] = 1,
    fault_plan: Annotated[Path | None, typer.Option(help="JSON file of faults: delays, losses, repeats.")] = None,
    weight_per_minute: Annotated[int, typer.Option(min=1, help="Binance's limit of weight per minute.")] = 120_000,
    orders_per_10_s: Annotated[int, typer.Option(min=1, help="Binance's limit of orders in 10 s.")] = 8_000,
    requests_per_s: Annotated[int, typer.Option(min=1, help="Coinbase's limit of an account's requests.")] = 30,
    venue: Annotated[
        str, typer.Option(help="Whose API and limits: binance (as simulated), coinbase or kraken.")
    ] = "simulated",
) -> None:
    """Run a simulated venue: the REST and WebSocket API of a real one over an order book with a seeded market."""
    _run(
        "simulator",
        port=port,
        journal=journal,
        credentials=credentials,
        seed=seed,
        fault_plan=fault_plan,
        weight_per_minute=weight_per_minute,
        orders_per_10_s=orders_per_10_s,
        requests_per_s=requests_per_s,
        venue=venue,
    )


@dlq.command("list")
def dlq_list(
    reason: ReasonOption = None,
    stage: StageOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    user: UserOption = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most: the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of a table.")] = False,
) -> None:
    """List dead letters: records that could not be taken, why, and whether they were replayed."""
    selection = Selection(reason=reason, stage=stage, topic=topic, since_us=since, user=user)
    _run("dlq list", selection=selection, limit=limit, as_json=as_json)


@dlq.command("show")
def dlq_show(
    record: Annotated[Coordinate, typer.Argument(parser=coordinate, metavar="TOPIC:PARTITION:OFFSET")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of lines.")] = False,
    value: Annotated[bool, typer.Option("--value", help="Only the message, as replay --value takes it.")] = False,
) -> None:
    """Show everything about a dead letter, by where its record stood: the message in it, or its bytes and what's wrong.

    Its name in this system is the record's own place, not that of the letter.
    """
    _run("dlq show", record=record, as_json=as_json, value_only=value)


@dlq.command("replay")
def dlq_replay(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    record: Annotated[
        Coordinate | None, typer.Argument(parser=coordinate, metavar="[TOPIC:PARTITION:OFFSET]", show_default=False)
    ] = None,
    reason: ReasonOption = None,
    stage: StageOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    user: UserOption = None,
    value: Annotated[
        Path | None, typer.Option(help="JSON file of the message to send instead; `dlq show --value` shows one.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before.")] = False,
    actor: Annotated[str | None, typer.Option(help="Who does it; the operating system's user unless given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Write the command or transfer of dead letters to its topic again, once, and keep who did it.

    Says which: one record, or filters. A command gets a new ID, a transfer keeps its own.
    """
    selection = Selection(coordinate=record, reason=reason, stage=stage, topic=topic, since_us=since, user=user)
    if selection.everything:
        raise typer.BadParameter("say which: TOPIC:PARTITION:OFFSET, or filters")
    if value is not None and record is None:
        raise typer.BadParameter("--value is one record's: say which, TOPIC:PARTITION:OFFSET")
    _run("dlq replay", selection=selection, value=value, again=again, actor=actor, dry_run=dry_run, yes=yes)


@app.command()
def audit(
    partition: Annotated[int | None, typer.Option(min=0, help="Only this one; all unless given.")] = None,
    differences: Annotated[int, typer.Option(min=1, help="Differing rows to show of each partition.")] = 10,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Not from where an earlier audit ended, but from the first record.")
    ] = False,
) -> None:
    """Decide all input once more, and compare what comes of it with the stored tables, row by row.

    Changes nothing, and may run beside the workers: it goes as far as they had come when it began. Exits with 1 if a
    row differs.
    """
    _run("audit", partition=partition, differences=differences, from_start=from_start)


VenueArgument = Annotated[str, typer.Argument(help="Its name; `venue list` has them.")]
CredentialsOption = Annotated[
    Path | None, typer.Option(help="TOML file or keystore with the key; the setting's unless given.")
]
TimeOption = Annotated[
    str | None, typer.Option(help="Of the request: ISO 8601, or since the epoch in s, ms or us; now unless given.")
]


@venue.command("list")
def venue_list(as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False) -> None:
    """Show the venues, where they are, and what is particular about each."""
    _run("venue list", as_json=as_json)


@venue.command("sign")
def venue_sign(
    name: VenueArgument,
    path: Annotated[str, typer.Option(help="Of the request, such as /api/v3/order.")],
    method: Annotated[str, typer.Option(help="GET, POST, …")] = "GET",
    query: Annotated[str, typer.Option(help="As it is sent, without the question mark.")] = "",
    body: Annotated[str, typer.Option(help="As it is sent.")] = "",
    time: TimeOption = None,
    nonce: Annotated[str | None, typer.Option(help="For venues that want one; a new one unless given.")] = None,
    credentials: CredentialsOption = None,
) -> None:
    """Print what signing adds to a request: a line each, where to and the text."""
    request = {"method": method, "path": path, "query": query, "body": body, "time": time, "nonce": nonce}
    _run("venue sign", venue=name, credentials=credentials, **request)


@venue.command("request")
def venue_request(
    name: VenueArgument,
    order: Annotated[
        Path, typer.Option(help='JSON file: {"symbol": "BTC-USD", "side": "BUY", "order_type": "LIMIT", …}')
    ],
    symbol: Annotated[str | None, typer.Option(help="The venue's name for the symbol; guessed unless given.")] = None,
    venue_order_id: Annotated[str | None, typer.Option(help="For cancels at venues that want it.")] = None,
    time: TimeOption = None,
    credentials: CredentialsOption = None,
) -> None:
    """Print the HTTP request that a gateway would send to place an order, cancel it or ask for it.

    The file is a request as `venue-requests` topics have it; of what only fillstream needs, all may be left out.
    "operation" is PLACE, CANCEL or QUERY.
    """
    chosen = {"symbol": symbol, "venue_order_id": venue_order_id, "time": time, "credentials": credentials}
    _run("venue request", venue=name, order=order, **chosen)


@venue.command("seal")
def venue_seal(
    credentials: Annotated[Path, typer.Argument(help="TOML file, mode 0400 or 0600.")],
    keystore: Annotated[Path, typer.Argument(help="File to make.")],
    passphrase: Annotated[Path, typer.Option(help="File with the passphrase, mode 0400 or 0600.")],
) -> None:
    """Encrypt a file of credentials into a keystore, which the setting credentials may name in its place."""
    _run("venue seal", credentials=credentials, passphrase=passphrase, keystore_file=keystore)


@app.command("settings")
def show_settings(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Show the settings in effect, secrets masked."""
    with _exit_codes():
        settings = settings_module.load()
        if as_json:
            typer.echo(json.dumps(settings.model_dump(mode="json"), indent=2))
        else:
            Console().print(_settings_table(settings))


@app.command()
def version() -> None:
    """Show the version."""
    typer.echo(_version())


def _run(name: str, **options: object) -> NoReturn:
    """Run the entry *name* and end with its exit code."""
    with _exit_codes():
        settings = settings_module.load()
        telemetry.configure_logging(settings, name)
        if name in ROLES and settings.security_protocol != "PLAINTEXT":  # else the broker asks nobody who they are
            importlib.import_module("runtime.access").ensure(settings, ROLES[name].format(**options))
        main = importlib.import_module(ENTRIES[name]).main
        raise typer.Exit(main(settings, **options))
    raise AssertionError("unreachable: the block above always raises")


@contextlib.contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn what can go wrong into a line on stderr and an exit code."""
    try:
        yield
    except SettingsError as error:
        _give_up(f"settings: {error}", Exit.USAGE)
    except CheckFailed as error:
        _give_up(str(error), Exit.CHECK_FAILED)
    except Unavailable as error:
        _give_up(str(error), Exit.TEMPORARY)
    except KeyboardInterrupt:
        _give_up("interrupted", Exit.TEMPORARY)
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        structlog.get_logger().exception("process_failed")
        raise typer.Exit(Exit.INTERNAL) from error


def _give_up(message: str, code: Exit) -> NoReturn:
    typer.echo(f"fillstream: {message}", err=True)
    raise typer.Exit(code)


def _settings_table(settings: Settings) -> Table:
    table = Table(title="Settings in effect (bold: set, not defaults)", title_justify="left")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("meaning")
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        shown = "" if value is None else str(value)
        style = "bold" if name in settings.model_fields_set else ""
        table.add_row(settings_module.variable(name), shown, field.description or "", style=style)
    return table


def _version() -> str:
    """The installed distribution's version, or in a checkout the one that pyproject.toml names."""
    try:
        return metadata.version("fillstream")
    except metadata.PackageNotFoundError:
        project = Path(__file__).parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text())["project"]["version"])


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
