"""Which message goes to which table of ClickHouse, column by column. Pure.

Whoever changes what a record becomes raises VERSION: a batch that was begun under another one is not finished under
this. A table for a message that had none changes nothing, and needs no new version.
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
from domain.observations import Quote, VenueBalance
from schemas import topics

VERSION: Final = 2

DEAD_LETTERS: Final = "dead_letters"

Build: TypeAlias = Callable[[Sequence[Any]], pa.Array]
Values: TypeAlias = Mapping[str, Sequence[Any]]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a partition."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class Table(msgspec.Struct, frozen=True):
    """Where messages of a class go. *spread* gives the values of all columns, and which message each row is of."""

    name: str
    message: type[Message]
    builders: Mapping[str, Build]
    spread: Callable[[Sequence[Any], Iterable[str]], tuple[Values, Sequence[int] | None]]


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
            columns.amounts: "cumulative_quantity order_quantity fill_quantity fill_price fee",
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
        "quotes",
        Quote,
        {
            columns.labels: "venue symbol",
            columns.amounts: "bid bid_quantity ask ask_quantity",
            columns.instants: "observed_at",
        },
    ),
    _table(
        "venue_balances",
        VenueBalance,
        {
            columns.labels: "venue account asset",
            columns.amounts: "free locked",
            columns.instants: "observed_at",
        },
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


def table_of(topic: str) -> Table:
    """The table for *topic*. Raises KeyError for a topic that has none."""
    if topic.startswith(topics.venue_requests("").name):
        return TABLES[VenueRequest]
    return _BY_TOPIC[topic]


_BY_TOPIC: Final[Mapping[str, Table]] = {
    topic.name: TABLES[topic.value]
    for topic in (*topics.INPUTS, *topics.OUTPUTS, *topics.OBSERVATIONS)
    if topic.value in TABLES
}
