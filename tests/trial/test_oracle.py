"""Every check of the oracle passes on a sound run in miniature, and fails on the same run with one thing wrong."""

import copy
from pathlib import Path

import msgspec
import pytest

from runtime.trial import oracle, wire
from runtime.trial.oracle import clickhouse, ledger
from runtime.trial.oracle import tables as oracle_tables
from runtime.trial.oracle.evidence import Record
from runtime.trial.plan import Expect
from tests.trial.miniature import (
    HOME,
    PARTITIONS,
    REQUESTS,
    USER,
    Run,
    drop,
    fill_line,
    find,
    line,
    order_event,
    request,
    settle,
    spoil,
)


@pytest.fixture
def run():
    """A credit, an order that fills in two trades, one that rests, a repeat, a rejection, and a dead letter."""
    run, user = Run(), f"user:{USER}"
    credit = {"transfer_id": "t-1", "user_id": USER, "asset": "USD", "direction": "CREDIT", "amount": wire.amount(1000)}
    source = run.send("transfers", "transfer", Expect.ANSWER, "t-1", fields=credit)
    run.event(source, kind="TRANSFER_BOOKED", answer="ACCEPTED", command_id="t-1")
    run.entry("CREDIT", "t-1", ("treasury", "AVAILABLE", "USD", -1000), (user, "AVAILABLE", "USD", 1000))

    place = run.send("order-commands", "place_near", Expect.ANSWER, "c-1", fields={"command_id": "c-1"})
    order_event(run, place, "ORDER_ACCEPTED", 1, "PENDING_SUBMISSION", answer="ACCEPTED", command_id="c-1")
    run.entry("RESERVE", "c-1", (user, "AVAILABLE", "USD", -210), (user, "RESERVED", "USD", 210), order_id="o-1")
    request(run)
    run.journal.append(line("order_accepted", side="BUY", quantity="2", price="100"))
    for number, (trade_id, quantity, cost, status) in enumerate(
        [("7", "0.5", 49.75, "PARTIALLY_FILLED"), ("8", "1.5", 149.25, "FILLED")]
    ):
        run.journal.append(fill_line(trade_id, quantity))
        report = run.put("venue-reports", {"client_order_id": "cid-1", "kind": "FILL"})
        order_event(run, report, "ORDER_FILLED", 2 + number, status, (0.5, 2)[number], trade_id=trade_id)
        settle(run, trade_id, quantity, cost)
    run.entry("RELEASE", "end", (user, "AVAILABLE", "USD", "10.8"), (user, "RESERVED", "USD", "-10.8"), order_id="o-1")

    resting = run.send("order-commands", "place_resting", Expect.ANSWER, "c-2", fields={"command_id": "c-2"})
    order_event(
        run,
        resting,
        "ORDER_ACCEPTED",
        1,
        "PENDING_SUBMISSION",
        order_id="o-2",
        cid="cid-2",
        answer="ACCEPTED",
        command_id="c-2",
    )
    run.entry("RESERVE", "c-2", (user, "AVAILABLE", "USD", -210), (user, "RESERVED", "USD", 210), order_id="o-2")
    request(run, cid="cid-2", order_id="o-2")
    run.journal.append(line("order_accepted", "cid-2", side="BUY", quantity="2", price="100"))
    report = run.put("venue-reports", {"client_order_id": "cid-2", "kind": "ACKNOWLEDGED"})
    order_event(run, report, "ORDER_OPENED", 2, "OPEN", order_id="o-2", cid="cid-2")

    repeat = run.send("order-commands", "duplicate", Expect.DUPLICATE, "c-1", fields={"command_id": "c-1"})
    first = {"first_answer": "ACCEPTED", "first_offset": place.offset}
    run.event(repeat, kind="COMMAND_REPEATED", answer="DUPLICATE", command_id="c-1", **first)
    bad = run.send("order-commands", "bad_expired", Expect.REJECTED, "c-3", fields={"command_id": "c-3"})
    run.event(bad, answer="REJECTED", reason="DEADLINE_PASSED", command_id="c-3")
    spoilt = run.send("order-commands", "bad_empty", Expect.DEAD_LETTER, None, fields=None, value=b"junk")
    source = {"source_topic": "order-commands", "source_partition": HOME, "source_offset": spoilt.offset}
    run.put("dead-letters", source | {"reason": "TRUNCATED", "key": USER.encode(), "value": b"junk"})
    return run


def test_a_sound_run_passes_every_check(run):
    assert run.failing() == set()
    assert len(oracle.judge(run.evidence(), PARTITIONS)) == len(oracle.CHECKS) + 1


def test_a_record_that_vanished_from_the_log_is_missed(run):
    run.records["transfers"].clear()
    assert "log_holds_what_was_acknowledged" in run.failing()


def test_a_record_whose_bytes_changed_is_noticed(run):
    record = run.records["order-commands"][0]
    run.records["order-commands"][0] = msgspec.structs.replace(record, value=b"other")
    assert run.failing() == {"log_holds_what_was_acknowledged"}


def test_a_record_that_nobody_sent_is_noticed(run):
    run.put("order-commands", {"command_id": "c-99"})
    assert "log_holds_what_was_acknowledged" in run.failing()


def test_a_user_in_a_foreign_partition_is_noticed(run):
    run.sent[0] = msgspec.structs.replace(run.sent[0], partition=(HOME + 1) % PARTITIONS)
    assert "users_records_are_in_their_partition" in run.failing()


def test_a_missing_answer_is_missed(run):
    drop(run, "order-events", kind="COMMAND_REPEATED")
    assert run.failing() == {"every_command_has_exactly_one_answer", "positions_cover_effects_only"}


def test_a_second_answer_is_one_too_many(run):
    run.records["order-events"].append(run.records["order-events"][find(run, "order-events", kind="TRANSFER_BOOKED")])
    assert "every_command_has_exactly_one_answer" in run.failing()


def test_an_answer_under_another_command_id_is_no_answer(run):
    spoil(run, "order-events", find(run, "order-events", kind="COMMAND_REPEATED"), command_id="c-2")
    assert "every_command_has_exactly_one_answer" in run.failing()


def test_an_answer_to_nothing_is_noticed(run):
    ghost = Record("order-commands", HOME, 999, 0, None, None, None)
    run.event(ghost, answer="REJECTED", reason="X", command_id="c-9")
    assert run.failing() == {"every_command_has_exactly_one_answer"}


@pytest.mark.parametrize(
    "change",
    [
        {"first_answer": "REJECTED"},
        {"first_offset": 77},
        {"first_reason": "BECAUSE"},
        {"answer": "ACCEPTED"},
    ],
)
def test_a_repeat_that_hears_something_else_is_noticed(run, change):
    spoil(run, "order-events", find(run, "order-events", kind="COMMAND_REPEATED"), **change)
    assert "repeats_get_the_first_answer" in run.failing()


def test_an_order_id_accepted_twice_is_noticed(run):
    number = find(run, "order-events", kind="ORDER_OPENED")
    spoil(run, "order-events", number, kind="ORDER_ACCEPTED", order_id="o-1", sequence=4)
    assert "order_ids_are_accepted_once" in run.failing()


@pytest.mark.parametrize("change", [{"answer": "ACCEPTED"}, {"reason": None}])
def test_bad_input_that_passes_is_noticed(run, change):
    spoil(run, "order-events", find(run, "order-events", reason="DEADLINE_PASSED"), **change)
    assert run.failing() == {"bad_input_is_refused"}


def test_bad_input_without_an_answer_is_noticed(run):
    drop(run, "order-events", reason="DEADLINE_PASSED")
    assert run.failing() == {
        "bad_input_is_refused",
        "every_command_has_exactly_one_answer",
        "positions_cover_effects_only",
    }


def test_a_malformed_record_that_is_not_buried_is_missed(run):
    run.records["dead-letters"].clear()
    assert run.failing() == {
        "bad_input_is_refused",
        "every_command_has_exactly_one_answer",
        "positions_cover_effects_only",
    }


@pytest.mark.parametrize("change", [{"value": b"jun"}, {"key": None}])
def test_a_dead_letter_that_lost_a_byte_is_noticed(run, change):
    spoil(run, "dead-letters", 0, **change)
    assert run.failing() == {"dead_letters_are_whole"}


def test_a_sound_record_among_the_dead_is_noticed(run):
    spoil(run, "dead-letters", 0, source_offset=0)
    assert "dead_letters_are_whole" in run.failing()


def test_a_gap_in_an_orders_events_is_noticed(run):
    drop(run, "order-events", trade_id="7")
    assert "events_have_no_gap" in run.failing()


@pytest.mark.parametrize("status", ["PENDING_SUBMISSION", "PENDING_CANCEL", "NEW"])
def test_an_order_left_on_its_way_is_noticed(run, status):
    spoil(run, "order-events", find(run, "order-events", kind="ORDER_OPENED"), status=status)
    assert "every_order_is_in_one_state" in run.failing()


def test_an_order_that_moves_after_its_end_is_noticed(run):
    spoil(run, "order-events", find(run, "order-events", trade_id="8"), kind="ORDER_CANCELED")
    spoil(run, "order-events", find(run, "order-events", trade_id="7"), status="CANCELED")
    assert "every_order_is_in_one_state" in run.failing()


def test_an_order_accepted_twice_by_the_venue_is_noticed(run):
    run.journal.append(line("order_accepted", "cid-2", side="BUY", quantity="2", price="100"))
    assert run.failing() == {"no_order_reached_the_venue_twice"}


def test_two_live_venue_orders_of_one_order_are_noticed(run):
    request(run, cid="cid-2b", order_id="o-2")
    run.journal.append(line("order_accepted", "cid-2b", side="BUY", quantity="2", price="100"))
    assert "one_venue_order_at_a_time" in run.failing()


def test_a_venue_order_that_nobody_asked_for_is_noticed(run):
    run.journal.append(line("order_accepted", "cid-9", side="BUY", quantity="2", price="100"))
    assert "venue_orders_are_those_we_sent" in run.failing()


@pytest.mark.parametrize(
    "change", [{"quantity": "2.00001"}, {"price": "100.01"}, {"side": "SELL"}, {"venue": "kraken"}]
)
def test_a_venue_order_on_other_terms_is_noticed(run, change):
    run.journal[0] |= change
    assert "venue_orders_are_those_we_sent" in run.failing()


def test_a_placement_that_vanished_without_a_reason_is_noticed(run):
    request(run, cid="cid-3", order_id="o-2")
    assert run.failing() == {"venue_orders_are_those_we_sent"}
    run.put("venue-reports", {"client_order_id": "cid-3", "kind": "REJECTED"})
    assert run.failing() == set()


def test_an_order_open_here_and_gone_there_is_noticed(run):
    run.journal.append(line("order_canceled", "cid-2", executed_quantity="0"))
    assert run.failing() == {"live_orders_are_live_at_the_venue"}


def test_an_order_open_there_and_ended_here_is_noticed(run):
    spoil(run, "order-events", find(run, "order-events", kind="ORDER_OPENED"), status="CANCELED")
    assert "live_orders_are_live_at_the_venue" in run.failing()


def test_a_fill_that_was_not_booked_is_noticed(run):
    run.journal.append(fill_line("9", "0.5", "cid-2"))
    assert run.failing() == {
        "fills_are_settled_once",
        "live_orders_are_live_at_the_venue",
        "orders_filled_as_the_venue_says",
    }


def test_an_order_that_is_open_there_for_less_is_noticed(run):
    run.journal.append(line("order_reduced", "cid-2", quantity="1"))
    assert run.failing() == {"live_orders_are_live_at_the_venue"}


def test_a_fill_booked_twice_is_noticed(run):
    settle(run, "8", "1.5", 149.25)
    assert "fills_are_settled_once" in run.failing()


def test_a_settlement_of_no_fill_is_noticed(run):
    settle(run, "12", "1.5", 149.25)
    assert "fills_are_settled_once" in run.failing()


def test_a_run_on_another_venue_holds_with_its_accounts(run):
    for entry in run.journal:
        entry["venue"] = "kraken"
    for record in run.records[REQUESTS]:
        record.fields["venue"] = "kraken"
    for record in run.records["ledger-entries"]:
        for posting in record.fields["postings"]:
            posting["owner"] = posting["owner"].replace(":simulated", ":kraken")
    assert run.failing() == set()


@pytest.mark.parametrize("owner", ["clearing", "fees"])
def test_a_settlement_with_another_venue_is_noticed(run, owner):
    number = find(run, "ledger-entries", reference="8")
    entry = copy.deepcopy(run.records["ledger-entries"][number].fields)
    posting = next(one for one in entry["postings"] if one["owner"] == f"{owner}:simulated")
    posting["owner"] = f"{owner}:kraken"
    spoil(run, "ledger-entries", number, **entry)
    assert run.failing() == {"fills_are_settled_once"}


@pytest.mark.parametrize("posting", range(5))
def test_a_settlement_off_by_one_unit_is_noticed(run, posting):
    number = find(run, "ledger-entries", reference="8")
    entry = copy.deepcopy(run.records["ledger-entries"][number].fields)
    off = entry["postings"][posting]
    off["amount"] = (wire.units(off["amount"]) + 1).to_bytes(16, "big", signed=True)
    spoil(run, "ledger-entries", number, **entry)
    assert {"fills_are_settled_once", "entries_balance", "ledger_balances_per_asset"} <= run.failing()
    assert ledger.imbalance(run.evidence())[off["asset"]] == "0.000000000000000001"


def test_assets_do_not_balance_each_other(run):
    run.entry("CREDIT", "t-9", ("treasury", "AVAILABLE", "USD", -1), (f"user:{USER}", "AVAILABLE", "BTC", 1))
    assert {"entries_balance", "ledger_balances_per_asset"} <= run.failing()


def test_money_that_leaves_is_booked_as_leaving(run):
    fields = {"transfer_id": "t-2", "user_id": USER, "asset": "USD", "direction": "DEBIT", "amount": wire.amount(5)}
    source = run.send("transfers", "transfer", Expect.ANSWER, "t-2", fields=fields)
    run.event(source, kind="TRANSFER_BOOKED", answer="ACCEPTED", command_id="t-2")
    assert run.failing() == {"transfers_are_booked_once"}
    run.entry("DEBIT", "t-2", (f"user:{USER}", "AVAILABLE", "USD", -5), ("treasury", "AVAILABLE", "USD", 5))
    assert run.failing() == set()


def test_an_order_that_counts_less_than_was_traded_is_noticed(run):
    spoil(run, "order-events", find(run, "order-events", trade_id="8"), filled_quantity=wire.amount("1.9"))
    assert run.failing() == {"orders_filled_as_the_venue_says"}


def test_a_table_that_drifts_from_the_ledger_is_noticed(run):
    run.tables[f"user:{USER}", "USD"] = (1, 2)
    assert run.failing() == {"tables_equal_the_ledger"}


def test_an_order_row_that_drifts_from_its_events_is_noticed(run):
    run.order_rows[USER, "o-2"] = ("OPEN", 1)
    assert run.failing() == {"order_rows_equal_the_events"}


def test_a_live_order_that_the_table_has_lost_is_noticed(run):
    run.order_rows[USER, "o-3"] = ("OPEN", 0)
    assert run.failing() == {"order_rows_equal_the_events"}
    run.order_rows.clear()
    tables = run.evidence().tables
    for name, lost in (((USER, "o-1"), False), ((USER, "o-2"), True)):  # one has ended, one rests on the book
        rest = {other: row for other, row in tables.orders.items() if other != name}
        evidence = run.evidence()
        evidence.tables = msgspec.structs.replace(tables, orders=rest)
        assert oracle_tables.order_rows_equal_the_events(evidence).holds is not lost


@pytest.mark.parametrize("topic", ["order-commands", "transfers", "venue-reports"])
def test_an_input_that_was_not_read_to_its_end_is_noticed(run, topic):
    run.positions[topic, HOME] = run.records[topic][-1].offset
    assert run.failing() == {"positions_cover_effects_only"}


def test_a_position_beyond_a_command_without_an_effect_is_noticed(run):
    drop(run, "order-events", reason="DEADLINE_PASSED")
    assert "positions_cover_effects_only" in {
        check.name for check in [oracle_tables.positions_cover_effects_only(run.evidence())] if not check.holds
    }


def test_a_group_that_committed_more_than_was_done_is_noticed(run):
    run.committed["order-commands", HOME] = 1_000
    assert run.failing() == {"positions_cover_effects_only"}


def test_an_order_whose_fate_is_still_unknown_is_noticed(run):
    spoil(run, "order-events", find(run, "order-events", kind="ORDER_OPENED"), status="UNKNOWN")
    assert run.failing() == {"no_order_is_left_unknown"}


def test_a_balance_in_clickhouse_that_drifts_is_noticed(run):
    run.balances["user:nobody", "USD"] = (1, 0)
    assert run.failing() == {"clickhouse_balances_equal_the_ledger"}


def test_totals_that_counted_a_row_twice_are_noticed(run):
    run.totals["treasury", "USD"] = (-2_000, 0)
    assert run.failing() == {"clickhouse_balances_equal_the_ledger"}


def test_less_than_nothing_is_noticed(run):
    run.entry("DEBIT", "t-1", (f"user:{USER}", "AVAILABLE", "USD", -10_000), ("treasury", "AVAILABLE", "USD", 10_000))
    assert {"no_user_has_less_than_nothing", "transfers_are_booked_once"} == run.failing()


def test_a_reserve_that_outlives_its_order_is_noticed(run):
    drop(run, "ledger-entries", kind="RELEASE")
    assert run.failing() == {"reserves_belong_to_live_orders"}


def test_a_transfer_that_was_accepted_and_not_booked_is_noticed(run):
    number = find(run, "ledger-entries", kind="CREDIT")
    spoil(run, "ledger-entries", number, kind="RELEASE")
    assert run.failing() == {"transfers_are_booked_once"}


def test_a_duplicate_row_is_noticed_and_counted(run):
    run.extra_offsets["order-events", HOME] = [0]
    assert run.failing() == {"clickhouse_holds_every_record_once"}
    assert clickhouse.duplicates(run.evidence()) == 1


def test_a_row_of_a_record_that_came_after_the_topic_was_read_is_no_fault(run):
    run.extra_offsets["order-events", HOME] = [1_000]
    assert run.failing() == set()


def test_a_row_of_a_record_that_is_not_in_the_topic_is_noticed(run):
    run.extra_offsets["order-events", HOME] = [1]
    assert run.failing() == {"clickhouse_holds_every_record_once"}


def test_a_missing_row_is_noticed(run):
    evidence = run.evidence()
    del evidence.rows.offsets["ledger-entries", HOME][-1]
    assert not clickhouse.clickhouse_holds_every_record_once(evidence).holds
    assert (clickhouse.missing(evidence), clickhouse.duplicates(evidence)) == (1, 0)


def test_orders_counted_otherwise_in_clickhouse_are_noticed(run):
    run.orders = {"FILLED": 2}
    assert run.failing() == {"clickhouse_orders_equal_the_events"}


def test_every_check_is_failed_by_some_test_here():
    source = Path(__file__).read_text(encoding="utf-8")
    names = {check.__name__ for check in oracle.CHECKS} | {"users_records_are_in_their_partition"}
    assert {name for name in names if f'"{name}"' not in source and f".{name}(" not in source} == set()
