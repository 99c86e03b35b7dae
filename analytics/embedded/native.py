"""Blocks of ClickHouse's Native format in the dialect of clients that state their protocol version, such as Go's. Pure.

The engine writes Native as for a client that stated none. One that stated 54454 or a later one expects two things more:
the block's info before each block, and before the data of each column a byte for how it is serialized. To find where
columns end, their types have to be understood; what can't be is refused by name.

https://clickhouse.com/docs/interfaces/formats/Native. Clients of earlier versions are answered as if they stated none:
clickhouse-connect tries which of the two it gets.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import msgspec

from analytics.embedded.errors import not_implemented

#: DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION
REVISION_MIN: Final = 54_454

_BLOCK_INFO: Final = b"\x01\x00" + b"\x02\xff\xff\xff\xff" + b"\x00"  # no overflows, bucket -1, end
_DEFAULT_SERIALIZATION: Final = b"\x00"

_WIDTHS: Final = {
    **{f"{sign}Int{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)},
    "BFloat16": 2,
    "Float32": 4,
    "Float64": 8,
    "Bool": 1,
    "Nothing": 1,
    "UUID": 16,
    "IPv4": 4,
    "IPv6": 16,
    "Date": 2,
    "Date32": 4,
    "DateTime": 4,
    "DateTime64": 8,
    "Time": 4,
    "Time64": 8,
    "Enum8": 1,
    "Enum16": 2,
    **{f"Interval{unit}": 8 for unit in ("Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour")},
    **{f"Interval{unit}": 8 for unit in ("Day", "Week", "Month", "Quarter", "Year")},
}
_DECIMAL_WIDTHS: Final = ((9, 4), (18, 8), (38, 16), (76, 32))
_TYPE: Final = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_PIECE: Final = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|.", re.DOTALL)
_ELEMENT: Final = re.compile(r"(?:`(?:[^`\\]|\\.)*`|\w+) (?=\w)")
_INTEGER_BYTES: Final = 8

#: From where a column's data begin and how many rows they are, to where they end.
Walk = Callable[[bytes, int, int], int]


class _Column(msgspec.Struct, frozen=True):
    """How the data of a type lie: a prefix of so many bytes, then what *walk* passes over."""

    walk: Walk
    prefix: int = 0


def for_client(data: bytes, revision: int) -> bytes:
    """The blocks in *data* as a client of *revision* expects them. Raises ClickHouseError for a type it can't walk."""
    return b"".join(_pieces(data)) if revision >= REVISION_MIN else data


def _pieces(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        yield _BLOCK_INFO
        begin = position
        columns, position = _count(data, position)
        rows, position = _count(data, position)
        for _ in range(columns):
            _, position = _text(data, position)
            type_name, position = _text(data, position)
            yield data[begin:position]
            yield _DEFAULT_SERIALIZATION
            begin = position
            if rows:
                column = _column(type_name)
                position = column.walk(data, position + column.prefix, rows)
        yield data[begin:position]


def _integer(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + _INTEGER_BYTES], "little")


def _count(data: bytes, position: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # the highest bit says that more follow
            return number, position
        shift += 7


def _text(data: bytes, position: int) -> tuple[str, int]:
    size, position = _count(data, position)
    return data[position : position + size].decode(), position + size


@cache
def _column(type_name: str) -> _Column:
    found = _TYPE.fullmatch(type_name)
    name, arguments = (found[1], found[2] or "") if found else ("", "")
    if name in _WIDTHS:
        return _fixed(_WIDTHS[name])
    if name not in _MAKERS:
        raise not_implemented(
            f"Type {type_name} in the Native format for clients that state a protocol version; "
            "convert it in the query, for example with toString or finalizeAggregation."
        )
    return _MAKERS[name](arguments)


def _fixed(width: int) -> _Column:
    return _Column(lambda _, position, rows: position + rows * width)


def _decimal(arguments: str) -> _Column:
    precision = int(arguments.split(",", maxsplit=1)[0])
    return _fixed(next(width for most, width in _DECIMAL_WIDTHS if precision <= most))


def _strings(data: bytes, position: int, rows: int) -> int:
    for _ in range(rows):
        size = data[position]
        if size < 0x80:  # nearly always, so without a call
            position += size + 1
        else:
            size, position = _count(data, position)
            position += size
    return position


def _nullable(arguments: str) -> _Column:
    inner = _column(arguments)
    return _Column(lambda data, position, rows: inner.walk(data, position + rows, rows), inner.prefix)


def _array(arguments: str) -> _Column:
    return _array_of(_column(arguments))


def _array_of(inner: _Column) -> _Column:
    def walk(data: bytes, position: int, rows: int) -> int:
        position += rows * _INTEGER_BYTES
        items = _integer(data, position - _INTEGER_BYTES)
        return inner.walk(data, position, items) if items else position

    return _Column(walk, inner.prefix)


def _tuple(arguments: str) -> _Column:
    inner = [_column(_ELEMENT.sub("", element, count=1)) for element in _elements(arguments)]

    def walk(data: bytes, position: int, rows: int) -> int:
        for column in inner:
            position = column.walk(data, position, rows)
        return position

    return _Column(walk, sum(column.prefix for column in inner))


def _low_cardinality(arguments: str) -> _Column:
    found = re.fullmatch(r"Nullable\((.*)\)", arguments, re.DOTALL)
    keys = _column(found[1] if found else arguments)  # a null is the first key

    def walk(data: bytes, position: int, rows: int) -> int:
        if not rows:
            return position
        index_type, count = _integer(data, position), _integer(data, position + _INTEGER_BYTES)
        position = keys.walk(data, position + 2 * _INTEGER_BYTES, count)
        return position + _INTEGER_BYTES + (rows << (index_type & 0xFF))

    return _Column(walk, prefix=_INTEGER_BYTES)


def _elements(arguments: str) -> list[str]:
    """What the commas outside of brackets and quotes part."""
    found, depth = [""], 0
    for piece in _PIECE.findall(arguments):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and not depth:
            found.append("")
        else:
            found[-1] += piece
    return [element.strip() for element in found]


_MAKERS: Final[dict[str, Callable[[str], _Column]]] = {
    "String": lambda _: _Column(_strings),
    "FixedString": lambda arguments: _fixed(int(arguments)),
    "Decimal": _decimal,
    "Nullable": _nullable,
    "LowCardinality": _low_cardinality,
    "Array": _array,
    "Tuple": _tuple,
    "Map": lambda arguments: _array_of(_tuple(arguments)),
    "Nested": lambda arguments: _array_of(_tuple(arguments)),
    "SimpleAggregateFunction": lambda arguments: _column(_elements(arguments)[1]),
}
