"""Balances by owner and asset: users' available and reserved money, and the system's own accounts."""

from collections.abc import Iterable
from typing import Any

from typing_extensions import override

from domain import ledger
from domain.messages import JournalEntry
from domain.state import Balance
from streaming.table import Rows


def balance_key(owner: str, asset: str) -> bytes:
    """The row key: owner and asset, apart by a byte that neither may hold."""
    return f"{owner}\x1f{asset}".encode()


class BalanceRows(Rows[Balance]):
    """The balances of one partition.

    *totals* sums each asset over all accounts from the rows themselves, not from the postings: it is zero while the
    ledger balances, and shows any fault in storing as well as in deciding.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.totals: dict[str, int] = {}

    def available(self, user_id: str, asset: str) -> int:
        """What the user can spend of *asset*."""
        row = self.get(balance_key(ledger.user(user_id), asset))
        return 0 if row is None else row.available

    def post(self, entries: Iterable[JournalEntry]) -> None:
        """Books the postings of *entries*: each balance is put once, however many of them are its own."""
        before: dict[bytes, Balance | None] = {}
        after: dict[bytes, Balance] = {}
        for entry in entries:
            for posting in entry.postings:
                key = balance_key(posting.owner, posting.asset)
                row = after.get(key)
                if row is None:
                    row = before[key] = self.get(key)
                after[key] = ledger.apply(row or Balance(posting.owner, posting.asset, 0, 0), posting)
        for key, row in after.items():
            self._replace(key, before[key], row)

    @override
    def put(self, key: bytes, row: Balance) -> None:
        self._replace(key, self.get(key), row)

    def _replace(self, key: bytes, before: Balance | None, row: Balance) -> None:
        more = row.available + row.reserved
        if before is not None:
            more -= before.available + before.reserved
        super().put(key, row)
        if more:  # most often money changes sides, not hands
            self.totals[row.asset] = self.totals.get(row.asset, 0) + more

    @override
    def loaded(self) -> None:
        self.totals.clear()
        for _, row in self.items():  # noqa: PERF102  # a table's rows, not a dictionary
            self.totals[row.asset] = self.totals.get(row.asset, 0) + row.available + row.reserved
