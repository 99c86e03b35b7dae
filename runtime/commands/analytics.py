"""``fillstream analytics``: the database that the sink fills."""

from typing import Annotated

import typer

from runtime.commands import running

commands = typer.Typer(help="Bring ClickHouse's tables up to date, and look at how they stand.", no_args_is_help=True)


@commands.command()
def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be applied.")] = False,
) -> None:
    """Apply the migrations that the database lacks, in order. The sink does the same when it starts.

    Exits with 1 if the database and this program contradict each other, or if ClickHouse refuses a statement.
    """
    running.run("analytics migrate", dry_run=dry_run)


@commands.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Show each migration, each materialized view with its version, and how large the tables are.

    Exits with 1 if a migration is pending, has changed since it was applied, or is not of this program.
    """
    running.run("analytics status", as_json=as_json)


@commands.command()
def rebuild(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ROLLUP...", help="Which; those that are wrong, if none is named.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which would be rebuilt.")] = False,
) -> None:
    """Work roll-ups out anew from the raw tables, while the sink is stopped.

    Rows that were stored without a token, by hand say, may be counted twice; the alert AuditBreak says so. Readers see
    the old rows or the new ones, never none. Exits with 1 if a sink is at work, or has left something unfinished.
    """
    running.run("analytics rebuild", names=names or [], dry_run=dry_run)
