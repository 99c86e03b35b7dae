"""The simulated venues' own logs, read while they grow: what the venues say they accepted and traded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

Line = dict[str, Any]

#: What becomes of an order that leaves the book with something left to trade.
LEFT_BOOK: Final = frozenset({"order_canceled", "order_expired"})


class Journal:
    """The lines of all files of *paths*, which are by venue: complete ones only, in the order each venue wrote them.

    ``venue`` in a line says whose it is. *ended* are the client order IDs of orders that no trade has ended.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self.lines: list[Line] = []
        self.orders = 0
        self.fills = 0
        self.ended: set[str] = set()
        self._paths = dict(paths)
        self._positions = dict.fromkeys(paths, 0)
        self._decoder = msgspec.json.Decoder()

    def read(self) -> None:
        """Takes in what was appended since the last look. A line still being written is left for the next."""
        for venue, path in self._paths.items():
            if path.exists():
                self._read(venue, path)

    def _read(self, venue: str, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._positions[venue])
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._positions[venue] += len(whole)
        for text in whole.splitlines():
            line = self._decoder.decode(text)
            self.lines.append({"venue": venue, **line})
            self.orders += line["event"] == "order_accepted"
            self.fills += line["event"] == "fill"
            if line["event"] in LEFT_BOOK:
                self.ended.add(line["client_order_id"])
