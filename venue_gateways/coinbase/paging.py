"""Where a list of Coinbase's goes on: since when it is read, how far it has been seen, and the venue's cursor.

Lists come newest first (told), by pages with a cursor; the next look starts where the last one ended, less an overlap.
"""

from typing import Final

import msgspec

from venue_gateways.venue import decode

#: A fill may be listed later than one that is newer (assumed).
OVERLAP_US: Final = 10_000_000


class Bookmark(msgspec.Struct, frozen=True, array_like=True):
    """*newest_us* is the newest instant on the pages before; an empty *cursor* is the first page's."""

    since_us: int | None = None
    newest_us: int | None = None
    cursor: str = ""

    def turned(self, newest_us: int | None, cursor: str) -> "Bookmark":
        """The bookmark after a page with *newest_us* on it. Without a *cursor* that page was the last."""
        newest = max((instant for instant in (self.newest_us, newest_us) if instant is not None), default=None)
        if cursor:
            return Bookmark(self.since_us, newest, cursor)
        if newest is None:
            return Bookmark(self.since_us)
        return Bookmark(max(self.since_us or 0, newest - OVERLAP_US))

    def position(self) -> str | None:
        """As the seam has it; None at the beginning of all."""
        return None if self == Bookmark() else msgspec.json.encode(self).decode()


def bookmark(position: str | None, since_us: int | None) -> Bookmark:
    """Where a list is read from: *position* counts if both are given."""
    if position is None:
        return Bookmark(since_us)
    found: Bookmark = decode(position, Bookmark)
    return found
