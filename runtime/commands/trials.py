"""Subcommands that run the whole system on made-up commands and check what comes of it."""

from typing import Annotated

import typer

from runtime.commands import running
from runtime.commands.options import VenuesOption, named

commands = typer.Typer()


@commands.command()
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
    running.run("demo", **size, venues=named(venues), saturate=saturate, kill=kill, keep=keep)


@commands.command()
def chaos(
    minutes: Annotated[float, typer.Option(min=0.2, max=1_440.0, help="How long to send commands.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Seed of the commands, of the market and of the faults.")] = 1,
    rate: Annotated[float, typer.Option(min=1.0, help="Commands a second, on average.")] = 170.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards.")] = False,
) -> None:
    """Run the whole system while killing, stopping and cutting off its parts, and check that nothing came of it.

    Writes var/chaos/report.json and var/chaos/index.html. Exits with 1 if a single thing was lost or done twice.
    """
    running.run("chaos", minutes=minutes, seed=seed, rate=rate, keep=keep)


@commands.command()
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
    running.run("soak", minutes=minutes, rate=rate, seed=seed)
