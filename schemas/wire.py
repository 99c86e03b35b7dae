"""Avro's primitives on the wire: the varints, lengths, amounts and texts that generated code calls for.

Readers take the bytes and a position, and return a value with the position after it. They never read past the end,
never reserve memory for a length they have not seen the bytes of, and raise nothing but Undecodable.
"""

from enum import StrEnum
from typing import Final, NoReturn, TypeVar

from typing_extensions import override

from domain.money import AMOUNT_MAX

_K = TypeVar("_K")
_V = TypeVar("_V")

HEADER_BYTES: Final = 5
"""Confluent's wire format: a zero byte, then the schema id as four bytes, most significant first."""

AMOUNT_BYTES_MAX: Final = 63
"""Longer decimals are refused unread: 10⁴⁰ coins must reach the rule that names them, a megabyte of digits must not."""

TABLE_SIZE: Final = 1024
"""How many small numbers have their encoding ready in a table."""

SHARED_MAX: Final = 4096
"""How many texts and instants are remembered at most."""

_SHARED_BYTES_MAX: Final = 64
_INT_MAX: Final = (1 << 31) - 1
_LONG_MAX: Final = (1 << 63) - 1
_ZIGZAG_BITS: Final = 64


class UndecodableReason(StrEnum):
    EMPTY = "EMPTY"  # no bytes, or a null value
    NOT_WIRE_FORMAT = "NOT_WIRE_FORMAT"  # no zero byte and schema id in front
    UNKNOWN_SCHEMA_ID = "UNKNOWN_SCHEMA_ID"
    SCHEMA_UNAVAILABLE = "SCHEMA_UNAVAILABLE"  # the Schema Registry did not say what the id stands for
    WRONG_SCHEMA = "WRONG_SCHEMA"  # the id of another message, or of a schema that can't be read as this one
    TRUNCATED = "TRUNCATED"
    TRAILING_BYTES = "TRAILING_BYTES"
    BAD_VALUE = "BAD_VALUE"  # a union branch, enum symbol, boolean, length, number or text that the schema has not


class Undecodable(ValueError):  # noqa: N818  # it names the bytes, as a refusal does
    """The bytes are no value of the expected message; *reason* names why, *detail* says it in one line."""

    def __init__(self, reason: UndecodableReason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    @override
    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


def header(schema_id: int) -> bytes:
    """What stands before a value written with *schema_id*."""
    return b"\0" + schema_id.to_bytes(HEADER_BYTES - 1, "big")


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def truncated(data: bytes) -> Undecodable:
    return Undecodable(UndecodableReason.TRUNCATED, f"the record goes on after its {len(data)} bytes")


def left_over(data: bytes, position: int) -> Undecodable:
    """What is wrong where a record did not end with its bytes: a length that passed the end, or bytes behind it."""
    if position > len(data):
        return truncated(data)
    return Undecodable(UndecodableReason.TRAILING_BYTES, f"{len(data) - position} bytes after the record's end")


def not_text(data: bytes, end: int, error: UnicodeDecodeError) -> Undecodable:
    """What is wrong with a text that ends at *end*: it was cut off, or it is no UTF-8."""
    if end > len(data):
        return truncated(data)
    return Undecodable(UndecodableReason.BAD_VALUE, f"no UTF-8 ({error.reason}) in the text before byte {end}")


def refuse(position: int, what: str) -> NoReturn:
    """Raises Undecodable for a byte at *position* that is no *what*."""
    raise Undecodable(UndecodableReason.BAD_VALUE, f"no {what} at byte {position}")


def _zigzag(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned varint of at most 64 bits, and the position after it."""
    value = shift = 0
    start = position
    while shift < _ZIGZAG_BITS:
        if position >= len(data):
            raise truncated(data)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    if shift >= _ZIGZAG_BITS or value >> _ZIGZAG_BITS:
        refuse(start, "number of at most 64 bits")
    return value, position


def read_long(data: bytes, position: int) -> tuple[int, int]:
    value, position = _zigzag(data, position)
    return (value >> 1) ^ -(value & 1), position


def read_int(data: bytes, position: int) -> tuple[int, int]:
    start = position
    value, position = read_long(data, position)
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        refuse(start, "number of at most 32 bits")
    return value, position


def read_length(data: bytes, position: int) -> tuple[int, int]:
    """Twice the length of a text or bytes (as a zigzag varint holds it), and where they start."""
    start = position
    doubled, position = _zigzag(data, position)
    if doubled & 1:
        refuse(start, "length")
    if position + (doubled >> 1) > len(data):
        raise truncated(data)
    return doubled, position


def read_amount_length(data: bytes, position: int) -> tuple[int, int]:
    """Like read_length, for an amount: refuses what is longer than AMOUNT_BYTES_MAX."""
    start = position
    doubled, position = read_length(data, position)
    if doubled > 2 * AMOUNT_BYTES_MAX:
        refuse(start, f"amount of at most {AMOUNT_BYTES_MAX} bytes")
    return doubled, position


def read_block(data: bytes, position: int) -> tuple[int, int]:
    """Twice the number of items in a block of an array, and where they start.

    A negative count is followed by the block's size in bytes, for readers that skip it (Avro 1.11, "Arrays").
    """
    doubled, position = _zigzag(data, position)
    if doubled & 1:
        _, position = read_long(data, position)
        doubled += 1
    return doubled, position


def _remember(table: dict[_K, _V], key: _K, value: _V) -> None:
    """Starts anew when full: what is still in use is soon back, and no flood of other values locks it out."""
    if len(table) >= SHARED_MAX:
        table.clear()
    table[key] = value


_shared_texts: dict[bytes, str] = {}
shared_text = _shared_texts.get


def share_text(raw: bytes) -> str:
    """The text in *raw*, remembered for the next *raw* like it, within bounds."""
    text = raw.decode()
    if len(raw) <= _SHARED_BYTES_MAX:
        _remember(_shared_texts, raw, text)
    return text


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def long_bytes(value: int) -> bytes:
    """A long as a zigzag varint. Raises ValueError beyond 64 bits."""
    zigzag = value << 1 if value >= 0 else ~(value << 1)
    if zigzag < 1 << 28 and zigzag >= 1 << 14:  # most offsets: not worth a loop
        if zigzag < 1 << 21:
            return bytes((zigzag & 0x7F | 0x80, zigzag >> 7 & 0x7F | 0x80, zigzag >> 14))
        return bytes((zigzag & 0x7F | 0x80, zigzag >> 7 & 0x7F | 0x80, zigzag >> 14 & 0x7F | 0x80, zigzag >> 21))
    if zigzag >> _ZIGZAG_BITS:
        raise ValueError(f"{value} does not fit a long")
    return _varint(zigzag)


def int_bytes(value: int) -> bytes:
    """An int as a zigzag varint. Raises ValueError beyond 32 bits."""
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise ValueError(f"{value} does not fit an int")
    return long_bytes(value)


def amount_bytes(value: int) -> bytes:
    """A ``decimal(38, 18)`` with its length: the shortest two's complement with a byte for the sign where it needs one.

    Raises ValueError for an amount of more than 38 digits.
    """
    if not -AMOUNT_MAX <= value <= AMOUNT_MAX:
        raise ValueError("an amount of more than 38 digits does not fit decimal(38, 18)")
    length = value.bit_length() + 8 >> 3
    return LENGTHS[length] + value.to_bytes(length, "big", signed=True)


_instants: dict[int, bytes] = {}
known_instant = _instants.get


def instant_bytes(value: int) -> bytes:
    """A timestamp, remembered for a while: the records of a chunk carry the same few."""
    encoded = long_bytes(value)
    _remember(_instants, value, encoded)
    return encoded


_written_texts: dict[str, bytes] = {}
written_text = _written_texts.get


def share_text_bytes(text: str) -> bytes:
    """A text with its length, remembered for the next time, within bounds."""
    encoded = text.encode()
    encoded = long_bytes(len(encoded)) + encoded
    if len(encoded) <= _SHARED_BYTES_MAX:
        _remember(_written_texts, text, encoded)
    return encoded


LENGTHS: Final = tuple(_varint(2 * value) for value in range(TABLE_SIZE))
"""The numbers from 0 as Avro writes them."""
PRESENT: Final = b"\x02"
"""The branch of a union of null and a type that holds a value."""
ABSENT: Final = b"\x00"
PRESENT_LENGTHS: Final = tuple(PRESENT + length for length in LENGTHS)
SMALL: Final = tuple((byte >> 1) ^ -(byte & 1) for byte in range(128))
"""The numbers of one byte, by that byte."""
