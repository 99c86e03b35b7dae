"""``fillstream analytics rebuild``: what a roll-up says is worked out anew from the raw tables.

A roll-up adds up what every insert brings, so it is right as long as every batch reaches it once. The sink's tokens see
to that. What comes without one, or after ten thousand others, or through a view that was changed in place (ClickHouse
26 knows its tokens by another name after the next start), is counted twice. Raw tables heal, since they keep one row of
each record; a sum doesn't.

The new rows are made aside and take the place of the old ones a partition at a time, so that a reader sees one or the
other. Nothing may be stored meanwhile, and nothing may be about to be: it would be in both.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

from analytics import intents, migrate, questions
from analytics.client import DatabaseError, OperationalError, connect
from analytics.sink import group_of
from runtime import kafka
from runtime.exits import CheckFailed, Exit, Unavailable
from runtime.settings import Settings, SettingsError

_TIMEOUT_S: Final = 3_600  # it reads whole tables
_ASK_WITHIN_S: Final = 10.0
_AUDIT: Final = "audit_rollups"
_ASIDE: Final = "_rebuilt"

#: Engines that add up. What others keep of a row that comes twice is the row.
_ROLLUPS: Final = """
SELECT t.name AS target_name, groupArray(v.as_select) AS selects
FROM system.tables AS t
INNER JOIN
(
    SELECT as_select, extract(create_table_query, ' TO (?:\\\\w+\\\\.)?`?(\\\\w+)') AS target
    FROM system.tables
    WHERE database = {database:String} AND engine = 'MaterializedView'
) AS v ON v.target = t.name
WHERE t.database = {database:String} AND match(t.engine, '(Summing|Aggregating)MergeTree$')
GROUP BY target_name
ORDER BY target_name
"""
_PARTITIONS: Final = """
SELECT partition_id, sum(rows) AS rows
FROM system.parts
WHERE database = {database:String} AND table = {table:String} AND active
GROUP BY partition_id
ORDER BY partition_id
"""


class Rebuilt(msgspec.Struct, frozen=True):
    """What came of a roll-up: how many of its partitions were replaced, and its rows before and after."""

    rollup: str
    partitions: int
    rows_before: int
    rows: int


def main(settings: Settings, *, names: Sequence[str], dry_run: bool) -> int:
    """Rebuild the roll-ups *names*, or those that the audit finds wrong.

    Raises CheckFailed if a sink is at work or has left a batch unfinished, SettingsError for a name that is no
    roll-up's, Unavailable.
    """
    database = settings.clickhouse_database
    try:
        client = connect(settings, timeout_s=_TIMEOUT_S)
        known = rollups(client, database)
        unknown = sorted(set(names) - known.keys())
        if unknown:
            raise SettingsError(f"no roll-up is called {', '.join(unknown)}; there are {', '.join(known)}")
        chosen = sorted(names) or [name for name in wrong(client, database) if name in known]
        if not dry_run and chosen:
            _demand_rest(settings)
            _show([rebuild(client, database, name, known[name]) for name in chosen])
    except OperationalError as error:
        raise migrate.unanswered(settings, error) from error
    except DatabaseError as error:
        raise CheckFailed(str(error)) from error
    if dry_run or not chosen:
        Console().print(f"to be rebuilt: {', '.join(chosen)}" if chosen else "every roll-up agrees with the raw tables")
    return Exit.OK


def rollups(client: Any, database: str) -> dict[str, Sequence[str]]:
    """The tables that add up, each with the queries of the views that fill it."""
    found = client.query(_ROLLUPS, parameters={"database": database}).named_results()
    return {row["target_name"]: row["selects"] for row in found}


def wrong(client: Any, database: str) -> list[str]:
    """The roll-ups that say something else than the raw tables."""
    (audit,) = (question for question in questions.load() if question.name == _AUDIT)
    statement = f"SELECT DISTINCT rollup FROM ({audit.statement}) ORDER BY rollup"  # noqa: S608  # a file of ours
    return [name for (name,) in client.query(statement, settings={"database": database}).result_rows]


def rebuild(client: Any, database: str, rollup: str, selects: Sequence[str]) -> Rebuilt:
    """Work *rollup* out anew. A partition that the raw tables have nothing of any more stays as it is."""
    aside = f"{rollup}{_ASIDE}"
    inside = {"database": database}
    client.command(f"DROP TABLE IF EXISTS {aside} SYNC", settings=inside)
    client.command(f"CREATE TABLE {aside} AS {rollup}", settings=inside)
    try:
        for select in selects:
            # equal blocks are no repeats here, and rows that the sources have not merged yet count once
            once = {**inside, "final": 1, "insert_deduplication_token": uuid.uuid4().hex}
            client.command(f"INSERT INTO {aside} {select}", settings=once)
        before, made = _partitions(client, database, rollup), _partitions(client, database, aside)
        for partition in made:
            client.command(f"ALTER TABLE {rollup} REPLACE PARTITION ID '{partition}' FROM {aside}", settings=inside)
    finally:
        client.command(f"DROP TABLE IF EXISTS {aside} SYNC", settings=inside)
    return Rebuilt(rollup, len(made), sum(before.values()), sum({**before, **made}.values()))


def _partitions(client: Any, database: str, table: str) -> dict[str, int]:
    found = client.query(_PARTITIONS, parameters={"database": database, "table": table}).result_rows
    return dict(found)


def _demand_rest(settings: Settings) -> None:
    """Raises CheckFailed unless the sink is stopped and has finished what it began, Unavailable."""
    group = group_of(settings)
    admin = AdminClient(kafka.client(settings, client_id="rebuild") | {"log_level": 0})
    reader = Consumer(kafka.consumer(settings, group, client_id="rebuild") | {"log_level": 0})
    try:
        members = admin.describe_consumer_groups([group], request_timeout=_ASK_WITHIN_S)[group].result().members
        commits = kafka.committed_anywhere(reader, _ASK_WITHIN_S)
    except KafkaException as error:
        raise Unavailable(f"Kafka doesn't say whether a sink is at work: {error}") from error
    finally:
        reader.close()
    if members:
        raise CheckFailed(
            f"a sink is at work ({', '.join(sorted(member.client_id for member in members))}): stop it (SIGTERM), and "
            f"try again once its membership has ended, after {settings.session_timeout_ms / 1_000:g} s"
        )
    begun = [at for at in commits if intents.intent_of(at.offset, at.metadata) is not None]
    if begun:
        places = ", ".join(f"{at.topic}[{at.partition}]" for at in begun)
        raise CheckFailed(
            f"a sink has died while it wrote {places}: start it, and stop it (SIGTERM) once it has no lag"
        )


def _show(rebuilt: Sequence[Rebuilt]) -> None:
    table = Table(title="rebuilt", title_justify="left", title_style="bold", box=None)
    for column in ("roll-up", "partitions", "rows before", "rows"):
        table.add_column(column, justify="left" if column == "roll-up" else "right")
    for each in rebuilt:
        table.add_row(each.rollup, str(each.partitions), f"{each.rows_before:,}", f"{each.rows:,}")
    Console().print(table)
