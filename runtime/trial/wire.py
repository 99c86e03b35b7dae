"""The topics' records as any stranger's program writes and reads them: fastavro, and the schemas in ``schemas/*.avsc``.

Nothing here is shared with fillstream's own codec, so that a fault of one can't hide in the other. Logical types are
dropped on the way in: a decimal is read as the integer of 10⁻¹⁸ that it is on the wire, a timestamp as microseconds.
Amounts that no ``decimal(38, 18)`` may hold can be written too, which a demonstration of bad input needs.
"""

import io
import json
import logging
from collections.abc import Mapping
from decimal import Context, Decimal
from functools import cache
from importlib import resources
from typing import Any, Final

import fastavro
import msgspec

SCALE: Final = 18
HEADER_BYTES: Final = 5
_EXACT: Final = Context(prec=200)

#: Statuses of orders, as events have them: of those that have come to their end, those on a venue's book, and all in
#: which nobody is waited for.
ENDED: Final = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED"})
LIVE: Final = frozenset({"OPEN", "PARTIALLY_FILLED"})
AT_REST: Final = ENDED | LIVE | {"PAUSED"}

#: Where librdkafka's own lines go: into the demo's log, not between the lines of its summary.
KAFKA_LOG: Final = logging.getLogger("librdkafka")

Avro = dict[str, Any]
"""A record: its fields by name. To be encoded, a record inside a union is a pair of its name and its fields."""


class MalformedError(ValueError):
    """The bytes are no record of a known schema in Confluent's wire format."""


class Known(msgspec.Struct, frozen=True):
    """The schemas by name, and the names by the ids that stand for them on the wire."""

    schemas: Mapping[str, Any]
    ids: Mapping[str, int]
    names: Mapping[int, str]


@cache
def known() -> Known:
    """The committed schemas and their committed ids."""
    folder = resources.files("schemas")
    ids: dict[str, int] = json.loads(folder.joinpath("ids.json").read_text())
    schemas = {
        name: fastavro.parse_schema(_plain(json.loads(folder.joinpath(f"{name}.avsc").read_text()))) for name in ids
    }
    return Known(schemas=schemas, ids=ids, names={number: name for name, number in ids.items()})


def _plain(schema: Any) -> Any:
    """The schema without logical types: bytes stay bytes, longs stay longs."""
    if isinstance(schema, list):
        return [_plain(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if "logicalType" in schema:
        return schema["type"]
    return {name: _plain(value) if name in {"type", "fields", "items"} else value for name, value in schema.items()}


def amount(value: Decimal | int | str) -> bytes:
    """*value* as an Avro decimal of scale 18, of any size. Raises ValueError for a 19th decimal."""
    scaled = Decimal(value).scaleb(SCALE, _EXACT)
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"{value} has more than {SCALE} decimals")
    return units.to_bytes(units.bit_length() // 8 + 1, "big", signed=True)


def units(data: bytes | None) -> int:
    """The integer of 10⁻¹⁸ behind an Avro decimal; 0 for a null."""
    return int.from_bytes(data or b"", "big", signed=True)


def numeral(number: int) -> str:
    """*number* × 10⁻¹⁸ as a plain decimal numeral without trailing zeros."""
    text = f"{Decimal(number).scaleb(-SCALE, _EXACT):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def encode(name: str, record: Avro) -> bytes:
    """*record* framed and encoded by the schema *name* of ``schemas/ids.json``."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, known().schemas[name], record)
    return frame(known().ids[name], body.getvalue())


def frame(schema_id: int, body: bytes) -> bytes:
    """Confluent's wire format: a zero byte, the schema id, the Avro binary."""
    return b"\0" + schema_id.to_bytes(4, "big") + body


def decode(data: bytes) -> tuple[str, Avro]:
    """The schema's name and the record. Raises MalformedError for anything else, bytes left over included."""
    if len(data) < HEADER_BYTES or data[0]:
        raise MalformedError("no zero byte and schema id at the start")
    name = known().names.get(int.from_bytes(data[1:HEADER_BYTES], "big"))
    if name is None:
        raise MalformedError("unknown schema id")
    body = io.BytesIO(data[HEADER_BYTES:])
    try:
        record = fastavro.schemaless_reader(body, known().schemas[name], None)
    except Exception as error:  # the reader raises whatever the bytes happen to break
        raise MalformedError(repr(error)) from error
    if body.read(1):
        raise MalformedError("bytes after the record's end")
    return name, record


def murmur2(key: bytes) -> int:
    """The 31-bit hash by which Kafka's Java clients pick a key's partition (MurmurHash2, one fixed seed)."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    value = 0x9747B28C ^ len(key)
    whole = len(key) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        value = value * multiplier & mask ^ word
    if rest := key[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return (value ^ value >> 15) & 0x7FFFFFFF
