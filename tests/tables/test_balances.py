"""Balances of one partition: journal entries become rows, and the totals are sums of the rows."""

import pytest

from domain import ledger
from domain.messages import Account, EntryKind, JournalEntry, Posting
from domain.state import Balance
from streaming.table import Fingerprint
from tables.balances import BalanceRows, balance_key

ALICE = ledger.user("alice")


@pytest.fixture
def rows() -> BalanceRows:
    return BalanceRows(Balance, Fingerprint("balances"), {})


def entry(*postings: Posting) -> JournalEntry:
    return JournalEntry("alice", "transfers", 0, 1, 0, 5, EntryKind.CREDIT, "reference", postings)


def balance_of(rows: BalanceRows, owner: str, asset: str = "USD") -> tuple[int, int]:
    row = rows.get(balance_key(owner, asset))
    assert row is not None
    return row.available, row.reserved


def test_postings_of_one_decision_add_up_in_each_balance(rows):
    rows.post(
        [
            entry(*ledger.credit("alice", "USD", 100)),
            entry(*ledger.reserve("alice", "USD", 30)),
            entry(*ledger.reserve("alice", "USD", -10)),
        ]
    )
    rows.post([entry(*ledger.reserve("alice", "USD", 5))])
    assert balance_of(rows, ALICE) == (75, 25)
    assert balance_of(rows, ledger.TREASURY) == (-100, 0)
    assert rows.available("alice", "USD") == 75


def test_who_has_nothing_can_spend_nothing(rows):
    assert rows.available("alice", "USD") == 0


def test_totals_are_zero_while_the_ledger_balances(rows):
    rows.post([entry(*ledger.credit("alice", "USD", 100), *ledger.credit("bob", "BTC", 7))])
    rows.post([entry(*ledger.reserve("alice", "USD", 30))])
    assert rows.totals == {"USD": 0, "BTC": 0}


def test_totals_show_what_was_stored_out_of_balance(rows):
    rows.post([entry(*ledger.credit("alice", "USD", 100))])
    rows.post([entry(Posting(ALICE, Account.AVAILABLE, "USD", 3)), entry(Posting(ALICE, Account.RESERVED, "USD", 4))])
    assert rows.totals == {"USD": 7}
    rows.put(balance_key(ALICE, "USD"), Balance(ALICE, "USD", 1, 1))
    assert rows.totals == {"USD": -98}


def test_restored_rows_have_the_totals_of_those_that_were_written(rows):
    rows.post([entry(*ledger.credit("alice", "USD", 100)), entry(Posting(ALICE, Account.RESERVED, "BTC", 4))])
    written = {change["key"]: change["value"] for change in rows.changes() if change["value"] is not None}
    restored = BalanceRows(Balance, Fingerprint("balances"), written)
    restored.loaded()
    assert restored.totals == rows.totals == {"USD": 0, "BTC": 4}
