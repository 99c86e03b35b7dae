"""What sink, queries and dashboards need of a ClickHouse, whichever it is."""

import datetime as dt
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics.migrate import load, migrate
from tests.analytics.contract.conftest import Server
from tests.analytics.stage import unique_database

WINDOW = "SETTINGS non_replicated_deduplication_window = 100, replicated_deduplication_window = 100"
#: As the sink writes.
SETTINGS = {"async_insert": 0, "deduplicate_blocks_in_dependent_materialized_views": 1}


def table(client, columns: str, more: str = f"ORDER BY k {WINDOW}", engine: str = "MergeTree") -> str:
    name = f"t_{uuid.uuid4().hex[:8]}"
    client.command(f"CREATE TABLE {name} ({columns}) ENGINE = {engine} {more}")
    return name


def keys(*numbers: int) -> pa.Table:
    return pa.table({"k": pa.array(numbers, pa.uint64())})


def insert(client, name: str, rows: pa.Table, token: str) -> None:
    client.insert_arrow(name, rows, settings={**SETTINGS, "insert_deduplication_token": token})


def all_of(client, query: str, **parameters) -> list[tuple]:
    return [tuple(row) for row in client.query(query, parameters=parameters).result_rows]


# ── inserts and their tokens ────────────────────────────────────────────────────────────────────────────────────────


def test_an_insert_is_seen_as_soon_as_it_is_acknowledged(client):
    name = table(client, "k UInt64")
    for number in range(5):
        insert(client, name, keys(number), f"{number}")
        assert client.command(f"SELECT count() FROM {name}") == number + 1


def test_an_insert_with_a_known_token_is_dropped_whatever_it_holds(client):
    name = table(client, "k UInt64")
    insert(client, name, keys(1, 2), "a")
    insert(client, name, keys(1, 2), "a")
    insert(client, name, keys(3), "a")
    assert all_of(client, f"SELECT k FROM {name} ORDER BY k") == [(1,), (2,)]


def test_equal_rows_under_two_tokens_are_two_inserts(client):
    name = table(client, "k UInt64")
    insert(client, name, keys(1), "a")
    insert(client, name, keys(1), "b")
    assert client.command(f"SELECT count() FROM {name}") == 2


def test_tokens_of_one_table_mean_nothing_to_another(client):
    first, second = table(client, "k UInt64"), table(client, "k UInt64")
    for name in (first, second):
        insert(client, name, keys(1), "a")
        assert client.command(f"SELECT count() FROM {name}") == 1


def test_an_insert_into_several_partitions_is_dropped_in_all_of_them(client):
    name = table(client, "k UInt64", f"PARTITION BY k % 3 ORDER BY k {WINDOW}")
    for _ in range(2):
        insert(client, name, keys(0, 1, 2, 3), "a")
    assert client.command(f"SELECT count() FROM {name}") == 4


def test_what_is_dropped_is_dropped_in_dependent_views_too(client):
    name = table(client, "k UInt64")
    sums = table(client, "k UInt64, n UInt64", engine="SummingMergeTree")
    client.command(
        f"CREATE MATERIALIZED VIEW {name}_mv TO {sums} AS SELECT k % 2 AS k, count() AS n FROM {name} GROUP BY k"
    )
    for _ in range(2):
        insert(client, name, keys(1, 2, 3), "a")
    insert(client, name, keys(1, 2, 3), "b")
    assert all_of(client, f"SELECT k, sum(n) FROM {sums} GROUP BY k ORDER BY k") == [(0, 2), (1, 4)]


def test_an_insert_that_broke_off_before_its_view_is_completed_by_its_repetition_once(client):
    name, switch = table(client, "k UInt64"), table(client, "k UInt64")
    sums = table(client, "k UInt64, n UInt64", engine="SummingMergeTree")
    client.command(
        f"CREATE MATERIALIZED VIEW {name}_mv TO {sums} AS SELECT k, count() AS n FROM {name} "
        f"WHERE throwIf((SELECT count() FROM {switch}) = 0) = 0 GROUP BY k"
    )
    with pytest.raises(DatabaseError, match=r"throwIf|FUNCTION_THROW_IF"):
        insert(client, name, keys(7), "a")
    insert(client, switch, keys(1), "on")
    for _ in range(2):
        insert(client, name, keys(7), "a")
    assert all_of(client, f"SELECT count() FROM {name}") == [(1,)]
    assert all_of(client, f"SELECT k, sum(n) FROM {sums} GROUP BY k") == [(7, 1)]


def test_an_insert_that_is_refused_leaves_nothing(client):
    name = table(client, "k UInt64, e Enum8('A' = 1)")
    rows = pa.table({"k": pa.array([1, 2], pa.uint64()), "e": ["A", "B"]})
    with pytest.raises(DatabaseError):
        insert(client, name, rows, "a")
    assert client.command(f"SELECT count() FROM {name}") == 0
    insert(client, name, rows.slice(0, 1), "a")
    assert client.command(f"SELECT count() FROM {name}") == 1


# ── types ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_amounts_are_exact(client):
    name = table(client, "k UInt64, d Decimal(38, 18)")
    most, least = (
        Decimal("99999999999999999999.999999999999999999"),
        Decimal("-99999999999999999999.999999999999999999"),
    )
    rows = pa.table({"k": pa.array([1, 2], pa.uint64()), "d": pa.array([most, least], pa.decimal128(38, 18))})
    insert(client, name, rows, "a")
    assert all_of(client, f"SELECT d FROM {name} ORDER BY k") == [(most,), (least,)]
    (total,) = all_of(client, f"SELECT sum(toDecimal256(d, 18)) FROM {name} WHERE d = {{d:Decimal(38, 18)}}", d=most)
    assert total == (most,)


def test_sums_of_amounts_do_not_overflow_where_they_are_wide(client):
    name = table(client, "k UInt64, d Decimal(76, 18)", engine="SummingMergeTree")
    for total in ("99999999999999999999.5", "199999999999999999999", "299999999999999999998.5"):
        query = f"INSERT INTO {name} SELECT 1, toDecimal256('99999999999999999999.5', 18)"
        client.command(query, settings={"async_insert": 0})
        assert all_of(client, f"SELECT sum(d) FROM {name}") == [(Decimal(total),)]


def test_instants_keep_their_microseconds(client):
    name = table(client, "k UInt64, at DateTime64(6, 'UTC')")
    instant = dt.datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=dt.UTC)
    rows = pa.table({"k": pa.array([1], pa.uint64()), "at": pa.array([instant], pa.timestamp("us", "UTC"))})
    insert(client, name, rows, "a")
    assert all_of(client, f"SELECT toUnixTimestamp64Micro(at) FROM {name}") == [(1_709_251_199_999_999,)]
    query = f"SELECT count() FROM {name} WHERE at = {{at:DateTime64(6, 'UTC')}}"
    assert all_of(client, query, at="2024-02-29 23:59:59.999999") == [(1,)]


def test_texts_nothings_and_flags_come_back_as_they_were(client):
    name = table(client, "k UInt64, s LowCardinality(String), n Nullable(String), f Bool")
    rows = pa.table({"k": pa.array([1, 2], pa.uint64()), "s": ["ä\n", ""], "n": [None, "\0;"], "f": [True, False]})
    insert(client, name, rows, "a")
    assert all_of(client, f"SELECT s, n, f FROM {name} ORDER BY k") == [("ä\n", None, True), ("", "\0;", False)]


# ── queries ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_query_has_parameters(reader):
    query = "SELECT {text:String}, {list:Array(String)}, {n:UInt64} + 1"
    assert all_of(reader, query, text="it's", list=["a", "b'c"], n=41) == [("it's", ["a", "b'c"], 42)]


def test_a_parameterized_view_has_too(client):
    client.command("CREATE VIEW counted AS SELECT number AS n FROM numbers({count:UInt64})")
    assert all_of(client, "SELECT sum(n) FROM counted(count = {c:UInt64})", c=4) == [(6,)]


def test_final_shows_the_last_of_each_before_any_merge(client):
    name = table(client, "k UInt64, v UInt64", engine="ReplacingMergeTree(v)")
    client.command(f"SYSTEM STOP MERGES {name}")
    for value in (1, 3, 2):
        client.command(f"INSERT INTO {name} SELECT 1, {value}", settings={"async_insert": 0})
    assert all_of(client, f"SELECT v FROM {name} FINAL") == [(3,)]


def test_sketches_merge_and_the_nearest_earlier_row_is_found(reader):
    query = "SELECT round(quantilesDDMerge(0.01, 0.5)(s)[1]) FROM (SELECT quantilesDDState(0.01, 0.5)(number) AS s FROM numbers(101) GROUP BY number % 7)"  # noqa: E501  # SQL
    (median,) = all_of(reader, query)
    assert median[0] == pytest.approx(50, rel=0.02)
    asof = "SELECT b.v FROM (SELECT 1 AS k, 5 AS t) AS a ASOF JOIN (SELECT 1 AS k, arrayJoin([2, 4, 6]) AS t, t * 10 AS v) AS b ON a.k = b.k AND a.t >= b.t"  # noqa: E501  # SQL
    assert all_of(reader, asof) == [(40,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {t} SELECT 1",
        "DROP TABLE {t}",
        "ALTER TABLE {t} DELETE WHERE 1",
        "CREATE TABLE x (k UInt8) ENGINE = Log",
    ],
)
def test_who_reads_can_not_write(client, reader, statement):
    name = table(client, "k UInt64")
    with pytest.raises(DatabaseError, match=r"READONLY|readonly"):
        reader.command(statement.format(t=name))
    assert client.command(f"EXISTS TABLE {name}") == 1


def test_failures_name_clickhouses_code(reader):
    with pytest.raises(DatabaseError, match=r"(?s)UNKNOWN_TABLE|Code: 60\b"):
        reader.query("SELECT * FROM nowhere_at_all")


# ── the schema ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_database_is_atomic_and_takes_every_migration(server: Server):
    name, client = unique_database(), server.client()
    assert migrate(client, name) == load()
    assert client.command(f"SELECT engine FROM system.databases WHERE name = '{name}'") in {"Atomic", "Shared"}
    client.command(f"DROP DATABASE {name} SYNC")
    client.close()
