"""The records of W1 on the wire, by fastavro: what the peers in Python and the checks use."""

import io
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import fastavro

FOLDER: Final = Path(__file__).parent / "schemas"
HEADER_BYTES: Final = 5

Fields: TypeAlias = dict[str, Any]


@cache
def ids() -> Mapping[str, int]:
    """The id on the wire of each schema, by the name of its file."""
    table: dict[str, int] = json.loads((FOLDER / "ids.json").read_text())
    return table


def encoder(name: str) -> Callable[[Mapping[str, Any]], bytes]:
    """Writes records of the schema *name* in Confluent's wire format; fields that the schema hasn't are ignored."""
    header, schema, write = b"\0" + ids()[name].to_bytes(4, "big"), _schema(name), fastavro.schemaless_writer

    def encode(record: Mapping[str, Any]) -> bytes:
        out = io.BytesIO()
        out.write(header)
        write(out, schema, record)
        return out.getvalue()

    return encode


def decoder(name: str) -> Callable[[bytes], Fields]:
    """Reads records of the schema *name*."""
    schema, read = _schema(name), fastavro.schemaless_reader

    def decode(data: bytes) -> Fields:
        fields: Fields = read(io.BytesIO(data[HEADER_BYTES:]), schema)
        return fields

    return decode


@cache
def _schema(name: str) -> Any:
    """Instants stay integers: objects of datetime would cost every variant in Python the same, for nothing."""

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: plain(value) for key, value in part.items() if key != "logicalType"}
        return [plain(item) for item in part] if isinstance(part, list) else part

    return fastavro.parse_schema(plain(json.loads((FOLDER / f"{name}.avsc").read_text())))
