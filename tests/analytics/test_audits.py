"""Audits: nothing is found in sound tables, and everything that is wrong in others."""

import msgspec
import pytest

from domain.messages import Account, EntryKind, JournalEntry, OrderEvent, Posting, Side
from domain.money import ONE
from tests.analytics.base import AUDITS, decimal
from tests.analytics.story import Story, traded


@pytest.mark.usefixtures("told")
def test_a_fill_that_is_missing_in_the_copy_is_found(base):
    (trade,) = base.rows("SELECT max(trade_id) FROM fills_booked")[0]
    base.client.command(f"DELETE FROM fills_booked WHERE trade_id = '{trade}'")
    assert {row["rollup"] for row in base.ask("audit_rollups.sql")} == {"fills_1m", "fills_booked"}


@pytest.mark.usefixtures("told")
def test_a_copied_fill_that_belongs_to_another_trade_is_found(base):
    (trade,) = base.rows("SELECT max(trade_id) FROM fills_booked")[0]
    change = f"ALTER TABLE fills_booked UPDATE trade_id = 'another' WHERE trade_id = '{trade}'"
    base.client.command(change, settings={"mutations_sync": 1})
    assert {row["rollup"] for row in base.ask("audit_rollups.sql")} == {"fills_booked"}


def test_duplicates_are_found_until_merges_remove_them(base, told):
    base.store_again(other_tokens=True)
    found = base.ask("audit_duplicates.sql")
    assert len(found) == 1_000
    assert {row["times"] for row in found} == {2}
    base.merge()
    assert base.ask("audit_duplicates.sql") == []
    assert base.rows("SELECT count() FROM ledger_entries") == [(sum(len(e.postings) for e in told.entries),)]


def test_no_audit_finds_anything_in_a_sound_story(base, told):
    assert told.entries
    assert {audit: base.ask(audit) for audit in AUDITS} == {audit: [] for audit in AUDITS}


def test_a_missing_booking_a_second_one_and_a_wrong_one_are_found(base):
    story = Story(seed=3, orders=60)
    settled = [n for n, entry in enumerate(story.entries) if entry.kind == "SETTLE"]
    missing, twice, wrong, alone = (story.entries[n] for n in settled[:4])
    story.entries.remove(missing)
    story.entries.append(twice)
    index = story.entries.index(wrong)
    story.entries[index] = msgspec.structs.replace(
        wrong, postings=tuple(msgspec.structs.replace(p, amount=p.amount * 2) for p in wrong.postings)
    )
    story.events = [event for event in story.events if event.trade_id != alone.reference]
    for topic, messages in story.records().items():
        base.store(topic, messages)
    found = {row["trade_id"]: row for row in base.ask("audit_fills_against_ledger.sql")}
    assert found.keys() == {missing.reference, twice.reference, wrong.reference, alone.reference}
    assert (found[missing.reference]["events"], found[missing.reference]["entries"]) == (1, 0)
    assert found[twice.reference]["entries"] == 2
    assert found[wrong.reference]["quantity_booked"] == 2 * found[wrong.reference]["quantity"]
    assert found[alone.reference]["events"] == 0
    assert base.ask("audit_zero_sum.sql") == []
    assert {row["trade_id"] for row in base.ask("audit_fills_reported.sql")} == {alone.reference}
    assert len(base.ask("audit_sequence_gaps.sql")) >= 1


def test_a_fill_that_was_told_and_booked_twice_is_found(base):
    story = Story(seed=3, orders=60)
    booked = next(entry for entry in story.entries if entry.kind == "SETTLE")
    story.entries.append(booked)
    story.events += [event for event in story.events if event.trade_id == booked.reference]
    for topic, messages in story.records().items():
        base.store(topic, messages)
    (found,) = base.ask("audit_fills_against_ledger.sql")
    assert (found["trade_id"], found["events"], found["entries"]) == (booked.reference, 2, 2)


@pytest.mark.parametrize("what", ["quantity", "cost", "fee"])
def test_a_fill_booked_with_another_amount_is_found(base, what):
    story = Story(seed=3, orders=60)
    index = next(n for n, entry in enumerate(story.entries) if entry.kind == "SETTLE")
    entry = story.entries[index]
    asset = "USD" if what in ("cost", "fee") else (entry.symbol or "").partition("-")[0]
    owner = "fees:simulated" if what == "fee" else "clearing:simulated"
    off = (Posting(owner, Account.AVAILABLE, asset, 1), Posting("treasury", Account.AVAILABLE, asset, -1))
    story.entries[index] = msgspec.structs.replace(entry, postings=entry.postings + off)
    for topic, messages in story.records().items():
        base.store(topic, messages)
    assert base.ask("audit_zero_sum.sql") == []
    (found,) = base.ask("audit_fills_against_ledger.sql")
    assert found[f"{what}_booked"] - found[what] == decimal(1)


def test_fills_whose_errors_make_up_for_each_other_are_found(base):
    """Two of the same heap (see the audit), which ClickHouse must pick: its hash is its own."""
    fill = "cityHash64('ada', concat('order-', toString(number)), toString(number))"
    ((numbers,),) = base.rows(
        f"SELECT groupArray(number) FROM numbers(10000) GROUP BY {fill} % 16384 HAVING count() > 1 LIMIT 1"
    )
    one, other = (traded(str(number), Side.BUY, price=100) for number in numbers[:2])
    base.store("order-events", [one, other])
    base.store("ledger-entries", [booked(one, ONE + 1, 100 * ONE), booked(other, ONE - 1, 100 * ONE)])
    found = {row["trade_id"]: row["quantity_booked"] for row in base.ask("audit_fills_against_ledger.sql")}
    assert found == {one.trade_id: decimal(-ONE - 1), other.trade_id: decimal(1 - ONE)}


@pytest.mark.parametrize(("told", "entries"), [(1, 2), (2, 1)])
def test_a_fill_that_is_told_or_booked_in_halves_is_found(base, told, entries):
    whole = traded("1", Side.BUY, price=100)
    base.store("order-events", [msgspec.structs.replace(whole, fill_quantity=ONE // told)] * told)
    base.store("ledger-entries", [booked(whole, ONE // entries, 100 * ONE // entries)] * entries)
    (found,) = base.ask("audit_fills_against_ledger.sql")
    assert (found["events"], found["entries"]) == (told, entries)


def booked(trade: OrderEvent, quantity: int, cost: int) -> JournalEntry:
    """A purchase as the ledger has it."""
    postings = (
        Posting("clearing:simulated", Account.AVAILABLE, "BTC", -quantity),
        Posting("user:ada", Account.AVAILABLE, "BTC", quantity),
        Posting("clearing:simulated", Account.AVAILABLE, "USD", cost),
        Posting("user:ada", Account.RESERVED, "USD", -cost),
    )
    at, kind = trade.occurred_at, EntryKind.SETTLE
    of = {"order_id": trade.order_id, "venue": trade.venue, "symbol": trade.symbol}
    return JournalEntry("ada", "venue-reports", 0, trade.source_offset, 0, at, kind, trade.trade_id, postings, **of)


def test_an_entry_that_does_not_balance_is_found(base):
    story = Story(seed=4, orders=20)
    entry = story.entries[7]
    first, *rest = entry.postings
    story.entries[7] = msgspec.structs.replace(
        entry, postings=(msgspec.structs.replace(first, amount=first.amount + 1), *rest)
    )
    base.store("ledger-entries", story.entries)
    (found,) = base.ask("audit_zero_sum.sql")
    assert (found["_offset"], found["asset"], found["off_by"]) == (7, first.asset, decimal(1))


def test_entries_that_only_balance_together_are_found(base):
    story = Story(seed=4, orders=20)
    asset = story.entries[7].postings[0].asset
    other = next(at for at, entry in enumerate(story.entries) if at > 7 and entry.postings[0].asset == asset)
    for at, error in (7, 1), (other, -1):
        first, *rest = story.entries[at].postings
        postings = (msgspec.structs.replace(first, amount=first.amount + error), *rest)
        story.entries[at] = msgspec.structs.replace(story.entries[at], postings=postings)
    base.store("ledger-entries", story.entries)
    found = [(row["_offset"], row["off_by"]) for row in base.ask("audit_zero_sum.sql")]
    assert found == [(7, decimal(1)), (other, decimal(-1))]


@pytest.mark.parametrize("lost", [0, 1, -1])
def test_a_lost_event_is_a_gap_wherever_it_was(base, lost):
    story = Story(seed=6, orders=30)
    name = next(event.order_id for event in story.events if event.sequence >= 3)
    events = [event for event in story.events if event.order_id == name]
    story.events.remove(events[lost])
    base.store("order-events", story.events)
    found = [row["order_id"] for row in base.ask("audit_sequence_gaps.sql")]
    assert found == ([] if lost == -1 else [name])  # what was never the last can't be missed by counting
