"""Subcommands for those who look after a running system."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from runtime.commands import running
from runtime.dlq.selection import instant_us

commands = typer.Typer()


def _instant(text: str) -> int:
    return instant_us(text, datetime.now(UTC))


@commands.command()
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
    running.run("reconcile", venue=venue, apply=not dry_run, actor=actor, as_json=as_json)


@commands.command()
def doctor(
    seconds: Annotated[float, typer.Option(min=0.0, max=600.0, help="How long to watch who moves.")] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Walk every hop from Kafka to ClickHouse, and say in a sentence where records stop and what to do.

    Changes nothing. Of an installation that `fillstream up` runs here it knows all addresses; of others, what the
    settings say. Exits with 1 if something is broken.
    """
    running.run("doctor", seconds=seconds, as_json=as_json)


@commands.command()
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
    running.run("audit", partition=partition, differences=differences, from_start=from_start)


@commands.command()
def report(
    from_us: Annotated[
        int | None, typer.Option("--from", parser=_instant, metavar="TIME", help="ISO 8601, or like 90m, 2h, 7d ago.")
    ] = None,
    to_us: Annotated[
        int | None,
        typer.Option("--to", parser=_instant, metavar="TIME", help="The same; the last record unless given."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page; var/report/index.html unless given.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Make one page of HTML of the dashboards: pipeline, venues, execution, money, as ClickHouse has them.

    Of the last day of which anything is stored, unless told otherwise. Exits with 1 if a question had no answer.
    """
    running.run("report", from_us=from_us, to_us=to_us, out=out, show=show)
