"""Long answers, and clients that leave before they have them."""

import socket
from contextlib import suppress

import httpx
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics.embedded.encodings import decompress
from tests.analytics.stage import Service, eventually


def post(service: Service, body: bytes | str, params: dict[str, str] | None = None, **more) -> httpx.Response:
    return httpx.request("POST", f"http://127.0.0.1:{service.port}/", content=body, params=params, **more)


LONG = "SELECT number, repeat('x', 100) FROM numbers(200000)"


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd", "lz4"])
def test_a_long_answer_comes_in_pieces_and_whole(service, encoding):
    with httpx.stream(
        "POST", f"http://127.0.0.1:{service.port}/", content=LONG, headers={"Accept-Encoding": encoding}
    ) as response:
        assert "Content-Length" not in response.headers
        raw = b"".join(response.iter_raw())
    assert response.headers.get("Content-Encoding", "identity") == encoding
    lines = decompress(raw, encoding, 1 << 30).splitlines()
    assert len(lines) == 200_000
    assert lines[-1].startswith(b"199999\t")


def test_a_long_answer_that_must_be_whole_has_a_length(service):
    response = post(service, LONG, {"wait_end_of_query": "1"}, headers={"Accept-Encoding": "identity"})
    assert response.content.count(b"\n") == 200_000


def test_a_failure_after_the_answer_began_stands_in_it_and_breaks_it_off(service):
    failing = "SELECT throwIf(number = 900000, 'too late'), repeat('x', 20) FROM numbers(1000000)"
    received = b""
    with httpx.stream("POST", f"http://127.0.0.1:{service.port}/", content=failing) as response:
        assert response.status_code == 200
        with suppress(httpx.RemoteProtocolError):  # that it is broken off
            for piece in response.iter_bytes():
                received += piece
            pytest.fail("the answer looks complete")
    tag = response.headers["X-ClickHouse-Exception-Tag"]
    assert f"\r\n__exception__\r\n{tag}\r\nCode: 395. DB::Exception: too late".encode() in received
    assert received.endswith(f" {tag}\r\n__exception__\r\n".encode())
    client = service.client()
    with pytest.raises(DatabaseError, match="too late"):
        client.query(failing)
    client.close()


def under_way(service: Service, mark: str) -> int:
    client = service.client(writer=True)
    found = client.command(
        "SELECT count() FROM system.processes WHERE query LIKE {m:String} AND query NOT LIKE '%processes%'",
        parameters={"m": f"%{mark}%"},
    )
    client.close()
    return int(found)


def test_a_query_ends_with_its_client(service):
    query = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 471100"
    with pytest.raises(httpx.ReadTimeout):
        post(service, query, {"max_execution_time": "60"}, timeout=1)
    assert eventually(lambda: under_way(service, "471100") == 0)


def test_a_client_that_takes_nothing_holds_its_place_no_longer_than_its_time(service):
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        body = b"SELECT repeat('471101', 10) FROM numbers(1000000)"
        client.sendall(b"POST /?max_execution_time=1&query_id=stuck HTTP/1.1\r\nHost: x\r\n")
        client.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert eventually(lambda: '"code":159,"query_id":"stuck"' in service.child.log())
        assert eventually(lambda: under_way(service, "471101") == 0)


def test_what_writes_goes_on_without_its_client(service):
    writer = service.client(writer=True)
    writer.command("CREATE TABLE default.left_alone (k UInt64) ENGINE = MergeTree ORDER BY k")
    slow = "INSERT INTO default.left_alone SELECT number + sleepEachRow(0.3) FROM numbers(6)"
    with pytest.raises(httpx.ReadTimeout):
        post(service, slow, auth=("fillstream", "only for tests"), timeout=0.5)
    assert eventually(lambda: writer.command("SELECT count() FROM default.left_alone") == 6)
    writer.command("DROP TABLE default.left_alone SYNC")
    writer.close()
