"""The ClickHouse service as its clients meet it, from another process."""

import datetime as dt
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import clickhouse_connect
import httpx
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics.embedded.encodings import decompress
from runtime.process import free_port
from tests.analytics.stage import Child, Service, eventually


@pytest.fixture(scope="module")
def database(service: Service):
    client = service.client(writer=True)
    client.command("CREATE DATABASE test_service ENGINE = Atomic")
    client.command(
        "CREATE TABLE test_service.t (k UInt64, s String, d Decimal(38, 18)) ENGINE = MergeTree ORDER BY k "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    yield "test_service"
    client.command("DROP DATABASE test_service SYNC")
    client.close()


@pytest.fixture
def reader(service: Service):
    client = service.client()
    yield client
    client.close()


@pytest.fixture
def writer(service: Service, database: str):
    client = service.client(writer=True, database=database)
    yield client
    client.command("TRUNCATE TABLE t")
    client.close()


def get(service: Service, params: dict[str, str] | None = None, **more) -> httpx.Response:
    return httpx.request("GET", f"http://127.0.0.1:{service.port}/", params=params, **more)


def post(service: Service, body: bytes | str, params: dict[str, str] | None = None, **more) -> httpx.Response:
    return httpx.request("POST", f"http://127.0.0.1:{service.port}/", content=body, params=params, **more)


# ── an unmodified client ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unmodified_client_with_nothing_but_host_and_port_counts(service):
    client = clickhouse_connect.get_client(host="127.0.0.1", port=service.port)
    assert client.ping()
    assert client.command("SELECT count() FROM numbers(7)") == 7
    assert client.query("SELECT number, toString(number) FROM numbers(100000)").result_rows[-1] == (99_999, "99999")
    assert client.query("SELECT 1 AS x LIMIT 0").column_names == ("x",)
    with client.query_rows_stream("SELECT number FROM numbers(200000)") as stream:
        assert sum(1 for _ in stream) == 200_000
    assert client.query_arrow("SELECT number AS n FROM numbers(3)").to_pydict() == {"n": [0, 1, 2]}
    client.close()


def test_parameters_are_filled_in_by_the_server(reader):
    given = {
        "text": "it's\ta \\ line\nand 'more'",
        "at": dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC),
        "list": ["a", "b'c"],
        "amount": Decimal("123456789.123456789123456789"),
        "nothing": None,
    }
    query = (
        "SELECT {text:String}, {at:DateTime('UTC')}, {list:Array(String)}, {amount:Decimal(38, 18)}, "
        "{nothing:Nullable(String)}"
    )
    text, at, items, amount, nothing = reader.query(query, parameters=given).result_rows[0]
    assert (text, items, amount, nothing) == (given["text"], given["list"], given["amount"], None)
    assert at.replace(tzinfo=dt.UTC) == given["at"]


def test_parameters_too_long_for_a_url_come_as_a_form(reader):
    assert reader.query("SELECT length({x:String})", parameters={"x": "ä" * 100_000}).result_rows == [(200_000,)]


def test_answers_to_the_client_are_compressed(reader):
    assert reader.compression
    assert reader.query("SELECT repeat('x', 100000)").result_rows == [("x" * 100_000,)]


def test_every_way_to_insert_works(writer):
    writer.insert("t", [[1, "rows", Decimal("0.000000000000000001")]], column_names=["k", "s", "d"])
    writer.insert_arrow("t", pa.table({"k": pa.array([2], pa.uint64()), "s": ["arrow"]}))
    writer.command("INSERT INTO t (k, s) VALUES (3, 'values')")
    writer.command('INSERT INTO t FORMAT JSONEachRow {"k": 4, "s": "json"}')
    writer.raw_insert("t", ["k", "s"], "5,csv", fmt="CSV", compression=None)
    writer.command("INSERT INTO t (k, s) SELECT 6, 'select'")
    writer.command("INSERT INTO t (k, s)", data="(7, 'data')")
    rows = writer.query("SELECT s FROM t ORDER BY k").result_columns[0]
    assert rows == ["rows", "arrow", "values", "json", "csv", "select", "data"]
    assert writer.query("SELECT d FROM t WHERE k = 1").result_rows == [(Decimal("0.000000000000000001"),)]


def test_rows_may_hold_whatever_ends_a_statement_elsewhere(service, writer):
    nasty = "a;\nb\n\n;c'\"`-- /* \0 ä"
    writer.insert("t", [[1, nasty], [2, ";"]], column_names=["k", "s"])
    writer.insert_arrow("t", pa.table({"k": pa.array([3], pa.uint64()), "s": [nasty]}))
    body = b'INSERT INTO test_service.t (k, s) FORMAT CSV\n4,"x;\n\ny"\n5,;'
    assert post(service, body, auth=("fillstream", "only for tests")).status_code == 200
    assert writer.query("SELECT s FROM t ORDER BY k").result_columns[0] == [nasty, ";", nasty, "x;\n\ny", ";"]


def test_settings_of_the_statement_itself_count(writer):
    for _ in range(2):
        writer.command("INSERT INTO t (k) SETTINGS insert_deduplication_token = 'x', async_insert = 0 VALUES (1)")
    assert writer.command("SELECT count() FROM t") == 1


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip"])
def test_compressed_inserts_are_read(service, writer, compression):
    client = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=service.port,
        database=writer.database,
        username="fillstream",
        password="only for tests",
        compress=compression,
    )
    client.insert("t", [[n, "x" * 50] for n in range(5_000)], column_names=["k", "s"])
    assert client.command("SELECT count() FROM t") == 5_000
    client.close()


def test_an_insert_with_a_known_token_is_dropped(writer):
    settings = {"insert_deduplication_token": "one", "async_insert": 0}
    for rows in (1, 2):
        writer.insert_arrow("t", pa.table({"k": pa.array(range(rows), pa.uint64())}), settings=settings)
    assert writer.command("SELECT count() FROM t") == 1


def test_a_setting_of_one_query_does_not_reach_the_next(writer):
    assert writer.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 7}).result_rows == [(7,)]
    assert writer.query("SELECT getSetting('max_block_size')").result_rows != [(7,)]


def test_many_clients_at_once_get_their_own_answers(service):
    def ask(number: int) -> int:
        client = service.client()
        found = [client.command(f"SELECT sum(number) + {number} FROM numbers(1000)") for _ in range(5)]
        client.close()
        assert set(found) == {499_500 + number}
        return found[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(16))) == [499_500 + number for number in range(16)]


def test_a_small_query_does_not_wait_for_nagle(reader):
    times_ms = []
    for _ in range(30):
        started = time.perf_counter()
        reader.raw_query("SELECT 1")
        times_ms.append((time.perf_counter() - started) * 1_000)
    assert min(times_ms) < 40, "each answer waits for a delayed acknowledgement, which Linux sends after 40 ms"


# ── the protocol itself ─────────────────────────────────────────────────────────────────────────────────────────────


def test_ping_and_the_root_answer_ok(service):
    assert httpx.get(f"http://127.0.0.1:{service.port}/ping").text == "Ok.\n"
    assert get(service).text == "Ok.\n"


def test_a_query_in_the_url_in_the_body_and_in_both(service):
    assert get(service, {"query": "SELECT 1"}).text == "1\n"
    assert post(service, "SELECT 2").text == "2\n"
    assert post(service, "FROM numbers(3)", {"query": "SELECT count()"}).text == "3\n"


def test_curls_default_content_type_is_no_form(service):
    done = subprocess.run(
        ["curl", "-sS", f"http://127.0.0.1:{service.port}/", "-d", "SELECT 1 + 1"], capture_output=True, check=True
    )
    assert done.stdout == b"2\n"


def test_formats_are_named_in_the_query_the_url_and_the_header(service):
    for response in (
        get(service, {"query": "SELECT 1 AS x FORMAT JSONEachRow"}),
        get(service, {"query": "SELECT 1 AS x", "default_format": "JSONEachRow"}),
        get(service, {"query": "SELECT 1 AS x"}, headers={"X-ClickHouse-Format": "JSONEachRow"}),
    ):
        assert response.json() == {"x": 1}
        assert response.headers["X-ClickHouse-Format"] == "JSONEachRow"
        assert response.headers["Content-Type"] == "application/x-ndjson; charset=UTF-8"


def test_a_statement_without_rows_has_no_format(service, writer):
    answer = post(service, "TRUNCATE TABLE test_service.t", auth=("fillstream", "only for tests"))
    assert answer.status_code == 200
    assert "X-ClickHouse-Format" not in answer.headers
    assert writer.raw_query("SELECT 1 FORMAT CSV") == b"1\n"


def test_headers_say_what_the_query_cost(service):
    response = get(service, {"query": "SELECT * FROM numbers(50)", "query_id": "mine"})
    assert response.headers["X-ClickHouse-Query-Id"] == "mine"
    assert response.headers["X-ClickHouse-Timezone"]
    assert '"read_rows": "50"' in response.headers["X-ClickHouse-Summary"]


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4"])
def test_answers_are_compressed_as_asked(service, encoding):
    asked = {"Accept-Encoding": encoding}
    with httpx.stream(
        "GET", f"http://127.0.0.1:{service.port}/", params={"query": "SELECT repeat('x', 10000)"}, headers=asked
    ) as response:
        assert response.headers["Content-Encoding"] == encoding
        raw = b"".join(response.iter_raw())
    assert decompress(raw, encoding, 20_000) == b"x" * 10_000 + b"\n"


@pytest.mark.parametrize(
    ("query", "code", "name", "status"),
    [
        ("SELEC 1 +", 62, "SYNTAX_ERROR", 400),
        ("SELECT * FROM nowhere", 60, "UNKNOWN_TABLE", 404),
        ("SELECT nothing", 47, "UNKNOWN_IDENTIFIER", 404),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR", 400),
        ("SELECT throwIf(1, 'oh')", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", 500),
        ("SELECT {x:UInt8}", 456, "UNKNOWN_QUERY_PARAMETER", 500),
        ("", 62, "SYNTAX_ERROR", 400),
    ],
)
def test_failures_have_clickhouses_code_name_and_status(service, query, code, name, status):
    response = post(service, query)
    assert response.headers["X-ClickHouse-Exception-Code"] == str(code)
    assert response.text.startswith(f"Code: {code}. DB::Exception: ")
    assert name in response.text
    assert "formatQuery" not in response.text
    assert "(version " in response.text
    assert response.status_code == status


def test_bytes_that_are_no_text_are_refused(service):
    assert post(service, b"SELECT '\xff'").headers["X-ClickHouse-Exception-Code"] == "62"


def test_a_wrong_password_is_refused_before_the_query_is_read(service):
    response = post(service, "SELECT 1", auth=("fillstream", "wrong"))
    assert response.status_code == 403
    assert response.headers["X-ClickHouse-Exception-Code"] == "516"
    assert service.settings.clickhouse_password.get_secret_value() not in service.child.log()


def test_get_never_writes_not_even_for_the_writer(service, writer):
    response = get(
        service, {"query": "INSERT INTO test_service.t (k) VALUES (1)"}, auth=("fillstream", "only for tests")
    )
    assert response.headers["X-ClickHouse-Exception-Code"] == "164"
    assert writer.command("SELECT count() FROM t") == 0


# ── what a reader may not ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO test_service.t (k) VALUES (1)",
        "INSERT INTO test_service.t (k) FORMAT CSV 1",
        "DROP TABLE test_service.t",
        "TRUNCATE TABLE test_service.t",
        "ALTER TABLE test_service.t DELETE WHERE 1",
        "OPTIMIZE TABLE test_service.t",
        "CREATE TABLE test_service.x (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a UInt8)",
        "CREATE FUNCTION f AS x -> x",
        "SYSTEM STOP MERGES",
        "KILL QUERY WHERE 1",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SELECT 1; SET readonly = 0",
        "SELECT 1 INTO OUTFILE '{new}'",
        "SELECT 1 into/**/outfile '{new}'",
        "EXPLAIN SELECT 1 INTO OUTFILE '{new}'",
        "SELECT file('{file}')",
        "SELECT `file`('{file}')",
        "SELECT \"fi\\x6ce\"('{file}')",
        "SELECT file/* */ ('{file}')",
        "SELECT arrayMap(file, ['{file}'])",
        "SELECT * APPLY(file) FROM (SELECT '{file}' AS x)",
        "SELECT * FROM (SELECT 1 WHERE file('{file}') != '')",
        "SELECT * FROM file('{file}', 'LineAsString')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM default.`{file}`",
        "DESCRIBE TABLE file('{file}')",
        "DESCRIBE TABLE url('http://127.0.0.1:1/')",
        "EXPLAIN SELECT file('{file}')",
        "SELECT * FROM executable('id', 'TSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM s3('http://127.0.0.1:1/x')",
        "SELECT * FROM python('reader')",
        "SELECT * FROM eval('SELECT 1')",
        "SELECT aiGenerate('hello')",
        "BACKUP DATABASE test_service TO File('{file}')",
        "ATTACH DATABASE x",
        "GRANT SELECT ON *.* TO default",
        "USE system",
    ],
)
def test_a_reader_changes_nothing_and_leaves_the_database_by_no_door(service, writer, tmp_path, statement):
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    response = post(service, statement.replace("{file}", str(secret)).replace("{new}", str(tmp_path / "new")))
    assert response.status_code != 200, response.text
    assert "top secret" not in response.text
    assert secret.read_text() == "top secret"
    assert sorted(tmp_path.iterdir()) == [secret]
    assert writer.command("SELECT count() FROM t") == 0


@pytest.mark.parametrize("name", ["file", "aiGenerate", "aiEmbed", "eval", "url", "s3", "postgresql", "python"])
def test_functions_that_reach_outside_are_refused_by_name_before_they_are_looked_at(service, name):
    response = post(service, f"SELECT * FROM (SELECT {name}(nothing))")
    assert response.headers["X-ClickHouse-Exception-Code"] == "164"
    assert f"{name} reaches outside the database" in response.text


def test_words_that_name_forbidden_functions_may_stand_in_texts(reader):
    assert reader.query("SELECT concat('it''s a \\' file', ' (url)')").result_rows == [("it's a ' file (url)",)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "WITH 1 AS x SELECT x",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SHOW DATABASES",
        "SHOW TABLES FROM test_service",
        "SHOW CREATE TABLE test_service.t",
        "DESCRIBE TABLE test_service.t",
        "EXISTS TABLE test_service.t",
        "EXPLAIN SELECT count() FROM test_service.t",
        "SELECT name, value, readonly FROM system.settings LIMIT 1",
        "SELECT * FROM generateSeries(1, 3) -- file\n",
        "SELECT count() FROM test_service.t /* url */",
        "SELECT format('{0}', 'x'), formatDateTime(now(), '%F')",
    ],
)
@pytest.mark.usefixtures("database")
def test_a_reader_reads(service, statement):
    response = post(service, statement)
    assert response.status_code == 200, response.text


def test_a_readers_query_ends_after_its_time(service):
    response = post(
        service,
        "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1",
        {"max_execution_time": "1"},
        timeout=30,
    )
    assert response.headers["X-ClickHouse-Exception-Code"] == "159"


def test_a_readers_answer_has_a_most_number_of_rows(service):
    limited = post(service, "SELECT number FROM numbers(100)", {"max_result_rows": "10"})
    assert limited.headers["X-ClickHouse-Exception-Code"] == "396"
    whole = post(service, "SELECT number FROM numbers(1000001)", {"wait_end_of_query": "1"})
    assert whole.headers["X-ClickHouse-Exception-Code"] == "396"


def test_a_readers_query_has_a_most_memory(service):
    response = post(
        service, "SELECT uniqExact(number) FROM numbers(50000000)", {"max_memory_usage": "50000000"}, timeout=30
    )
    assert response.headers["X-ClickHouse-Exception-Code"] == "241"


def test_a_reader_may_change_harmless_settings_only(service):
    assert get(service, {"query": "SELECT 1", "output_format_json_quote_decimals": "1"}).status_code == 200
    refused = get(service, {"query": "SELECT 1", "max_memory_usage_for_user": "0"})
    assert "Cannot modify 'max_memory_usage_for_user' setting in readonly mode" in refused.text


def test_slow_readers_do_not_hold_up_the_writer(service, writer):
    with ThreadPoolExecutor(6) as pool:
        slow = [pool.submit(post, service, "SELECT sleep(3)", timeout=60) for _ in range(6)]
        time.sleep(0.3)
        writer.command("INSERT INTO t (k) VALUES (1)")
        assert not any(future.done() for future in slow)
        assert [future.result().status_code for future in slow] == [200] * 6


def test_a_body_larger_than_a_reader_may_send_is_refused(service):
    assert post(service, b" " * (2 << 20)).headers["X-ClickHouse-Exception-Code"] == "229"


# ── its life ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drivers_say_that_a_login_failed(service):
    with pytest.raises(DatabaseError, match="Authentication failed"):
        clickhouse_connect.get_client(host="127.0.0.1", port=service.port, username="nobody", password="x")


def test_the_data_outlives_a_kill_and_nobody_else_opens_the_folder(tmp_path: Path):
    running = Service(tmp_path)
    running.start()
    client = running.client(writer=True)
    client.command("CREATE DATABASE d ENGINE = Atomic")
    client.command("CREATE TABLE d.t (k UInt64) ENGINE = MergeTree ORDER BY k")
    client.command("INSERT INTO d.t SELECT number FROM numbers(1000)")
    client.close()

    second = Child(running.settings, tmp_path / "second.log", "clickhouse", "--port", str(free_port()))
    assert second.wait(within_s=30) != 0
    assert "another process may have it open" in second.log()

    running.child.kill()
    running.start()
    client = running.client()
    assert eventually(lambda: client.command("SELECT count() FROM d.t")) == 1_000
    client.close()
    assert running.child.stop() == 0
