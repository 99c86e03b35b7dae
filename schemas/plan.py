"""What a schema asks of a codec: the .avsc of a record, joined field by field with the class that holds its values.

The walk over the schema is done here, once; whoever emits code (``schemas.source`` in Python) walks the plan and needs
to know nothing about Avro's JSON.
"""

from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from domain.messages import Message
from schemas import catalog
from schemas.catalog import PRODUCT, Catalog, Json

#: Text of few different values: one string object serves all records that say the same (symbols, assets, topics).
SHARED_TEXT: Final = frozenset(
    {"venue", "symbol", "asset", "reserve_asset", "fee_asset", "source_topic", "topic", "stage"}
)


class SchemaMismatchError(TypeError):
    """A schema and its class differ, or the schema has a type that no message needs."""


class Text(msgspec.Struct, frozen=True):
    shared: bool


class Bytes(msgspec.Struct, frozen=True):
    pass


class Boolean(msgspec.Struct, frozen=True):
    pass


class Number(msgspec.Struct, frozen=True):
    bits: int


class Instant(msgspec.Struct, frozen=True):
    """A long of microseconds since the epoch."""


class Amount(msgspec.Struct, frozen=True):
    """A ``decimal(38, 18)``: units, as big-endian two's complement."""


class Choice(msgspec.Struct, frozen=True):
    """An enum, its members in the order of the schema's symbols."""

    members: tuple[StrEnum, ...]


class Maybe(msgspec.Struct, frozen=True):
    """The union of null and *inner*, null first."""

    inner: "Node"


class Many(msgspec.Struct, frozen=True):
    """An array, held as a tuple."""

    item: "Node"


class OneOf(msgspec.Struct, frozen=True):
    """A union of records."""

    records: tuple["Record", ...]


class Field(msgspec.Struct, frozen=True):
    name: str
    node: "Node"


class Record(msgspec.Struct, frozen=True):
    holder: type[Message]
    fields: tuple[Field, ...]


Leaf: TypeAlias = Text | Bytes | Boolean | Number | Instant | Amount | Choice
Node: TypeAlias = Leaf | Maybe | Many | OneOf | Record

_SIMPLE: Final[dict[str, Node]] = {
    "bytes": Bytes(),
    "boolean": Boolean(),
    "int": Number(32),
    "long": Number(64),
}
_LOGICAL: Final[dict[tuple[str, str], Node]] = {
    ("bytes", "decimal"): Amount(),
    ("long", "timestamp-micros"): Instant(),
}
_DECIMAL: Final = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18}


def of(name: str, catalog: Catalog = PRODUCT) -> Record:
    """The plan of the schema *name*, such as ``order_command``. Raises SchemaMismatchError."""
    return of_schema(catalog.latest(name), catalog)


def of_schema(schema: Json, catalog: Catalog = PRODUCT) -> Record:
    """The plan of a record's schema. Raises SchemaMismatchError."""
    node = _Walk(catalog).node(schema, "")
    if not isinstance(node, Record):
        raise SchemaMismatchError(f"a message is a record, not {schema!r}")
    return node


class _Walk:
    """One pass over a schema; remembers the named types it met, for later fields may name them alone."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._named: dict[str, Node] = {}

    def node(self, schema: Json, field: str) -> Node:
        if isinstance(schema, list):
            return self._union(schema, field)
        if isinstance(schema, str):
            return self._plain(schema, field)
        if "logicalType" in schema:
            return self._logical(schema)
        if schema["type"] == "array":
            return Many(self.node(schema["items"], field))
        if schema["type"] in {"enum", "record"}:
            return self._define(schema)
        return self._plain(schema["type"], field)

    def _define(self, schema: Json) -> Node:
        node = self._enum(schema) if schema["type"] == "enum" else self._record(schema)
        self._named[self._short(schema)] = node
        return node

    def _plain(self, name: str, field: str) -> Node:
        if name == "string":
            return Text(shared=field in SHARED_TEXT)
        found = _SIMPLE.get(name) or self._named.get(name.removeprefix(f"{self._catalog.namespace}."))
        if found is None:
            raise SchemaMismatchError(f"{field}: no message uses the type {name!r}")
        return found

    def _logical(self, schema: Json) -> Node:
        found = _LOGICAL.get((schema["type"], schema["logicalType"]))
        if found is None or (isinstance(found, Amount) and schema != _DECIMAL):
            raise SchemaMismatchError(f"no message uses the type {schema!r}")
        return found

    def _union(self, branches: list[Json], field: str) -> Node:
        if len(branches) == 2 and branches[0] == "null":
            return Maybe(self.node(branches[1], field))
        nodes = [self.node(branch, field) for branch in branches]
        records = tuple(node for node in nodes if isinstance(node, Record))
        if len(records) != len(nodes):
            raise SchemaMismatchError(f"{field}: a union is [null, type] or of records alone")
        return OneOf(records)

    def _enum(self, schema: Json) -> Choice:
        found = self._class(self._short(schema))
        members = tuple(found) if issubclass(found, StrEnum) else ()
        if [member.value for member in members] != schema["symbols"]:
            raise SchemaMismatchError(f"{self._short(schema)}: the symbols are not those of the class")
        return Choice(members)

    def _record(self, schema: Json) -> Record:
        holder = self._class(self._short(schema))
        names = [field["name"] for field in schema["fields"]]
        if [field.name for field in msgspec.structs.fields(holder)] != names:
            raise SchemaMismatchError(f"{self._short(schema)}: the fields are not those of the class")
        return Record(holder, tuple(Field(f["name"], self.node(f["type"], f["name"])) for f in schema["fields"]))

    def _class(self, name: str) -> type:
        found = self._catalog.holder(name)
        if found is None:
            raise SchemaMismatchError(f"no class of the catalog is called {name}")
        return found

    def _short(self, schema: Json) -> str:
        return catalog.full_name(schema).removeprefix(f"{self._catalog.namespace}.")
