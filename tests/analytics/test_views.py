"""What the views say, against a calculation that knows nothing of SQL; also when everything is stored again."""

import math
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from analytics.boards.boards import BOARDS
from analytics.boards.macros import Span, expanded
from domain.messages import Account, EntryKind, JournalEntry, Posting, ReportKind, Side
from domain.money import ONE
from domain.observations import VenueBalance
from tests.analytics.base import AUDITS, Base, decimal
from tests.analytics.stage import moment
from tests.analytics.story import Story, traded

MINUTE_US = 60_000_000


def orders_by_hand(story: Story) -> dict[tuple[str, str], tuple[Any, ...]]:
    last: dict[tuple[str, str], Any] = {}
    for event in story.events:
        if event.sequence:
            last[event.user_id, event.order_id or ""] = event
    return {
        key: (
            e.status,
            e.sequence,
            e.symbol,
            e.side,
            decimal(e.filled_quantity),
            decimal(e.leaves_quantity),
            decimal(e.filled_cost),
            e.reason or "",
        )
        for key, e in last.items()
    }


def orders_by_view(base: Base) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = base.rows(
        "SELECT user_id, order_id, status, sequence, symbol, side, filled_quantity, leaves_quantity, filled_cost, "
        "reason FROM orders_current"
    )
    return {(user, order): tuple(rest) for user, order, *rest in rows}


def balances_by_hand(story: Story) -> dict[tuple[str, str], tuple[Decimal, Decimal, int]]:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for entry in story.entries:
        for posting in entry.postings:
            account = sums[posting.owner, posting.asset]
            account[posting.account == "RESERVED"] += posting.amount
            account[2] += 1
    return {key: (decimal(available), decimal(reserved), n) for key, (available, reserved, n) in sums.items()}


def balances_by_view(base: Base) -> dict[tuple[str, str], tuple[Decimal, Decimal, int]]:
    rows = base.rows("SELECT owner, asset, available, reserved, postings FROM balances")
    return {(owner, asset): (available, reserved, n) for owner, asset, available, reserved, n in rows}


def test_orders_and_balances_are_what_the_topics_say(base, told):
    assert orders_by_view(base) == orders_by_hand(told)
    assert balances_by_view(base) == balances_by_hand(told)
    assert len({status for status, *_ in orders_by_view(base).values()}) >= 4


def test_the_larger_sequence_wins_wherever_it_stood_in_the_log(base):
    story = Story(seed=12, orders=50)
    base.store("order-events", list(reversed(story.events)))
    assert orders_by_view(base) == orders_by_hand(story)


def test_repeated_inserts_under_their_tokens_change_nothing_at_all(base, told):
    before = {t: base.rows(f"SELECT count() FROM {t}") for t in ("order_events", "ledger_entries", "venue_reports")}
    latency = base.rows("SELECT * FROM venue_latency ORDER BY ALL")
    base.store_again(other_tokens=False)
    assert before == {t: base.rows(f"SELECT count() FROM {t}") for t in before}
    assert base.rows("SELECT * FROM venue_latency ORDER BY ALL") == latency
    for audit in AUDITS:
        assert base.ask(audit) == [], audit
    assert balances_by_view(base) == balances_by_hand(told)


def test_views_are_right_even_if_everything_is_stored_twice(base, told):
    """What tokens prevent, happened all the same: the roll-ups of sums are off, and an audit says so."""
    base.store_again(other_tokens=True)
    for _ in range(2):  # before merges, and after
        assert orders_by_view(base) == orders_by_hand(told)
        assert balances_by_view(base) == balances_by_hand(told)
        assert {row["rollup"] for row in base.ask("audit_rollups.sql")} == {
            "fills_1m",
            "ledger_totals",
            "order_events_1m",
            "pipeline_latency_1m",
            "venue_latency_1m",
        }
        base.merge()


def test_merges_change_no_answer(base, told):
    views = ("orders_current", "balances", "venue_latency")
    before = {view: sorted(map(str, base.rows(f"SELECT * FROM {view}"))) for view in views}
    base.merge()
    assert {view: sorted(map(str, base.rows(f"SELECT * FROM {view}"))) for view in views} == before
    assert orders_by_view(base) == orders_by_hand(told)


def test_balances_hold_more_than_38_digits(base):
    story = Story(seed=1, orders=1)
    entry = story.entries[0]
    most = 10**38 - 1
    postings = tuple(msgspec.structs.replace(p, amount=most) for p in (entry.postings[1],) * 40)
    base.store("ledger-entries", [msgspec.structs.replace(entry, postings=postings)])
    ((available, reserved),) = base.rows("SELECT available, reserved FROM balances")
    assert (available, reserved) == (0, decimal(40 * most))
    assert base.rows("SELECT sum(amount), sum(postings) FROM ledger_totals") == [(decimal(40 * most), 40)]


def test_latencies_are_within_one_percent(base, told):
    calls = [r for r in told.reports if r.kind is not ReportKind.FILL and r.sent_at and r.received_at]
    assert base.rows("SELECT sum(calls) FROM venue_latency WHERE operation = 'PLACE' AND outcome = 'ACKNOWLEDGED'") == [
        (len(calls),)
    ]
    (row,) = base.ask("venue_latency.sql")
    latencies = sorted((r.received_at or 0) - (r.sent_at or 0) for r in calls)
    waits = sorted(r.throttle_wait_us or 0 for r in calls)
    for name, values, level in (("p50_ms", latencies, 0.5), ("p99_ms", latencies, 0.99)):
        nearest = [values[math.floor(level * (len(values) - 1))], values[math.ceil(level * (len(values) - 1))]]
        assert min(nearest) / 1_000 * 0.985 <= row[name] <= max(nearest) / 1_000 * 1.015
    assert row["throttle_wait_p99_ms"] == pytest.approx(waits[int(0.99 * (len(waits) - 1))] / 1_000, rel=0.03)
    assert row["slowest_ms"] == latencies[-1] / 1_000
    fast = sum(latency <= 250_000 for latency in latencies)
    assert row["percent_within_250_ms"] == pytest.approx(100 * fast / len(latencies), abs=0.01)


# ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_orders_by_state(base, told):
    expected = Counter(status for status, *_ in orders_by_hand(told).values())
    assert {row["status"]: row["orders"] for row in base.ask("orders_by_state.sql")} == expected


def test_rejects_by_reason(base, told):
    expected = Counter(event.reason for event in told.events if event.answer == "REJECTED")
    found = base.ask("rejects_by_reason.sql")
    assert {row["reason"]: row["refused"] for row in found} == expected
    assert sum(row["percent"] for row in found) == pytest.approx(100, abs=0.1)


def test_fees_and_volume(base, told):
    fills = [event for event in told.events if event.kind == "ORDER_FILLED"]
    volume = sum(decimal((e.fill_price or 0) * (e.fill_quantity or 0) // 10**18) for e in fills)
    (row,) = base.ask("fees.sql")
    assert (row["fills"], row["volume"], row["fees"]) == (len(fills), volume, decimal(sum(e.fee or 0 for e in fills)))
    maker = sum(
        decimal((e.fill_price or 0) * (e.fill_quantity or 0) // 10**18) for e in fills if e.liquidity == "MAKER"
    )
    assert float(row["maker_share"]) == pytest.approx(float(maker / volume), abs=0.001)


def test_symbols(base, told):
    expected = Counter((symbol, side) for _, _, symbol, side, *_ in orders_by_hand(told).values())
    found = base.ask("symbols.sql")
    assert {(row["symbol"], row["side"]): row["orders"] for row in found} == expected
    assert sum(row["cost"] for row in found) == sum(cost for *_, cost, _ in orders_by_hand(told).values())


def test_unsettled_orders_are_those_that_stay_too_long(base, told):
    old = [e for e in told.events if e.kind == "ORDER_ACCEPTED"][:1]
    stuck = msgspec.structs.replace(old[0], order_id="stuck", occurred_at=old[0].occurred_at - 10**9, sequence=1)
    base.store("order-events", [stuck])
    assert [row["order_id"] for row in base.ask("unsettled_orders.sql")] == ["stuck"]


def test_of_many_that_wait_a_panel_shows_the_longest_waiting(base, told):
    """Twenty of twenty-one, the youngest of which comes first by its name."""
    first = next(e for e in told.events if e.kind == "ORDER_ACCEPTED")
    waiting = [
        msgspec.structs.replace(first, order_id=f"stuck-{99 - n}", occurred_at=first.occurred_at - (100 - n) * 10**9)
        for n in range(21)
    ]
    base.store("order-events", waiting)
    (panel,) = (each for board in BOARDS for each in board.stored if each.file == "execution/unsettled.sql")
    span = Span(first.occurred_at // 10**6 - 60, first.occurred_at // 10**6)
    found = [row["order_id"] for row in base.client.query(expanded(panel.statement, span)).named_results()]
    assert found == [event.order_id for event in waiting[:20]]


def test_what_is_reserved_is_in_the_view_until_it_is_released(base, told):
    reserved: dict[tuple[str, str, str], int] = defaultdict(int)
    for entry in told.entries:
        for posting in entry.postings:
            if posting.account is Account.RESERVED:
                reserved[posting.owner, entry.order_id or "", posting.asset] += posting.amount
    found = base.rows("SELECT owner, order_id, asset, reserved FROM reservations")
    assert {(*name,): amount for *name, amount in found} == {
        name: decimal(amount) for name, amount in reserved.items() if amount
    }
    assert 0 < len(found) < len(reserved)


def test_fills_at_one_instant_count_in_the_order_of_the_log_and_one_that_its_fee_took_changes_no_profit(base):
    base.store(
        "order-events",
        [
            traded("1", Side.BUY, price=100),
            traded("2", Side.BUY, price=200),
            traded("3", Side.BUY, price=50, fee=1),
            traded("4", Side.SELL, price=300, seconds=1),
        ],
    )
    period = "since = '1970-01-01 00:00:00', until = '2100-01-01 00:00:00'"
    fifo = "closed, cost, proceeds, realised_fifo, open_cost_fifo"
    found = base.rows(f"SELECT position, {fifo}, realised_average, open_cost_average FROM realised_pnl({period})")
    assert found == [(1, 1, 100, 300, 200, 200, 150, 150)]


def test_an_asset_that_a_look_at_a_venue_does_not_name_was_not_there(base):
    """Three looks a minute apart, ten units a name; of what no look names nothing came, whatever was booked."""
    began = 1_767_225_600_000_000
    looks = [began, began + MINUTE_US, began + 2 * MINUTE_US]
    named = [("BTC", "USD"), ("USD",), ("BTC",)]
    base.store(
        "venue-balances",
        [
            VenueBalance("simulated", "", asset, 7 * ONE, 3 * ONE, at)
            for at, assets in zip(looks, named, strict=True)
            for asset in assets
        ],
    )
    booked = [("ETH", looks[1] - 10_000_000), ("SOL", looks[0] - MINUTE_US), ("BTC", looks[1] + 10_000_000)]
    base.store("ledger-entries", [settled(asset, at) for asset, at in booked])
    period = f"since = '{moment(began)}', until = '{moment(looks[2] + 1)}', every_us = 1"
    columns = "asset, total, venue_moved, ledger_moved, difference, motion_before, motion_now"
    found = base.rows(f"SELECT {columns} FROM venue_balance_moves({period}) ORDER BY asset, observed_at")
    assert found == [
        ("BTC", 0, -10, 0, -10, 0, 2),
        ("BTC", 10, 10, 2, 8, 2, 0),
        ("ETH", 0, 0, 2, -2, 0, 2),
        ("ETH", 0, 0, 0, 0, 2, 0),
        ("USD", 10, 0, 0, 0, 0, 0),
        ("USD", 0, -10, 0, -10, 0, 0),
    ]


def settled(asset: str, at_us: int) -> JournalEntry:
    """Two units of *asset* come in at the venue."""
    postings = (
        Posting("clearing:simulated", Account.AVAILABLE, asset, -2 * ONE),
        Posting("user:ada", Account.AVAILABLE, asset, 2 * ONE),
    )
    return JournalEntry("ada", "venue-reports", 0, 1, 0, at_us, EntryKind.SETTLE, f"trade of {asset}", postings)
