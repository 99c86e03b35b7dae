"""First answers to commands, transfers and order IDs, kept for a while so that a repeat gets the same answer."""

from collections import deque
from typing import Any

from typing_extensions import override

from domain.state import FirstAnswer
from streaming.table import Rows


class AnswerRows(Rows[FirstAnswer]):
    """The first answers of one partition, by ``domain.ids`` command, transfer or order key.

    All are kept equally long, so the oldest is always the next to go. Keys alone are queued: a worker holds millions.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._oldest: deque[bytes] = deque()

    def forget(self, now: int, limit: int) -> None:
        """Deletes at most *limit* answers whose time is over."""
        while self._oldest and limit > 0:
            row = self.get(self._oldest[0])
            if row is not None and row.forget_at > now:
                return
            self.delete(self._oldest.popleft())
            limit -= 1

    @override
    def put(self, key: bytes, row: FirstAnswer) -> None:
        super().put(key, row)
        self._oldest.append(key)

    @override
    def loaded(self) -> None:
        self._oldest = deque(key for key, _ in sorted(self.items(), key=lambda item: item[1].forget_at))
