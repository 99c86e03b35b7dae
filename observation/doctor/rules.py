"""From facts to findings: a rule for each hop, as a table. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from observation.doctor import readers, venues
from observation.doctor.facts import Facts, Process, Trouble
from observation.doctor.finding import Finding, Hop, Verdict
from observation.doctor.readers import Readers
from observation.doctor.words import age, listed

#: A gateway's requests may wait so long for its venue's limits.
_STUCK_AT_GATEWAY_AFTER_S: Final = 60.0


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """The findings of every hop, in the order of hops; at least one of each."""
    return tuple(finding for rule in _RULES for finding in rule(facts))


def verdict(findings: Sequence[Finding]) -> Verdict:
    return max((finding.verdict for finding in findings), default=Verdict.OK)


def sentence(findings: Sequence[Finding]) -> str:
    """Where records stop, and what to do: the first of the worst, since later hops suffer from earlier ones."""
    worst = verdict(findings)
    first = next((finding for finding in findings if finding.verdict is worst), None)
    if first is None or worst in {Verdict.OK, Verdict.UNTOLD}:
        return "Records go through: every hop does its work, and nobody is behind."
    if worst is Verdict.WARN:
        return f"Records go through, but look at {first.phrase}: {first.evidence}; {first.remedy}."
    others = [finding.phrase for finding in findings if finding.verdict is worst and finding.name != first.name]
    then = f"; then look at {listed(list(dict.fromkeys(others)))}" if others else ""
    return f"Records stop at {first.phrase}: {first.evidence}; {first.remedy}{then}."


# ── the rules ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _broker(facts: Facts) -> Iterator[Finding]:
    broker = facts.broker
    if broker.answers and broker.detail:
        yield Finding(
            hop=Hop.BROKER,
            verdict=Verdict.WARN,
            evidence=f"it answers at {broker.address}, but not all it is asked ({broker.detail})",
            remedy="look again; if it stays so, look at the broker's log and at its load",
        )
    elif broker.answers:
        version = f"Kafka {broker.version}" if broker.version else "answers"
        yield _ok(Hop.BROKER, f"{version} at {broker.address}")
    else:
        yield Finding(
            hop=Hop.BROKER,
            verdict=Verdict.BROKEN,
            evidence=f"Kafka doesn't answer at {broker.address} ({broker.detail})",
            remedy="start it again (`fillstream broker` on one machine), or set FILLSTREAM_BOOTSTRAP_SERVERS to where "
            "it is",
        )


def _topics(facts: Facts) -> Iterator[Finding]:
    if facts.topics is None:
        yield _untold(Hop.TOPICS, "no broker tells")
    elif not facts.topics:
        yield _ok(Hop.TOPICS, "all are there, and as they must be")
    for fault in facts.topics or ():
        yield Finding(
            hop=Hop.TOPICS,
            verdict=Verdict.BROKEN if fault.missing else Verdict.WARN,
            evidence=f"{fault.topic} {'is missing' if fault.missing else f'has {fault.what}'}",
            remedy=f"mend it by `{fault.mend}`" if fault.mend.startswith("fillstream") else fault.mend,
            subject=fault.topic,
        )


def _workers(facts: Facts) -> Iterator[Finding]:
    yield readers.judge(
        Readers(
            hop=Hop.WORKERS,
            processes=facts.of("worker"),
            lag=facts.group("workers"),
            remedy="start workers (`fillstream worker`), and see in their logs why they ended or hang",
        )
    )
    off = [
        f"{process.name} has a ledger that is off by {process.values['imbalance']:g}"
        for process in facts.of("worker")
        if process.values.get("imbalance")
    ]
    if off:
        yield Finding(
            hop=Hop.WORKERS,
            verdict=Verdict.BROKEN,
            evidence=off[0],
            remedy="take the gateways away so that nothing is placed, and run `fillstream audit`",
        )


def _venues(facts: Facts) -> Iterator[Finding]:
    for venue in facts.venues:
        yield venues.judge(venue, _gateways(facts, venue.name))


def _gateway(facts: Facts) -> Iterator[Finding]:
    for venue in facts.venues:
        yield readers.judge(
            Readers(
                hop=Hop.GATEWAY,
                subject=venue.name,
                processes=_gateways(facts, venue.name),
                lag=facts.group("gateway", venue.name),
                remedy=f"start a gateway (`fillstream gateway {venue.name}`), and see in its log why it ended or hangs",
                stuck_after_s=_STUCK_AT_GATEWAY_AFTER_S,
                waits_for="" if venue.answers else "the venue",
            )
        )


def _clickhouse(facts: Facts) -> Iterator[Finding]:
    found = facts.clickhouse
    if not found.answers:
        yield Finding(
            hop=Hop.CLICKHOUSE,
            verdict=Verdict.BROKEN,
            evidence=f"it doesn't answer at {found.address} ({found.detail})",
            remedy="start it again (`fillstream clickhouse` on one machine); Kafka keeps the records, and the sink "
            "goes on by itself",
        )
    elif found.refused:
        yield Finding(
            hop=Hop.CLICKHOUSE,
            verdict=Verdict.BROKEN,
            evidence=found.refused,
            remedy="look at FILLSTREAM_CLICKHOUSE_* (user, password, database) and at the program's version",
        )
    elif found.migrations_missing:
        yield Finding(
            hop=Hop.CLICKHOUSE,
            verdict=Verdict.WARN,
            evidence=f"migrations are missing: {', '.join(found.migrations_missing)}",
            remedy="start a sink of this version, which applies them",
        )
    else:
        rows = ", ".join(f"{table} {age(age_s)}" for table, age_s in sorted(found.newest_s.items()))
        yield _ok(Hop.CLICKHOUSE, f"{found.version}; newest rows: {rows or 'none yet'}")


def _sink(facts: Facts) -> Iterator[Finding]:
    yield readers.judge(
        Readers(
            hop=Hop.SINK,
            processes=facts.of("sink"),
            lag=facts.group("sink"),
            remedy="start a sink (`fillstream sink`), and see in its log why it ended or hangs",
            waits_for="" if facts.clickhouse.answers else "ClickHouse",
        )
    )
    stopped = sum(process.values.get("stopped", 0.0) for process in facts.of("sink"))
    if stopped:
        yield Finding(
            hop=Hop.SINK,
            verdict=Verdict.BROKEN,
            evidence=f"{stopped:g} of its partitions are stopped until somebody looks",
            remedy="do what its log says beside partition_stopped",
        )


def _probe(facts: Facts) -> Iterator[Finding]:
    silent = [process for process in facts.of("probe") if not process.answers]
    if silent:
        yield Finding(
            hop=Hop.PROBE,
            verdict=Verdict.WARN,
            evidence="it doesn't answer, so nobody measures lag",
            remedy="start it again (`fillstream probe`)",
        )
    elif facts.of("probe"):
        yield _ok(Hop.PROBE, "answers")


def _dead_letters(facts: Facts) -> Iterator[Finding]:
    yield from _troubles(
        Hop.DEAD_LETTERS, facts, facts.clickhouse.dead_letters, "none in the last hour", "see `fillstream dlq list`"
    )


def _orders(facts: Facts) -> Iterator[Finding]:
    yield from _troubles(
        Hop.ORDERS,
        facts,
        facts.clickhouse.unknown_orders,
        "none of unknown outcome for more than a minute",
        "see `fillstream reconcile VENUE`: their money is held until there is proof",
    )


_RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    *(_broker, _topics, _workers, _venues, _gateway),
    *(_clickhouse, _sink, _probe, _dead_letters, _orders),
)


# ── what they have in common ────────────────────────────────────────────────────────────────────────────────────────


def _troubles(hop: Hop, facts: Facts, found: Sequence[Trouble], fine: str, remedy: str) -> Iterator[Finding]:
    if not facts.clickhouse.answers or facts.clickhouse.refused:
        yield _untold(hop, "no ClickHouse to ask")
    elif found:
        evidence = ", ".join(f"{trouble.count} {trouble.what}" for trouble in found)
        yield Finding(hop=hop, verdict=Verdict.WARN, evidence=evidence, remedy=remedy)
    else:
        yield _ok(hop, fine)


def _gateways(facts: Facts, venue: str) -> tuple[Process, ...]:
    return facts.of(f"gateway-{venue}")


def _ok(hop: Hop, evidence: str) -> Finding:
    return Finding(hop=hop, verdict=Verdict.OK, evidence=evidence)


def _untold(hop: Hop, evidence: str) -> Finding:
    return Finding(hop=hop, verdict=Verdict.UNTOLD, evidence=evidence)
