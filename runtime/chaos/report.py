"""The figures of a chaos run, as ``report.json`` has them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from runtime.chaos import recovery
from runtime.chaos.recovery import Percentiles, Recoveries
from runtime.chaos.saboteur import Happened
from runtime.chaos.stage import Blow, Stage
from runtime.trial.oracle.evidence import Check, Evidence

COMMANDS: Final = "order-commands"
#: The recoveries that are promised to be quick. Who was stopped has first to be missed for a session timeout.
KILLS: Final = frozenset({"worker killed", "worker killed in recovery"})
TOLD_MAX: Final = 50

#: What each check of the oracle stands for.
INVARIANTS: Final[Mapping[str, str]] = {
    "users_records_are_in_their_partition": "I1",
    "log_holds_what_was_acknowledged": "I1",
    "every_command_has_exactly_one_answer": "I1",
    "repeats_get_the_first_answer": "I1",
    "order_ids_are_accepted_once": "I1",
    "bad_input_is_refused": "I1",
    "dead_letters_are_whole": "I1",
    "every_order_is_in_one_state": "I1",
    "no_order_is_left_unknown": "I1",
    "no_order_reached_the_venue_twice": "I2",
    "one_venue_order_at_a_time": "I2",
    "venue_orders_are_those_we_sent": "I2",
    "live_orders_are_live_at_the_venue": "I2",
    "fills_are_settled_once": "I3",
    "orders_filled_as_the_venue_says": "I3",
    "transfers_are_booked_once": "I3",
    "reserves_belong_to_live_orders": "I3",
    "no_user_has_less_than_nothing": "I3",
    "entries_balance": "I4",
    "ledger_balances_per_asset": "I4",
    "tables_equal_the_ledger": "I5",
    "order_rows_equal_the_events": "I5",
    "events_have_no_gap": "I6",
    "positions_cover_effects_only": "I7",
    "clickhouse_holds_every_record_once": "I8",
    "clickhouse_balances_equal_the_ledger": "I8",
    "clickhouse_orders_equal_the_events": "I8",
    "every_fault_could_be_carried_out": "-",
    "zombies_ended_in_time": "-",
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """``report.json``, field for field. *violations* counts findings, *findings* tells the first of each check.

    A recovery is *not seen* where nobody asked anything of a partition any more. Whether it came back, say the checks:
    every input was answered, and read to its end.
    """

    seed: int
    duration_s: float
    commands: int
    commands_per_second: float
    faults: Mapping[str, int]
    kills: Mapping[str, int]
    stalls: Mapping[str, int]
    kills_and_stalls: int
    violations: int
    findings: Mapping[str, Sequence[str]]
    checks: Mapping[str, bool]
    recovery_s: Percentiles
    recovery_by_kind_s: Mapping[str, Percentiles]
    recoveries_not_seen: Sequence[str]
    zombie_exits_s: Sequence[float]
    unknown_resolved: int
    unknown_left: int
    events: int
    venue_orders: int
    venue_fills: int
    clickhouse_rows: int
    seconds: Mapping[str, float]


def own_checks(stage: Stage, happened: Sequence[Happened]) -> tuple[Check, ...]:
    """What the run itself can tell, besides the oracle's findings."""
    failed = tuple(f"{one.fault}: {one.failed}" for one in happened if one.failed)
    zombies = f"{len(stage.zombie_exits_s)} zombies"
    return (
        Check("every_fault_could_be_carried_out", f"{len(happened)} faults", failed),
        Check("zombies_ended_in_time", zombies, tuple(stage.violations)),
    )


def make(
    evidence: Evidence,
    checks: Sequence[Check],
    *,
    seed: int,
    seconds: Mapping[str, float],
    happened: Sequence[Happened],
    stage: Stage,
    recoveries: Recoveries,
) -> Report:
    """The figures of a run that *checks* have judged."""
    sent_us = [sent.sent_us for sent in evidence.sent if sent.topic == COMMANDS]
    duration_s = (max(sent_us) - min(sent_us)) / 1e6 if sent_us else 0.0
    unknown = [events for events in evidence.orders.values() if any(e.get("status") == "UNKNOWN" for e in events)]
    left = sum(events[-1].get("status") == "UNKNOWN" for events in unknown)
    done = list(recoveries.done)
    kills, stalls = _blows(stage.blows, "SIGKILL"), _blows(stage.blows, "SIGSTOP")
    return Report(
        seed=seed,
        duration_s=round(duration_s, 1),
        commands=len(sent_us),
        commands_per_second=round(len(sent_us) / max(duration_s, 1e-6), 1),
        faults=dict(Counter(one.fault for one in happened if not one.failed).most_common()),
        kills=kills,
        stalls=stalls,
        kills_and_stalls=sum(kills.values()) + sum(stalls.values()),
        violations=sum(len(check.faults) for check in checks),
        findings={check.name: _told(check.faults) for check in checks if not check.holds},
        checks={check.name: check.holds for check in checks},
        recovery_s=recovery.percentiles([one for one in done if one.fault in KILLS]),
        recovery_by_kind_s={
            kind: recovery.percentiles([one for one in done if one.fault == kind])
            for kind in sorted({one.fault for one in done})
        },
        recoveries_not_seen=recoveries.pending,
        zombie_exits_s=stage.zombie_exits_s,
        unknown_resolved=len(unknown) - left,
        unknown_left=left,
        events=len(evidence.records["order-events"]),
        venue_orders=sum(map(len, evidence.venue_orders.values())),
        venue_fills=len(evidence.lines("fill")),
        clickhouse_rows=sum(map(len, evidence.rows.offsets.values())),
        seconds=seconds,
    )


def write(report: Report, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _blows(blows: Sequence[Blow], name: str) -> dict[str, int]:
    return dict(Counter(blow.process for blow in blows if blow.signal == name).most_common())


def _told(faults: Sequence[str]) -> list[str]:
    more = len(faults) - TOLD_MAX
    return [*faults[:TOLD_MAX], *([f"… and {more} more"] if more > 0 else [])]
