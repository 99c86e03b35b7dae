"""The bytes that each version of each schema wrote in its day, and what they mean, as files in ``golden/``.

After ``python -m schemas.evolution`` has given a schema a new id, ``python -m tests.schemas.golden_bytes`` writes the
file of that id. It never touches a file that exists: those bytes lie in somebody's topics.
"""

import enum
import json
import string
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from domain.messages import Message
from domain.money import AMOUNT_MAX
from schemas import catalog, codec
from schemas.plan import Amount, Boolean, Bytes, Choice, Instant, Many, Maybe, Number, OneOf, Record, Text
from tests.schemas import samples

FOLDER = Path(__file__).parent / "golden"

_AMOUNTS = (10**18, 5 * 10**16, -1, 0, 64_123_450_000_000_000_000_000, AMOUNT_MAX, -AMOUNT_MAX, 127, 128, -128, -129)
_TEXTS = ("BTC-USD", "", "user-00042", "größer als 7 Bit: €", string.ascii_letters * 3)
_INTS = (0, 1, -1, 63, 64, 300, 100_000, (1 << 31) - 1, -(1 << 31))
_LONGS = (0, 5_000_000, 1 << 35, -64, -65, (1 << 63) - 1, -(1 << 63))
_INSTANTS = (1_700_000_000_000_000, 0, 1_763_780_000_123_456, -1)


def examples(name: str) -> Iterator[Message]:
    """Messages that have each branch, each symbol, each optional field set and unset, and the edges of each type."""
    whole = samples.PLANS[name]
    for turn in range(20):
        yield _value(whole, count(turn), absent=turn % 4 == 3)


def _value(node: Any, turns: Iterator[int], *, absent: bool) -> Any:
    turn = next(turns)
    match node:
        case Record():
            return node.holder(*[_value(field.node, turns, absent=absent) for field in node.fields])
        case Maybe():
            return None if absent else _value(node.inner, turns, absent=absent)
        case OneOf():
            return _value(node.records[turn % len(node.records)], turns, absent=absent)
        case Many():
            return tuple(_value(node.item, turns, absent=absent) for _ in range(turn % 4))
    return _leaf(node, turn)


def _leaf(node: Any, turn: int) -> Any:
    if isinstance(node, Boolean):
        return turn % 2 == 0
    table = {
        Choice: getattr(node, "members", ()),
        Text: _TEXTS,
        Bytes: (b"", bytes(range(256)), b"\x00"),
        Amount: _AMOUNTS,
        Instant: _INSTANTS,
        Number: _INTS if getattr(node, "bits", 0) == 32 else _LONGS,
    }[type(node)]
    return table[turn % len(table)]


def described(part: Any) -> Any:
    """*part* in JSON: records as objects that name their class, bytes as hex."""
    if isinstance(part, msgspec.Struct):
        fields = {name: described(getattr(part, name)) for name in part.__struct_fields__}
        return {"class": type(part).__name__, **fields}
    if isinstance(part, tuple):
        return [described(item) for item in part]
    if isinstance(part, bytes):
        return {"hex": part.hex()}
    return part.value if isinstance(part, enum.Enum) else part


def path(name: str, schema_id: int) -> Path:
    return FOLDER / name / f"{schema_id}.json"


def main() -> int:
    for name, schema_id in catalog.ids().items():
        file = path(name, schema_id)
        if not file.exists():
            rows = [{"bytes": codec.encode(m).hex(), "message": described(m)} for m in examples(name)]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n")
            sys.stdout.write(f"wrote {file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
