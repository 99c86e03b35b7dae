"""The questions of ``analytics/queries``: an SQL file each, whose head says what it answers."""

from functools import cache
from importlib import resources
from typing import Final

import msgspec

from analytics import sql

FOLDER: Final = "analytics/queries"
_AUDIT: Final = "audit_"


class Question(msgspec.Struct, frozen=True):
    """*name* is the file's, without its ending."""

    name: str
    text: str

    @property
    def source(self) -> str:
        return f"{FOLDER}/{self.name}.sql"

    @property
    def head(self) -> str:
        return sql.head(self.text)

    @property
    def statement(self) -> str:
        (statement,) = sql.statements(self.text)
        return statement

    @property
    def is_audit(self) -> bool:
        """Whether it looks for what must never be: its rows are breaks, and there are none when all is well."""
        return self.name.startswith(_AUDIT)

    @property
    def check(self) -> str:
        """What an audit checks: its name without what all of them have in common."""
        return self.name.removeprefix(_AUDIT)


@cache
def load() -> tuple[Question, ...]:
    """Those of this program, by name."""
    folder = resources.files("analytics").joinpath("queries")
    files = {file.name: file for file in folder.iterdir() if file.name.endswith(".sql")}
    return tuple(Question(name.removesuffix(".sql"), file.read_text()) for name, file in sorted(files.items()))


def audits() -> tuple[Question, ...]:
    return tuple(question for question in load() if question.is_audit)
