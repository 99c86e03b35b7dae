"""Every question of analysts, asked of a season in ClickHouse, against the same worked out by hand.

Half of the season is stored before the newer migrations run, which must take it up. Then all questions are asked three
times: once everything is stored, once it is stored again in other batches, and once all is merged.
"""

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pytest

from analytics.boards.boards import BOARDS
from analytics.boards.macros import Span, expanded
from analytics.migrate import load
from tests.analytics.questions import by_hand, money_by_hand
from tests.analytics.questions.by_hand import Row
from tests.analytics.questions.database import Database
from tests.analytics.questions.season import TAKEN, Season
from tests.analytics.stage import Service, moment, unique_database

QUOTE_AGE_S_MAX: Final = 20
OF_PERIOD: Final = (
    *("fees.sql", "fill_rates.sql", "markouts.sql", "realised_pnl.sql", "rejects_by_reason.sql", "slippage.sql"),
    *("stage_latencies.sql", "venue_latency.sql"),
)
OF_INSTANT: Final = ("balances_at.sql", "positions_at.sql")
OF_NOW: Final = ("orders_by_state.sql", "symbols.sql", "unsettled_orders.sql")
AUDITS: Final = (
    *("audit_fills_against_ledger.sql", "audit_fills_reported.sql", "audit_sequence_gaps.sql"),
    *("audit_venue_balances.sql", "audit_zero_sum.sql"),
)
MOVES: Final = (
    "SELECT * FROM venue_balance_moves(since = {since:String}, until = {until:String}, every_us = {every_us:UInt64}) "
    "ORDER BY ALL"
)
PROFIT: Final = "SELECT * FROM realised_pnl(since = {since:String}, until = {until:String}) ORDER BY user_id, symbol"
#: Panels that read rows, and one that reads a roll-up: that counts twice what has come under two tokens.
PANELS_OF_ROWS: Final = ("execution/states.sql", "execution/unsettled.sql", "money/profit.sql", "money/venue_moves.sql")
PANEL_OF_ROLLUP: Final = "money/result.sql"
STATES: Final = ("stored once", "stored twice", "merged")


class Asked(NamedTuple):
    """A season, and the answers to all questions in each state of the database."""

    season: Season
    period: tuple[int, int]
    instant: int
    stored_at_us: dict[tuple[int, int], int]
    answers: dict[str, dict[str, list[Row]]]
    rollups: list[Row]
    database: Database

    def answer(self, file: str) -> list[Row]:
        return self.answers[STATES[0]][file]


@pytest.fixture(scope="module")
def asked(service: Service) -> Iterator[Asked]:
    season = Season(seed=20, began_at_ms=time.time_ns() // 10**6 - 1_800_000, orders=300)
    name = unique_database()
    writer = service.client(writer=True)
    writer.command(f"CREATE DATABASE {name} ENGINE = Atomic")
    client = service.client(writer=True, database=name)
    database = Database(client, name)
    _store_in_two_steps(database, season)
    accepted = sorted(order.first.occurred_at for order in by_hand.orders(season))
    period = accepted[40], accepted[220]  # both ends are instants at which something happened
    stored_at = database.rows(
        "SELECT _partition, _offset, toUnixTimestamp64Micro(_ingested_at) AS us FROM order_events"
    )
    rollups = database.ask("audit_rollups.sql")
    instant = by_hand.fills(season)[150].event.occurred_at
    answers = {STATES[0]: _all_answers(database, season, period, instant)}
    database.stop_merging()
    database.store(season.logs, per_batch=330)
    answers[STATES[1]] = _all_answers(database, season, period, instant)
    database.merge()
    answers[STATES[2]] = _all_answers(database, season, period, instant)
    stored_at_us = {(row["_partition"], row["_offset"]): row["us"] for row in stored_at}
    yield Asked(season, period, instant, stored_at_us, answers, rollups, database)
    client.close()
    writer.command(f"DROP DATABASE {name} SYNC")
    writer.close()


def _store_in_two_steps(database: Database, season: Season) -> None:
    """Half of the events under the first migrations, all else under all; no probe ran before the others."""
    events = {at: log for at, log in season.logs.items() if at[0] == "order-events"}
    first_half = {at: log[: len(log) // 2] for at, log in events.items()}
    early = {at: [r for r in log if not r.message.user_id.startswith("canary:")] for at, log in first_half.items()}
    late = {at: [r for r in log if r not in early[at]] for at, log in events.items()}
    database.migrate(load()[:4])
    database.store(early, per_batch=200)
    database.migrate()
    database.store(season.logs | late, per_batch=200)


def _all_answers(database: Database, season: Season, period: tuple[int, int], instant: int) -> dict[str, list[Row]]:
    bounds = {"since": moment(period[0]), "until": moment(period[1])}
    answers = {file: database.ask(file, **bounds, quote_age_s_max=QUOTE_AGE_S_MAX) for file in OF_PERIOD}
    answers |= {file: database.ask(file, instant=moment(instant)) for file in OF_INSTANT}
    answers |= {file: database.ask(file) for file in (*OF_NOW, *AUDITS)}
    panels = {panel.file: panel.statement for board in BOARDS for panel in board.stored}
    asked = (*PANELS_OF_ROWS, PANEL_OF_ROLLUP)
    answers |= {file: database.rows(expanded(panels[file], whole(season))) for file in asked}
    return answers | {"moves": database.rows(MOVES, **bounds, every_us=1)}


def whole(season: Season) -> Span:
    """What a board shows that is looked at for all of the season."""
    return Span(season.began_at_us // 10**6 - 60, season.ended_at_us // 10**6 + 120)


def assert_same(found: list[Row], expected: list[Row]) -> None:
    """Row for row; money and counts exactly, rounded shares and milliseconds as far as they are rounded."""
    assert len(expected) > 0
    assert [{name: row[name] for name in hand} for row, hand in zip(found, expected, strict=True)] == [
        {name: pytest.approx(value, abs=0.006) if isinstance(value, float) else value for name, value in hand.items()}
        for hand in expected
    ]


# ── execution ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_slippage_is_against_the_last_quote_before_acceptance(asked):
    expected = by_hand.slippage(asked.season, asked.period, QUOTE_AGE_S_MAX)
    assert_same(asked.answer("slippage.sql"), expected)
    assert any(row["unknown"] and row["unknown"] < row["orders"] for row in expected)
    assert any(row["unknown"] == row["orders"] for row in expected)


def test_markouts_are_against_the_last_quote_before_the_horizon(asked):
    expected = by_hand.markouts(asked.season, asked.period, QUOTE_AGE_S_MAX)
    assert_same(asked.answer("markouts.sql"), expected)
    assert len({row["unknown"] for row in expected}) > 3


def test_a_markout_is_unknown_until_quotes_reach_its_horizon(asked):
    ends = max(record.message.observed_at for record in asked.season.of("quotes"))
    late = (ends - 90_000_000, asked.season.ended_at_us)
    expected = by_hand.markouts(asked.season, late, 10_000)
    bounds = {"since": moment(late[0]), "until": moment(late[1])}
    assert_same(asked.database.ask("markouts.sql", **bounds, quote_age_s_max=10_000), expected)
    by_horizon = [sum(row["unknown"] for row in expected if row["horizon_s"] == horizon) for horizon in (1, 60)]
    assert by_horizon[0] < by_horizon[1]


def test_fill_rates_and_times(asked):
    expected = by_hand.fill_rates(asked.season, asked.period)
    assert_same(asked.answer("fill_rates.sql"), expected)
    assert any(row["live"] for row in expected)


def test_rejects_by_reason_are_those_of_users(asked):
    assert_same(asked.answer("rejects_by_reason.sql"), by_hand.rejects(asked.season, asked.period))
    kept = asked.database.rows("SELECT count() AS n FROM order_events FINAL WHERE startsWith(user_id, 'canary:')")
    assert kept == [{"n": 30}]


# ── latency ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_venue_latency_is_exact_in_counts_and_within_a_percent_in_percentiles(asked):
    expected = by_hand.calls(asked.season, asked.period)
    found = asked.answer("venue_latency.sql")
    assert [(row["venue"], row["operation"], row["outcome"]) for row in found] == sorted(expected)
    for row in found:
        calls = expected[row["venue"], row["operation"], row["outcome"]]
        took = [latency for latency, _ in calls]
        assert row["answers"] == len(calls)
        assert row["slowest_ms"] == max(took) / 1_000
        assert row["throttle_wait_longest_ms"] == max(wait for _, wait in calls) / 1_000
        fast = sum(latency <= 250_000 for latency in took)
        assert row["percent_within_250_ms"] == pytest.approx(100 * fast / len(took), abs=0.006)
        for name, level in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99)):
            place = level * (len(took) - 1)
            near = [sorted(took)[int(place)] / 1_000, sorted(took)[min(int(place) + 1, len(took) - 1)] / 1_000]
            assert near[0] * 0.99 - 0.001 <= row[name] <= near[1] * 1.01 + 0.001


def test_stages_are_those_of_each_order(asked):
    assert_same(asked.answer("stage_latencies.sql"), by_hand.stages(asked.season, asked.period, asked.stored_at_us))


def test_stages_add_up_to_the_total(asked):
    for venue, rows in by_hand.groups(asked.answer("stage_latencies.sql"), lambda row: row["venue"]):
        *stages, total = rows
        assert [row["name"] for row in rows] == list(by_hand.STAGES), venue
        assert sum(row["spent_ms"] for row in stages) == pytest.approx(total["spent_ms"], rel=1e-12)
        assert sum(row["percent"] for row in stages) == pytest.approx(100, abs=0.05)


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fees_and_maker_share(asked):
    expected = money_by_hand.fees(asked.season, asked.period)
    assert_same(asked.answer("fees.sql"), expected)
    assert {row["fee_asset"] for row in expected} >= {"", "BNB", "BTC", "USD"}


def test_positions_at_an_instant(asked):
    assert_same(asked.answer("positions_at.sql"), money_by_hand.positions_at(asked.season, asked.instant))


def test_positions_are_what_the_ledger_settled(asked):
    """Fees included: what came of each asset by trades, by the views and by the postings of fills."""
    traded: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in asked.answer("positions_at.sql"):
        base, _, quote = row["symbol"].partition("-")
        traded[f"user:{row['user_id']}", base] += row["position"]
        traded[f"user:{row['user_id']}", quote] += row["received"] - row["paid"]
    settled: dict[tuple[str, str], int] = defaultdict(int)
    for posting, entry in by_hand.postings(asked.season):
        if entry.kind == "SETTLE" and posting.owner.startswith("user:") and entry.occurred_at <= asked.instant:
            settled[posting.owner, posting.asset] += posting.amount
    assert traded == {key: by_hand.decimal(amount) for key, amount in settled.items()}


def test_balances_at_an_instant_sum_to_zero(asked):
    found = asked.answer("balances_at.sql")
    assert_same(found, money_by_hand.balances_at(asked.season, asked.instant))
    assert {sum(row["total"] for row in rows) for _, rows in by_hand.groups(found, lambda row: row["asset"])} == {0}


def test_realised_profit_by_fifo_and_by_average_cost(asked):
    expected = money_by_hand.realised_pnl(asked.season, asked.period)
    assert_same(asked.answer("realised_pnl.sql"), expected)
    assert any(row["position"] < 0 for row in expected)
    assert sum(row["realised_fifo"] != row["realised_average"] for row in expected) > 5
    assert {row["realised_fifo"] > 0 for row in expected} == {True, False}


def test_a_fill_at_the_beginning_of_a_period_belongs_to_it_and_one_at_its_end_does_not(asked):
    instants = sorted(fill.event.occurred_at for fill in by_hand.fills(asked.season))
    for period in itertools.pairwise(instants[60:180:6]):
        found = asked.database.rows(PROFIT, since=moment(period[0]), until=moment(period[1]))
        assert_same(found, money_by_hand.realised_pnl(asked.season, period))
        assert_same(found, money_by_hand.closed(asked.season, period))


def test_profit_is_what_was_received_less_what_was_paid_less_what_is_open(asked):
    """Both ways only share out the same cash: it is in one of the two columns."""
    positions = {(row["user_id"], row["symbol"]): row for row in asked.answer("positions_at.sql")}
    whole = asked.database.ask("realised_pnl.sql", since=moment(0), until=moment(asked.instant + 1))
    assert positions.keys() == {(row["user_id"], row["symbol"]) for row in whole}
    for row in whole:
        cash = positions[row["user_id"], row["symbol"]]
        assert row["realised_fifo"] - row["open_cost_fifo"] == cash["received"] - cash["paid"]
        assert row["realised_average"] - row["open_cost_average"] == cash["received"] - cash["paid"]


def test_what_moves_at_venues_is_what_the_ledger_says(asked):
    assert_same(asked.answer("moves"), money_by_hand.venue_moves(asked.season, asked.period))


def test_of_looks_within_a_stretch_of_time_the_last_one_counts(asked):
    bounds = {"since": moment(asked.period[0]), "until": moment(asked.period[1])}
    every_us = 150_000_000  # two or three looks
    expected = money_by_hand.venue_moves(asked.season, asked.period, every_us)
    assert_same(asked.database.rows(MOVES, **bounds, every_us=every_us), expected)
    assert 2 * len(expected) < len(money_by_hand.venue_moves(asked.season, asked.period))


def test_what_is_taken_from_a_venue_is_found(asked):
    (found,) = asked.answer("audit_venue_balances.sql")
    assert (found["venue"], found["asset"], found["unexplained"]) == ("simulated", "BTC", by_hand.decimal(-TAKEN))
    looks = [record.message for record in asked.season.of("venue-balances") if record.message.venue == "simulated"]
    noticed = min(look.observed_at for look in looks if look.observed_at >= asked.season.taken_at_us)
    assert found["most_of_it_by"].isoformat(" ", "microseconds") == moment(noticed)


# ── what must not be ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sound_season_passes_all_other_audits(asked):
    assert {file: asked.answer(file) for file in AUDITS if file != "audit_venue_balances.sql"} == {
        file: [] for file in AUDITS if file != "audit_venue_balances.sql"
    }


def test_rollups_count_what_was_stored_before_them_and_since(asked):
    assert asked.rollups == []


def test_unsettled_orders_show_what_is_still_reserved(asked):
    expected = by_hand.unsettled(asked.season)
    found = {(row["user_id"], row["order_id"]): row for row in asked.answer("unsettled_orders.sql")}
    assert {name: {key: found[name][key] for key in row} for name, row in expected.items()} == expected
    assert found.keys() == expected.keys()
    assert {row["exposure_asset"] for row in expected.values()} >= {"BTC", "USD"}


# ── panels ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_panel_counts_orders_by_state(asked):
    expected = Counter(str(order.last.status) for order in by_hand.orders(asked.season))
    assert {row["name"]: row["value"] for row in asked.answer("execution/states.sql")} == expected


def test_a_panel_shows_the_orders_that_have_waited_longest_and_what_is_at_stake(asked):
    orders = {order.name: order for order in by_hand.orders(asked.season)}
    waiting = by_hand.unsettled(asked.season)
    longest = sorted(waiting, key=lambda name: (orders[name].last.occurred_at, name[1]))[:20]
    assert [
        (row["order_id"], row["status"], row["quantity_open"], row["exposure"], row["asset"])
        for row in asked.answer("execution/unsettled.sql")
    ] == [
        (name[1], *(waiting[name][key] for key in ("status", "leaves_quantity", "exposure", "exposure_asset")))
        for name in longest
    ]
    assert len(longest) > 3


def test_a_panel_values_what_trades_left_at_the_last_price(asked):
    expected = money_by_hand.results(asked.season, whole(asked.season).to_s * 10**6)
    assert_same(asked.answer(PANEL_OF_ROLLUP), expected)
    assert {row["result"] is None for row in expected} == {True, False}


def test_a_panel_adds_up_what_users_realised(asked):
    expected = money_by_hand.profit(asked.season)
    assert_same(asked.answer("money/profit.sql"), expected)
    assert all(0 < row["paid"] != row["received"] for row in expected)


# ── whatever was stored twice ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", STATES[1:])
@pytest.mark.parametrize("question", [*OF_PERIOD, *OF_INSTANT, *OF_NOW, *AUDITS, *PANELS_OF_ROWS, "moves"])
def test_no_answer_depends_on_repetitions_or_merges(asked, question, state):
    def timeless(rows: list[Row]) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name != "age_s"} for row in rows]

    assert timeless(asked.answers[state][question]) == timeless(asked.answers[STATES[0]][question])


def test_every_table_and_view_says_its_grain(asked):
    query = (
        "SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView'"
    )
    silent = [row["name"] for row in asked.database.rows(query) if not row["comment"].startswith("Grain: one row ")]
    assert silent == []
