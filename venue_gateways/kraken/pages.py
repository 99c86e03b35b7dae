"""Kraken's histories page by page: fifty rows at a time, the newest first, by how many to skip.

Documented: ``start`` is exclusive, ``ofs`` skips, ``count`` says how many there are in all. Rows that come up meanwhile
push the others down, so that a row may be seen twice, and none is missed. Once a history has been read to its end, the
next look starts a little before the newest row that was seen: rows may come up late (assumed).
"""

from typing import Final

import msgspec

from venue_gateways.venue import Unparsable

_SECOND_US: Final = 1_000_000
#: How far back the next look begins.
OVERLAP_US: Final = 10 * _SECOND_US


class Page(msgspec.Struct, frozen=True):
    """Where in a history a look is: what came after *start_us*, less the *offset* newest. *newest_us* was seen."""

    start_us: int
    offset: int = 0
    newest_us: int = 0

    def position(self) -> str:
        return f"{self.start_us}/{self.offset}/{self.newest_us}"

    def fields(self) -> list[tuple[str, str]]:
        """What the venue wants to be told."""
        seconds, micros = divmod(self.start_us, _SECOND_US)
        return [("start", f"{seconds}.{micros:06d}"), ("ofs", str(self.offset))]

    def after(self, instants_us: list[int], count: int) -> tuple["Page", bool]:
        """Where to go on after a page with rows of *instants_us*, of *count* in all; and whether there are more now."""
        newest = max([self.newest_us, *instants_us])
        seen = self.offset + len(instants_us)
        if instants_us and seen < count:
            return Page(self.start_us, seen, newest), True
        return Page(max(self.start_us, newest - OVERLAP_US)), False


def page(position: str | None, since_us: int | None) -> Page:
    """The page at *position*, or from an instant on. Raises Unparsable for a position that isn't one of these."""
    if position is None:
        return Page(since_us or 0)
    try:
        start_us, offset, newest_us = map(int, position.split("/"))
    except ValueError as error:
        raise Unparsable(f"no position: {position!r}") from error
    return Page(start_us, offset, newest_us)
