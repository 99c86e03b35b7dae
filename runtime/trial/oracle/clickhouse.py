"""Checks of what analysts see: every record of every topic once, and the views in line with the events."""

from collections import Counter
from collections.abc import Iterator

from runtime.trial.oracle.evidence import Check, Evidence


def duplicates(evidence: Evidence) -> int:
    """How many rows are there more often than they should be, over all tables."""
    return sum((_stored(evidence, at) - evidence.rows_due(at)).total() for at in evidence.rows.offsets)


def missing(evidence: Evidence) -> int:
    """How many rows are not there, or not yet, over all tables. What came after the evidence makes up for none."""
    return sum((evidence.rows_due(at) - _stored(evidence, at)).total() for at in evidence.partitions)


def clickhouse_holds_every_record_once(evidence: Evidence) -> Check:
    """Per topic and partition, the offsets of the rows are those of the records; a journal entry is a row a posting."""

    def faults() -> Iterator[str]:
        for at in sorted(evidence.partitions | evidence.rows.offsets.keys()):
            expected, found = evidence.rows_due(at), _stored(evidence, at)
            if missing := expected - found:
                yield f"{at}: {missing.total()} rows are missing, of offsets {sorted(missing)[:5]}…"
            if extra := found - expected:
                yield f"{at}: {extra.total()} rows too many, of offsets {sorted(extra)[:5]}…"

    rows = sum(len(offsets) for offsets in evidence.rows.offsets.values())
    return Check("clickhouse_holds_every_record_once", f"{rows} rows", tuple(faults()))


def clickhouse_orders_equal_the_events(evidence: Evidence) -> Check:
    """Orders by status, as ClickHouse counts them, are those of the last event of each order."""
    expected = Counter(str(events[-1].get("status")) for events in evidence.orders.values())
    found = Counter(dict(evidence.rows.orders))
    faults = [
        f"{status}: {expected[status]} by the events, {found[status]} in ClickHouse"
        for status in sorted(expected.keys() | found.keys())
        if expected[status] != found[status]
    ]
    return Check("clickhouse_orders_equal_the_events", f"{found.total()} orders", tuple(faults))


def _stored(evidence: Evidence, at: tuple[str, int]) -> Counter[int]:
    """How often each offset is stored, of those that the topic had when it was read: it may have grown since."""
    end = max(evidence.rows_due(at), default=-1)
    found = Counter(evidence.rows.offsets.get(at, ()))
    return Counter({offset: rows for offset, rows in found.items() if offset <= end})
