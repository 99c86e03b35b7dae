"""What a soak comes to: how each process grew, whether anybody fell behind or died, and what that says."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from runtime.soak.backlog import READERS, Waiting
from runtime.soak.growth import Growth, Sample, growth
from runtime.trial.oracle.evidence import Check

#: Who must not grow, by how its name begins, and by how much. The others keep what they are given: it is their work.
WATCHED: Final = ("worker", "gateway", "sink")
MIB_PER_HOUR_MAX: Final = 2.0
#: So much of the traffic that was wanted must have been sent.
SENT_SHARE_MIN: Final = 0.98


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen at one moment, *at_s* seconds after the start. *sent* counts records since then."""

    at_s: float
    sent: int
    memory_mib: Mapping[str, float]
    orders: int
    waiting: Waiting
    restarts: Mapping[str, int]


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """All of a soak. *wanted* and *capacity* are in records a second; no capacity was found if a rate was given."""

    looks: Sequence[Look]
    warm_up_s: float
    wanted: float
    capacity: float | None
    refused: Sequence[str]

    @property
    def steady(self) -> Sequence[Look]:
        """Those after the warm-up."""
        return [look for look in self.looks if look.at_s >= self.warm_up_s]

    @property
    def rate(self) -> float:
        """What was sent in a second after the warm-up."""
        first, last = self.steady[0], self.steady[-1]
        return (last.sent - first.sent) / max(last.at_s - first.at_s, 1e-6)

    def memory(self) -> dict[str, Growth]:
        """Of each process after the warm-up, in MiB."""
        names = sorted({name for look in self.steady for name in look.memory_mib})
        return {name: growth(_samples(self.steady, name)) for name in names}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """``report.json``, field for field. Rates are of records a second: commands, and money for their users."""

    seed: int
    warm_up_s: float
    steady_s: float
    sent: int
    records_per_second: float
    capacity_per_second: float | None
    load_share: float | None
    violations: int
    checks: Mapping[str, bool]
    findings: Mapping[str, Sequence[str]]
    memory_mib: Mapping[str, Growth]
    mib_per_hour_max: float
    orders_in_tables: Growth
    waiting_max: Waiting
    seconds: Mapping[str, float]


def checks(course: Course) -> tuple[Check, ...]:
    """What must hold of a *course*."""
    memory = {name: found for name, found in course.memory().items() if name.startswith(WATCHED)}
    growing = [
        f"{name} grows by {found.per_hour:.2f} MiB/h, from {found.begins_at:.1f} to {found.ends_at:.1f} MiB"
        for name, found in memory.items()
        if found.per_hour > MIB_PER_HOUR_MAX
    ]
    behind = [
        f"{count:,} records wait for {name} at the end, and {READERS[name].room:,} are a few seconds' worth"
        for name, count in course.looks[-1].waiting.items()
        if count > READERS[name].room
    ]
    died = [f"{name} died {count} times" for name, count in course.looks[-1].restarts.items()]
    slow = [f"{course.rate:.1f} a second instead of {course.wanted:.1f}"] * (
        course.rate < course.wanted * SENT_SHARE_MIN
    )
    return (
        Check("nobody_grows", f"{', '.join(memory)}: {len(course.steady)} looks each", tuple(growing)),
        Check("nobody_falls_behind", ", ".join(READERS), tuple(behind)),
        Check("nobody_dies", f"{len(course.looks[-1].memory_mib)} processes", tuple(died)),
        Check("all_was_sent", f"{course.looks[-1].sent:,} records", (*slow, *course.refused[:1])),
    )


def make(course: Course, checks: Sequence[Check], seed: int, seconds: Mapping[str, float]) -> Report:
    """The figures of a *course* that *checks* have judged."""
    steady = course.steady
    capacity = course.capacity
    return Report(
        seed=seed,
        warm_up_s=course.warm_up_s,
        steady_s=round(steady[-1].at_s - steady[0].at_s, 1),
        sent=course.looks[-1].sent,
        records_per_second=round(course.rate, 1),
        capacity_per_second=None if capacity is None else round(capacity, 1),
        load_share=None if capacity is None else round(course.rate / capacity, 3),
        violations=sum(len(check.faults) for check in checks),
        checks={check.name: check.holds for check in checks},
        findings={check.name: check.faults for check in checks if not check.holds},
        memory_mib=course.memory(),
        mib_per_hour_max=MIB_PER_HOUR_MAX,
        orders_in_tables=growth([Sample(look.at_s, look.orders) for look in steady]),
        waiting_max={name: max(look.waiting.get(name, 0) for look in steady) for name in READERS},
        seconds={name: round(took, 1) for name, took in seconds.items()},
    )


def write(report: Report, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def line(looks: Sequence[Look], duration_s: float) -> str:
    """How it goes, while it does."""
    if not looks:
        return "looking for the first time"
    last = looks[-1]
    memory = ", ".join(f"{name} {mib:.1f}" for name, mib in last.memory_mib.items() if name.startswith(WATCHED))
    waiting = ", ".join(f"{name} {count:,}" for name, count in last.waiting.items())
    return (
        f"{last.at_s / 60:.1f} of {duration_s / 60:.1f} minutes: {last.sent:,} sent, {last.orders:,} orders in tables; "
        f"MiB: {memory}; waiting: {waiting}"
    )


def show(console: Console, report: Report, checks: Sequence[Check]) -> None:
    """Prints figures and findings."""
    rows = Table(title="memory, MiB", title_justify="left", box=None)
    for column in ("process", "per hour", "from", "to", "most"):
        rows.add_column(column, justify="left" if column == "process" else "right")
    for name, found in report.memory_mib.items():
        figures = (found.per_hour, found.begins_at, found.ends_at, found.most)
        rows.add_row(name, *(f"{figure:,.2f}" for figure in figures))
    console.print(rows)
    share = "" if report.load_share is None else f", {report.load_share:.0%} of what this machine takes"
    console.print(f"{report.records_per_second:,.1f} records a second{share}, for {report.steady_s / 60:.1f} minutes")
    for check in checks:
        mark = "[green]✓[/]" if check.holds else "[bold red]✗[/]"
        console.print(mark, check.name.replace("_", " "), *check.faults, sep="  ", soft_wrap=True)


def _samples(looks: Sequence[Look], name: str) -> list[Sample]:
    return [Sample(look.at_s, look.memory_mib[name]) for look in looks if name in look.memory_mib]
