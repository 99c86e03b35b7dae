"""From a batch of records to rows: each record's in its own table, or else one in the dead letters.

A row follows from its record alone: the sink may map a range of offsets again, after a crash, and must get the same
rows. Usual records are decoded by compiled code straight into columns (``columnar``), all others, and every record
where that isn't built, into messages first; both make the same rows.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa

from analytics import columnar, columns
from analytics.columnar import Decoder
from analytics.mapping import TABLES, Record, Table, table_of
from domain.messages import DeadLetter, Message
from schemas import catalog, codec
from schemas.codec import Undecodable, UndecodableReason
from schemas.wire import HEADER_BYTES

STAGE: Final = "sink"
OUT_OF_RANGE: Final = "OUT_OF_RANGE"

#: Ids count up from 1, in a registry as in ids.json: one a little above all known is a schema to come, others garbage.
SCHEMAS_TO_COME: Final = 100_000

#: Columns that can refuse a value, and whether they hold these.
_BOUNDED: Final = {columns.amounts: columns.amounts_fit, columns.instants: columns.instants_fit}

_LETTERS_TABLE: Final = TABLES[DeadLetter]


class Fault(msgspec.Struct, frozen=True):
    """Why a record has no row of its own."""

    reason: str
    detail: str


class SchemaNotKnown(Exception):  # noqa: N818  # it names the state of things, which passes
    """A record can't be read yet: its schema is newer than this program, or the registry can't be asked."""


class Rows(msgspec.Struct, frozen=True):
    """What a batch becomes. *records* counts the records that *stored* holds, *dead* those in *dead_letters*."""

    table: str
    stored: pa.Table | None
    dead_letters: pa.Table | None
    records: int
    dead: int


_Faulty: TypeAlias = list[tuple[Record, Fault]]


class Mapper:
    """Makes rows of batches. Threads may share one.

    *newest_schema_id* is the newest id of a known schema (of ids.json, unless a registry says otherwise); a record with
    a newer one waits. Those of *given_up* never come: their records are dead.
    """

    def __init__(self, newest_schema_id: int | None = None, given_up: Collection[int] = ()) -> None:
        if newest_schema_id is None:
            newest_schema_id = max(schema_id for name in catalog.ids() for schema_id in catalog.versions(name))
        self._to_come = range(newest_schema_id + 1, newest_schema_id + 1 + SCHEMAS_TO_COME)
        self._given_up = frozenset(given_up)
        self._decoders: dict[str, Decoder | None] = {}

    def rows(
        self, topic: str, partition: int, records: Sequence[Record], refused: Mapping[int, Fault] | None = None
    ) -> Rows:
        """The rows of *records*; those at the offsets in *refused* are dead. Raises SchemaNotKnown."""
        table = table_of(topic)
        faulty: _Faulty = []
        if refused:
            faulty = [(record, refused[record.offset]) for record in records if record.offset in refused]
            records = [record for record in records if record.offset not in refused]
        quick, unusual = self._quick(topic, partition, records, table)
        plain, found = self._plain(topic, partition, unusual, table)
        faulty += found
        return Rows(
            table=table.name,
            stored=_joined(quick, plain),
            dead_letters=_letters(topic, partition, faulty),
            records=len(records) - len(found),
            dead=len(faulty),
        )

    def _quick(
        self, topic: str, partition: int, records: Sequence[Record], table: Table
    ) -> tuple[pa.Table | None, Sequence[Record]]:
        """The rows of usual records, and the other records."""
        if table.name not in self._decoders:
            self._decoders[table.name] = columnar.decoder(table.message, table.builders)
        decoder = self._decoders[table.name]
        if decoder is None:
            return None, records
        found = decoder.decode([record.value for record in records])
        envelopes = {name: column.take(found.numbers) for name, column in _envelopes(topic, partition, records).items()}
        return _table(found.columns, envelopes), [records[number] for number in found.unusual]

    def _plain(
        self, topic: str, partition: int, records: Sequence[Record], table: Table
    ) -> tuple[pa.Table | None, _Faulty]:
        """The rows of *records* by way of messages, and the records that can have none. Raises SchemaNotKnown."""
        messages, sound, faulty = self._decoded(records, table)
        values, numbers = table.spread(messages, table.builders)
        if _misfit(values, table) is not None:
            messages, sound, faulty = _sorted_out(messages, sound, faulty, table)
            values, numbers = table.spread(messages, table.builders)
        of_rows = sound if numbers is None else [sound[number] for number in numbers]
        return _table(_columns(table, values), _envelopes(topic, partition, of_rows)), faulty

    def _decoded(self, records: Sequence[Record], table: Table) -> tuple[list[Any], list[Record], _Faulty]:
        messages: list[Any] = []
        sound: list[Record] = []
        faulty: _Faulty = []
        for record in records:
            try:
                messages.append(codec.decode(record.value, table.message))
                sound.append(record)
            except Undecodable as error:
                if self._may_pass(error, record):
                    raise SchemaNotKnown(f"offset {record.offset}: {error}") from error
                faulty.append((record, Fault(error.reason, error.detail)))
        return messages, sound, faulty

    def _may_pass(self, error: Undecodable, record: Record) -> bool:
        schema_id = int.from_bytes((record.value or b"")[1:HEADER_BYTES], "big")
        if schema_id in self._given_up:
            return False
        if error.reason is UndecodableReason.UNKNOWN_SCHEMA_ID:
            return schema_id in self._to_come
        return error.reason is UndecodableReason.SCHEMA_UNAVAILABLE


def fault_of(message: Message, table: Table) -> Fault | None:
    """What of *message* its table can't hold, or None."""
    values, _ = table.spread([message], table.builders)
    name = _misfit(values, table)
    return None if name is None else Fault(OUT_OF_RANGE, f"{name} is {', '.join(map(str, values[name]))}")


def _misfit(values: Mapping[str, Sequence[Any]], table: Table) -> str | None:
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


def _letters(topic: str, partition: int, faulty: _Faulty) -> pa.Table | None:
    """The rows of the dead, in the order of their offsets."""
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
    values, _ = _LETTERS_TABLE.spread(letters, _LETTERS_TABLE.builders)
    envelopes = _envelopes(topic, partition, [record for record, _ in faulty])
    return _table(_columns(_LETTERS_TABLE, values), envelopes)


def _columns(table: Table, values: Mapping[str, Sequence[Any]]) -> Mapping[str, pa.Array]:
    return {name: build(values[name]) for name, build in table.builders.items()}


def _envelopes(topic: str, partition: int, records: Sequence[Record]) -> Mapping[str, pa.Array]:
    """The columns that say where each record stood."""
    return {
        "_topic": columns.label(topic, len(records)),
        "_partition": columns.partition(partition, len(records)),
        "_offset": columns.offsets([record.offset for record in records]),
        "_timestamp": columns.moments([record.timestamp_ms for record in records]),
    }


def _table(cells: Mapping[str, pa.Array], envelopes: Mapping[str, pa.Array]) -> pa.Table | None:
    """The rows of these columns, or None if there are none."""
    return pa.table({**cells, **envelopes}) if len(envelopes["_offset"]) else None


def _joined(first: pa.Table | None, second: pa.Table | None) -> pa.Table | None:
    """Both as one table of one piece: ClickHouse takes a piece as a block, and a block as one part."""
    if first is None or second is None:
        return first if second is None else second
    return pa.concat_tables([first, second]).unify_dictionaries().combine_chunks()
