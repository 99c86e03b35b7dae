"""How a venue's balances can differ from what the ledger makes of them, case by case."""

import asyncio
import itertools

import pytest
from msgspec.structs import replace

from domain import ledger
from domain.messages import Account, EntryKind, JournalEntry, Posting, Side
from domain.state import Balance as BookedBalance
from runtime.exits import Unavailable
from runtime.settings import Settings, SettingsError
from tests.builders import an_order, units
from venue_gateways import calls
from venue_gateways.calls import Exchange
from venue_gateways.reconciliation import balances, baseline
from venue_gateways.reconciliation.balances import TOLERANCE, Look, Range, Verdict
from venue_gateways.venue import Answer, Balance, Outcome, ReadBalances

VENUE = "simulated"
NOTHING = Range()
AT = {"USD": Range(units("5000"), units("5000"))}


def look(free: str = "5000", held: str = "0", booked: str = "0", moved: Range = NOTHING, kept: str = "0") -> Look:
    there = {"USD": Balance("USD", units(free), units(held))}
    return Look(7, {0: 1}, there, {"USD": units(booked)}, {"USD": moved}, {"USD": units(kept)})


def between(low: str, high: str) -> Range:
    return Range(units(low), units(high))


def verdict(*looks: Look) -> Verdict:
    (row,) = balances.conclude(looks, AT)
    return row.verdict


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (look(), Verdict.EQUAL),
        (look("4900", booked="-100"), Verdict.EQUAL),
        (look("4800", "100", "-100", kept="101"), Verdict.EQUAL),  # held is still there
        (look("4900"), Verdict.DIFFERS),
        (look("4900", booked="100"), Verdict.DIFFERS),
        (look("5000.00000001"), Verdict.EQUAL),
        (look("5000.00000002"), Verdict.DIFFERS),
        (look("4999.99999998"), Verdict.DIFFERS),
        (look("4900", moved=between("-100", "0")), Verdict.IN_MOTION),  # booked after the first look: done, or not
        (look("5000", moved=between("-100", "30")), Verdict.IN_MOTION),
        (look("4800", moved=between("-100", "30")), Verdict.DIFFERS),  # more than was under way
        (look("5040", moved=between("-100", "30")), Verdict.DIFFERS),
        (look("4900", "100", kept="100"), Verdict.EQUAL),
        (look("4900", "100", kept="99"), Verdict.OVERHELD),
        (look("4900", "101", kept="99"), Verdict.DIFFERS),
        (replace(look("4900", "100"), reserved=None), Verdict.EQUAL),  # somebody else's orders may hold it
    ],
)
def test_each_case_has_its_verdict(seen, expected):
    assert verdict(seen) is expected


def test_what_is_under_way_in_one_look_is_settled_by_another_and_what_lasts_is_a_difference():
    late, moving, still = look("4900"), look("4900", moved=between("-100", "0")), look("4900", booked="-100")
    assert verdict(late, moving) is Verdict.IN_MOTION
    assert verdict(late, moving, still) is Verdict.EQUAL
    assert verdict(late, late) is Verdict.DIFFERS
    assert [balances.conclusive([each], AT) for each in (late, moving, still)] == [False, False, True]


def test_an_asset_that_the_baseline_or_the_venue_does_not_have_is_compared_with_nothing():
    rows = balances.compare(replace(look(), balances={"BTC": Balance("BTC", 1 + TOLERANCE, 0)}), AT)
    assert [(row.asset, row.verdict, row.difference.low) for row in rows] == [
        ("BTC", Verdict.DIFFERS, 1 + TOLERANCE),
        ("USD", Verdict.DIFFERS, -units("5000")),
    ]
    (row,) = balances.compare(Look(7, {}, {}, {}, {}, {}), AT)  # all of it has gone
    assert row.verdict is Verdict.DIFFERS


def test_a_baseline_is_as_narrow_as_any_look_tells_and_what_it_leaves_open_stays_open():
    wide, narrow = look("4900", moved=between("-100", "30")), look("4900", "0", "-90", between("-10", "0"))
    assert balances.rests([wide, narrow]) == {"USD": between("4990", "5000")}
    assert [balances.conclusive([each], None) for each in (wide, look())] == [False, True]
    (row,) = balances.compare(look("4900", booked="-100"), balances.rests([narrow]))
    assert (row.verdict, row.difference) == (Verdict.IN_MOTION, between("0", "10"))


# ── what a look is made of ──────────────────────────────────────────────────────────────────────────────────────────


def trade(side: Side, fee: str = "0.1") -> JournalEntry:
    """One BTC for 100 USD, with a fee in USD, as the ledger books it."""
    fill = ledger.Fill("t", units("1"), units("100"), units(fee), "USD")
    postings, _ = ledger.settle(an_order(side=side), fill, "BTC", "USD")
    return JournalEntry("alice", "venue-reports", 0, 1, 0, 1, EntryKind.SETTLE, "t", postings)


def test_what_trades_move_at_a_venue_is_the_negative_of_its_accounts_fees_included():
    rows = [
        BookedBalance(posting.owner, posting.asset, posting.amount, 0)
        for posting in (*trade(Side.BUY).postings, *trade(Side.SELL, "-0.3").postings)
    ]
    assert balances.booked(rows, VENUE) == {"USD": units("0.2"), "BTC": 0}  # a rebate is paid to the account
    assert balances.booked(rows, "elsewhere") == {}


def test_any_part_of_the_trades_may_have_been_done_but_each_whole():
    entries = [trade(Side.BUY), trade(Side.BUY), trade(Side.SELL)]
    expected = {"BTC": between("-1", "2"), "USD": between("-200.2", "99.9")}
    assert balances.moved(entries, VENUE) == expected
    assert (
        balances.moved([replace(entries[0], postings=(Posting("treasury", Account.AVAILABLE, "USD", 5),))], VENUE) == {}
    )


def test_rows_of_one_asset_add_up():
    rows = [Balance("USD", 1, 2), Balance("BTC", 5, 0), Balance("USD", 10, 20)]
    assert balances.added(rows) == {"USD": Balance("USD", 11, 22), "BTC": Balance("BTC", 5, 0)}


def test_an_order_may_hold_what_it_had_reserved_before_or_after_the_look():
    shrinking, new = an_order(reserved="100"), an_order(order_id="new", reserved="7")
    ended = an_order(order_id="ended", side=Side.SELL, reserved="2")
    found = balances.reserved([shrinking, ended], [replace(shrinking, reserved=units("40")), new])
    assert found == {"USD": units("107"), "BTC": units("2")}


class Venue:
    """Answers one call after the other."""

    def __init__(self, *answers: Answer) -> None:
        self.adapter = self
        self.name = VENUE
        self.answers = itertools.cycle(answers)
        self.positions: list[str | None] = []

    async def ask(self, call: ReadBalances) -> Exchange:
        self.positions.append(call.position)
        return Exchange(next(self.answers), 0, 0, 0, answered=True)


def test_all_pages_are_read_as_long_as_they_end():
    first = Answer(Outcome.ACCEPTED, balances=(Balance("BTC", 1, 0),), position="2", more=True)
    last = Answer(Outcome.ACCEPTED, balances=(Balance("USD", 2, 0),))
    venue = Venue(first, last)
    assert asyncio.run(calls.balances(venue)) == [Balance("BTC", 1, 0), Balance("USD", 2, 0)]
    assert venue.positions == [None, "2"]
    with pytest.raises(Unavailable, match="more than 100 pages"):
        asyncio.run(calls.balances(Venue(first)))


def test_a_page_that_is_missing_is_not_taken_for_an_empty_one():
    with pytest.raises(Unavailable, match="HTTP_500"):
        asyncio.run(calls.balances(Venue(Answer(Outcome.UNKNOWN, "HTTP_500"))))


# ── the baseline ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_baseline_is_read_as_it_was_recorded(tmp_path):
    file = baseline.path(Settings(var=tmp_path), "binance.hedge")
    assert baseline.load(file) is None
    made = baseline.made(VENUE, look(), {"USD": between("-1.5", "2")})
    baseline.record(file, made)
    found = baseline.load(file)
    assert found == made
    assert found.ranges() == {"USD": between("-1.5", "2")}
    assert [each.name for each in file.parent.iterdir()] == ["binance.hedge.json"]


@pytest.mark.parametrize(
    "text", ["", "{}", "\xff", '{"venue":"v","looked_at":1,"positions":{},"rests":{"USD":["x","1"]}}']
)
def test_a_file_that_is_no_baseline_is_neither_used_nor_replaced(tmp_path, text):
    file = tmp_path / "v.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match="move it away"):
        baseline.load(file)
