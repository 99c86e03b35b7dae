"""The stored tables of a partition as one chunk left them, and where they differ from others."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from domain.messages import Message
from domain.state import FirstAnswer
from runtime import reading
from runtime.settings import Settings
from streaming.table import Rows, Table


class Late(msgspec.Struct, frozen=True, order=True):
    """A changelog's record that is later than the chunk."""

    at_ms: int
    topic: str
    offset: int
    key: bytes


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A partition's tables out of their changelogs: *contents* are their rows' bytes by changelog, *late* the latest
    record that was left out, if any was.
    """

    rows: Sequence[Rows[Any]]
    contents: Mapping[str, dict[bytes, bytes]]
    late: Late | None


class Difference(msgspec.Struct, frozen=True):
    """A row that was *decided* anew and is *stored* otherwise, or not at all."""

    table: str
    key: bytes
    decided: Message | None
    stored: Message | None


def stored(settings: Settings, tables: Sequence[Table], partition: int, at_ms: int) -> Stored:
    """The *tables* as the changelogs have them up to *at_ms*, when a chunk's positions were written.

    A worker writes a chunk's rows before its positions, and the next chunk's after it is committed. So the time tells
    the rows of this chunk from those of the next, unless a clock was set back or compaction was faster: the digest
    shows that. Raises Unavailable.
    """
    contents: dict[str, dict[bytes, bytes]] = {}
    late: Late | None = None
    for table in tables:
        rows = contents[table.changelog] = {}
        for record in reading.read(settings, *reading.spans(settings, table.changelog, partition)):
            key, value, (_, stamp) = record.key(), record.value(), record.timestamp()
            if stamp > at_ms:
                this = Late(stamp, table.changelog, record.offset(), key or b"")
                late = this if late is None else max(late, this)
            elif value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
    loaded = [table.load(contents[table.changelog]) for table in tables]
    return Stored(rows=loaded, contents=contents, late=late)


def differences(
    tables: Sequence[Table], decided: Sequence[Rows[Any]], found: Sequence[Rows[Any]], now_us: int
) -> Iterator[Difference]:
    """Where the rows that were *decided* differ from those *found*, table by table, in the order of keys.

    An answer whose time is over at *now_us* may be missing: which tick forgets it depends on when a worker restarted.
    """
    for table, ours, theirs in zip(tables, decided, found, strict=True):
        if ours.digest == theirs.digest:
            continue
        left, right = dict(ours.items()), dict(theirs.items())
        for key in sorted(left.keys() | right.keys()):
            mine, other = left.get(key), right.get(key)
            if mine != other and not _forgotten(mine, other, now_us):
                yield Difference(table.name, key, mine, other)


def _forgotten(mine: Message | None, other: Message | None, now_us: int) -> bool:
    one = mine or other
    return (mine is None or other is None) and isinstance(one, FirstAnswer) and one.forget_at <= now_us
