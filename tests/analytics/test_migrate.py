"""The database's schema."""

import json
import re

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics import migrate as commanded
from analytics import status
from analytics.migrate import Migration, MigrationError, StatementError, for_cluster, load, migrate, ordered, pending
from runtime.exits import CheckFailed, Unavailable
from runtime.process import free_port
from runtime.settings import Settings, SettingsError
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


def test_a_clusters_tables_are_replicated_and_remember_tokens_for_a_week(client):
    for migration in load():
        for statement in map(for_cluster, migration.statements):
            assert not re.search(r"ENGINE = (?!Replicated)\w*MergeTree", statement)
            assert "non_replicated" not in statement
            if "ENGINE = " in statement:
                assert "replicated_deduplication_window_seconds = 604800" in statement
            client.query("SELECT formatQuerySingleLine({s:String})", parameters={"s": statement})  # it can be parsed


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
    raw = [t for t in schema if "`_topic` " in t["create_table_query"] and t["engine"].endswith("MergeTree")]
    assert len(raw) == 9
    for table in raw:
        assert table["engine"] == "ReplacingMergeTree"
        assert table["sorting_key"].removesuffix(", line").endswith("_partition, _offset")
        assert re.search(r"PARTITION BY (toYYYYMM|toMonday)\(_timestamp\)", table["create_table_query"])


def test_materialized_views_carry_their_version(schema):
    views = [t["name"] for t in schema if t["engine"] == "MaterializedView"]
    assert views
    assert all(re.search(r"_mv_v\d+$", name) for name in views)


# ── the commands ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def settings(service: Service, database: str):
    return service.settings.model_copy(update={"clickhouse_database": database})


def test_migrate_applies_what_is_missing_and_a_dry_run_nothing(settings, client, database, capsys):
    assert commanded.main(settings, dry_run=True) == 0
    assert "0001 raw_tables: pending" in capsys.readouterr().out
    assert client.command(f"SELECT count() FROM system.databases WHERE name = '{database}'") == 0
    assert commanded.main(settings, dry_run=False) == 0
    assert "0001 raw_tables: applied" in capsys.readouterr().out
    assert commanded.main(settings, dry_run=False) == 0
    assert capsys.readouterr().out == f"{database} is up to date\n"


def test_a_refused_statement_is_named(client, database):
    with pytest.raises(StatementError, match=r"migration 1 \(number_1\), statement 2 of 2: .*UNKNOWN_IDENTIFIER"):
        migrate(client, database, [a_migration(1, "SELECT 1", "SELECT nothing")])


def test_commands_say_where_nobody_answers():
    nowhere = Settings(clickhouse_url=f"http://127.0.0.1:{free_port()}")
    for command in (lambda: commanded.main(nowhere, dry_run=False), lambda: status.main(nowhere, as_json=False)):
        with pytest.raises(Unavailable, match="fillstream clickhouse"):
            command()


def test_status_shows_versions_of_views_and_sizes_of_tables(settings, client, database, capsys):
    migrate(client, database)
    client.command(f"INSERT INTO {database}.transfers (transfer_id, _offset) VALUES ('a', 1), ('b', 2)")
    capsys.readouterr()
    assert status.main(settings, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["state"] for each in found["migrations"]] == ["applied"] * len(load())
    assert {"view": "ledger_totals_mv_v1", "version": 1, "target": "ledger_totals"} in found["views"]
    (transfers,) = (table for table in found["tables"] if table["table"] == "transfers")
    assert (transfers["engine"], transfers["rows"], transfers["parts"]) == ("ReplacingMergeTree", 2, 1)
    assert transfers["bytes"] > 0
    assert status.main(settings, as_json=False) == 0
    assert "order_states_mv_v1" in capsys.readouterr().out


def test_status_finds_what_runs_here_without_any_setting(settings, client, database, tmp_path, capsys):
    migrate(client, database)
    own = {name: getattr(settings, name) for name in settings.model_fields_set - {"clickhouse_url"}}
    here = Settings(**own | {"var": tmp_path})
    (tmp_path / "endpoints.json").write_text(json.dumps({"clickhouse": settings.clickhouse_url, "metrics": {}}))
    capsys.readouterr()
    assert status.main(here, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["database"] == database
    (tmp_path / "endpoints.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"endpoints\.json"):
        status.main(here, as_json=True)


def test_status_is_for_those_who_may_only_read_too(service, client, database):
    migrate(client, database)
    reader = service.client()
    found = status.look(reader, database)
    reader.close()
    (transfers,) = (table for table in found["tables"] if table["table"] == "transfers")
    assert (transfers["rows"], transfers["bytes"], transfers["parts"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        ("TRUNCATE TABLE {}.migrations", r"migration 1 \(raw_tables\) is pending: apply it"),
        ("INSERT INTO {}.migrations (number, name, checksum) VALUES (99, 'new', 'x')", r"99 \(new\) is not of this"),
        ("INSERT INTO {}.migrations (number, name, checksum) VALUES (1, 'raw', 'x')", r"\(raw\) is changed since"),
    ],
)  # fmt: skip
def test_status_fails_where_files_and_database_differ(settings, client, database, spoil, complaint):
    migrate(client, database)
    client.command(spoil.format(database))
    with pytest.raises(CheckFailed, match=complaint):
        status.main(settings, as_json=True)


def test_a_database_that_is_not_there_lacks_everything(settings):
    with pytest.raises(CheckFailed, match="is pending"):
        status.main(settings, as_json=True)
