"""The second back-end: typed Cython out of the same plans that ``schemas.encoder`` and ``schemas.decoder`` walk.

A catalog becomes one module: ``primitives.pxi``, then for each record a function that reads it and one that writes it.
"""

from importlib import resources
from typing import Final

from schemas import plan
from schemas.catalog import Catalog
from schemas.plan import (
    Amount,
    Boolean,
    Bytes,
    Choice,
    Instant,
    Leaf,
    Many,
    Maybe,
    Node,
    Number,
    OneOf,
    Record,
    SchemaMismatchError,
    Text,
)
from schemas.source import Source

MEMBERS_MAX: Final = 64
"""The index of so many symbols or branches takes one byte."""


def source(catalog: Catalog) -> str:
    """The Cython module of *catalog*. Raises SchemaMismatchError where one name means two things."""
    plans = {name: plan.of(name, catalog) for name in catalog.ids()}
    module = _Module()
    functions = {name: module.function(whole) for name, whole in plans.items()}
    page = module.page
    with page.block("cdef int choose(Specialised made, str name) except -1:"):
        for name, function in functions.items():
            with page.block(f"if name == {name!r}:"):
                page.line(f"made.read = read_{function}")
                page.line(f"made.write = write_{function}")
                page.line("return 0")
        page.line("raise KeyError(name)")
    return resources.files("schemas").joinpath("primitives.pxi").read_text() + "\n\n" + page.text()


class _Module:
    """The functions of a catalog, each ``read_…`` and ``write_…`` of a record, an array or a union of records once."""

    def __init__(self) -> None:
        self.page = Source()
        self._known: dict[type, Node] = {}

    def function(self, node: Record | Many | OneOf) -> str:
        """Emits the functions of *node*, if need be; returns what follows ``read_`` and ``write_`` in their names."""
        match node:
            case Record():
                if self._is_new(node.holder, node):
                    self._record(node)
                return node.holder.__name__
            case Many():
                return self._many(node)
            case _:
                return self._one_of(node)

    def _is_new(self, class_: type, node: Node) -> bool:
        """Emits the import of *class_*; False if it stands there already."""
        if class_ in self._known:
            if self._known[class_] != node:
                raise SchemaMismatchError(f"{class_.__name__} is not the same in all schemas")
            return False
        if class_.__qualname__ != class_.__name__:
            raise SchemaMismatchError(f"{class_.__qualname__} can't be imported")
        self._known[class_] = node
        self.page.line(f"cdef object {class_.__name__}")
        self.page.line(f"from {class_.__module__} import {class_.__name__}")
        return True

    def _members(self, node: Choice) -> str:
        """The arguments that name the members of an enum."""
        class_, count = type(node.members[0]), len(node.members)
        if count > MEMBERS_MAX:
            raise SchemaMismatchError(f"{class_.__name__} has more than {MEMBERS_MAX} members")
        if self._is_new(class_, node):
            symbols = tuple(member.value for member in node.members)
            self.page.line(f"cdef PyObject* {class_.__name__}_members[{count}]")
            self.page.line(f"find_members({class_.__name__}, {symbols!r}, {class_.__name__}_members)")
        return f"{class_.__name__}_members, {count}"

    def _record(self, node: Record) -> None:
        name, count, page = node.holder.__name__, len(node.fields), self.page
        parts = [self._part(field.node) for field in node.fields]
        page.line(f"cdef Py_ssize_t {name}_offsets[{count}]")
        page.line(f"find_fields({name}, {tuple(field.name for field in node.fields)!r}, {name}_offsets)")
        with page.block(f"cdef object read_{name}(Reader* r):"):
            page.line(f"cdef PyObject* values[{count}]")
            for index, field in enumerate(node.fields):
                local = page.fresh(field.name)
                page.line(f"{local} = {parts[index][0]}")
                page.line(f"values[{index}] = <PyObject*>{local}")
            page.line(f"return PyObject_Vectorcall({name}, values, {count}, NULL)")
        with page.block(f"cdef int write_{name}(Writer* w, PyObject* message) except -1:"):
            page.line("cdef PyObject* value")
            with page.block(f"if UNLIKELY(Py_TYPE(message) != <PyTypeObject*>{name}):"):
                page.line("unusual()")
            for index, field in enumerate(node.fields):
                page.line(f"value = held(message, {name}_offsets[{index}])  # {field.name}")
                self._lines(parts[index][1])
            page.line("return 0")

    def _lines(self, lines: list[str]) -> None:
        for line in lines:
            self.page.line(line)

    def _part(self, node: Node) -> tuple[str, list[str]]:
        """The expression that reads *node*, and the lines that write it from the pointer ``value``."""
        match node:
            case Record() | Many() | OneOf():
                function = self.function(node)
                return f"read_{function}(r)", [f"write_{function}(w, value)"]
            case Maybe():
                reading, writing = self._part(node.inner)
                inner = ["    " + line for line in ("write_byte(w, 2)", *writing)]
                lines = ["if value == Py_None:", "    write_byte(w, 0)", "else:", *inner]
                return f"{reading} if read_present(r) else None", lines
            case Choice():
                members = self._members(node)
                return f"read_choice(r, {members})", [f"write_choice(w, value, {members})"]
            case _:
                shared = "shared_" if isinstance(node, Text) and node.shared else ""
                return f"read_{shared}{_primitive(node)}(r)", [f"write_{_primitive(node)}(w, value)"]

    def _many(self, node: Many) -> str:
        name = self.page.fresh("many")
        (reading, writing), page = self._part(node.item), self.page
        with page.block(f"cdef object read_{name}(Reader* r):"):
            page.line("cdef Py_ssize_t count")
            page.line("cdef list items = []")
            page.line("count = read_block(r)")
            with page.block("while count:"):
                with page.block("for _ in range(count):"):
                    page.line(f"items.append({reading})")
                page.line("count = read_block(r)")
            page.line("return tuple(items)")
        with page.block(f"cdef int write_{name}(Writer* w, PyObject* items) except -1:"):
            page.line("cdef Py_ssize_t i, count")
            page.line("cdef PyObject* value")
            with page.block("if UNLIKELY(not PyTuple_CheckExact(items)):"):
                page.line("unusual()")
            page.line("count = PyTuple_GET_SIZE(items)")
            with page.block("if count:"):
                page.line("write_zigzag(w, 2 * <uint64_t>count)")
            with page.block("for i in range(count):"):
                page.line("value = PyTuple_GET_ITEM(items, i)")
                self._lines(writing)
            page.line("return write_byte(w, 0)")
        return name

    def _one_of(self, node: OneOf) -> str:
        name = self.page.fresh("one_of")
        records, page = [(record, self.function(record)) for record in node.records], self.page
        if len(records) > MEMBERS_MAX:
            raise SchemaMismatchError(f"a union of more than {MEMBERS_MAX} branches")
        with page.block(f"cdef object read_{name}(Reader* r):"):
            page.line("cdef unsigned char branch = read_byte(r)")
            for index, (_, function) in enumerate(records):
                with page.block(f"if branch == {2 * index}:"):
                    page.line(f"return read_{function}(r)")
            page.line("raise Unusual")
        with page.block(f"cdef int write_{name}(Writer* w, PyObject* value) except -1:"):
            page.line("cdef PyTypeObject* kind = Py_TYPE(value)")
            for index, (record, function) in enumerate(records):
                with page.block(f"if kind == <PyTypeObject*>{record.holder.__name__}:"):
                    page.line(f"write_byte(w, {2 * index})")
                    page.line(f"return write_{function}(w, value)")
            page.line("return unusual()")
        return name


def _primitive(node: Leaf) -> str:
    if isinstance(node, Number):
        return "int" if node.bits == 32 else "long"
    return _PRIMITIVES[type(node)]


_PRIMITIVES: Final[dict[type[Node], str]] = {
    Amount: "amount",
    Boolean: "boolean",
    Bytes: "bytes",
    Instant: "long",
    Text: "text",
}
