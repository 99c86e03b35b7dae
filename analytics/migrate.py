"""The database's schema: numbered SQL files, applied once each and in order, never changed afterwards."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, Final

import msgspec
import structlog
import typer

from analytics import sql
from analytics.client import DatabaseError, OperationalError, connect
from runtime.exits import CheckFailed, Exit, Unavailable
from runtime.settings import Settings

_TIMEOUT_S: Final = 600  # a migration may read whole tables

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")

_RECORDS: Final = """
CREATE TABLE IF NOT EXISTS {database:Identifier}.migrations
(
    number UInt32,
    name String,
    checksum String,
    applied_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY number
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Grain: one row an applied migration.'
"""

#: How tables differ that a cluster keeps on every replica. Their tokens must outlive a sink that was down for days.
_REPLICATED: Final = (
    (re.compile(r"\bENGINE = (\w*MergeTree)\b"), r"ENGINE = Replicated\1"),
    (
        re.compile(r"\bnon_replicated_deduplication_window = (\d+)"),
        r"replicated_deduplication_window = \1, replicated_deduplication_window_seconds = 604800",
    ),
)

log = structlog.get_logger()


class MigrationError(Exception):
    """The database and the files contradict each other; the message says where, and what to do."""


class StatementError(DatabaseError):  # type: ignore[misc]  # clickhouse-connect states no types
    """ClickHouse refused a statement of a migration; the message says which. It is safe to try again."""


class Migration(msgspec.Struct, frozen=True):
    """One file. Its statements can be run again (IF NOT EXISTS): a run that broke off is repeated from its start."""

    number: int
    name: str
    statements: tuple[str, ...]

    @property
    def checksum(self) -> str:
        """Of what the file does; its comments and line breaks may change."""
        return hashlib.sha256("\n".join(self.statements).encode()).hexdigest()


def main(settings: Settings, *, dry_run: bool) -> int:
    """Bring the database of the settings up to date, and say what that took."""
    database = settings.clickhouse_database
    try:
        client = connect(settings, timeout_s=_TIMEOUT_S)
        done = (
            missing(client, database)
            if dry_run
            else migrate(client, database, replicated=settings.clickhouse_replicated)
        )
    except OperationalError as error:
        raise unanswered(settings, error) from error
    except (DatabaseError, MigrationError) as error:
        raise CheckFailed(str(error)) from error
    for migration in done:
        typer.echo(f"{migration.number:04} {migration.name}: {'pending' if dry_run else 'applied'}")
    typer.echo(f"{database} {'lacks these' if dry_run and done else 'is up to date'}")
    return Exit.OK


def unanswered(settings: Settings, error: Exception) -> Unavailable:
    """What to say when there is nobody to ask."""
    return Unavailable(
        f"ClickHouse doesn't answer at {settings.clickhouse_url}: start it (fillstream clickhouse), "
        f"or set FILLSTREAM_CLICKHOUSE_URL. It said: {error}"
    )


def load() -> tuple[Migration, ...]:
    """The migrations of this program. Raises MigrationError unless they count from 1 without a gap."""
    folder = resources.files("analytics").joinpath("migrations")
    return ordered({file.name: file.read_text() for file in folder.iterdir() if file.name.endswith(".sql")})


def ordered(files: Mapping[str, str]) -> tuple[Migration, ...]:
    """The migrations in *files*, name to text. Raises MigrationError."""
    found = []
    for name, text in sorted(files.items()):
        match = _FILE.fullmatch(name)
        if match is None:
            raise MigrationError(f"{name}: the name of a migration is like 0001_what_it_does.sql")
        found.append(Migration(int(match[1]), match[2], sql.statements(text)))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"the migrations must count from 1 without a gap: {sorted(files)}")
    return tuple(found)


def pending(migrations: Sequence[Migration], applied: Mapping[int, str]) -> tuple[Migration, ...]:
    """Those still to apply, given the checksums of the applied ones. Raises MigrationError."""
    known = {migration.number: migration for migration in migrations}
    for number, checksum in sorted(applied.items()):
        if number not in known:
            raise MigrationError(
                f"the database has migration {number}, which this program doesn't know: use a program at least as new"
            )
        if known[number].checksum != checksum:
            raise MigrationError(
                f"migration {number} ({known[number].name}) has changed since it was applied: "
                "take the change back, and put it into a new migration"
            )
    return tuple(migration for migration in migrations if migration.number not in applied)


def records(client: Any, database: str) -> dict[int, dict[str, Any]]:
    """What *database* says of each migration that was applied to it: number, name, checksum, applied_at."""
    name = {"database": database}
    if not client.command("EXISTS TABLE {database:Identifier}.migrations", parameters=name):
        return {}
    query = "SELECT number, name, checksum, applied_at FROM {database:Identifier}.migrations FINAL ORDER BY number"
    return {row["number"]: dict(row) for row in client.query(query, parameters=name).named_results()}


def missing(client: Any, database: str, migrations: Iterable[Migration] | None = None) -> tuple[Migration, ...]:
    """The migrations that *database* lacks. Raises MigrationError, ClickHouseError."""
    applied = {number: record["checksum"] for number, record in records(client, database).items()}
    return pending(tuple(migrations) if migrations is not None else load(), applied)


def migrate(
    client: Any, database: str, migrations: Iterable[Migration] | None = None, *, replicated: bool = False
) -> tuple[Migration, ...]:
    """Bring *database* up to date, and return what that took. Raises MigrationError, ClickHouseError.

    Two programs may do so at the same time: statements and records of the same migration repeat without effect.
    """
    adapted = for_cluster if replicated else str
    todo = missing(client, database, migrations)
    name = {"database": database}
    engine = f"Replicated('/clickhouse/databases/{database}', '{{shard}}', '{{replica}}')" if replicated else "Atomic"
    client.command(f"CREATE DATABASE IF NOT EXISTS {{database:Identifier}} ENGINE = {engine}", parameters=name)
    client.command(adapted(_RECORDS), parameters=name)
    for migration in todo:
        _apply(client, database, migration, adapted)
        client.insert(
            "migrations",
            [[migration.number, migration.name, migration.checksum]],
            column_names=["number", "name", "checksum"],
            database=database,
            settings={"insert_deduplication_token": f"migration:{migration.number}", "async_insert": 0},
        )
        log.info("migration_applied", number=migration.number, name=migration.name)
    return todo


def for_cluster(statement: str) -> str:
    """*statement* for tables that a cluster keeps on every replica."""
    for pattern, replacement in _REPLICATED:
        statement = pattern.sub(replacement, statement)
    return statement


def _apply(client: Any, database: str, migration: Migration, adapted: Callable[[str], str]) -> None:
    count = len(migration.statements)
    for number, statement in enumerate(migration.statements, 1):
        try:
            client.command(adapted(statement), settings={"database": database})
        except DatabaseError as error:
            where = f"migration {migration.number} ({migration.name}), statement {number} of {count}"
            raise StatementError(f"{where}: {error}") from error
