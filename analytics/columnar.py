"""Records decoded straight into Arrow columns by compiled code, where that was built; else nothing here is used.

``columnar.pyx`` runs programs; this module writes the program of a schema and a table, and makes Arrow of the buffers.
``python -m analytics.build`` compiles it. What it takes, it takes exactly as the plain way in ``mapping`` does; what is
unusual it leaves to that.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa

from analytics import columns
from domain.messages import Message
from schemas import codec, native, plan
from schemas.plan import Amount, Boolean, Bytes, Choice, Field, Instant, Many, Maybe, Node, Number, OneOf, Record, Text

MODULE: Final = "columnar_fillstream"

#: The numbers of the enums Wire and Kind in columnar.pyx.
_TEXT, _BYTES, _BOOLEAN, _INT, _LONG, _INSTANT, _AMOUNT, _CHOICE, _ONE_OF, _MANY = range(10)
_KINDS: Final[tuple[Callable[[Sequence[Any]], pa.Array], ...]] = (
    columns.texts,
    columns.labels,
    columns.blobs,
    columns.instants,
    columns.amounts,
    columns.flags,
    columns.numbers_32,
    columns.numbers_64,
    columns.lines,
)
_TEXTS, _LABELS, _BLOBS, _INSTANTS, _AMOUNTS, _FLAGS, _NUMBERS_32, _NUMBERS_64, _LINES = range(9)

#: What each kind of column is in Arrow, and which values of the wire it takes.
_ARROW: Final = {
    _TEXTS: pa.string(),
    _LABELS: pa.string(),
    _BLOBS: pa.binary(),
    _INSTANTS: columns.INSTANT,
    _AMOUNTS: columns.AMOUNT,
    _FLAGS: pa.bool_(),
    _NUMBERS_32: pa.int32(),
    _NUMBERS_64: pa.int64(),
    _LINES: pa.uint32(),
}
_TAKES: Final = {
    _TEXTS: {_TEXT, _CHOICE},
    _LABELS: {_TEXT, _CHOICE, _ONE_OF},
    _BLOBS: {_BYTES},
    _INSTANTS: {_INSTANT},
    _AMOUNTS: {_AMOUNT},
    _FLAGS: {_BOOLEAN},
    _NUMBERS_32: {_INT},
    _NUMBERS_64: {_LONG},
}

_Fields: TypeAlias = tuple[tuple[int, bool, int, tuple[bytes, ...], tuple[Any, ...]], ...]
Builders: TypeAlias = Mapping[str, Callable[[Sequence[Any]], pa.Array]]


class Decoded(msgspec.Struct, frozen=True):
    """The usual ones of some values: their columns, which value each row is of, and the numbers of the unusual ones."""

    columns: Mapping[str, pa.Array]
    numbers: pa.Array
    unusual: Sequence[int]


class Decoder:
    """Decodes the values of one message into the columns of its table, with the codec's ids of now."""

    def __init__(self, module: Any, message: type[Message], builders: Builders) -> None:
        program = _Program()
        fields = program.fields(plan.of(_schema_of(message)), program.cells)
        self._names = tuple(builders)
        self._kinds = tuple(_KINDS.index(build) for build in builders.values())
        places = tuple(program.place(name, kind) for name, kind in zip(self._names, self._kinds, strict=True))
        counts = len(program.cells), len(program.item_cells)
        bounds = columns.INSTANT_MIN, columns.INSTANT_MAX
        self._layout = module.Layout(codec.header(message), fields, places, counts, bounds)

    def decode(self, values: list[bytes | None]) -> Decoded:
        rows, numbers, found, unusual = self._layout.decode(values)
        arrays = {
            name: _array(kind, rows, *buffers)
            for name, kind, buffers in zip(self._names, self._kinds, found, strict=True)
        }
        return Decoded(arrays, pa.Array.from_buffers(pa.int32(), rows, [None, pa.py_buffer(numbers)]), unusual)


def decoder(message: type[Message], builders: Builders) -> Decoder | None:
    """The decoder for a table's columns; None where nothing is compiled."""
    module = native.load_module(MODULE, source())
    return None if module is None else Decoder(module, message, builders)


@cache
def source() -> str:
    """What is compiled."""
    return resources.files("analytics").joinpath("columnar.pyx").read_text()


def _schema_of(message: type[Message]) -> str:
    """OrderEvent is order_event."""
    name = message.__name__
    return name[0].lower() + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name[1:])


class _Program:
    """The walk over a plan: gives every field a cell, those of an array's items apart from the record's own."""

    def __init__(self) -> None:
        self.cells: dict[str, tuple[int, int]] = {}  # by name: the cell, and what is in it
        self.item_cells: dict[str, tuple[int, int]] = {}

    def fields(self, record: Record, cells: dict[str, tuple[int, int]]) -> _Fields:
        return tuple(self._field(field, cells) for field in record.fields)

    def place(self, name: str, kind: int) -> tuple[int, bool, int]:
        """Where the column *name* finds its values. Raises TypeError if it can't hold them."""
        if kind == _LINES:
            return kind, True, 0
        cells, of_item = (self.item_cells, True) if name in self.item_cells else (self.cells, False)
        cell, wire = cells[name]
        if wire not in _TAKES[kind]:
            raise TypeError(f"the column {name} can't hold what its field is")
        return kind, of_item, cell

    def _field(self, field: Field, cells: dict[str, tuple[int, int]]) -> Any:
        node = field.node
        maybe = isinstance(node, Maybe)
        if isinstance(node, Maybe):
            node = node.inner
        wire = _wire(node)
        cell, known = cells.setdefault(field.name, (len(cells), wire))
        if known != wire:
            raise TypeError(f"the field {field.name} is not the same everywhere")
        symbols: tuple[bytes, ...] = ()
        programs: tuple[_Fields, ...] = ()
        match node:
            case Choice():
                symbols = tuple(member.value.encode() for member in node.members)
            case OneOf():
                symbols = tuple(record.holder.__name__.encode() for record in node.records)
                programs = tuple(self.fields(record, cells) for record in node.records)
            case Many(item=Record() as item):
                programs = (self.fields(item, self.item_cells),)
            case _:
                pass  # a value without parts
        return wire, maybe, cell, symbols, programs


def _wire(node: Node) -> int:
    if isinstance(node, Number):
        return _INT if node.bits == 32 else _LONG
    return _WIRES[type(node)]


_WIRES: Final[dict[type[Node], int]] = {
    Text: _TEXT,
    Bytes: _BYTES,
    Boolean: _BOOLEAN,
    Instant: _INSTANT,
    Amount: _AMOUNT,
    Choice: _CHOICE,
    OneOf: _ONE_OF,
    Many: _MANY,
}


def _array(kind: int, rows: int, presence: bytes, offsets: bytes, data: bytes, nulls: int) -> pa.Array:
    """A column of its buffers."""
    values, known = pa.py_buffer(data), pa.py_buffer(presence) if nulls else None
    if kind == _LABELS:
        texts = pa.Array.from_buffers(
            pa.string(), len(offsets) // 4 - 1, [None, pa.py_buffer(offsets), values], null_count=0
        )
        places = pa.Array.from_buffers(pa.int32(), rows, [None, pa.py_buffer(presence)], null_count=0)
        return pa.DictionaryArray.from_arrays(places, texts)
    if kind in {_TEXTS, _BLOBS}:
        return pa.Array.from_buffers(_ARROW[kind], rows, [known, pa.py_buffer(offsets), values], null_count=nulls)
    return pa.Array.from_buffers(_ARROW[kind], rows, [known, values], null_count=nulls)
