"""Decoders, specialised: for each schema the straight-line Python that turns its bytes into its class.

The code reads the common form of every value in place (lengths below 64, one-byte numbers, instants of eight bytes) and
calls ``schemas.wire`` for any other. Nothing checks for the end of the bytes in between: an index past it raises
IndexError, a slice past it moves the position past it, and both are told at the end. That is safe because nothing is
kept before the end is reached, and because every item of an array takes at least a byte.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from schemas import wire
from schemas.plan import Amount, Boolean, Bytes, Choice, Instant, Leaf, Many, Maybe, Node, Number, OneOf, Record, Text
from schemas.source import Source

Decoder: TypeAlias = Callable[[bytes | None], Any]

_NAMES: Final[dict[str, object]] = {
    "IndexError": IndexError,
    "Undecodable": wire.Undecodable,
    "from_bytes": int.from_bytes,
    "left_over": wire.left_over,
    "not_text": wire.not_text,
    "read_amount_length": wire.read_amount_length,
    "read_block": wire.read_block,
    "read_int": wire.read_int,
    "read_length": wire.read_length,
    "read_long": wire.read_long,
    "refuse": wire.refuse,
    "share_text": wire.share_text,
    "shared_text": wire.shared_text,
    "SMALL": wire.SMALL,
    "BOOLEANS": (False, True, *[None] * 254),
    "truncated": wire.truncated,
}


def decoder(plan: Record, header: bytes, otherwise: Decoder) -> Decoder:
    """The decoder of values that start with *header*; all others it leaves to *otherwise*."""
    page = source(plan)
    more = _NAMES | {"HEADER": header, "otherwise": otherwise}
    made: Decoder = page.function("decode", f"<decoder of {plan.holder.__name__}>", more)
    return made


def source(plan: Record) -> Source:
    """The page with the function ``decode``."""
    page = Source()
    with page.block("def decode(data):"):
        with page.block(f"if data is None or data[:{wire.HEADER_BYTES}] != HEADER:"):
            page.line("return otherwise(data)")
        page.line(f"i = {wire.HEADER_BYTES}")
        with page.block("try:"):
            _Reader(page).read(plan, "value", plan.holder.__name__)
        with page.block("except IndexError:"):
            page.line("raise truncated(data) from None")
        with page.block("except UnicodeDecodeError as error:"):
            page.line("raise not_text(data, j, error) from None")
        with page.block("if i != len(data):"):
            page.line("raise left_over(data, i)")
        page.line("return value")
    return page


class _Reader:
    """Emits the lines that read a node at ``i`` into a local variable. ``j`` and ``n`` are theirs to use."""

    def __init__(self, page: Source) -> None:
        self._page = page

    def read(self, node: Node, target: str, field: str) -> None:
        match node:
            case Record():
                self._record(node, target)
            case Maybe():
                self._maybe(node, target, field)
            case OneOf():
                self._one_of(node, target, field)
            case Many():
                self._many(node, target, field)
            case _:
                self._leaf(node, target, field)

    def _leaf(self, node: Leaf, target: str, field: str) -> None:
        match node:
            case Text() | Bytes():
                self._text(node, target)
            case Amount():
                self._length("read_amount_length")
                self._page.line(f"{target} = from_bytes(data[i:j], 'big', signed=True)")
                self._page.line("i = j")
            case Instant():
                self._instant(target)
            case Number():
                self._number(node, target)
            case Boolean():
                self._of_byte("BOOLEANS", target, f"boolean for {field}")
            case _:
                self._of_byte(self._members(node), target, f"symbol of {type(node.members[0]).__name__} for {field}")

    def _record(self, record: Record, target: str) -> None:
        locals_ = [self._page.fresh(field.name) for field in record.fields]
        for field, local in zip(record.fields, locals_, strict=True):
            self.read(field.node, local, field.name)
        holder = self._page.constant(record.holder.__name__, record.holder)
        self._page.line(f"{target} = {holder}({', '.join(locals_)})")

    def _length(self, slow: str) -> None:
        """Sets i and j to the ends of what a length announces."""
        page = self._page
        page.line("n = data[i]")
        with page.block("if n & 129:"):  # negative, or more than one byte
            page.line(f"n, i = {slow}(data, i)")
        with page.block("else:"):
            page.line("i += 1")
        page.line("j = i + (n >> 1)")

    def _text(self, node: Text | Bytes, target: str) -> None:
        self._length("read_length")
        if isinstance(node, Bytes):
            self._page.line(f"{target} = data[i:j]")
        elif node.shared:
            self._page.line(f"{target} = data[i:j]")
            self._page.line(f"{target} = shared_text({target}) or share_text({target})")
        else:
            self._page.line(f"{target} = data[i:j].decode()")
        self._page.line("i = j")

    def _instant(self, target: str) -> None:
        """Eight bytes at once: drop each byte's continuation bit, then close the gaps pairwise."""
        page = self._page
        page.line("n = from_bytes(data[i:i + 8], 'little')")
        with page.block("if n & 0x8080808080808081 == 0x0080808080808080:"):
            page.line("n = (n & 0x007F007F007F007F) | (n & 0x7F007F007F007F00) >> 1")
            page.line("n = (n & 0x00003FFF00003FFF) | (n & 0x3FFF00003FFF0000) >> 2")
            page.line(f"{target} = (n & 0xFFFFFFF) >> 1 | (n & 0x0FFFFFFF00000000) >> 5")
            page.line("i += 8")
        with page.block("else:"):
            page.line(f"{target}, i = read_long(data, i)")

    def _number(self, node: Number, target: str) -> None:
        page = self._page
        page.line("n = data[i]")
        with page.block("if n < 128:"):
            page.line(f"{target} = SMALL[n]")
            page.line("i += 1")
        with page.block("else:"):
            page.line(f"{target}, i = {'read_int' if node.bits == 32 else 'read_long'}(data, i)")

    def _members(self, node: Choice) -> str:
        """A table from the byte of a symbol's index to the member."""
        name = type(node.members[0]).__name__
        table: list[object] = [None] * 256
        for index, member in enumerate(node.members):
            table[2 * index] = member
        return self._page.constant(f"{name}_by_byte", tuple(table))

    def _of_byte(self, table: str, target: str, what: str) -> None:
        page = self._page
        page.line(f"{target} = {table}[data[i]]")
        with page.block(f"if {target} is None:"):
            page.line(f"refuse(i, {what!r})")
        page.line("i += 1")

    def _maybe(self, node: Maybe, target: str, field: str) -> None:
        page = self._page
        page.line("n = data[i]")
        with page.block("if not n:"):
            page.line(f"{target} = None")
            page.line("i += 1")
        with page.block("elif n == 2:"):
            page.line("i += 1")
            self.read(node.inner, target, field)
        with page.block("else:"):
            page.line(f"refuse(i, {f'branch for {field}'!r})")

    def _one_of(self, node: OneOf, target: str, field: str) -> None:
        page = self._page
        page.line("n = data[i]")
        page.line("i += 1")
        for index, record in enumerate(node.records):
            with page.block(f"{'elif' if index else 'if'} n == {2 * index}:"):
                self.read(record, target, field)
        with page.block("else:"):
            page.line(f"refuse(i - 1, {f'branch for {field}'!r})")

    def _many(self, node: Many, target: str, field: str) -> None:
        page = self._page
        items, item = page.fresh("items"), page.fresh("item")
        page.line(f"{items} = []")
        with page.block("while data[i]:"):
            page.line("n = data[i]")
            with page.block("if n & 129:"):
                page.line("n, i = read_block(data, i)")
                with page.block("if not n:"):  # a zero in more than one byte is an end as well
                    page.line("i -= 1")
                    page.line("break")
            with page.block("else:"):
                page.line("i += 1")
            with page.block("for _ in range(n >> 1):"):
                self.read(node.item, item, field)
                page.line(f"{items}.append({item})")
        page.line("i += 1")
        page.line(f"{target} = tuple({items})")
