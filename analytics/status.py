"""``fillstream analytics status``: which migrations a database has had, and what its tables hold."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from analytics import migrate
from analytics.client import DatabaseError, OperationalError, connect, reaching
from analytics.migrate import Migration
from runtime.exits import CheckFailed, Exit
from runtime.settings import Settings

_TABLES: Final = """
SELECT
    t.name AS table,
    t.engine AS engine,
    sum(p.rows) AS rows,
    sum(p.bytes_on_disk) AS bytes,
    countIf(p.name != '') AS parts
FROM system.tables AS t
LEFT JOIN
(
    SELECT table, name, rows, bytes_on_disk
    FROM system.parts
    WHERE database = {database:String} AND active
) AS p ON p.table = t.name
WHERE t.database = {database:String} AND t.engine LIKE '%MergeTree'
GROUP BY table, engine
ORDER BY table
"""

_VIEWS: Final = """
SELECT
    name AS view,
    toUInt32OrZero(extract(name, '_v(\\\\d+)$')) AS version,
    extract(create_table_query, ' TO (?:\\\\w+\\\\.)?`?(\\\\w+)') AS target
FROM system.tables
WHERE database = {database:String} AND engine = 'MaterializedView'
ORDER BY name
"""


class State(StrEnum):
    APPLIED = "applied"
    PENDING = "pending"
    CHANGED = "changed since"
    UNKNOWN = "not of this program"


class Standing(msgspec.Struct, frozen=True):
    """How a migration stands. *checksum* is what was applied, or, of one that is pending, what would be."""

    number: int
    name: str
    checksum: str
    applied_at: str | None
    state: State


_ADVICE: Final[Mapping[State, str]] = {
    State.PENDING: "apply it (fillstream analytics migrate); the sink does so when it starts",
    State.CHANGED: "take the change of its file back, and put it into a new migration",
    State.UNKNOWN: "a newer program applied it: use one at least as new",
}


def main(settings: Settings, *, as_json: bool) -> int:
    """Show the database that runs here, unless the settings name another.

    Raises CheckFailed if a migration is not as it should be, SettingsError, Unavailable.
    """
    settings = reaching(settings)
    try:
        client = connect(settings)
        found = look(client, settings.clickhouse_database)
    except OperationalError as error:
        raise migrate.unanswered(settings, error) from error
    except DatabaseError as error:
        raise CheckFailed(str(error)) from error
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=msgspec.to_builtins))
    else:
        _show(found)
    wrong = [each for each in found["migrations"] if each.state is not State.APPLIED]
    if wrong:
        lines = (f"migration {each.number} ({each.name}) is {each.state}: {_ADVICE[each.state]}" for each in wrong)
        raise CheckFailed("\n".join(lines))
    return Exit.OK


def look(client: Any, database: str, migrations: Sequence[Migration] | None = None) -> dict[str, Any]:
    """The standing of every migration, the views with their versions, and the tables with their sizes."""
    name = {"database": database}
    known = migrate.load() if migrations is None else migrations
    return {
        "database": database,
        "migrations": standings(known, migrate.records(client, database)),
        "views": list(client.query(_VIEWS, parameters=name).named_results()),
        "tables": list(client.query(_TABLES, parameters=name).named_results()),
    }


def standings(migrations: Sequence[Migration], records: Mapping[int, Mapping[str, Any]]) -> tuple[Standing, ...]:
    """How each migration stands that the program knows or the database has had, by number."""
    known = {migration.number: migration for migration in migrations}
    return tuple(
        _standing(number, known.get(number), records.get(number)) for number in sorted(known.keys() | records.keys())
    )


def _standing(number: int, migration: Migration | None, record: Mapping[str, Any] | None) -> Standing:
    if record is None:
        assert migration is not None, "a number is known from one or the other"
        return Standing(number, migration.name, migration.checksum, None, State.PENDING)
    if migration is None:
        state = State.UNKNOWN
    else:
        state = State.APPLIED if migration.checksum == record["checksum"] else State.CHANGED
    applied_at = record["applied_at"].isoformat(timespec="seconds").replace("+00:00", "Z")
    return Standing(number, record["name"], record["checksum"], applied_at, state)


def _show(found: Mapping[str, Any]) -> None:
    console = Console()
    migrations = _table(f"{found['database']}: migrations", "number", "name", "state", "applied", "checksum")
    for each in found["migrations"]:
        migrations.add_row(f"{each.number:04}", each.name, each.state, each.applied_at or "", each.checksum[:12])
    views = _table("materialized views", "view", "version", "fills")
    for view in found["views"]:
        views.add_row(view["view"], str(view["version"]), view["target"])
    tables = _table("tables", "table", "engine", "rows", "MiB", "parts")
    for table in found["tables"]:
        size = f"{table['bytes'] / (1 << 20):,.1f}"
        tables.add_row(table["table"], table["engine"], f"{table['rows']:,}", size, str(table["parts"]))
    for shown in (migrations, views, tables):
        console.print(shown)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    for column in columns:
        table.add_column(column, justify="right" if column in {"rows", "MiB", "parts", "version"} else "left")
    return table
