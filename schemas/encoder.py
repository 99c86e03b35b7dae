"""Encoders, specialised: for each schema the straight-line Python that turns a value of its class into bytes.

Every field becomes one or two pieces, most of them found in a table, and one join makes the record of them.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from domain.money import AMOUNT_MAX
from schemas import wire
from schemas.plan import Amount, Boolean, Bytes, Choice, Instant, Leaf, Many, Maybe, Node, OneOf, Record, Text
from schemas.source import Source

Encoder: TypeAlias = Callable[[Any], bytes]

_NAMES: Final[dict[str, object]] = {
    "ABSENT": wire.ABSENT,
    "AMOUNT_MAX": AMOUNT_MAX,
    "FALSE": b"\x00",
    "LENGTHS": wire.LENGTHS,
    "PRESENT": wire.PRESENT,
    "PRESENT_LENGTHS": wire.PRESENT_LENGTHS,
    "TRUE": b"\x01",
    "amount_bytes": wire.amount_bytes,
    "instant_bytes": wire.instant_bytes,
    "int_bytes": wire.int_bytes,
    "join": b"".join,
    "known_instant": wire.known_instant,
    "long_bytes": wire.long_bytes,
    "share_text_bytes": wire.share_text_bytes,
    "written_text": wire.written_text,
}


def encoder(plan: Record, header: bytes) -> Encoder:
    """The encoder of values that start with *header*."""
    made: Encoder = source(plan).function("encode", f"<encoder of {plan.holder.__name__}>", _NAMES | {"HEADER": header})
    return made


def source(plan: Record) -> Source:
    """The page with the function ``encode``."""
    page = Source()
    with page.block("def encode(message):"):
        pieces = _Writer(page).record(plan, "message")
        page.line(f"return join((HEADER, {', '.join(pieces)}))")
    return page


class _Writer:
    """Emits the lines that make a node's bytes out of an expression; says which expressions then hold the pieces.

    *present* is set where the piece must begin with the branch byte of a union with null.
    """

    def __init__(self, page: Source) -> None:
        self._page = page

    def record(self, record: Record, source: str) -> list[str]:
        pieces: list[str] = []
        for field in record.fields:
            pieces += self.write(field.node, f"{source}.{field.name}", field.name)
        return pieces

    def write(self, node: Node, source: str, field: str) -> list[str]:
        """The pieces of a node that stands by itself."""
        match node:
            case Record():
                return self.record(node, source)
            case Maybe():
                return self._maybe(node, source, field)
            case OneOf():
                return self._one_of(node, source, field)
            case Many():
                return self._many(node, source, field)
            case _:
                return self._leaf(node, source, field)

    def _leaf(self, node: Leaf, source: str, field: str) -> list[str]:
        match node:
            case Text(shared=False) | Bytes():
                return self._text(node, source, field)
            case Amount():
                return self._amount(source, field)
            case Boolean():
                found = f"TRUE if {source} else FALSE"
            case Choice():
                found = f"{self._symbols(node, b'')}[{source}]"
            case Text():
                found = f"written_text(n := {source}) or share_text_bytes(n)"
            case Instant():
                found = f"known_instant(n := {source}) or instant_bytes(n)"
            case _:
                slow = "int_bytes" if node.bits == 32 else "long_bytes"
                found = f"LENGTHS[n] if 0 <= (n := {source}) < {wire.TABLE_SIZE} else {slow}(n)"
        piece = self._page.fresh(field)
        self._page.line(f"{piece} = {found}")
        return [piece]

    def _symbols(self, node: Choice, lead: bytes) -> str:
        name = type(node.members[0]).__name__
        table = {member: lead + wire.LENGTHS[index] for index, member in enumerate(node.members)}
        return self._page.constant(f"{name}_{'present' if lead else 'bytes'}", table)

    def _text(self, node: Leaf, source: str, field: str) -> list[str]:
        page = self._page
        length, body = page.fresh(field), page.fresh(field)
        page.line(f"{body} = {source}" + (".encode()" if isinstance(node, Text) else ""))
        page.line(f"n = len({body})")
        page.line(f"{length} = LENGTHS[n] if n < {wire.TABLE_SIZE} else long_bytes(n)")
        return [length, body]

    def _amount(self, source: str, field: str) -> list[str]:
        page = self._page
        value, piece = page.fresh(field), page.fresh(field)
        page.line(f"{value} = {source}")
        with page.block(f"if 0 <= {value} <= AMOUNT_MAX:"):
            page.line(f"n = {value}.bit_length() + 8 >> 3")
            page.line(f"{piece} = LENGTHS[n] + {value}.to_bytes(n, 'big')")
        with page.block("else:"):
            page.line(f"{piece} = amount_bytes({value})")
        return [piece]

    def _maybe(self, node: Maybe, source: str, field: str) -> list[str]:
        page = self._page
        value, piece = page.fresh(field), page.fresh(field)
        page.line(f"{value} = {source}")
        with page.block(f"if {value} is None:"):
            page.line(f"{piece} = ABSENT")
        with page.block("else:"):
            self._present(node.inner, value, piece, field)
        return [piece]

    def _present(self, node: Node, value: str, piece: str, field: str) -> None:
        page = self._page
        match node:
            case Choice():
                page.line(f"{piece} = {self._symbols(node, wire.PRESENT)}[{value}]")
            case Text(shared=False):
                page.line(f"{value} = {value}.encode()")
                page.line(f"n = len({value})")
                lead = f"(PRESENT_LENGTHS[n] if n < {wire.TABLE_SIZE} else PRESENT + long_bytes(n))"
                page.line(f"{piece} = {lead} + {value}")
            case Amount():
                with page.block(f"if 0 <= {value} <= AMOUNT_MAX:"):
                    page.line(f"n = {value}.bit_length() + 8 >> 3")
                    page.line(f"{piece} = PRESENT_LENGTHS[n] + {value}.to_bytes(n, 'big')")
                with page.block("else:"):
                    page.line(f"{piece} = PRESENT + amount_bytes({value})")
            case _:
                page.line(f"{piece} = PRESENT + {' + '.join(self.write(node, value, field))}")

    def _one_of(self, node: OneOf, source: str, field: str) -> list[str]:
        page = self._page
        value, piece, kind = page.fresh(field), page.fresh(field), page.fresh("kind")
        page.line(f"{value} = {source}")
        page.line(f"{kind} = type({value})")
        for index, record in enumerate(node.records):
            name = page.constant(record.holder.__name__, record.holder)
            with page.block(f"{'elif' if index else 'if'} {kind} is {name}:"):
                pieces = self.record(record, value)
                page.line(f"{piece} = join((LENGTHS[{index}], {', '.join(pieces)}))")
        with page.block("else:"):
            page.line(f"raise TypeError(f'{field} can not be a {{{kind}.__name__}}')")
        return [piece]

    def _many(self, node: Many, source: str, field: str) -> list[str]:
        page = self._page
        values, item, pieces, piece = (page.fresh(field) for _ in range(4))
        page.line(f"{values} = {source}")
        page.line(f"{pieces} = [long_bytes(len({values}))] if {values} else []")
        with page.block(f"for {item} in {values}:"):
            page.line(f"{pieces} += ({', '.join(self.write(node.item, item, field))},)")
        page.line(f"{pieces}.append(LENGTHS[0])")
        page.line(f"{piece} = join({pieces})")
        return [piece]
