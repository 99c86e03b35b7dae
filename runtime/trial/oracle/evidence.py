"""What the oracle goes by: records of the topics, the venue's journal, the producer's log and ClickHouse's rows.

Collected by ``runtime.trial.collect``; nothing here comes from fillstream's own code or memory.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import chain
from typing import Final, TypeVar

import msgspec

from runtime.trial.journal import Line
from runtime.trial.plan import Sent
from runtime.trial.wire import Avro

ORDER_EVENTS: Final = "order-events"
LEDGER_ENTRIES: Final = "ledger-entries"
VENUE_REPORTS: Final = "venue-reports"
DEAD_LETTERS: Final = "dead-letters"

Key = TypeVar("Key")
Item = TypeVar("Item")

Coordinates = tuple[str, int, int]
OrderName = tuple[str, str]
"""User and order ID: two users may use the same order ID."""

Balances = Mapping[tuple[str, str], tuple[int, int]]
"""Available and reserved, in units of 10⁻¹⁸, by owner and asset."""


class Record(msgspec.Struct, frozen=True):
    """One record of a topic. *fields* are the decoded ones that are not null; None where the bytes are no message."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    fields: Avro | None

    @property
    def at(self) -> Coordinates:
        return self.topic, self.partition, self.offset


class Tables(msgspec.Struct, frozen=True):
    """What workers would restore, and how far they say they are.

    *orders* has status and filled quantity of those not retired yet. *positions* and *committed* are next offsets of
    inputs by topic and partition: of the table of positions, and of the workers' group.
    """

    balances: Balances
    orders: Mapping[OrderName, tuple[str, int]]
    positions: Mapping[tuple[str, int], int]
    committed: Mapping[tuple[str, int], int]


class Rows(msgspec.Struct, frozen=True):
    """What ClickHouse says.

    *offsets* has one entry a row of any raw table, by the topic and partition of its record. *balances* are added up
    from the postings, *totals* were kept while rows came in. *orders* counts by status.
    """

    offsets: Mapping[tuple[str, int], Sequence[int]]
    balances: Balances
    totals: Balances
    orders: Mapping[str, int]


#: What an empty ClickHouse says.
NO_ROWS: Final = Rows({}, {}, {}, {})


class Check(msgspec.Struct, frozen=True):
    """One finding: *faults* name what is wrong, none if all is well; *looked_at* says how much was compared."""

    name: str
    looked_at: str
    faults: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.faults


class Evidence:
    """All of it, and the indexes that several checks share."""

    def __init__(
        self,
        *,
        sent: Sequence[Sent],
        records: Mapping[str, Sequence[Record]],
        journal: Sequence[Line],
        tables: Tables,
        rows: Rows,
    ) -> None:
        self.sent = sent
        self.records = records
        self.journal = journal
        self.tables = tables
        self.rows = rows

    def fields(self, topic: str) -> list[Avro]:
        """The messages of *topic*."""
        return [record.fields for record in self.records.get(topic, ()) if record.fields is not None]

    @cached_property
    def by_coordinates(self) -> dict[Coordinates, Record]:
        return {record.at: record for record in chain.from_iterable(self.records.values())}

    @cached_property
    def answers(self) -> dict[Coordinates, list[Avro]]:
        """The events that answer, by the coordinates of what they answer."""
        return _grouped([event for event in self.fields(ORDER_EVENTS) if "answer" in event], _source)

    @cached_property
    def dead(self) -> dict[Coordinates, list[Avro]]:
        return _grouped(self.fields(DEAD_LETTERS), _source)

    @cached_property
    def orders(self) -> dict[OrderName, list[Avro]]:
        """The events of each order, in the order's own sequence."""
        events = [event for event in self.fields(ORDER_EVENTS) if event.get("sequence")]
        grouped = _grouped(events, lambda event: (event["user_id"], event["order_id"]))
        return {name: sorted(group, key=lambda event: event["sequence"]) for name, group in grouped.items()}

    @cached_property
    def requests(self) -> list[Avro]:
        """Everything that was asked of venues."""
        return [
            fields for topic in self.records if topic.startswith("venue-requests.") for fields in self.fields(topic)
        ]

    @cached_property
    def placements(self) -> dict[str, list[Avro]]:
        """The PLACE requests by client order ID. One ID may be asked for again, after proof that nothing arrived."""
        return _grouped([r for r in self.requests if r["operation"] == "PLACE"], lambda r: str(r["client_order_id"]))

    @cached_property
    def order_of(self) -> dict[str, OrderName]:
        """The order behind each client order ID."""
        return {request["client_order_id"]: (request["user_id"], request["order_id"]) for request in self.requests}

    @cached_property
    def venue_orders(self) -> dict[str, list[Line]]:
        """What the venue accepted, by client order ID: one line each, or something is very wrong."""
        return _grouped(self.lines("order_accepted"), lambda line: str(line["client_order_id"]))

    @cached_property
    def reports(self) -> dict[str, list[Avro]]:
        return _grouped(self.fields(VENUE_REPORTS), lambda report: str(report["client_order_id"]))

    @cached_property
    def _rows_due(self) -> dict[tuple[str, int], Counter[int]]:
        due: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
        for record in self.by_coordinates.values():
            postings = record.fields["postings"] if record.fields and record.topic == LEDGER_ENTRIES else (None,)
            due[record.topic, record.partition][record.offset] = len(postings)
        return due

    @property
    def partitions(self) -> AbstractSet[tuple[str, int]]:
        """The topics and partitions that hold records."""
        return self._rows_due.keys()

    def rows_due(self, at: tuple[str, int]) -> Counter[int]:
        """How many rows each offset should have: one, if only as a dead letter; a journal entry one a posting."""
        return self._rows_due.get(at, Counter())

    @cached_property
    def rows_due_in_all(self) -> int:
        return sum(due.total() for due in self._rows_due.values())

    def lines(self, *events: str) -> list[Line]:
        """The journal's lines of these *events*."""
        return [line for line in self.journal if line["event"] in events]

    @cached_property
    def replayed(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Available and reserved of each account, added up from the postings."""
        sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for entry in self.fields(LEDGER_ENTRIES):
            for posting in entry["postings"]:
                sums[posting["owner"], posting["asset"]][posting["account"] == "RESERVED"] += amount_of(posting)
        return {account: (available, reserved) for account, (available, reserved) in sums.items()}


def amount_of(posting: Avro) -> int:
    """A posting's amount in units of 10⁻¹⁸."""
    return int.from_bytes(posting["amount"], "big", signed=True)


def _source(message: Avro) -> Coordinates:
    return message["source_topic"], message["source_partition"], message["source_offset"]


def _grouped(items: Sequence[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
