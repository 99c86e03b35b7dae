"""A model of the log: topics, partitions, offsets, transactions, readers of what is committed, and fencing.

An offset is a place in a list. Transactions write records as they come, and a marker at their end; readers see nothing
from the first record of an open transaction on, and pass over what was aborted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

import msgspec

#: As in streaming.writer: a transaction that is open for longer is aborted.
TRANSACTION_TIMEOUT_S: Final = 20.0


class FencedError(Exception):
    """A transactional ID has a newer owner."""


class State(Enum):
    OPEN = 1
    COMMITTED = 2
    ABORTED = 3


class Transaction:
    """*decided* is what the worker says it took into it: input topic and offsets, in order."""

    def __init__(self, identity: str, epoch: int, began_s: float) -> None:
        self.identity = identity
        self.epoch = epoch
        self.began_s = began_s
        self.state = State.OPEN
        self.places: dict[tuple[str, int], None] = {}
        self.decided: list[tuple[str, int]] = []


class Entry(msgspec.Struct):
    """A record, with the attributes that the product reads of a consumed one. A marker has no key and no value."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    transaction: Transaction | None
    marker: bool = False
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def readable(self) -> bool:
        return not self.marker and (self.transaction is None or self.transaction.state is State.COMMITTED)


class Log:
    """One partition of a topic."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.open: dict[Transaction, int] = {}
        self.watchers: list[Callable[[], None]] = []

    @property
    def stable_end(self) -> int:
        return min(self.open.values(), default=len(self.entries))

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)

    def read(self, start: int, most: int) -> tuple[list[Entry], int]:
        """At most *most* committed records from *start* on, and the offset at which reading goes on."""
        found: list[Entry] = []
        end = self.stable_end
        for offset in range(start, end):
            entry = self.entries[offset]
            if entry.readable:
                found.append(entry)
                if len(found) == most:
                    return found, offset + 1
        return found, max(start, end)

    def committed(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.readable]


class Broker:
    """*now_ms* is its clock, which stamps every record; *now_s* is the time that passes. *fencing* can be broken."""

    fencing = True

    def __init__(self, now_ms: Callable[[], int], now_s: Callable[[], float]) -> None:
        self.logs: dict[tuple[str, int], Log] = defaultdict(Log)
        self.decided: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._now_ms = now_ms
        self._now_s = now_s
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> int:
        """Writes a record outside of any transaction; returns its offset."""
        log = self.logs[topic, partition]
        log.append(Entry(len(log.entries), self._now_ms(), key, value, None))
        self._notify(log)
        return len(log.entries) - 1

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────────────

    def fence(self, identity: str) -> int:
        """The new epoch of *identity*: earlier ones are shut out, and what they left open is aborted."""
        if not self.fencing:
            return self._epochs.setdefault(identity, 0)
        self._epochs[identity] = self._epochs.get(identity, 0) + 1
        transaction = self._open.pop(identity, None)
        if transaction is not None:
            self._end(transaction, State.ABORTED)
        return self._epochs[identity]

    def begin(self, identity: str, epoch: int) -> Transaction:
        self._check(identity, epoch)
        transaction = self._open[identity] = Transaction(identity, epoch, self._now_s())
        return transaction

    def write(self, transaction: Transaction, records: Iterable[tuple[str, int, bytes | None, bytes | None]]) -> None:
        self._check(transaction.identity, transaction.epoch)
        for topic, partition, key, value in records:
            log = self.logs[topic, partition]
            log.open.setdefault(transaction, len(log.entries))
            transaction.places[topic, partition] = None
            log.append(Entry(len(log.entries), self._now_ms(), key, value, transaction))

    def commit(self, transaction: Transaction) -> None:
        self._check(transaction.identity, transaction.epoch)
        self._open.pop(transaction.identity, None)
        self.decided[transaction.identity] += transaction.decided
        self._end(transaction, State.COMMITTED)

    def abort(self, transaction: Transaction) -> None:
        self._check(transaction.identity, transaction.epoch)
        self._open.pop(transaction.identity, None)
        self._end(transaction, State.ABORTED)

    def expire(self) -> None:
        """Aborts what has been open for too long, and shuts its owner out."""
        for identity, transaction in list(self._open.items()):
            if self._now_s() - transaction.began_s > TRANSACTION_TIMEOUT_S:
                self.fence(identity)

    def _check(self, identity: str, epoch: int) -> None:
        if self.fencing and self._epochs[identity] != epoch:
            raise FencedError(identity)

    def _end(self, transaction: Transaction, state: State) -> None:
        if transaction.state is not State.OPEN:
            return
        transaction.state = state
        for place in transaction.places:
            log = self.logs[place]
            log.append(Entry(len(log.entries), self._now_ms(), None, None, transaction, marker=True))
            del log.open[transaction]
            self._notify(log)

    def _notify(self, log: Log) -> None:
        for watcher in log.watchers:
            watcher()
