"""From records to rows: which message goes to which table, column by column. Pure, and the same for the same records.

A row follows from its record alone: the sink may map a range of offsets again, after a crash, and must get the same
rows. Whoever changes what a record becomes raises VERSION.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa

from analytics import columns
from domain.messages import (
    DeadLetter,
    JournalEntry,
    Message,
    OrderCommand,
    OrderEvent,
    Transfer,
    VenueReport,
    VenueRequest,
)
from schemas import codec, topics
from schemas.codec import Undecodable, UndecodableReason
from schemas.wire import HEADER_BYTES

VERSION: Final = 1

STAGE: Final = "sink"
DEAD_LETTERS: Final = "dead_letters"
OUT_OF_RANGE: Final = "OUT_OF_RANGE"

Build: TypeAlias = Callable[[Sequence[Any]], pa.Array]
Values: TypeAlias = Mapping[str, Sequence[Any]]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a partition."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class Fault(msgspec.Struct, frozen=True):
    """Why a record has no row of its own."""

    reason: str
    detail: str


class SchemaNotKnown(Exception):  # noqa: N818  # it names the state of things, which passes
    """A record can't be read yet: its schema is newer than this program, or the registry can't be asked."""


class Table(msgspec.Struct, frozen=True):
    """Where messages of a class go. *spread* gives the values of all columns, and which message each row is of."""

    name: str
    message: type[Message]
    builders: Mapping[str, Build]
    spread: Callable[[Sequence[Any], Iterable[str]], tuple[Values, Sequence[int] | None]]


class Rows(msgspec.Struct, frozen=True):
    """What a batch becomes. *records* counts the records that *stored* holds, *dead* those in *dead_letters*."""

    table: str
    stored: pa.Table | None
    dead_letters: pa.Table | None
    records: int
    dead: int


# ── which message goes where ────────────────────────────────────────────────────────────────────────────────────────


def _fields(messages: Sequence[Any], names: Iterable[str]) -> tuple[Values, None]:
    return {name: list(map(attrgetter(name), messages)) for name in names}, None


def _command_fields(messages: Sequence[OrderCommand], names: Iterable[str]) -> tuple[Values, None]:
    """A command's own fields stand beside those of its envelope, which has none of the same name."""
    commands = [message.command for message in messages]
    values: dict[str, Sequence[Any]] = {name: [getattr(command, name, None) for command in commands] for name in names}
    for name in ("command_id", "user_id", "issued_at", "expires_at"):
        values[name] = list(map(attrgetter(name), messages))
    values["command"] = [type(command).__name__ for command in commands]
    return values, None


def _postings(entries: Sequence[JournalEntry], names: Iterable[str]) -> tuple[Values, Sequence[int]]:
    """A row a posting: its own fields, its line, and those of its entry."""
    of_entry = [number for number, entry in enumerate(entries) for _ in entry.postings]
    postings = list(chain.from_iterable(entry.postings for entry in entries))
    values: dict[str, Sequence[Any]] = {"line": [line for entry in entries for line in range(len(entry.postings))]}
    for name in names:
        if name in {"owner", "account", "asset", "amount"}:
            values[name] = list(map(attrgetter(name), postings))
        elif name != "line":
            of_entries = list(map(attrgetter(name), entries))
            values[name] = [of_entries[number] for number in of_entry]
    return values, of_entry


def _table(
    name: str,
    message: type[Message],
    columns_by_kind: Mapping[Build, str],
    spread: Callable[[Sequence[Any], Iterable[str]], tuple[Values, Sequence[int] | None]] = _fields,
) -> Table:
    builders = {column: build for build, names in columns_by_kind.items() for column in names.split()}
    return Table(name, message, builders, spread)


_TABLES: Final = (
    _table(
        "order_commands",
        OrderCommand,
        {
            columns.texts: "command_id user_id order_id",
            columns.labels: "command venue symbol side order_type time_in_force",
            columns.instants: "issued_at expires_at good_till",
            columns.amounts: "quantity price stop_price max_cost",
            columns.flags: "post_only",
        },
        _command_fields,
    ),
    _table(
        "transfers",
        Transfer,
        {
            columns.texts: "transfer_id user_id",
            columns.labels: "asset direction",
            columns.amounts: "amount",
            columns.instants: "issued_at",
        },
    ),
    _table(
        "venue_requests",
        VenueRequest,
        {
            columns.texts: "request_id client_order_id user_id order_id",
            columns.labels: "venue symbol operation side order_type time_in_force",
            columns.numbers_32: "sequence",
            columns.amounts: "quantity price stop_price",
            columns.instants: "requested_at expires_at",
            columns.flags: "post_only",
        },
    ),
    _table(
        "venue_reports",
        VenueReport,
        {
            columns.texts: "client_order_id request_id venue_order_id trade_id",
            columns.labels: "venue symbol kind evidence operation fee_asset liquidity reason",
            columns.amounts: "cumulative_quantity fill_quantity fill_price fee",
            columns.instants: "reported_at transacted_at requested_at sent_at received_at",
            columns.numbers_64: "throttle_wait_us",
        },
    ),
    _table(
        "order_events",
        OrderEvent,
        {
            columns.texts: "user_id command_id order_id client_order_id venue_order_id trade_id",
            columns.labels: "source_topic kind answer reason first_answer first_reason status evidence venue symbol "
            "side order_type fee_asset liquidity",
            columns.numbers_32: "source_partition index affected sequence",
            columns.numbers_64: "source_offset first_offset",
            columns.instants: "occurred_at",
            columns.amounts: "quantity price filled_quantity leaves_quantity filled_cost fill_quantity fill_price fee",
        },
    ),
    _table(
        "ledger_entries",
        JournalEntry,
        {
            columns.texts: "user_id reference owner order_id",
            columns.labels: "source_topic kind account asset venue symbol",
            columns.numbers_32: "source_partition index",
            columns.numbers_64: "source_offset",
            columns.instants: "occurred_at",
            columns.lines: "line",
            columns.amounts: "amount",
        },
        _postings,
    ),
    _table(
        DEAD_LETTERS,
        DeadLetter,
        {
            columns.labels: "source_topic stage reason",
            columns.texts: "detail",
            columns.numbers_32: "source_partition",
            columns.numbers_64: "source_offset",
            columns.instants: "source_timestamp occurred_at",
            columns.blobs: "key value",
        },
    ),
)

TABLES: Final[Mapping[type[Message], Table]] = {table.message: table for table in _TABLES}
_DEAD_LETTERS: Final = TABLES[DeadLetter]

#: Columns that can refuse a value, and whether they hold these.
_BOUNDED: Final[Mapping[Build, Callable[[Sequence[Any]], bool]]] = {
    columns.amounts: columns.amounts_fit,
    columns.instants: columns.instants_fit,
}


def table_of(topic: str) -> Table:
    """The table for *topic*. Raises KeyError for a topic that has none."""
    if topic.startswith(topics.venue_requests("").name):
        return TABLES[VenueRequest]
    return _BY_TOPIC[topic]


_BY_TOPIC: Final[Mapping[str, Table]] = {
    topic.name: TABLES[topic.value] for topic in (*topics.INPUTS, *topics.OUTPUTS) if topic.value in TABLES
}


# ── a batch ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def rows_of(topic: str, partition: int, records: Sequence[Record], newest_schema_id: int | None = None) -> Rows:
    """The rows of *records*: each record's in its own table, or else one in the dead letters.

    With a Schema Registry, *newest_schema_id* is the newest id that it gives to a known schema. Raises SchemaNotKnown
    for a record with a newer one: it waits, for it is no garbage.
    """
    table = table_of(topic)
    messages, sound, faulty = _decoded(records, table, newest_schema_id)
    values, numbers = table.spread(messages, table.builders)
    if _misfit(values, table) is not None:
        messages, sound, faulty = _sorted_out(messages, sound, faulty, table)
        values, numbers = table.spread(messages, table.builders)
    dead, letters = _letters(topic, partition, faulty)
    return Rows(
        table=table.name,
        stored=_arrow(table, values, _envelopes(topic, partition, sound, numbers)),
        dead_letters=_arrow(_DEAD_LETTERS, _letter_values(letters), _envelopes(topic, partition, dead)),
        records=len(sound),
        dead=len(faulty),
    )


_Faulty: TypeAlias = list[tuple[Record, Fault]]


def _decoded(
    records: Sequence[Record], table: Table, newest_schema_id: int | None
) -> tuple[list[Any], list[Record], _Faulty]:
    messages: list[Any] = []
    sound: list[Record] = []
    faulty: _Faulty = []
    for record in records:
        try:
            messages.append(codec.decode(record.value, table.message))
            sound.append(record)
        except Undecodable as error:
            if _may_pass(error, record, newest_schema_id):
                raise SchemaNotKnown(f"offset {record.offset}: {error}") from error
            faulty.append((record, Fault(error.reason, error.detail)))
    return messages, sound, faulty


def _may_pass(error: Undecodable, record: Record, newest_schema_id: int | None) -> bool:
    if error.reason is UndecodableReason.UNKNOWN_SCHEMA_ID and newest_schema_id is not None:
        return int.from_bytes((record.value or b"")[1:HEADER_BYTES], "big") > newest_schema_id
    return error.reason is UndecodableReason.SCHEMA_UNAVAILABLE


def _misfit(values: Values, table: Table) -> str | None:
    """A column with a value that it can't hold, or None."""
    for name, build in table.builders.items():
        fit = _BOUNDED.get(build)
        if fit is not None and not fit(values[name]):
            return name
    return None


def _sorted_out(
    messages: Sequence[Any], records: Sequence[Record], faulty: _Faulty, table: Table
) -> tuple[list[Any], list[Record], _Faulty]:
    """The batch again, its misfits moved to the faulty."""
    fitting = [(message, record, fault_of(message, table)) for message, record in zip(messages, records, strict=True)]
    return (
        [message for message, _, fault in fitting if fault is None],
        [record for _, record, fault in fitting if fault is None],
        [*faulty, *((record, fault) for _, record, fault in fitting if fault is not None)],
    )


def fault_of(message: Message, table: Table) -> Fault | None:
    """What of *message* its table can't hold, or None."""
    values, _ = table.spread([message], table.builders)
    name = _misfit(values, table)
    return None if name is None else Fault(OUT_OF_RANGE, f"{name} is {', '.join(map(str, values[name]))}")


def _letters(topic: str, partition: int, faulty: _Faulty) -> tuple[list[Record], list[DeadLetter]]:
    faulty.sort(key=lambda pair: pair[0].offset)
    letters = [
        DeadLetter(
            source_topic=topic,
            source_partition=partition,
            source_offset=record.offset,
            source_timestamp=record.timestamp_ms * 1_000,
            stage=STAGE,
            reason=fault.reason,
            detail=fault.detail,
            occurred_at=record.timestamp_ms * 1_000,
            key=record.key,
            value=record.value,
        )
        for record, fault in faulty
    ]
    return [record for record, _ in faulty], letters


def _letter_values(letters: Sequence[DeadLetter]) -> Values:
    return _DEAD_LETTERS.spread(letters, _DEAD_LETTERS.builders)[0]


def _envelopes(
    topic: str, partition: int, records: Sequence[Record], numbers: Sequence[int] | None = None
) -> Mapping[str, pa.Array]:
    """The columns that say where each row's record stood; *numbers* says which record each row is of."""
    of_rows = records if numbers is None else [records[number] for number in numbers]
    return {
        "_topic": columns.label(topic, len(of_rows)),
        "_partition": columns.partition(partition, len(of_rows)),
        "_offset": columns.offsets([record.offset for record in of_rows]),
        "_timestamp": columns.moments([record.timestamp_ms for record in of_rows]),
    }


def _arrow(table: Table, values: Values, envelopes: Mapping[str, pa.Array]) -> pa.Table | None:
    """The rows with these values and envelopes, or None if there are none."""
    if not len(envelopes["_offset"]):
        return None
    return pa.table({name: build(values[name]) for name, build in table.builders.items()} | dict(envelopes))
