"""Tables: rows held in memory, partition by partition, whose changes a chunk's transaction writes."""

import operator
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, repeat
from typing import Any, Final, Generic, NoReturn, TypeVar

import faust
from typing_extensions import override
from xxhash import xxh3_64_intdigest

from domain.messages import Message
from schemas import codec
from schemas.topics import Topic
from streaming.chunk import Outgoing

RowT = TypeVar("RowT", bound=Message)

DIGEST_BYTES: Final = 8
_MODULUS: Final = 1 << (8 * DIGEST_BYTES)

#: So many rows of a partition stay decoded, the latest ones; more only if a single chunk changed more.
RECENT_MAX: Final = 4_096


_UNCHANGED: Final[Any] = object()


class Fingerprint:
    """Hashes rows of one table so that the hashes of all rows add up to a digest in any order.

    XXH3 tells accidents apart (a record lost, altered, or of another time); it is no defence against forgers. Key and
    value are hashed as one, for no accident moves the border between them.
    """

    __slots__ = ("seed",)

    def __init__(self, table: str) -> None:
        self.seed = xxh3_64_intdigest(table.encode())

    def __call__(self, key: bytes, value: bytes) -> int:
        return xxh3_64_intdigest(key + value, self.seed)

    def of_all(self, rows: Mapping[bytes, bytes]) -> int:
        """The sum over *rows*, without a step of Python's for each."""
        return sum(map(xxh3_64_intdigest, map(operator.add, rows.keys(), rows.values()), repeat(self.seed)))


def total(hashes: int) -> int:
    """A sum of fingerprints as the digest keeps it."""
    return hashes % _MODULUS


class Rows(Generic[RowT]):
    """One partition of a table. Subclass it to keep indexes beside the rows.

    Rows are kept as the changelog has them, in bytes, which take a fraction of the memory; those that were put or read
    lately are kept decoded as well. Only the agents' code of this partition touches it, one chunk at a time, so there
    is nothing to lock.
    """

    __slots__ = ("__dict__", "_changed", "_decode", "_encode", "_fingerprint", "_recent", "_stored", "digest")

    #: Who has the functions between rows and bytes; a subclass may name a codec for schemas of its own.
    encoder = staticmethod(codec.encoder)
    decoder = staticmethod(codec.decoder)

    def __init__(self, row: type[RowT], fingerprint: Fingerprint, restored: dict[bytes, bytes]) -> None:
        self._encode: Callable[[RowT], bytes] = self.encoder(row)
        self._decode: Callable[[bytes], RowT] = self.decoder(row)
        self._fingerprint = fingerprint
        self._stored = restored
        self._recent: dict[bytes, RowT | None] = {}
        self._changed: dict[bytes, RowT | None] = {}
        self.digest = total(fingerprint.of_all(restored))

    def get(self, key: bytes) -> RowT | None:
        row = self._changed.get(key, _UNCHANGED)
        if row is not _UNCHANGED:
            return row  # None if it was deleted in this chunk
        row = self._recent.get(key)
        if row is None:
            value = self._stored.get(key)
            if value is not None:
                row = self._recent[key] = self._decode(value)
        return row

    def put(self, key: bytes, row: RowT) -> None:
        self._changed[key] = row

    def delete(self, key: bytes) -> None:
        """Forget the row, if there is one."""
        self._changed[key] = None
        self._recent.pop(key, None)

    def __len__(self) -> int:
        stored = self._stored
        return len(stored) + sum((row is not None) - (key in stored) for key, row in self._changed.items())

    def items(self) -> Iterator[tuple[bytes, RowT]]:
        """Every key with its row, decoded for this once. Rows must not be put or deleted meanwhile."""
        for key, value in self._stored.items():
            if key not in self._changed:
                yield key, self._decode(value)
        for key, row in self._changed.items():
            if row is not None:
                yield key, row

    def loaded(self) -> None:
        """Called once, when all rows have been restored: the place to build indexes, in a thread of its own."""

    def changes(self) -> list[Outgoing]:
        """A record for each key whose row differs from what the changelog has, without a value if it is gone.

        Called once a chunk: afterwards they count as written, and *digest* includes them.
        """
        changes: list[Outgoing] = []
        stored, encode, seed, difference = self._stored, self._encode, self._fingerprint.seed, 0
        for key, row in self._changed.items():
            before = stored.get(key)
            after = None if row is None else encode(row)
            if after == before:
                continue  # put back as it was, or come and gone within this chunk
            if before is not None:  # what Fingerprint does, without a call for each row
                difference -= xxh3_64_intdigest(key + before, seed)
            if after is not None:
                difference += xxh3_64_intdigest(key + after, seed)
                stored[key] = after
            else:
                del stored[key]
            changes.append({"key": key, "value": after})
        self.digest = total(self.digest + difference)
        self._keep_decoded()
        return changes

    def _keep_decoded(self) -> None:
        """The rows of this chunk stay decoded, in place of the oldest: always as many, for a steady size in memory."""
        if len(self._changed) >= RECENT_MAX:
            self._recent, self._changed = self._changed, {}
            return
        recent = self._recent
        recent.update(self._changed)
        self._changed.clear()
        for key in tuple(islice(recent, max(0, len(recent) - RECENT_MAX))):
            del recent[key]


class Table(faust.Table):  # type: ignore[misc]  # Faust is not typed for us
    """A Faust table whose partitions the lane restores, and whose changes the lane writes.

    Faust lists it and gives it its changelog's name. Its own way of reading and writing (``table[key] = row``, a record
    to the changelog at once and outside of any transaction) is closed.
    """

    def __init__(self, app: faust.App, topic: Topic, rows: type[Rows[Any]] = Rows) -> None:
        prefix, suffix = f"{app.conf.id}-", "-changelog"
        name = topic.name.removeprefix(prefix).removesuffix(suffix)
        if topic.name != prefix + name + suffix:
            raise ValueError(f"a changelog of {app.conf.id} is named {prefix}…{suffix}, not {topic.name}")
        if not topic.compacted:
            raise ValueError(f"the changelog {topic.name} must be compacted: one that deletes would forget rows")
        super().__init__(app, name=name, partitions=app.conf.topic_partitions)
        self.changelog = topic.name
        self.fingerprint = Fingerprint(name)
        self._row = topic.value
        self._rows = rows
        self._partitions: dict[int, Rows[Any]] = {}
        app.tables.add(self)

    def partition(self, number: int) -> Any:
        """The rows of a partition that this worker owns: a Rows, of the class the table was made with."""
        return self._partitions[number]

    def load(self, restored: dict[bytes, bytes]) -> Rows[Any]:
        """Rows out of what the changelog of one partition holds."""
        rows = self._rows(self._row, self.fingerprint, restored)
        rows.loaded()
        return rows

    def attach(self, number: int, rows: Rows[Any]) -> None:
        self._partitions[number] = rows

    def detach(self, number: int) -> None:
        """Forget the rows of a partition that is no longer ours."""
        self._partitions.pop(number, None)

    @override
    def _new_store(self) -> NoReturn:
        raise self._closed()

    @override
    def on_key_set(self, key: Any, value: Any) -> NoReturn:
        raise self._closed()

    @override
    def on_key_del(self, key: Any) -> NoReturn:
        raise self._closed()

    def _closed(self) -> TypeError:
        return TypeError(f"rows of table {self.name} are read and written in its partitions: use partition(number)")

    @override
    async def on_rebalance(self, *_: Any, **__: Any) -> None:
        """Nothing: the lane has attached and detached partitions already."""
