"""What the sink is about to write, as it stands in a commit's metadata. Pure.

A commit at offset *first* with an intent in its metadata says: everything below *first* is stored, and the records from
*first* to *last* were being written, in one batch, under one token. Whoever owns the partition next writes exactly that
batch again; ClickHouse drops it if it has the token already.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from analytics.mapping import Record

#: A broker refuses longer metadata unless told otherwise (offset.metadata.max.bytes).
METADATA_BYTES_MAX: Final = 4096
#: Metadata of a commit behind which nothing was being written.
NOTHING: Final = ""


class Intent(msgspec.Struct, frozen=True):
    """A batch: the offsets of its first and last records, how many they are, their digest, and who maps them."""

    first: int
    last: int
    records: int
    digest: int
    version: int


class _Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    to: int
    n: int
    h: int
    v: int


def metadata_of(intent: Intent) -> str:
    fields = _Metadata(to=intent.last, n=intent.records, h=intent.digest, v=intent.version)
    return msgspec.json.encode(fields).decode()


def intent_of(committed_offset: int, metadata: str | None) -> Intent | None:
    """The intent in a commit, or None if there is none: empty metadata, or somebody else's."""
    try:
        found = msgspec.json.decode(metadata or "", type=_Metadata)
    except msgspec.DecodeError:
        return None
    return Intent(committed_offset, found.to, found.n, found.h, found.v)


def digest_of(records: Sequence[Record]) -> int:
    """CRC-32 of the records' keys and values, one after the other."""
    return zlib.crc32(b"".join([part for record in records for part in (record.key, record.value) if part]))


def token_of(topic: str, partition: int, intent: Intent) -> str:
    """The token of the batch's insert. The digest tells a topic from one made anew under the same name."""
    return f"{topic}:{partition}:{intent.first}-{intent.last}:{intent.digest:08x}"
