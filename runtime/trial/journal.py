"""The simulated venue's own log, read while it grows: what the venue says it accepted and traded."""

from pathlib import Path
from typing import Any

import msgspec

Line = dict[str, Any]


class Journal:
    """The lines of the file at *path*, complete ones only, in the order in which the venue wrote them."""

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        self.orders = 0
        self.fills = 0
        self._path = path
        self._position = 0
        self._decoder = msgspec.json.Decoder()

    def read(self) -> None:
        """Takes in what was appended since the last look. A line still being written is left for the next."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        for text in whole.splitlines():
            line = self._decoder.decode(text)
            self.lines.append(line)
            self.orders += line["event"] == "order_accepted"
            self.fills += line["event"] == "fill"
