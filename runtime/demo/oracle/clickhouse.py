"""Checks of what analysts see: every record of every topic once, and the views in line with the events."""

from collections import Counter
from collections.abc import Iterator

from runtime.demo.oracle.evidence import Check, Evidence


def duplicates(evidence: Evidence) -> int:
    """How many rows are there more than once, over all tables."""
    return sum((Counter(found) - evidence.rows_due(at)).total() for at, found in evidence.rows.offsets.items())


def clickhouse_holds_every_record_once(evidence: Evidence) -> Check:
    """Per topic and partition, the offsets of the rows are those of the records; a journal entry is a row a posting."""

    def faults() -> Iterator[str]:
        for at in sorted(evidence.partitions | evidence.rows.offsets.keys()):
            expected, found = evidence.rows_due(at), Counter(evidence.rows.offsets.get(at, ()))
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
