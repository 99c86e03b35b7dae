"""``fillstream audit``: decides a partition's input once more and compares what comes of it with the stored tables.

It goes up to the last chunk that was committed when it began, reads committed records only and writes none, so it may
run beside the workers. What it proves it keeps, and the next audit goes on from there: of input that retention has
taken meanwhile, nothing is needed any more.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from agents import app
from agents.audit import compare, history
from agents.audit.compare import Difference, Late, Stored
from agents.audit.history import Step
from agents.audit.refold import Lost, Proven, Refold, Taken
from domain.messages import Message
from runtime import instruments, kafka, plain, reading, telemetry
from runtime.exits import CheckFailed, Exit
from runtime.plain import iso
from runtime.settings import Settings
from schemas import topics
from streaming.app import application
from streaming.restore import digest

#: The workers' next chunks can spoil a look at the changelogs; after so many, the tables themselves are to blame.
_LOOKS_MAX: Final = 3
#: What is in a changelog is in the positions, too, a moment later. What isn't by then was written by no worker.
_EXPLAINED_WITHIN_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.5


class Finding(msgspec.Struct, kw_only=True):
    """What an audit of one partition found.

    *reproduced* of the *chunks* left the digest that the worker stored, *parted_at* is where in the positions changelog
    the first stands that didn't. *rows* says how many each table has. *unsound* says that the stored rows don't add up
    to the stored digest; *foreign* is a changelog's record that no worker wrote.
    """

    partition: int
    since_ms: int | None = None
    records: int = 0
    chunks: int = 0
    reproduced: int = 0
    parted_at: int | None = None
    rows: dict[str, int] = msgspec.field(default_factory=dict)
    impossible: str | None = None
    unsound: bool = False
    foreign: Late | None = None
    differences: Sequence[Difference] = ()

    def note(self, taken: Taken) -> None:
        """Counts a chunk that was decided anew."""
        self.records += taken.records
        self.chunks += 1
        self.reproduced += taken.reproduced
        if not taken.reproduced and self.parted_at is None:
            self.parted_at = taken.step.offset

    @property
    def exit_code(self) -> Exit:
        """A difference outranks what could not be looked at."""
        if self.differences or self.unsound or self.foreign is not None:
            return Exit.CHECK_FAILED
        return Exit.TEMPORARY if self.impossible else Exit.OK


def main(settings: Settings, *, partition: int | None, differences: int, from_start: bool) -> int:
    """Audits one partition or all, prints what it found, and keeps what it proved. Raises Unavailable."""
    kafka.take_schema_ids(settings)
    auditor = Auditor(settings)
    codes = set()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for number in _numbers(settings, partition):
            bar = progress.add_task(f"partition {number}", total=1.0)
            finding = auditor.audit(number, partial(progress.update, bar), from_start=from_start)
            progress.remove_task(bar)
            typer.echo("\n".join(lines(finding, differences)))
            codes.add(finding.exit_code)
    return next((code for code in (Exit.CHECK_FAILED, Exit.TEMPORARY) if code in codes), Exit.OK)


def _numbers(settings: Settings, partition: int | None) -> Sequence[int]:
    """The partitions to audit. Raises CheckFailed if there is no such one, or if the settings have another number."""
    numbers = [span.partition for span in reading.spans(settings, topics.ORDER_COMMANDS.name)]
    if len(numbers) != settings.partitions:
        raise CheckFailed(f"there are {len(numbers)} partitions: set FILLSTREAM_PARTITIONS={len(numbers)}")
    if partition is None:
        return numbers
    if partition not in numbers:
        raise CheckFailed(f"there is no partition {partition}: the last one is {numbers[-1]}")
    return [partition]


class Auditor:
    """Audits the partitions of one installation, by the rules and settings in effect here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._books = app.open_books(application(settings), settings, instruments.load(settings.instruments))
        self._cluster = reading.cluster(settings)

    def audit(self, partition: int, show: Callable[..., None], *, from_start: bool) -> Finding:
        """What there is to say of *partition*; *show* is told the share that is *completed*. Raises Unavailable."""
        start = None if from_start else self._proven(partition)
        finding = Finding(partition=partition, since_ms=None if start is None else start.last.at_ms)
        refold = Refold(self._settings, self._books, partition, start)
        try:
            found = self._look(refold, finding, show)
        except Lost as lost:
            finding.impossible = str(lost)
            return finding
        finally:
            for table in self._books.tables:
                table.detach(partition)
        if refold.last is None or found is None:
            return finding
        tables, now_us = self._books.tables, refold.last.at_ms * 1_000
        finding.rows = {table.name: len(rows) for table, rows in zip(tables, refold.rows, strict=True)}
        finding.differences = list(compare.differences(tables, refold.rows, found.rows, now_us))
        if found.late is not None and not self._explained(refold, found.late):
            finding.foreign = found.late
        if finding.exit_code is Exit.OK:
            self._keep(partition, refold, found)
        return finding

    def _look(self, refold: Refold, finding: Finding, show: Callable[..., None]) -> Stored | None:
        """Decides what is committed, then reads the stored tables as of the same chunk; None if there is no chunk."""
        found = None
        for _ in range(_LOOKS_MAX):
            for taken in refold.catch_up():
                finding.note(taken)
                show(completed=taken.share)
            if refold.last is None:
                return None
            found = compare.stored(self._settings, self._books.tables, finding.partition, refold.last.at_ms)
            finding.unsound = digest(found.rows, refold.positions) != refold.last.digest
            if not finding.unsound or not self._later(refold):
                break
        return found

    def _later(self, refold: Refold) -> Sequence[Step]:
        """The chunks that were committed after the last one that was taken."""
        return list(history.steps(self._settings, refold.chunks()))

    def _explained(self, refold: Refold, late: Late) -> bool:
        """Whether *late* is of a chunk that was committed meanwhile, as it is while workers run."""
        deadline = time.monotonic() + _EXPLAINED_WITHIN_S
        while not any(step.at_ms >= late.at_ms for step in self._later(refold)):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_AGAIN_S)
        return True

    def _file(self, partition: int) -> Path:
        return self._settings.var / "audit" / f"partition-{partition}.msgpack"

    def _proven(self, partition: int) -> Proven | None:
        """What the last audit has proved, if it was of this cluster."""
        try:
            proven = msgspec.msgpack.decode(self._file(partition).read_bytes(), type=Proven)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise CheckFailed(f"{self._file(partition)} can't be read ({error}): remove it") from error
        return proven if proven.cluster == self._cluster else None

    def _keep(self, partition: int, refold: Refold, found: Stored) -> None:
        assert refold.last is not None
        proven = Proven(cluster=self._cluster, positions=refold.positions, tables=found.contents, last=refold.last)
        telemetry.write_atomically(self._file(partition), msgspec.msgpack.encode(proven))


def lines(finding: Finding, differences_max: int) -> Iterator[str]:
    """What people read of *finding*."""
    since = "" if finding.since_ms is None else f" since the audit up to {iso(finding.since_ms * 1_000)}"
    yield f"partition {finding.partition}: {finding.records:,} records in {finding.chunks:,} chunks decided anew{since}"
    if finding.impossible is not None:
        yield f"  can't go on: {finding.impossible}"
        return
    yield from (f"  {line}" for line in _verdict(finding))
    for difference in finding.differences[:differences_max]:
        yield f"  {difference.table} {_key(difference.key)}"
        yield f"    decided {_row(difference.decided)}"
        yield f"    stored  {_row(difference.stored)}"
    if len(finding.differences) > differences_max:
        yield f"  … and {len(finding.differences) - differences_max:,} more: --differences shows them"


def _verdict(finding: Finding) -> Iterator[str]:
    rows = ", ".join(f"{count:,} {table}" for table, count in finding.rows.items()) or "nothing yet"
    if finding.differences:
        yield f"rows that differ: {len(finding.differences):,}, of {rows}"
    elif finding.exit_code is Exit.OK:
        yield f"every row is as it is stored: {rows}"
    if finding.unsound:
        yield "the stored rows don't add up to the digest of the last chunk: a restore would refuse them"
    if finding.foreign is not None:
        late, at = finding.foreign, iso(finding.foreign.at_ms * 1_000)
        yield f"offset {late.offset} of {late.topic} was written by no chunk: {at}, key {_key(late.key)}"
    if finding.parted_at is not None:
        yield (
            f"{finding.chunks - finding.reproduced:,} chunks left another digest, the first at offset "
            f"{finding.parted_at:,} of {topics.POSITIONS_CHANGELOG.name}"
        )


def _key(key: bytes) -> str:
    """A row's key as text if it is some (balances have it so), in hexadecimal digits otherwise."""
    text = key.replace(b"\x1f", b" ").decode(errors="replace")
    return text if text.isprintable() and "\N{REPLACEMENT CHARACTER}" not in text else key.hex()


def _row(row: Message | None) -> str:
    return "no such row" if row is None else json.dumps(plain.of(row))
