"""The figures of a run, as ``summary.json`` has them: counts, rates, latencies, and what the oracle found."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from runtime.demo.saturation import Usage
from runtime.trial.oracle import clickhouse, ledger
from runtime.trial.oracle.evidence import ORDER_EVENTS, Check, Evidence
from runtime.trial.watch import Mirror

#: How many faults of a check are told one by one; the rest is counted.
FAULTS_TOLD: Final = 20
COMMANDS: Final = "order-commands"
SECOND_US: Final = 1_000_000

#: What each latency measures, from where to where.
STAGES: Final[Mapping[str, str]] = {
    "accept": "command sent → answer readable by a committed reader",
    "venue": "command sent → order accepted by the venue's book",
    "fill": "trade at the venue → its event readable, its entry in the ledger",
    "call": "request written to the venue → response read, by the gateway's clock",
    "throttle": "what a request waited for the venue's rate limits",
}


class Percentiles(msgspec.Struct, frozen=True):
    """Of a stage, in milliseconds."""

    p50: float
    p90: float
    p99: float
    max: float
    count: int


class Kill(msgspec.Struct, frozen=True):
    """A process that was killed on purpose."""

    process: str
    at_us: int


class Timing(msgspec.Struct, frozen=True):
    """When the first command was sent and the last one answered, and how many seconds each part of the demo took."""

    started_us: int
    answered_us: int
    seconds: Mapping[str, float]


class VenueFigures(msgspec.Struct, frozen=True):
    """What one venue's journal has, and how much of its published rate was used while it was asked for too much.

    *rate_limited* counts requests that it refused for their number; *limit* is what was used up, None if nobody tried.
    """

    orders: int
    fills: int
    rate_limited: int
    limit: str | None = None
    limit_allowed: float | None = None
    limit_used: float | None = None
    rate_limit_used: float | None = None


class Summary(msgspec.Struct, frozen=True):
    """``summary.json``, field for field."""

    commands: int
    transfers: int
    answers: Mapping[str, int]
    rejects: Mapping[str, int]
    dead_letters: int
    orders: Mapping[str, int]
    venue_orders: int
    venue_orders_sent_twice: int
    venue_fills: int
    venue_rate_limited: int
    venues: Mapping[str, VenueFigures]
    fill_mismatches: int
    ledger_imbalance: Mapping[str, str]
    clickhouse_events: int
    clickhouse_rows: int
    clickhouse_duplicates: int
    commands_per_second: float
    latency_ms: Mapping[str, Percentiles]
    kills: Mapping[str, int]
    seconds: Mapping[str, float]
    seed: int
    checks: Mapping[str, bool]
    faults: Mapping[str, Sequence[str]]


def summarise(
    evidence: Evidence,
    checks: Sequence[Check],
    *,
    latencies_us: Mapping[str, Sequence[int]],
    timing: Timing,
    kills: Sequence[Kill],
    usage: Mapping[str, Usage],
    seed: int,
) -> Summary:
    """The figures of a run that *checks* have judged."""
    answers = [answer for at, found in evidence.answers.items() if at[0] == COMMANDS for answer in found]
    kinds = Counter(str(answer["answer"]) for answer in answers)
    commands = sum(sent.topic == COMMANDS for sent in evidence.sent)
    mismatches = {"fills_are_settled_once", "orders_filled_as_the_venue_says"}
    return Summary(
        commands=commands,
        transfers=len(evidence.sent) - commands,
        answers={name.lower(): kinds[name] for name in ("ACCEPTED", "REJECTED", "DUPLICATE")},
        rejects=_counted(str(answer.get("reason")) for answer in answers if answer["answer"] == "REJECTED"),
        dead_letters=sum(map(len, evidence.dead.values())),
        orders=_counted(str(events[-1].get("status")) for events in evidence.orders.values()),
        venue_orders=sum(map(len, evidence.venue_orders.values())),
        venue_orders_sent_twice=sum(len(lines) - 1 for lines in evidence.venue_orders.values()),
        venue_fills=len(evidence.lines("fill")),
        venue_rate_limited=len(evidence.lines("request_refused")),
        venues=of_venues(evidence, usage),
        fill_mismatches=sum(len(check.faults) for check in checks if check.name in mismatches),
        ledger_imbalance=ledger.imbalance(evidence),
        clickhouse_events=sum(len(rows) for at, rows in evidence.rows.offsets.items() if at[0] == ORDER_EVENTS),
        clickhouse_rows=sum(map(len, evidence.rows.offsets.values())),
        clickhouse_duplicates=clickhouse.duplicates(evidence),
        commands_per_second=round(commands / max(1e-6, (timing.answered_us - timing.started_us) / SECOND_US), 1),
        latency_ms={stage: percentiles(values) for stage, values in latencies_us.items() if values},
        kills=_counted(kill.process for kill in kills),
        seconds={name: round(seconds, 1) for name, seconds in timing.seconds.items()},
        seed=seed,
        checks={check.name: check.holds for check in checks},
        faults={check.name: _told(check.faults) for check in checks if not check.holds},
    )


def of_venues(evidence: Evidence, usage: Mapping[str, Usage]) -> dict[str, VenueFigures]:
    """The figures of each venue that has accepted, or refused, anything."""
    counts: dict[str, Counter[str]] = {}
    for line in evidence.journal:
        counts.setdefault(line["venue"], Counter())[line["event"]] += 1
    return {
        venue: VenueFigures(
            found["order_accepted"],
            found["fill"],
            found["request_refused"],
            *((one.limit, one.allowed, one.used, round(one.share, 4)) if (one := usage.get(venue)) else ()),
        )
        for venue, found in sorted(counts.items())
    }


def latencies(evidence: Evidence, mirror: Mirror) -> dict[str, list[int]]:
    """Every measured latency of every stage, in microseconds."""
    sent_us = {(sent.topic, sent.partition, sent.offset): sent.sent_us for sent in evidence.sent}
    return {
        "accept": [
            mirror.answered_us[at] - began
            for at, began in sent_us.items()
            if at[0] == COMMANDS and at in mirror.answered_us
        ],
        "venue": _until_accepted(evidence, sent_us),
        "fill": [
            mirror.filled_us[name] - line["at_us"]
            for line in evidence.lines("fill")
            if (name := (line["client_order_id"], line["symbol"], line["trade_id"])) in mirror.filled_us
        ],
        "call": [
            report["received_at"] - report["sent_at"]
            for report in evidence.fields("venue-reports")
            if "received_at" in report and "sent_at" in report
        ],
        "throttle": [
            report["throttle_wait_us"] for report in evidence.fields("venue-reports") if "throttle_wait_us" in report
        ],
    }


def _until_accepted(evidence: Evidence, sent_us: Mapping[tuple[str, int, int], int]) -> list[int]:
    """From the command to the venue's acceptance of the order's first attempt."""
    accepted_us = {name: lines[0]["at_us"] for name, lines in evidence.venue_orders.items()}
    found = []
    for events in evidence.orders.values():
        first = events[0]
        began = sent_us.get((first["source_topic"], first["source_partition"], first["source_offset"]))
        ended = accepted_us.get(str(first.get("client_order_id")))
        if began is not None and ended is not None:
            found.append(ended - began)
    return found


def percentiles(values_us: Sequence[int]) -> Percentiles:
    """Nearest-rank percentiles in milliseconds. *values_us* must not be empty."""
    ranked = sorted(values_us)

    def at(share: float) -> float:
        return round(ranked[min(len(ranked) - 1, int(share * len(ranked)))] / 1_000, 1)

    return Percentiles(p50=at(0.5), p90=at(0.9), p99=at(0.99), max=at(1), count=len(ranked))


def write(summary: Summary, path: Path) -> None:
    """``summary.json``, for people and programs."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _told(faults: Sequence[str]) -> list[str]:
    more = len(faults) - FAULTS_TOLD
    return [*faults[:FAULTS_TOLD], *([f"… and {more} more"] if more > 0 else [])]
