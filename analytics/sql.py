"""SQL files taken apart: their statements, and what their head says."""

import re
from typing import Final

_TOKEN: Final = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|\s+|;|[^\s;'\"`/-]+|.", re.DOTALL
)


def statements(text: str) -> tuple[str, ...]:
    """The statements of *text*, each on one line and without comments: equal for texts that say the same."""
    found: list[str] = []
    parts: list[str] = []
    for piece in _TOKEN.findall(text):
        if piece == ";":
            found.append("".join(parts).strip())
            parts.clear()
        elif piece.isspace() or piece.startswith(("--", "/*")):
            if parts and parts[-1] != " ":
                parts.append(" ")
        else:
            parts.append(piece)
    found.append("".join(parts).strip())
    return tuple(statement for statement in found if statement)


def head(text: str) -> str:
    """The comment lines that *text* begins with, as one paragraph."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)
