"""The database's schema."""

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics.migrate import Migration, MigrationError, load, migrate, ordered, pending
from tests.analytics.stage import Service, unique_database


@pytest.fixture
def database(service: Service):
    name = unique_database()
    yield name
    client = service.client(writer=True)
    client.command(f"DROP DATABASE IF EXISTS {name} SYNC")
    client.close()


@pytest.fixture
def client(service: Service):
    connected = service.client(writer=True)
    yield connected
    connected.close()


def a_migration(number: int, *statements: str) -> Migration:
    return Migration(number, f"number_{number}", statements)


# ── which are to be applied ─────────────────────────────────────────────────────────────────────────────────────────


def test_migrations_count_from_one_without_a_gap():
    assert [m.number for m in ordered({"0002_b.sql": "SELECT 2", "0001_a.sql": "SELECT 1"})] == [1, 2]
    for files in (["0001_a.sql", "0003_c.sql"], ["0002_b.sql"], ["0001_a.sql", "0001_b.sql"]):
        with pytest.raises(MigrationError, match="without a gap"):
            ordered(dict.fromkeys(files, "SELECT 1"))


def test_a_file_with_another_kind_of_name_is_refused():
    with pytest.raises(MigrationError, match=r"1_a\.sql"):
        ordered({"1_a.sql": "SELECT 1"})


def test_only_what_is_missing_is_pending():
    first, second = a_migration(1, "SELECT 1"), a_migration(2, "SELECT 2")
    assert pending([first, second], {1: first.checksum}) == (second,)
    assert pending([first, second], {1: first.checksum, 2: second.checksum}) == ()


def test_an_applied_migration_that_changed_is_refused():
    with pytest.raises(MigrationError, match=r"migration 1 .* has changed since it was applied"):
        pending([a_migration(1, "SELECT 2")], {1: a_migration(1, "SELECT 1").checksum})


def test_a_database_that_is_ahead_is_refused():
    with pytest.raises(MigrationError, match="at least as new"):
        pending([], {1: "x"})


def test_better_comments_are_no_change():
    before, after = ordered({"0001_a.sql": "SELECT 1;"}), ordered({"0001_a.sql": "-- one\nSELECT\n1 ;"})
    assert before[0].checksum == after[0].checksum


# ── on a database ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_migrations_are_applied_once(client, database):
    assert migrate(client, database) == load()
    assert migrate(client, database) == ()
    rows = client.query(f"SELECT number, name, checksum FROM {database}.migrations ORDER BY number").result_rows
    assert rows == [(m.number, m.name, m.checksum) for m in load()]


def test_every_statement_can_be_repeated_after_a_run_that_broke_off(client, database):
    migrate(client, database)
    client.command(f"TRUNCATE TABLE {database}.migrations")
    assert migrate(client, database) == load()


def test_what_failed_half_way_is_not_recorded_and_is_tried_again(client, database):
    table = "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x"
    with pytest.raises(DatabaseError):
        migrate(
            client, database, [a_migration(1, table), a_migration(2, table.replace(" a ", " b "), "CREATE NONSENSE")]
        )
    assert client.command(f"SELECT max(number) FROM {database}.migrations") == 1
    repaired = a_migration(2, table.replace(" a ", " b "))
    assert migrate(client, database, [a_migration(1, table), repaired]) == (repaired,)


def test_a_changed_migration_stops_before_anything_is_applied(client, database):
    migrate(client, database, [a_migration(1, "SELECT 1")])
    create = a_migration(2, "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x")
    with pytest.raises(MigrationError, match="has changed"):
        migrate(client, database, [a_migration(1, "SELECT 2"), create])
    assert client.command(f"EXISTS TABLE {database}.a") == 0


# ── what the schema promises ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def schema(service: Service):
    """Name, engine, definition, sort key and comment of everything in a migrated database."""
    name, client = unique_database(), service.client(writer=True)
    migrate(client, name)
    rows = client.query(
        "SELECT name, engine, create_table_query, sorting_key, comment FROM system.tables WHERE database = {d:String}",
        parameters={"d": name},
    ).named_results()
    yield list(rows)
    client.command(f"DROP DATABASE {name} SYNC")
    client.close()


def test_the_database_is_atomic(client, database):
    migrate(client, database, [])
    assert client.command(f"SELECT engine FROM system.databases WHERE name = '{database}'") == "Atomic"


def test_every_table_and_view_says_its_grain(schema):
    assert [
        t["name"] for t in schema if t["engine"] != "MaterializedView" and "Grain: one row" not in t["comment"]
    ] == []


def test_every_table_that_is_inserted_into_remembers_tokens(schema):
    tables = [t for t in schema if t["engine"].endswith("MergeTree") and t["name"] != "migrations"]
    assert [
        t["name"] for t in tables if "non_replicated_deduplication_window = 10000" not in t["create_table_query"]
    ] == []


def test_every_raw_tables_key_ends_with_the_coordinates_of_the_record(schema):
    raw = [t for t in schema if "`_offset` UInt64" in t["create_table_query"] and t["engine"].endswith("MergeTree")]
    assert len(raw) == 7
    for table in raw:
        assert table["engine"] == "ReplacingMergeTree"
        assert table["sorting_key"].removesuffix(", line").endswith("_partition, _offset")
        assert "PARTITION BY toYYYYMM(_timestamp)" in table["create_table_query"]


def test_materialized_views_carry_their_version(schema):
    views = [t["name"] for t in schema if t["engine"] == "MaterializedView"]
    assert views
    assert all(name.endswith("_mv_v1") for name in views)
