"""Checks of what workers would go on with: orders are what their events say, and no position is ahead of effects."""

from collections.abc import Iterator

from runtime.trial import wire
from runtime.trial.oracle.evidence import VENUE_REPORTS, Check, Evidence

INPUTS = ("order-commands", "transfers")


def order_rows_equal_the_events(evidence: Evidence) -> Check:
    """A restored order has the status and the fills of its last event; none that is still alive is missing."""
    rows = evidence.tables.orders

    def faults() -> Iterator[str]:
        for name, events in evidence.orders.items():
            told = events[-1].get("status"), wire.units(events[-1].get("filled_quantity"))
            row = rows.get(name)
            if row is None and told[0] not in wire.ENDED:
                yield f"order {name} is {told[0]} and not in the table"
            elif row is not None and row != told:
                yield f"order {name} was last told to be {told}, the table has {row}"
        yield from (f"order {name} is in the table and no event tells of it" for name in rows.keys() - evidence.orders)

    return Check("order_rows_equal_the_events", f"{len(rows)} rows", tuple(faults()))


def positions_cover_effects_only(evidence: Evidence) -> Check:
    """No position, nor the offset that the group committed, is beyond a record that has neither answer nor letter.

    At rest, none is short of an input's end either.
    """

    def faults() -> Iterator[str]:
        for topic in (*INPUTS, VENUE_REPORTS):
            for record in evidence.records.get(topic, ()):
                next_offset = evidence.tables.positions.get((topic, record.partition), 0)
                if record.offset >= next_offset:
                    yield f"{record.at} was not read: the position is {next_offset}"
                elif topic in INPUTS and record.at not in evidence.answers and record.at not in evidence.dead:
                    yield f"{record.at} has no effect, and the position is {next_offset}"
        for at, committed in evidence.tables.committed.items():
            if committed > evidence.tables.positions.get(at, 0):
                yield f"{at}: the group committed {committed}, the position is {evidence.tables.positions.get(at)}"

    return Check("positions_cover_effects_only", f"{len(evidence.tables.positions)} positions", tuple(faults()))


def no_order_is_left_unknown(evidence: Evidence) -> Check:
    """Once the venue has healed, every outcome has been proven."""
    left = [name for name, events in evidence.orders.items() if events[-1].get("status") == "UNKNOWN"]
    were = sum(any(event.get("status") == "UNKNOWN" for event in events) for events in evidence.orders.values())
    faults = tuple(f"order {name} is still UNKNOWN as {_cloid(evidence, name)}" for name in left)
    return Check("no_order_is_left_unknown", f"{were} orders were unknown", faults)


def _cloid(evidence: Evidence, name: tuple[str, str]) -> str:
    return str(evidence.orders[name][-1].get("client_order_id"))
