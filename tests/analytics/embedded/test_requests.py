"""How requests are taken apart."""

import base64

import pytest

from analytics.embedded.errors import ClickHouseError
from analytics.embedded.requests import Insert, insert_of, parse, with_form


def test_what_the_protocol_does_not_know_is_a_setting():
    request = parse(b"query=SELECT+1&database=d&query_id=q&param_x=5&max_threads=2&session_id=s&default_format=CSV", {})
    assert request.query == "SELECT 1"
    assert (request.database, request.query_id, request.default_format) == ("d", "q", "CSV")
    assert request.parameters == {"x": "5"}
    assert request.settings == {"max_threads": "2"}


def test_everybody_is_the_reader_unless_they_say_otherwise():
    assert (parse(b"", {}).user, parse(b"", {}).password) == ("default", "")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        (b"user=u&password=p%3Aw", {}),
        (b"", {"x-clickhouse-user": "u", "x-clickhouse-key": "p:w"}),
        (b"", {"authorization": "Basic " + base64.b64encode(b"u:p:w").decode()}),
    ],
)
def test_credentials_may_stand_in_three_places(query, headers):
    request = parse(query, headers)
    assert (request.user, request.password) == ("u", "p:w")


def test_broken_credentials_are_refused():
    with pytest.raises(ClickHouseError, match="Authorization"):
        parse(b"", {"authorization": "Basic ÿ"})


@pytest.mark.parametrize("query", [b"compress=1", b"decompress=1"])
def test_clickhouses_own_blocks_are_named_as_missing(query):
    with pytest.raises(ClickHouseError, match="Accept-Encoding"):
        parse(query, {})


def test_a_form_holds_query_and_parameters():
    body = (
        b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {x:String}\r\n'
        b'--b\r\nContent-Disposition: form-data; name="param_x"\r\n\r\n\xc3\xa4\r\n\r\nb\r\n--b--\r\n'
    )
    request, rest = with_form(parse(b"param_y=2", {"content-type": "multipart/form-data; boundary=b"}), body)
    assert request.query == "SELECT {x:String}"
    assert request.parameters == {"x": "ä\r\n\r\nb", "y": "2"}
    assert rest == b""


def test_external_tables_are_refused():
    body = b'--b\r\nContent-Disposition: form-data; name="t"; filename="t.csv"\r\n\r\n1\r\n--b--\r\n'
    with pytest.raises(ClickHouseError, match="External tables"):
        with_form(parse(b"", {"content-type": "multipart/form-data; boundary=b"}), body)


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("", b"INSERT INTO t FORMAT Native\n\x01\x02", Insert("INSERT INTO t ", "", "Native", b"\x01\x02")),
        ("", b"insert into t (a, b) format CSV  \r\n 1,2", Insert("insert into t (a, b) ", "", "CSV", b" 1,2")),
        ("", b'INSERT INTO t FORMAT JSONEachRow {"a":1}', Insert("INSERT INTO t ", "", "JSONEachRow", b'{"a":1}')),
        ("INSERT INTO t FORMAT Arrow", b"\nARROW", Insert("INSERT INTO t ", "", "Arrow", b"\nARROW")),
        ("INSERT INTO t (a)", b"(1)", Insert("INSERT INTO t (a)", "", "Values", b"(1)")),
        ("", b"INSERT INTO t VALUES (1),(2)", Insert("INSERT INTO t ", "", "Values", b" (1),(2)")),
        ("", b"-- a\n/* b */ INSERT INTO t VALUES (1)", Insert("-- a\n/* b */ INSERT INTO t ", "", "Values", b" (1)")),
        ("", b"INSERT INTO `format` FORMAT CSV\n1", Insert("INSERT INTO `format` ", "", "CSV", b"1")),
        ("", b"INSERT INTO t (format) FORMAT CSV\n1", Insert("INSERT INTO t (format) ", "", "CSV", b"1")),
        ("", b"INSERT INTO t SETTINGS a='format x' FORMAT C", Insert("INSERT INTO t ", "SETTINGS a='format x' ", "C", b"")),  # noqa: E501  # a row of a table
        ("INSERT INTO t SETTINGS a=1", b"(1)", Insert("INSERT INTO t ", "SETTINGS a=1", "Values", b"(1)")),
        ("", b"INSERT INTO t SELECT 1", None),
        ("", b"INSERT INTO t (a) WITH x AS (SELECT 1) SELECT * FROM x", None),
        ("", b"SELECT 'INSERT INTO t VALUES (1)'", None),
        ("SELECT 1", b"", None),
        ("", b"", None),
        ("INSERT INTO t SELECT 1", b"", None),
    ],
)  # fmt: skip
def test_an_insert_is_told_apart_from_its_rows(query, body, expected):
    assert insert_of(query, body) == expected
