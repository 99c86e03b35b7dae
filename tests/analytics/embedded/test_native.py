"""Native blocks for clients that state a protocol version."""

import struct

import httpx
import pytest

from analytics.embedded.errors import ClickHouseError
from analytics.embedded.native import REVISION_MIN, for_client
from tests.analytics.stage import Service

INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
#: Every way in which columns lie: of one width, of texts, with a mask, with offsets, with a dictionary, in each other.
COLUMNS = {
    "u8": "toUInt8(number)",
    "i256": "toInt256(-number)",
    "f": "number / 7",
    "dec32": "toDecimal32(number, 2)",
    "dec256": "toDecimal256(number, 18)",
    "day": "toDate(number)",
    "at": "toDateTime64(number, 6, 'UTC')",
    "enum": "CAST(number % 2, 'Enum8(\\'a, b(\\' = 0, \\'c\\' = 1)')",
    "uuid": "generateUUIDv4()",
    "fixed": "toFixedString(toString(number % 10), 3)",
    "text": "repeat('ä', number % 300)",
    "maybe": "if(number % 2, toString(number), NULL)",
    "list": "range(number % 5)",
    "lists": "arrayMap(i -> arrayMap(j -> toString(j), range(i)), range(number % 4))",
    "low": "toLowCardinality(toString(number % 7))",
    "low_maybe": "CAST(if(number % 2, toString(number % 7), NULL), 'LowCardinality(Nullable(String))')",
    "lows": "arrayMap(i -> toLowCardinality(toString(i)), range(number % 5))",
    "pair": "tuple(number, toString(number))",
    "named": "CAST((toString(number), number), 'Tuple(`a b` String, c Nullable(Decimal(38, 18)))')",
    "lookup": "map(toString(number), number)",
    "sum": "CAST(number, 'SimpleAggregateFunction(sum, UInt64)')",
    "step": "toIntervalMinute(number)",
    "nothing": "NULL",
    "point": "tuple(1.5, 2.5)",
}


def ask(service: Service, query: str, **params: str) -> bytes:
    response = httpx.post(f"http://127.0.0.1:{service.port}/", content=query, params={**params}, timeout=60)
    assert response.status_code == 200, response.text
    return response.content


def split(framed: bytes, plain: bytes, names: list[str]) -> None:
    """*framed* is *plain* with the info before the block and a byte after the type of each column, and nothing else."""
    assert framed.startswith(INFO)
    rest, at = framed.removeprefix(INFO), 0
    for name in names:
        place = plain.index(bytes([len(name)]) + name.encode(), at)
        begin = place + 1 + len(name)
        end = begin + 1 + plain[begin]
        assert rest[: end - at] == plain[at:end], name
        assert rest[end - at] == 0, name
        rest, at = rest[end - at + 1 :], end
    assert rest == plain[at:]


@pytest.mark.parametrize("rows", [1, 1_000])
def test_each_block_and_each_column_gets_what_the_client_expects(service, rows):
    columns = ", ".join(f"{expression} AS _{name}_" for name, expression in COLUMNS.items() if name != "uuid")
    query = (
        f"SELECT {columns}, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS _uuid_ FROM numbers({rows}) FORMAT Native"
    )
    plain = ask(service, query)
    framed = ask(service, query, client_protocol_version="54460")
    split(framed, plain, [f"_{name}_" for name in COLUMNS if name != "uuid"] + ["_uuid_"])


def test_a_client_that_states_no_version_or_an_old_one_gets_plain_blocks():
    block = b"\x01\x01\x01x\x05UInt8\x07"
    assert for_client(block, 0) == for_client(block, REVISION_MIN - 1) == block
    assert for_client(block, REVISION_MIN) == INFO + b"\x01\x01\x01x\x05UInt8\x00\x07"


def test_every_block_of_several_is_framed():
    block = b"\x01\x02\x01x\x06String\x01a\x80\x01" + b"b" * 128
    framed = INFO + block[:11] + b"\x00" + block[11:]
    assert for_client(block * 3, REVISION_MIN) == framed * 3


def test_texts_are_walked_whatever_they_look_like():
    nasty = b"\x01x\x05UInt8"
    block = b"\x02\x01\x01a\x06String" + bytes([len(nasty)]) + nasty + b"\x01b\x05UInt8\x07"
    assert for_client(block, REVISION_MIN).endswith(nasty + b"\x01b\x05UInt8\x00\x07")


@pytest.mark.parametrize("name", ["AggregateFunction(sum, UInt64)", "JSON", "Variant(String, UInt8)", "Array(Dynamic)"])
def test_a_type_that_can_not_be_walked_is_named(name):
    block = b"\x01\x01\x01x" + bytes([len(name)]) + name.encode() + struct.pack("<Q", 1)
    with pytest.raises(ClickHouseError, match="toString or finalizeAggregation"):
        for_client(block, REVISION_MIN)


def test_a_driver_finds_its_values(service):
    """As Grafana's plugin greets a server: the answer is read by hand here, as its driver does."""
    framed = ask(
        service,
        "SELECT displayName(), version(), revision(), timezone()",
        default_format="Native",
        client_protocol_version="54460",
    )
    assert framed.startswith(INFO + b"\x04\x01")
    assert framed.count(b"\x06String\x00") == 3
    assert b"\x06UInt32\x00" in framed
