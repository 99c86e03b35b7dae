"""One partition on its way into ClickHouse: what has been read, what is being written, what is due next. Pure.

At most one batch of a lane is being written at a time. Its steps: FILLING until there is enough; INTENT until the
broker has taken the commit with the intent; WRITING until ClickHouse has the rows, by however many attempts. The next
commit, of the next intent or of none, acknowledges it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Final

import msgspec

from analytics import intents
from analytics.intents import Intent
from analytics.mapping import VERSION, Record

#: What a record takes in memory beside its bytes, roughly.
RECORD_BYTES: Final = 200


class Phase(StrEnum):
    FILLING = "FILLING"
    INTENT = "INTENT"
    WRITING = "WRITING"
    REFUSED = "REFUSED"  # a commit was: the partition has, or is about to have, another owner
    STOPPED = "STOPPED"  # somebody has to look at it


_IDLE_PHASES: Final = frozenset({Phase.REFUSED, Phase.STOPPED})


class Limits(msgspec.Struct, frozen=True):
    """When a batch is enough: so many records, so many bytes, or the first has waited so long."""

    records_max: int
    bytes_max: int
    wait_s: float
    idle_s: float = 1.0


class Stop(StrEnum):
    """Why a partition goes no further until somebody has looked at it."""

    GAP = "gap"  # records are gone that were not stored, or it is not known whether they were
    VERSION = "version"  # its unfinished batch was begun under another version of the mapping


class Gap(Exception):  # noqa: N818  # it names what is found
    """The records of an unfinished batch are not what they were: some are gone for good, and which is not known."""


class Batch(msgspec.Struct, frozen=True):
    """Records that are written together, under one token."""

    topic: str
    partition: int
    intent: Intent
    records: Sequence[Record]
    size_bytes: int
    replayed: bool

    @property
    def token(self) -> str:
        return intents.token_of(self.topic, self.partition, self.intent)

    @property
    def metadata(self) -> str:
        return intents.metadata_of(self.intent)


class Lane:
    """The state of one partition that this sink owns.

    *start* is the committed offset (None: there was no commit, reading starts at the partition's beginning), *intent*
    what that commit says was being written. *stored_to* is the offset below which all is known to be in ClickHouse.
    """

    __slots__ = (
        *("_buffered_since_s", "_bytes", "_changed_s", "_intent", "_next_read", "_reading", "_records", "_sizes"),
        "attempts",
        *("batch", "committed", "end", "idle_commit", "partition", "paused", "phase", "retry_at_s", "stopped"),
        *("stored_to", "topic", "unreadable"),
    )

    def __init__(self, topic: str, partition: int, start: int | None, intent: Intent | None, now_s: float) -> None:
        self.topic = topic
        self.partition = partition
        self.phase = Phase.FILLING
        self.batch: Batch | None = None
        self.attempts = 0
        self.retry_at_s = 0.0
        self.paused = False
        self.stopped: Stop | None = None
        self.unreadable = False  # its batch has a record with a schema that isn't known yet
        self.stored_to = start
        self.committed = None if intent is not None else start
        self.idle_commit: int | None = None
        self.end: int | None = None
        self._intent = intent
        self._next_read = start or 0
        self._reading = True
        self._records: list[Record] = []
        self._sizes: list[int] = []
        self._bytes = 0
        self._buffered_since_s = now_s
        self._changed_s = now_s

    @property
    def key(self) -> tuple[str, int]:
        return self.topic, self.partition

    @property
    def buffered(self) -> int:
        """Records read and not yet in a batch."""
        return len(self._records)

    @property
    def intent(self) -> Intent | None:
        """The unfinished batch that it must read and write again before anything else."""
        return self._intent

    @property
    def size_bytes(self) -> int:
        """What its records take in memory, those of its batch included."""
        return self._bytes + (self.batch.size_bytes if self.batch else 0)

    @property
    def head_ms(self) -> int | None:
        """The broker's time of the first record that is not known to be stored, or None if none has been read."""
        records = self.batch.records if self.batch else self._records
        return records[0].timestamp_ms if records else None

    def take(self, record: Record, now_s: float) -> None:
        """A record was read. One read before, after a seek, is ignored."""
        if not self._reading or record.offset < self._next_read or self.phase in _IDLE_PHASES:
            return
        if not self._records:
            self._buffered_since_s = now_s
        self._next_read = record.offset + 1
        size = RECORD_BYTES + len(record.key or b"") + len(record.value or b"")
        self._records.append(record)
        self._sizes.append(size)
        self._bytes += size

    def reached_end(self, offset: int) -> None:
        """Everything below *offset* has been read; there is nothing more for now."""
        if self._reading:  # else it may lie behind what was left to the next owner
            self.end = offset

    def next_batch(self, limits: Limits, now_s: float) -> Batch | None:
        """The batch to write now, if one is due; then the lane waits for its intent's commit. Raises Gap."""
        if self.phase is not Phase.FILLING:
            return None
        count = self._replay_count() if self._intent else self._due_count(limits, now_s)
        if not count:
            return None
        records, self._records = self._records[:count], self._records[count:]
        size = sum(self._sizes[:count])
        self._sizes = self._sizes[count:]
        self._bytes -= size
        self._buffered_since_s = now_s
        self.batch = self._batch_of(records, size)
        self._intent = None
        self.phase = Phase.INTENT
        self.idle_commit = None
        return self.batch

    def intent_committed(self) -> Batch:
        """The broker has taken the intent: the batch may be written."""
        assert self.batch is not None, "an intent is committed for a batch"
        self.phase = Phase.WRITING
        self.stored_to = self.batch.intent.first
        self.committed = None
        return self.batch

    def failed(self, retry_at_s: float) -> None:
        """The step didn't work; it is tried again at *retry_at_s*."""
        self.attempts += 1
        self.retry_at_s = retry_at_s

    def stored(self, now_s: float) -> None:
        """ClickHouse has the batch."""
        assert self.batch is not None, "a batch was stored"
        self.stored_to = self.batch.intent.last + 1
        self.batch = None
        self.phase = Phase.FILLING
        self.attempts = 0
        self.retry_at_s = 0.0
        self.unreadable = False
        self._changed_s = now_s

    def idle_offset(self, limits: Limits, now_s: float) -> int | None:
        """Where a commit without an intent is due: all that was read is stored, and nothing came for a while."""
        if self.phase is not Phase.FILLING or self._records or self._intent or self.idle_commit is not None:
            return None
        offset = self.clean_offset
        if offset is None or offset == self.committed or now_s - self._changed_s < limits.idle_s:
            return None
        return offset

    def idle_committed(self, offset: int) -> None:
        """The broker has taken the commit at *offset*, behind which nothing was being written."""
        self.idle_commit = None
        self.committed = offset
        self.stored_to = offset

    @property
    def clean_offset(self) -> int | None:
        """How far a commit without an intent may go now, or None: past the last stored record, or to the end.

        The end lies behind the markers that transactions leave in the log, so that a drained partition shows no lag.
        """
        if self.phase is not Phase.FILLING or self._intent:
            return None
        if self._records or self.end is None:
            return self.stored_to
        return max(self.stored_to or 0, self.end)

    def stop(self, why: Stop) -> None:
        """Give up on the partition until somebody looks at it: what was read is dropped, and nothing is committed."""
        self.stopped = why
        self._drop(Phase.STOPPED)

    def refused(self, look_again_at_s: float) -> None:
        """A commit was refused. What was read is dropped; if the partition is still here then, start over."""
        self._drop(Phase.REFUSED)
        self.retry_at_s = look_again_at_s

    def leave(self) -> None:
        """Keep only what is being written, and read no more: the rest is read again by whoever comes next."""
        self._forget()
        self._reading = False

    def _forget(self) -> None:
        if self._records:
            self.end = None  # it lies behind what is forgotten
        self._records, self._sizes = [], []
        self._bytes = 0

    def _drop(self, phase: Phase) -> None:
        self._forget()
        self.phase = phase
        self.batch = None

    def _due_count(self, limits: Limits, now_s: float) -> int:
        if not self._records:
            return 0
        full = len(self._records) >= limits.records_max or self._bytes >= limits.bytes_max
        if not full and now_s - self._buffered_since_s < limits.wait_s:
            return 0
        count = min(len(self._records), limits.records_max)
        if self._bytes <= limits.bytes_max:
            return count
        return max(1, bisect_right(list(accumulate(self._sizes[:count])), limits.bytes_max))

    def _replay_count(self) -> int:
        """How many records the unfinished batch has, once all are there. Raises Gap if they are not what they were."""
        intent = self._intent
        assert intent is not None, "only a lane with an intent replays"
        if self._next_read <= intent.last and (self.end is None or self.end <= intent.last):
            return 0
        count = sum(record.offset <= intent.last for record in self._records)
        found = self._records[:count]
        digest = intents.digest_of(found)
        if count != intent.records or digest != intent.digest:
            raise Gap(
                f"offsets {intent.first} to {intent.last} had {intent.records} records with digest {intent.digest}, "
                f"and have {count} with {digest} now"
            )
        return count

    def _batch_of(self, records: list[Record], size: int) -> Batch:
        intent = self._intent
        if intent is not None:
            return Batch(self.topic, self.partition, intent, records, size, replayed=True)
        first, last = records[0].offset, records[-1].offset
        fresh = Intent(first, last, len(records), intents.digest_of(records), VERSION)
        return Batch(self.topic, self.partition, fresh, records, size, replayed=False)
