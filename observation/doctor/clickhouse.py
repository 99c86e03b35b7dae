"""A look at ClickHouse: is it there, is its schema up to date, and what was stored last."""

import re
from collections.abc import Sequence
from typing import Any, Final

from analytics.client import ClickHouseError, OperationalError, connect
from analytics.migrate import MigrationError, missing
from observation.doctor.facts import ClickHouse, Trouble
from runtime.settings import Settings

_ANSWER_WITHIN_S: Final = 5
_QUERY_WITHIN_S: Final = 20


def look(settings: Settings) -> ClickHouse:
    """Never raises for what ClickHouse does or doesn't."""
    try:
        client = connect(settings, timeout_s=_ANSWER_WITHIN_S)
        version = client.server_version
        lacking = missing(client, settings.clickhouse_database)
        client.close()
    except OperationalError as error:
        return ClickHouse(address=settings.clickhouse_url, answers=False, detail=_short(error))
    except (ClickHouseError, MigrationError) as error:
        return ClickHouse(address=settings.clickhouse_url, answers=True, refused=_short(error))
    names = tuple(f"{migration.number:04} {migration.name}" for migration in lacking)
    if names:
        return ClickHouse(address=settings.clickhouse_url, answers=True, version=version, migrations_missing=names)
    return _stored(settings, version)


def _stored(settings: Settings, version: str) -> ClickHouse:
    try:
        client = connect(settings, database=settings.clickhouse_database, timeout_s=_QUERY_WITHIN_S)
        tables = [name for (name,) in client.query(_TABLES).result_rows]
        newest = client.query(_newest(tables)).result_rows if tables else []
        letters = client.query(_DEAD_LETTERS).result_rows
        unknown = client.query(_UNKNOWN_ORDERS).result_rows
        client.close()
    except ClickHouseError as error:
        return ClickHouse(address=settings.clickhouse_url, answers=True, version=version, refused=_short(error))
    return ClickHouse(
        address=settings.clickhouse_url,
        answers=True,
        version=f"ClickHouse {version}",
        newest_s={name: float(age_s) for name, age_s in newest},
        dead_letters=_troubles(letters),
        unknown_orders=_troubles(unknown),
    )


def _troubles(rows: Sequence[Sequence[Any]]) -> tuple[Trouble, ...]:
    return tuple(Trouble(what=str(what), count=int(count)) for what, count in rows)


def _short(error: Exception) -> str:
    """What the operating system said, where that is in it; else what ClickHouse said first."""
    text = " ".join(str(error).split())
    said = re.search(r"\[Errno -?\d+\] ([^'\")]+)|(timed out)", text)
    return (said[1] or said[2]) if said else text[:200]


def _newest(tables: Sequence[str]) -> str:
    """The age of each table's newest record. ClickHouse keeps the bounds of every part: no row is read."""
    return " UNION ALL ".join(
        f"SELECT '{name}', greatest(dateDiff('millisecond', max(_timestamp), now64(3)), 0) / 1000 "  # noqa: S608  # our own names
        f"FROM {name} HAVING count() > 0"
        for name in tables
    )


_TABLES: Final = """
SELECT t.name
FROM system.tables AS t
INNER JOIN system.columns AS c ON c.database = t.database AND c.table = t.name AND c.name = '_timestamp'
WHERE t.database = currentDatabase() AND endsWith(t.engine, 'MergeTree')
ORDER BY t.name
"""
_DEAD_LETTERS: Final = """
SELECT concat(reason, ' of ', source_topic, ' in the last hour') AS what, count() AS letters
FROM dead_letters
WHERE _timestamp > now() - INTERVAL 1 HOUR
GROUP BY what
ORDER BY letters DESC
LIMIT 5
"""
_UNKNOWN_ORDERS: Final = """
SELECT concat('of unknown outcome at ', venue, ' for more than a minute') AS what, count() AS orders
FROM orders_current
WHERE status = 'UNKNOWN' AND updated_at < now64(6) - INTERVAL 1 MINUTE
GROUP BY what
ORDER BY orders DESC
LIMIT 5
"""
