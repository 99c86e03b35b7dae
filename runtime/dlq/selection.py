"""What an operator may ask dead letters for: one record by its coordinates, or all that pass some filters."""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec
from typing_extensions import override

_COORDINATE: Final = re.compile(r"([A-Za-z0-9._-]+):([0-9]{1,10}):([0-9]{1,19})")
_AGO: Final = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Coordinate(msgspec.Struct, frozen=True, order=True):
    """Where a record stands, or stood: ``topic:partition:offset``."""

    topic: str
    partition: int
    offset: int

    @override
    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The dead letters that pass every filter that is set. *since_us* is the earliest burial, from the epoch."""

    coordinate: Coordinate | None = None
    reason: str | None = None
    stage: str | None = None
    topic: str | None = None
    since_us: int | None = None
    user: str | None = None

    @property
    def everything(self) -> bool:
        """Whether no filter is set."""
        return self == Selection()


def coordinate(text: str) -> Coordinate:
    """The coordinate that *text* is. Raises ValueError."""
    found = _COORDINATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not topic:partition:offset, such as order-commands:3:1207")
    return Coordinate(found[1], int(found[2]), int(found[3]))


def instant_us(text: str, now: datetime) -> int:
    """The instant that *text* is: ISO 8601 (UTC unless it says otherwise), or so long before *now*, such as ``90m``.

    Raises ValueError.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return int((now.timestamp() - int(ago[1]) * _SECONDS[ago[2]]) * 1_000_000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is neither an ISO 8601 time nor like 30s, 90m, 2h or 7d") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)
