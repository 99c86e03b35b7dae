"""Tables: rows held decoded in memory, one dictionary a partition, whose changes a chunk's transaction writes."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final, Generic, NoReturn, TypeVar

import faust
from typing_extensions import override

from domain.messages import Message
from schemas import codec
from schemas.topics import Topic

RowT = TypeVar("RowT", bound=Message)

DIGEST_BYTES: Final = 8
_MODULUS: Final = 1 << (8 * DIGEST_BYTES)


class Fingerprint:
    """Hashes rows of one table so that the hashes of all rows add up to a digest in any order."""

    __slots__ = ("_seeded",)

    def __init__(self, table: str) -> None:
        self._seeded = blake2b(table.encode(), digest_size=DIGEST_BYTES)

    def __call__(self, key: bytes, value: bytes) -> int:
        hash_ = self._seeded.copy()
        hash_.update(len(key).to_bytes(4, "big"))  # so that no row hashes like one with another border
        hash_.update(key)
        hash_.update(value)
        return int.from_bytes(hash_.digest(), "big")


def total(hashes: int) -> int:
    """A sum of fingerprints as the digest keeps it."""
    return hashes % _MODULUS


class Rows(Generic[RowT]):
    """One partition of a table. Subclass it to keep indexes beside the rows.

    Restored rows stay bytes until they are first read. Only the agents' code of this partition touches it, one chunk at
    a time, so there is nothing to lock.
    """

    __slots__ = ("__dict__", "_changed", "_class", "_fingerprint", "_hashes", "_rows", "digest")

    def __init__(self, row: type[RowT], fingerprint: Fingerprint, restored: dict[bytes, bytes]) -> None:
        self._class = row
        self._fingerprint = fingerprint
        self._rows: dict[bytes, RowT | bytes] = dict(restored)
        self._hashes = {key: fingerprint(key, value) for key, value in restored.items()}
        self._changed: dict[bytes, RowT | None] = {}
        self.digest = total(sum(self._hashes.values()))

    def get(self, key: bytes) -> RowT | None:
        row = self._rows.get(key)
        if isinstance(row, bytes):
            row = self._rows[key] = codec.decode(row, self._class)
        return row

    def put(self, key: bytes, row: RowT) -> None:
        self._rows[key] = self._changed[key] = row

    def delete(self, key: bytes) -> None:
        """Forget the row, if there is one."""
        if self._rows.pop(key, None) is not None:
            self._changed[key] = None

    def __len__(self) -> int:
        return len(self._rows)

    def items(self) -> Iterator[tuple[bytes, RowT]]:
        """Every key with its row. Rows must not be put or deleted meanwhile."""
        for key, row in self._rows.items():
            if isinstance(row, bytes):
                row = self._rows[key] = codec.decode(row, self._class)  # noqa: PLW2901  # same key: the size stays
            yield key, row

    def loaded(self) -> None:
        """Called once, when all rows have been restored: the place to build indexes, in a thread of its own."""

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Each key whose row differs from what the changelog has, with the encoded row, or None if it is gone.

        Called once a chunk: afterwards they count as written, and *digest* includes them.
        """
        changes: list[tuple[bytes, bytes | None]] = []
        hashes, difference = self._hashes, 0
        for key, row in self._changed.items():
            before = hashes.pop(key, None) if row is None else hashes.get(key)
            if row is not None:
                value = codec.encode(row)
                after = self._fingerprint(key, value)
                if after == before:
                    continue  # put back as it was
                hashes[key] = after
                difference += after - (before or 0)
                changes.append((key, value))
            elif before is not None:  # else it came and went within this chunk
                difference -= before
                changes.append((key, None))
        self._changed.clear()
        self.digest = total(self.digest + difference)
        return changes


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
