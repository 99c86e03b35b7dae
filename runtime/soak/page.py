"""The page of a soak: memory of every process over time, and what else must not grow."""

from collections.abc import Mapping, Sequence
from string import Template
from typing import Final

from runtime.soak.backlog import READERS
from runtime.soak.report import WATCHED, Course, Report
from runtime.trial import page
from runtime.trial.drawing import COLORS, FAINT, drawing
from runtime.trial.oracle.evidence import Check

BODY: Final = Template("""\
<div class="cards">$cards</div>
<section><h2>Memory</h2><p>Resident, of each process that must not grow by more than $limit MiB in an hour. Left of the
dotted line is the warm-up.</p>$watched$table</section>
<div class="two">
<section><h2>The others</h2><p>Broker, venue and database keep what they are given.</p>$others</section>
<section><h2>Orders in tables</h2><p>Live, or not yet forgotten: a steady load has a steady number.</p>$orders</section>
</div>
<section><h2>Waiting</h2><p>Records that a reader has yet to take, transaction marks included.</p>$waiting</section>
<section><h2>Checks</h2>$checks</section>
""")

Lines = Mapping[str, Sequence[float]]


def render(report: Report, course: Course, checks: Sequence[Check]) -> str:
    """The whole page."""
    memory = {name: [look.memory_mib.get(name, 0.0) for look in course.looks] for name in course.looks[-1].memory_mib}
    body = BODY.substitute(
        cards=page.cards(_figures(report)),
        limit=f"{report.mib_per_hour_max:g}",
        watched=_plot(course, {name: line for name, line in memory.items() if name.startswith(WATCHED)}, "MiB"),
        table=_table(report),
        others=_plot(course, {name: line for name, line in memory.items() if not name.startswith(WATCHED)}, "MiB", 5.2),
        orders=_plot(course, {"orders": [look.orders for look in course.looks]}, "orders", 5.2),
        waiting=_plot(
            course, {name: [look.waiting.get(name, 0) for look in course.looks] for name in READERS}, "records"
        ),
        checks=page.findings(checks),
    )
    lead = f"{report.sent:,} records, {report.steady_s / 60:.1f} minutes after the warm-up, seed {report.seed}"
    return page.document("fillstream soak", lead, page.verdict(checks), body)


def _figures(report: Report) -> dict[str, str]:
    worst = max((found.per_hour for name, found in report.memory_mib.items() if name.startswith(WATCHED)), default=0.0)
    share = {} if report.load_share is None else {"of what this machine takes": f"{report.load_share:.0%}"}
    return {
        "MiB an hour, the fastest grower": f"{worst:.2f}",
        "records a second": f"{report.records_per_second:,.0f}",
        **share,
        "minutes": f"{report.steady_s / 60:.1f}",
        "orders in tables": f"{report.orders_in_tables.ends_at:,.0f}",
    }


def _table(report: Report) -> str:
    rows = [
        [name, f"{found.per_hour:.2f}", f"{found.begins_at:.1f}", f"{found.ends_at:.1f}", f"{found.most:.1f}"]
        for name, found in report.memory_mib.items()
    ]
    return page.table(["process", "MiB an hour", "line from", "line to", "most"], rows)


def _plot(course: Course, lines: Lines, unit: str, width: float = 10.5) -> str:
    """A line each, over minutes."""
    minutes = [look.at_s / 60 for look in course.looks]
    with drawing(width, 3.0) as (axes, svg):
        for color, (name, values) in zip(COLORS, lines.items(), strict=False):
            axes.plot(minutes, values, color=color, label=name, linewidth=1.2)
        axes.axvline(course.warm_up_s / 60, color=FAINT, linewidth=0.8, linestyle=":")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("minutes")
        axes.set_ylabel(unit)
        axes.legend(ncols=5, loc="upper right", bbox_to_anchor=(1, 1.16), fontsize=9)
    return svg()
