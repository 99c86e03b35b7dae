"""For each alert, series that make it fire and let it end, and what it then says.

A series is written as its values in three phases, "before|bad|after", in which it stays at a value ("30|45|0"), rises
by so much a minute ("+0|+3|+0"), or doesn't exist ("1|_|1"). The values before are as high as they may be.
"""

from typing import NamedTuple

#: The phases end at these minutes; a sample a minute.
BAD_FROM, BAD_TO, END = 20, 50, 80
BUCKETS = ("0.25", "1.0", "2.5", "5.0", "10.0", "+Inf")


class Case(NamedTuple):
    """*series* by name; *labels* of the alert besides its severity, and what it says at the minute *at*."""

    alert: str
    labels: dict[str, str]
    summary: str
    series: dict[str, str]
    at: int = BAD_TO - 1


def samples(phases: str) -> str:
    """The values of *phases* in promtool's notation."""
    written, last = [], 0.0
    for phase, minutes in zip(phases.split("|"), (BAD_FROM, BAD_TO - BAD_FROM, END - BAD_TO), strict=True):
        if phase == "_":
            written.append(f"_x{minutes}")
        elif phase.startswith("+"):
            step = float(phase)
            written.append(f"{last + step:g}+{step:g}x{minutes - 1}")
            last += step * minutes
        else:
            last = float(phase)
            written.append(f"{last:g}+0x{minutes - 1}")
    return " ".join(written)


def histogram(name: str, before: str, bad: str) -> dict[str, str]:
    """Buckets of *name*, of which 60 observations a minute fall into the bucket *before*, then *bad*, then *before*."""
    base, labels = name.removesuffix("}").split("{")

    def count(bucket: str, le: str) -> str:
        return "+60" if BUCKETS.index(bucket) <= BUCKETS.index(le) else "+0"

    return {
        f'{base}_bucket{{{labels},le="{le}"}}': f"{count(before, le)}|{count(bad, le)}|{count(before, le)}"
        for le in BUCKETS
    }


def states(labels: str, bad: str) -> dict[str, str]:
    """The state of a partition: OK, *bad*, OK."""
    return {
        f'fillstream_lag_state{{{labels},state="{state}"}}': f"{state == 'OK':d}|{state == bad:d}|{state == 'OK':d}"
        for state in ("OK", "WARN", "STALL", "STOP", "REWIND", "UNKNOWN")
    }


_SINK = 'group="fillstream-sink",topic="order-events",partition="3"'
_SINK_LABELS = {"group": "fillstream-sink", "topic": "order-events"}
_SINK_PARTITION = {**_SINK_LABELS, "partition": "3"}
_LANE = 'topic="order-events",partition="3"'
_LANE_LABELS = {"topic": "order-events", "partition": "3"}
_KRAKEN = {"venue": "kraken"}
_PLACE = {"venue": "kraken", "call": "Place"}
_OWNED = {
    f'fillstream_lag_records{{group="fillstream",topic="order-commands",partition="{n}"}}': "0|0|0" for n in range(4)
}

LAG = (
    Case("LagHigh", _SINK_LABELS, "fillstream-sink is 45s behind on order-events.",
         {f"fillstream_lag_seconds{{{_SINK}}}": "30|45|0"}),
    Case("LagCritical", _SINK_LABELS, "fillstream-sink is 6m 40s behind on order-events: it doesn't keep up.",
         {f"fillstream_lag_seconds{{{_SINK}}}": "300|400|0"}),
    Case("LagGrowing", _SINK_LABELS, "fillstream-sink falls behind on order-events by 2 records a second.",
         {f"fillstream_lag_records{{{_SINK}}}": "1100|+120|0"}),
    Case("DrainSlow", {"group": "fillstream-gateway-kraken", "topic": "venue-requests.kraken"},
         "What waits for fillstream-gateway-kraken on venue-requests.kraken takes 15m 0s to drain.",
         {'fillstream_drain_seconds{group="fillstream-gateway-kraken",topic="venue-requests.kraken"}': "600|900|10"}),
    Case("PartitionStalled", {**_SINK_PARTITION, "state": "STALL"},
         "Partition 3 of order-events is stalled: fillstream-sink commits the same offset again and again, and records "
         "wait.", states(_SINK, "STALL")),
    Case("PartitionStopped", {**_SINK_PARTITION, "state": "STOP"},
         "Nobody reads partition 3 of order-events for fillstream-sink: records wait, and no offset is committed.",
         states(_SINK, "STOP")),
    Case("OffsetRewound", {**_SINK_PARTITION, "state": "REWIND"},
         "The offset of fillstream-sink on partition 3 of order-events has gone backwards.", states(_SINK, "REWIND")),
    Case("RetentionRisk", _SINK_PARTITION,
         "fillstream-sink is 3d 12h 0m 1s behind on partition 3 of order-events: half of the time that its records are "
         "kept.", {f"fillstream_lag_seconds{{{_SINK}}}": "302400|302401|0",
                   'fillstream_topic_retention_seconds{topic="order-events"}': "604800|604800|604800"}),
    Case("ProbeSilent", {"group": "fillstream-sink"},
         "The probe has told nothing about fillstream-sink lately: all rules about lag are blind.",
         {'fillstream_lag_collected_timestamp_seconds{group="fillstream-sink"}': "+60|+0|4800"}),
    Case("ProbeSilent", {}, "The probe has told nothing lately: all rules about lag are blind.",
         {'fillstream_lag_collected_timestamp_seconds{group="fillstream-sink"}': "+60|_|4800"}),
    Case("CanaryLate", {"partition": "3"},
         "The last canary of partition 3 that was answered and stored is 1m 30s old.",
         {'fillstream_canary_age_seconds{partition="3"}': "60|90|5"}),
    Case("CanaryMissing", {}, "No canaries are sent: that commands are answered is known from none.",
         {'fillstream_canary_age_seconds{partition="3"}': "5|_|5"}),
)  # fmt: skip

MONEY = (
    Case("LedgerImbalance", {"partition": "3", "asset": "BTC"}, "The ledger of partition 3 is off by -0.5 BTC.",
         {'fillstream_ledger_imbalance{partition="3",asset="BTC"}': "0|-0.5|0"}),
    Case("BalanceDiffers", {"venue": "kraken", "asset": "USD"},
         "The account at kraken differs from the ledger by -12.5 USD.",
         {'fillstream_venue_balance_difference{venue="kraken",asset="USD"}': "0.00000001|-12.5|0"}),
    Case("BalanceDiffers", {"venue": "kraken", "account": "hedge", "asset": "USD"},
         "The account hedge at kraken differs from the ledger by 12.5 USD.",
         {'fillstream_venue_balance_difference{venue="kraken",account="hedge",asset="USD"}': "0|12.5|0"}),
    Case("BalancesNotCompared", _KRAKEN, "The balances at kraken were last compared 49m 0s ago.",
         {'fillstream_venue_balances_compared_timestamp_seconds{venue="kraken"}': "0|0|4800"}),
    Case("AuditBreak", {"check": "zero_sum"}, "The audit zero_sum finds 2 rows that must not be.",
         {'fillstream_audit_breaks{check="zero_sum"}': "0|2|0"}),
    Case("AuditStale", {"check": "zero_sum"}, "The audit zero_sum was last done 29m 0s ago.",
         {'fillstream_audit_succeeded_timestamp_seconds{check="zero_sum"}': "+60|+0|4800"}),
    Case("RecordsLost", {"topic": "order-commands"},
         "Retention has removed 30 records of order-commands before a worker read them.",
         {'fillstream_lane_lost_records_total{topic="order-commands"}': "7|+2|67"}),
    Case("RecordsLost", {"topic": "order-commands"},
         "Retention has removed 7 records of order-commands before a worker read them.",
         {'fillstream_lane_lost_records_total{topic="order-commands"}': "_|7|7"}, at=30),
    Case("DeadLetters", {"topic": "transfers", "reason": "TRUNCATED"},
         "Records of transfers were buried (TRUNCATED): 15 in 15 minutes.",
         {'fillstream_dead_letters_total{topic="transfers",reason="TRUNCATED",instance="worker-0"}': "3|+1|33"}),
    Case("DeadLetters", {"topic": "transfers", "reason": "TRUNCATED"},
         "Records of transfers were buried (TRUNCATED): 1 in 15 minutes.",
         {'fillstream_dead_letters_total{topic="transfers",reason="TRUNCATED",instance="worker-0"}': "_|1|1"}, at=30),
    Case("GatewayDeadLetters", {"reason": "NOT_OURS"},
         "Requests were buried that no gateway can take (NOT_OURS): 1 in 15 minutes.",
         {'fillstream_gateway_dead_letters_total{reason="NOT_OURS"}': "_|1|1"}, at=30),
    Case("UnknownOrderOld", _KRAKEN,
         "The outcome of an order at kraken has been unknown for 10m 0s: its money is held.",
         {'fillstream_unknown_order_age_seconds{venue="kraken"}': "300|600|0"}),
    Case("UnknownOrdersMany", _KRAKEN, "25 orders at kraken have an unknown outcome.",
         {'fillstream_unknown_orders{venue="kraken"}': "20|25|0"}),
)  # fmt: skip

VENUES = (
    Case("VenueDown", _KRAKEN, "kraken fails 95% of all calls.",
         {'fillstream_venue_calls_total{venue="kraken",call="Place",outcome="ACCEPTED"}': "+10|+5|+10",
          'fillstream_venue_calls_total{venue="kraken",call="Place",outcome="UNKNOWN"}': "+90|+60|+0",
          'fillstream_venue_calls_total{venue="kraken",call="Place",outcome="RETRY_SAFE"}': "+0|+35|+0"}),
    Case("BreakerOpen", _KRAKEN, "The breaker of kraken is open: nothing is placed or canceled there.",
         {'fillstream_venue_breaker_open{venue="kraken"}': "0|0.5|0"}),
    Case("VenueSlow", _PLACE, "A tenth of all Place calls at kraken takes 2.35s or more.",
         histogram('fillstream_venue_call_seconds{venue="kraken",call="Place"}', "1.0", "2.5")),
    Case("ThrottleStarved", _PLACE, "A tenth of all Place calls waits 9.5s or more for the limits of kraken.",
         histogram('fillstream_venue_throttle_wait_seconds{venue="kraken",call="Place"}', "5.0", "10.0")),
    Case("StreamDown", _KRAKEN,
         "The private stream of kraken is down: fills are told by polling alone, seconds late.",
         {'fillstream_venue_stream_connected{venue="kraken"}': "1|0|1"}),
    Case("HistoryUnread", _KRAKEN,
         "The trade history of kraken can't be read: 20 looks failed in ten minutes, none succeeded.",
         {'fillstream_venue_sweeps_total{venue="kraken",result="complete"}': "+2|+0|+2",
          'fillstream_venue_sweeps_total{venue="kraken",result="incomplete"}': "+2|+2|+0"}),
    Case("OrdersHeldBack", {"venue": "kraken", "kind": "ended"},
         "kraken says of 12 orders what its gateway doesn't believe (ended).",
         {'fillstream_venue_held_back_orders{venue="kraken",kind="ended"}': "0|12|0"}),
    Case("CredentialsStale", _KRAKEN,
         "The new credentials of kraken can't be used: its gateway stays with the old ones.",
         {'fillstream_venue_credentials_stale{venue="kraken"}': "0|1|0"}),
    Case("ClockOff", {"venue": "kraken", "instance": "gateway-kraken"},
         "The clock of gateway-kraken is 3s away from that of kraken.",
         {'fillstream_venue_clock_offset_seconds{venue="kraken",instance="gateway-kraken"}': "-1|-3|0"}),
    Case("LeaseExpired", {"venue": "kraken", "instance": "gateway-kraken"},
         "gateway-kraken proved 20s ago that its partitions are its own: it places nothing at kraken.",
         {'fillstream_gateway_lease_age_seconds{venue="kraken",instance="gateway-kraken"}': "5|20|1",
          'fillstream_gateway_partitions{venue="kraken",instance="gateway-kraken"}': "8|8|8"}),
)  # fmt: skip

PROCESSES = (
    Case("ServiceDown", {"job": "sink"}, "No sink answers.",
         {'up{job="sink",instance="sink"}': "1|0|1", 'up{job="simulator",instance="simulator"}': "0|0|0"}),
    Case("ProcessDown", {"job": "worker", "instance": "worker-1"}, "worker-1, a worker, doesn't answer.",
         {'up{job="worker",instance="worker-0"}': "1|1|1", 'up{job="worker",instance="worker-1"}': "1|0|1"}),
    Case("MetricsMissing", {"job": "probe"}, "Prometheus knows of no probe: no rule about it can fire.",
         {'up{job="worker"}': "1|1|1", 'up{job="sink"}': "1|1|1", 'up{job="probe"}': "1|_|1"}),
    Case("PartitionsUnowned", {"job": "worker"},
         "Only 3 partitions are owned by a worker: the users of the others wait.",
         {**_OWNED, 'fillstream_lane_partitions{job="worker",instance="worker-0"}': "2|2|2",
          'fillstream_lane_partitions{job="worker",instance="worker-1"}': "2|1|2"}),
    Case("PartitionsUnowned", {"job": "gateway-kraken"},
         "Only 0 partitions are owned by a gateway-kraken: the users of the others wait.",
         {**_OWNED, 'fillstream_gateway_partitions{job="gateway-kraken",instance="gateway-kraken"}': "4|0|4"}),
    Case("RestartLoop", {"job": "worker", "instance": "worker-0"}, "worker-0 was restarted 15 times in 15 minutes.",
         {'process_start_time_seconds{job="worker",instance="worker-0"}': "1000|+60|2800"}),
)  # fmt: skip

SINK = (
    Case("SinkPaused", {"topic": "order-events"},
         "The sink has paused order-events: what it has read can't be written fast enough.",
         {'fillstream_sink_paused{topic="order-events",reason="buffer"}': "0|1|0",
          'fillstream_sink_paused{topic="transfers",reason="schema"}': "0|1|0"}),
    Case("SinkStopped", _LANE_LABELS,
         "The sink has stopped partition 3 of order-events: writing on could store a record twice or not at all.",
         {f"fillstream_sink_stopped{{{_LANE}}}": "0|1|0"}),
    Case("UnknownSchema", _LANE_LABELS,
         "Partition 3 of order-events waits: a record has a schema that the sink doesn't know.",
         {f"fillstream_sink_unknown_schema{{{_LANE}}}": "0|1|0"}),
    Case("RetentionGap", _LANE_LABELS,
         "Records of partition 3 of order-events were removed by retention before the sink had stored them: it has "
         "stopped there.", {f"fillstream_sink_retention_gap{{{_LANE}}}": "0|1|0"}),
    Case("CommitsRefused", {"instance": "sink-0"},
         "10 commits of sink-0 were refused in ten minutes: the group doesn't settle.",
         {'fillstream_sink_commit_refused_total{instance="sink-0"}': "+0.5|+1|+0"}),
    Case("InsertsFail", {"table": "order_events"},
         "No insert into order_events has succeeded for five minutes, 30 have failed.",
         {'fillstream_sink_insert_total{table="order_events",result="ok"}': "+60|+0|+60",
          'fillstream_sink_insert_total{table="order_events",result="retry"}': "+6|+6|+0"}),
    Case("TooManyParts", {"table": "order_events"},
         "order_events has 420 active parts: merges don't keep up, and inserts will be slowed down.",
         {'fillstream_clickhouse_parts{table="order_events"}': "300|420|12"}),
)  # fmt: skip

#: By the file of the alerts' rules.
CASES = {"lag.yml": LAG, "money.yml": MONEY, "venues.yml": VENUES, "processes.yml": PROCESSES, "sink.yml": SINK}
