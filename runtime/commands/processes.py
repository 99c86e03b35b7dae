"""Subcommands that are the processes of the system, and what they need made before they start."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.commands import running
from runtime.commands.options import PortOption, VenuesOption, named

commands = typer.Typer()


@commands.command()
def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Order worker processes.")] = 2,
    venues: VenuesOption = "",
    broker_port: PortOption = 0,
    clickhouse_port: PortOption = 0,
    simulator_port: PortOption = 0,
    probe: Annotated[bool, typer.Option(help="Run the probe, too.")] = True,
) -> None:
    """Run everything on this machine and keep it running.

    Broker, topics, simulated venues, ClickHouse, workers, gateways, sink, probe; restarts what dies. Where they answer
    is in var/endpoints.json, a log of each in var/log/. Ctrl-C stops all.
    """
    ports = {"broker_port": broker_port, "clickhouse_port": clickhouse_port, "simulator_port": simulator_port}
    running.run("up", workers=workers, venues=named(venues), probe=probe, **ports)


@commands.command()
def jars() -> None:
    """Fetch the broker's jars now. Maven does it, once; the broker would do it at its first start."""
    running.run("jars")


@commands.command()
def broker(
    port: PortOption = 9092,
    heap_mib: Annotated[int, typer.Option(min=128, help="Java heap, in MiB.")] = 1024,
    advertised_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port that clients are sent to, of a proxy to this broker.")
    ] = None,
) -> None:
    """Run a Kafka broker on this machine (one node, data in var/kafka). Needs Java 17+, and Maven the first time."""
    running.run("broker", port=port, heap_mib=heap_mib, advertised_port=advertised_port)


@commands.command()
def topics(
    repair: Annotated[bool, typer.Option("--repair", help="Set differing topic settings right first.")] = False,
) -> None:
    """Create the topics that are missing, and check that all are as they must be."""
    running.run("topics", mend=repair)


@commands.command()
def acls(
    principal: Annotated[
        str, typer.Option(help="What the broker calls the account of a role.")
    ] = "User:fillstream-{role}",
    apply: Annotated[
        bool, typer.Option("--apply", help="Make those that aren't there, instead of showing all.")
    ] = False,
) -> None:
    """Show what each role must be allowed to do on Kafka, as lines for kafka-acls.sh; or allow it."""
    running.run("acls", principal=principal, apply=apply)


@commands.command()
def worker() -> None:
    """Run an order worker: decides on commands and venue reports. Give each a FILLSTREAM_WORKER_ID of its own."""
    running.run("worker")


@commands.command()
def gateway(venue: Annotated[str, typer.Argument(help="Whose orders to place, for example: simulated.")]) -> None:
    """Run a gateway: carries requests to a venue and its reports back. Give each a FILLSTREAM_GATEWAY_ID of its own."""
    running.run("gateway", venue=venue)


@commands.command()
def sink(
    accept_gap: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC:PARTITION:FROM:TO", help="Go on behind records that were lost. May be repeated."),
    ] = None,
    give_up_schema: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", help="Make records of this unknown schema dead letters. May be repeated."),
    ] = None,
) -> None:
    """Run the sink: writes every event into ClickHouse once."""
    running.run("sink", accept_gap=accept_gap or [], give_up_schema=give_up_schema or [])


@commands.command()
def clickhouse(port: PortOption = 8123) -> None:
    """Run ClickHouse in this process (data in var/clickhouse), for any client of its HTTP protocol."""
    running.run("clickhouse", port=port)


@commands.command()
def probe() -> None:
    """Run the probe: measures how far everybody is behind, sends canaries through the system, audits ClickHouse."""
    running.run("probe")


@commands.command()
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
    running.run(
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
