"""The page of a chaos run: what was broken, how the system went on meanwhile, and how soon all was well again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from string import Template
from typing import Final

import msgspec

from runtime.chaos.faults import FAULTS
from runtime.chaos.recovery import Recovery
from runtime.chaos.report import INVARIANTS, KILLS, Report
from runtime.chaos.saboteur import Happened
from runtime.chaos.schedule import Track
from runtime.chaos.stage import Blow
from runtime.trial import page
from runtime.trial.drawing import COLORS, FAINT, INK, drawing
from runtime.trial.oracle.evidence import Check

SECOND_US: Final = 1_000_000
#: A fault that takes no time is still to be seen.
SHORTEST_S: Final = 0.6
#: One for each round of colours.
MARKERS: Final = ("o", "s", "^")
TRACK_COLORS: Final[Mapping[Track, str]] = {Track.LANE: "#dc2626", Track.VENUE: "#d97706", Track.ANALYTICS: "#9333ea"}
TRACK_NAMES: Final[Mapping[Track, str]] = {
    Track.LANE: "workers, broker",
    Track.VENUE: "gateway, venue",
    Track.ANALYTICS: "sink, ClickHouse",
}

BODY: Final = Template("""\
<div class="cards">$cards</div>
<section><h2>Throughput</h2><p>What happened in each second, and the faults below it.</p>$throughput</section>
<section><h2>Recovery</h2><p>From a kill or stall of a worker to the next committed event on the slowest of its
partitions, as a committed reader sees it. Who was stopped has first to be missed for a session timeout.</p>
$recoveries$recovery_table</section>
<section><h2>Faults</h2>$faults</section>
<section><h2>Kills and stalls</h2>$blows</section>
<section><h2>Checks</h2><p>Found by an oracle that reads the load driver's log of acknowledged records, the topics, the
venue's own journal and ClickHouse, and shares no code with what it judges.</p>$checks</section>
""")


class Material(msgspec.Struct, frozen=True):
    """All that the page shows. Moments are microseconds since the epoch, by name."""

    report: Report
    checks: Sequence[Check]
    started_us: int
    moments_us: Mapping[str, Sequence[int]]
    happened: Sequence[Happened]
    blows: Sequence[Blow]
    recoveries: Sequence[Recovery]


def render(material: Material) -> str:
    """The whole page."""
    report = material.report
    body = BODY.substitute(
        cards=page.cards(_figures(report)),
        throughput=throughput(material),
        recoveries=recoveries(material),
        recovery_table=_recovery_table(report),
        faults=_faults(report),
        blows=_blows(report),
        checks=page.findings([_with_invariant(check) for check in material.checks]),
    )
    lead = f"{report.commands:,} commands in {report.duration_s / 60:.1f} minutes, seed {report.seed}"
    return page.document("fillstream chaos", lead, page.verdict(material.checks), body)


def throughput(material: Material) -> str:
    """Things a second, with a bar for each fault underneath, a row for each track."""
    with drawing(10.5, 4.4) as (axes, svg):
        most = 1
        for color, (name, moments) in zip(COLORS, material.moments_us.items(), strict=False):
            seconds = Counter((moment - material.started_us) // SECOND_US for moment in moments)
            span = range(max(0, min(seconds, default=0)), max(seconds, default=0) + 1)
            most = max(most, *(seconds[second] for second in span), 1)
            axes.plot(list(span), [seconds[second] for second in span], color=color, label=name, linewidth=1.2)
        for row, track in enumerate(Track):
            bars = [
                (
                    (one.began_us - material.started_us) / SECOND_US,
                    max(SHORTEST_S, (one.ended_us - one.began_us) / SECOND_US),
                )
                for one in material.happened
                if one.track is track
            ]
            height = most * 0.045
            axes.broken_barh(bars, (-(row + 1) * height * 1.5, height), color=TRACK_COLORS[track], alpha=0.75)
            axes.annotate(
                TRACK_NAMES[track],
                (0, -(row + 1) * height * 1.5 + height / 2),
                xytext=(-4, 0),
                textcoords="offset points",
                fontsize=7,
                color=TRACK_COLORS[track],
                ha="right",
                va="center",
                annotation_clip=False,
            )
        axes.set_yticks([tick for tick in axes.get_yticks() if tick >= 0])
        axes.set_xlabel("seconds since the first command")
        axes.set_ylabel("per second")
        axes.legend(ncols=5, loc="upper right", bbox_to_anchor=(1, 1.14), fontsize=9)
    return svg()


def recoveries(material: Material) -> str:
    """A dot for each recovery, by when and how long."""
    with drawing(10.5, 2.6) as (axes, svg):
        kinds = sorted({one.fault for one in material.recoveries})
        for (marker, color), kind in zip(product(MARKERS, COLORS), kinds, strict=False):
            of_kind = [one for one in material.recoveries if one.fault == kind]
            starts_s = [(one.at_us - material.started_us) / SECOND_US for one in of_kind]
            axes.plot(starts_s, [one.seconds for one in of_kind], marker, color=color, label=kind, markersize=4.5)
        axes.axhline(10, color=FAINT, linewidth=0.8, linestyle=":")
        axes.axhline(20, color=INK, linewidth=0.8, linestyle=":")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds since the first command; dotted: 10 s for 99 of 100 kills, 20 s for all")
        axes.set_ylabel("seconds")
        if kinds:
            axes.legend(ncols=4, loc="lower right", bbox_to_anchor=(1, 1.0), fontsize=8)
    return svg()


def _figures(report: Report) -> dict[str, str]:
    return {
        "violations": f"{report.violations:,}",
        "commands": f"{report.commands:,}",
        "kills and stalls": f"{report.kills_and_stalls:,}",
        "faults": f"{sum(report.faults.values()):,}",
        "recovery of a killed worker, p99": f"{report.recovery_s.p99:.1f} s",
        "the slowest": f"{report.recovery_s.max:.1f} s",
        "outcomes unknown, then proven": f"{report.unknown_resolved:,}",
        "left unknown": f"{report.unknown_left:,}",
        "orders at the venue": f"{report.venue_orders:,}",
        "fills": f"{report.venue_fills:,}",
        "rows in ClickHouse": f"{report.clickhouse_rows:,}",
    }


def _recovery_table(report: Report) -> str:
    kinds = {f"all kills ({', '.join(sorted(KILLS))})": report.recovery_s, **report.recovery_by_kind_s}
    rows = [[kind, f"{p.p50:.2f}", f"{p.p99:.2f}", f"{p.max:.2f}", str(p.count)] for kind, p in kinds.items()]
    return page.table(["of a worker, s", "p50", "p99", "max", "count"], rows)


def _faults(report: Report) -> str:
    rows = [
        [TRACK_NAMES[fault.terms.track], fault.terms.name, fault.does, str(report.faults.get(fault.terms.name, 0))]
        for fault in FAULTS
    ]
    return page.table(["where", "fault", "what it does", "times"], rows)


def _blows(report: Report) -> str:
    names = sorted({*report.kills, *report.stalls})
    rows = [[name, str(report.kills.get(name, 0)), str(report.stalls.get(name, 0))] for name in names]
    return page.table(["process", "SIGKILL", "SIGSTOP"], rows)


def _with_invariant(check: Check) -> Check:
    return msgspec.structs.replace(check, name=f"{INVARIANTS[check.name]} {check.name}")
