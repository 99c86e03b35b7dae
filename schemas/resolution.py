"""Reading what today's schema did not write: earlier versions, and the writer schemas of a Schema Registry.

The rare way, so fastavro walks it: it resolves the writer's schema against today's by the rules of the specification
("Schema Resolution"), logical types left out, so that an amount arrives as bytes and no decimal context rounds it.
"""

import io
from typing import Any, Final, Protocol

import fastavro
from fastavro.read import SchemaResolutionError

from schemas import catalog, wire
from schemas.catalog import Json
from schemas.decoder import Decoder, decoder
from schemas.plan import Amount, Bytes, Choice, Leaf, Many, Maybe, Node, OneOf, Record
from schemas.wire import Undecodable, UndecodableReason


class Writers(Protocol):
    """Who knows the schema behind an id."""

    def writer(self, schema_id: int) -> Json | None:
        """The schema behind *schema_id*, or None if there is none. Raises Undecodable if nobody can say now."""


class Resolver:
    """Reads values of one class from any bytes; what begins with the id of a known schema is read by that schema."""

    def __init__(self, schema: Json, plan: Record, writers: Writers) -> None:
        self._schema = schema
        self._plan = plan
        self._writers = writers
        self._reader_schema = fastavro.parse_schema(_physical(schema))
        self._decoders: dict[int, Decoder] = {}

    def __call__(self, data: bytes | None) -> Any:
        """The value in *data*. Raises Undecodable."""
        if not data:
            raise Undecodable(UndecodableReason.EMPTY, "no bytes")
        if len(data) < wire.HEADER_BYTES or data[0]:
            raise Undecodable(UndecodableReason.NOT_WIRE_FORMAT, "no zero byte and schema id in front")
        schema_id = int.from_bytes(data[1 : wire.HEADER_BYTES], "big")
        found = self._decoders.get(schema_id)
        if found is None:
            found = self._decoders[schema_id] = self._decoder(schema_id)
        return found(data)

    def _decoder(self, schema_id: int) -> Decoder:
        """What decodes the values of *schema_id*. Raises Undecodable where that is no schema of this message."""
        writer = self._writers.writer(schema_id)
        if writer is None:
            raise Undecodable(UndecodableReason.UNKNOWN_SCHEMA_ID, f"no schema has the id {schema_id}")
        name = catalog.full_name(self._schema)
        if catalog.full_name(writer) != name:
            described = catalog.full_name(writer) or "no record"
            raise Undecodable(UndecodableReason.WRONG_SCHEMA, f"id {schema_id} is {described}, not {name}")
        if catalog.bare(writer) == catalog.bare(self._schema):
            return decoder(self._plan, wire.header(schema_id), self)
        return self._resolving(schema_id, writer)

    def _resolving(self, schema_id: int, writer: Json) -> Decoder:
        try:
            _Width().of(writer, catalog.full_name(self._schema).rpartition(".")[0])
            writer_schema = fastavro.parse_schema(_physical(writer))
        except Exception as error:  # a registry can hold any JSON: whatever is wrong with it, it can't be read
            detail = f"id {schema_id} can't be read: {_one_line(error)}"
            raise Undecodable(UndecodableReason.WRONG_SCHEMA, detail) from error

        def resolve(data: bytes | None) -> Any:
            stream = io.BytesIO((data or b"")[wire.HEADER_BYTES :])
            try:
                raw = fastavro.schemaless_reader(stream, writer_schema, self._reader_schema, return_record_name=True)
                value = _value(self._plan, raw)
            except Undecodable:
                raise
            except Exception as error:  # fastavro raises whatever the bytes happen to break
                raise _explained(error, schema_id) from error
            rest = len(stream.read())
            if rest:
                raise Undecodable(UndecodableReason.TRAILING_BYTES, f"{rest} bytes after the record's end")
            return value

        return resolve


def _explained(error: Exception, schema_id: int) -> Undecodable:
    match error:
        case EOFError():
            return Undecodable(UndecodableReason.TRUNCATED, f"a record of schema {schema_id} goes on after its bytes")
        case SchemaResolutionError():
            return Undecodable(
                UndecodableReason.WRONG_SCHEMA, f"schema {schema_id} does not resolve: {_one_line(error)}"
            )
        case _:
            return Undecodable(UndecodableReason.BAD_VALUE, f"in a record of schema {schema_id}: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _physical(schema: Json) -> Json:
    """*schema* without logical types and docs: what the bytes are, not what they mean."""
    if isinstance(schema, list):
        return [_physical(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "logicalType" in schema and schema["type"] in _PRIMITIVES:
        return schema["type"]
    return {
        key: _physical(value) if key in {"type", "fields", "items", "values"} else value
        for key, value in schema.items()
    }


_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def _value(node: Node, raw: Any) -> Any:
    """The value of *node* that fastavro read as *raw*. It puts the name of a named type in a union beside its value."""
    if isinstance(node, OneOf):
        if not isinstance(raw, tuple):
            raise Undecodable(UndecodableReason.WRONG_SCHEMA, "a record where today's schema has a union of records")
        name, raw = raw
        by_name = {record.holder.__name__: record for record in node.records}
        return _value(by_name[name.rpartition(".")[2]], raw)
    if isinstance(raw, tuple):
        raw = raw[1]
    match node:
        case Record():
            return node.holder(*[_value(field.node, raw[field.name]) for field in node.fields])
        case Maybe():
            return None if raw is None else _value(node.inner, raw)
        case Many():
            return tuple(_value(node.item, item) for item in raw)
        case _:
            return _leaf(node, raw)


def _leaf(node: Leaf, raw: Any) -> Any:
    if isinstance(node, Choice):
        return type(node.members[0])(raw)
    if isinstance(raw, str) and isinstance(node, Amount | Bytes):
        raw = raw.encode("latin-1")  # a default: JSON has no bytes, so the schema writes a character for each
    if not isinstance(node, Amount):
        return raw
    if len(raw) > wire.AMOUNT_BYTES_MAX:
        raise Undecodable(UndecodableReason.BAD_VALUE, f"an amount of {len(raw)} bytes")
    return int.from_bytes(raw, "big", signed=True)


class _Width:
    """Whether values of a schema take bytes. An array of items that take none could be as long as it claims.

    Refuses what fastavro would follow without an end: such arrays, and records inside themselves.
    """

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._open: set[str] = set()

    def of(self, schema: Json, namespace: str) -> bool:
        """False if a value may take no byte at all. Raises ValueError for a schema that knows no end."""
        if isinstance(schema, list):
            widths = [self.of(branch, namespace) for branch in schema]
            return len(widths) > 1 or all(widths)
        if isinstance(schema, str):
            return self._named(schema, namespace)
        kind = schema["type"]
        if kind in {"record", "error"}:
            return self._record(schema, namespace)
        if kind == "array" and not self.of(schema["items"], namespace):
            raise ValueError("an array of items that take no bytes")
        if kind == "map":
            self.of(schema["values"], namespace)
        return bool(kind != "fixed" or schema["size"] > 0)

    def _named(self, name: str, namespace: str) -> bool:
        full = name if "." in name else f"{namespace}.{name}"
        if full in self._open:
            raise ValueError(f"{full} contains itself")
        return self._known.get(full, name != "null")

    def _record(self, schema: Json, namespace: str) -> bool:
        full = catalog.full_name({"namespace": namespace, **schema})
        inner = full.rpartition(".")[0]
        self._open.add(full)
        widths = [self.of(field["type"], inner) for field in schema["fields"]]
        self._open.remove(full)
        self._known[full] = any(widths)
        return any(widths)
