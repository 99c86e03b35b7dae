"""The independent oracle: judges a run by its evidence alone, and shares no code with what it judges."""

from collections.abc import Callable
from typing import Final

from runtime.trial.oracle import clickhouse, commands, ledger, tables, venue
from runtime.trial.oracle.evidence import Check, Evidence

CHECKS: Final[tuple[Callable[[Evidence], Check], ...]] = (
    commands.log_holds_what_was_acknowledged,
    commands.every_command_has_exactly_one_answer,
    commands.repeats_get_the_first_answer,
    commands.order_ids_are_accepted_once,
    commands.bad_input_is_refused,
    commands.dead_letters_are_whole,
    venue.events_have_no_gap,
    venue.every_order_is_in_one_state,
    venue.no_order_reached_the_venue_twice,
    venue.one_venue_order_at_a_time,
    venue.venue_orders_are_those_we_sent,
    venue.live_orders_are_live_at_the_venue,
    venue.fills_are_settled_once,
    venue.orders_filled_as_the_venue_says,
    tables.order_rows_equal_the_events,
    tables.positions_cover_effects_only,
    tables.no_order_is_left_unknown,
    ledger.entries_balance,
    ledger.ledger_balances_per_asset,
    ledger.tables_equal_the_ledger,
    ledger.no_user_has_less_than_nothing,
    ledger.reserves_belong_to_live_orders,
    ledger.transfers_are_booked_once,
    clickhouse.clickhouse_holds_every_record_once,
    ledger.clickhouse_balances_equal_the_ledger,
    clickhouse.clickhouse_orders_equal_the_events,
)


def judge(evidence: Evidence, partitions: int) -> tuple[Check, ...]:
    """Every check's finding, in the order of an order's way through the system."""
    return (
        commands.users_records_are_in_their_partition(evidence, partitions),
        *(check(evidence) for check in CHECKS),
    )
