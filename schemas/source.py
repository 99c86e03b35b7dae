"""A page of generated Python: its lines, its fresh names, and the constants that it refers to."""

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Source:
    """Lines of one generated function, written top down."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, object] = {}
        self._depth = 0
        self._names = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Everything written inside stands indented under *head*."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def fresh(self, hint: str) -> str:
        """A local name that nothing else has."""
        self._names += 1
        return f"{hint}_{self._names}"

    def constant(self, name: str, value: object) -> str:
        """*name*, bound to *value* wherever the code runs."""
        self.constants[name] = value
        return name

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def function(self, name: str, filename: str, more: dict[str, object]) -> Any:
        """The function *name* of this page, compiled. Tracebacks show its lines, as those of ``dataclasses`` do not."""
        text = self.text()
        namespace: dict[str, Any] = {**self.constants, **more}
        exec(compile(text, filename, "exec"), namespace)  # noqa: S102  # our own lines, made from our own schemas
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        return namespace[name]
