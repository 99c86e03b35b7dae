"""The report of a run: one self-contained HTML page of figures, plots, findings and queries."""

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Final

import msgspec

from runtime.demo import plots
from runtime.demo.plots import Course
from runtime.demo.summary import STAGES, Summary, VenueFigures
from runtime.trial import page
from runtime.trial.oracle.evidence import Balances, Check


class Query(msgspec.Struct, frozen=True):
    """A question to ClickHouse and what it answered, as text."""

    title: str
    sql: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Material(msgspec.Struct, frozen=True):
    """All that a report shows."""

    summary: Summary
    checks: Sequence[Check]
    course: Course
    latencies_us: Mapping[str, Sequence[int]]
    accounts: Balances
    queries: Sequence[Query]


BODY: Final = Template("""\
<div class="cards">$cards</div>
$venues
<section><h2>Throughput</h2><p>What happened in each second.</p>$throughput</section>
<section><h2>Latency</h2><p>$stages</p>$latency$percentiles</section>
<div class="two">
<section><h2>Orders by state</h2><p>Where each accepted order ended, or stands.</p>$orders</section>
<section><h2>Rejects by reason</h2><p>Commands that were answered with a named no.</p>$rejects</section>
</div>
<section><h2>Ledger</h2><p>Double entry: per asset, everything adds up to $imbalance.</p>$balances</section>
<section><h2>Checks</h2><p>Found by an oracle that reads the topics, the venue's own journal and ClickHouse, and shares
no code with what it judges.</p>$checks</section>
$queries
""")


def render(material: Material) -> str:
    """The whole page."""
    summary = material.summary
    stages = " · ".join(f"<b>{name}</b>: {escape(text)}" for name, text in STAGES.items() if name in summary.latency_ms)
    imbalances = sorted({*summary.ledger_imbalance.values()}) or ["0"]
    body = BODY.substitute(
        cards=page.cards(_figures(summary)),
        venues=_venues(summary) if len(summary.venues) > 1 else "",
        throughput=plots.throughput(material.course),
        stages=stages,
        latency=plots.latency(material.latencies_us),
        percentiles=_percentiles(summary),
        orders=plots.orders(summary.orders),
        rejects=plots.rejects(summary.rejects),
        imbalance=escape(", ".join(imbalances)),
        balances=plots.balances(material.accounts),
        checks=page.findings(material.checks),
        queries="".join(_query(query) for query in material.queries),
    )
    lead = f"{summary.commands:,} commands, seed {summary.seed}{_killed(summary.kills)}"
    return page.document("fillstream demo", lead, page.verdict(material.checks), body)


def _killed(kills: Mapping[str, int]) -> str:
    if not kills:
        return ""
    return ", killed meanwhile: " + ", ".join(f"{escape(process)} × {count}" for process, count in kills.items())


def _figures(summary: Summary) -> dict[str, str]:
    return {
        "commands a second": f"{summary.commands_per_second:,.0f}",
        "accepted": f"{summary.answers['accepted']:,}",
        "rejected": f"{summary.answers['rejected']:,}",
        "duplicates": f"{summary.answers['duplicate']:,}",
        "dead letters": f"{summary.dead_letters:,}",
        "orders at the venue": f"{summary.venue_orders:,}",
        "of them sent twice": f"{summary.venue_orders_sent_twice:,}",
        "fills": f"{summary.venue_fills:,}",
        "rows in ClickHouse": f"{summary.clickhouse_rows:,}",
        "of them twice": f"{summary.clickhouse_duplicates:,}",
    }


def _venues(summary: Summary) -> str:
    rows = [[name, *_venue(found)] for name, found in summary.venues.items()]
    heads = ["venue", "orders", "fills", "refused as too many", "limit", "allowed", "used", "share"]
    lead = "By their own journals; limits as they count them, while each was asked for more than it allows."
    return f"<section><h2>Venues</h2><p>{lead}</p>{page.table(heads, rows)}</section>"


def _venue(found: VenueFigures) -> list[str]:
    counts = [f"{count:,}" for count in (found.orders, found.fills, found.rate_limited)]
    if found.limit is None:
        return [*counts, "", "", "", ""]
    return [
        *counts,
        escape(found.limit),
        f"{found.limit_allowed:,g}",
        f"{found.limit_used:,g}",
        f"{found.rate_limit_used:.1%}",
    ]


def _percentiles(summary: Summary) -> str:
    rows = [
        [stage, *(f"{value:,.1f}" for value in (p.p50, p.p90, p.p99, p.max)), f"{p.count:,}"]
        for stage, p in summary.latency_ms.items()
    ]
    return page.table(["stage, ms", "p50", "p90", "p99", "max", "count"], rows)


def _query(query: Query) -> str:
    return (
        f"<section><h2>{escape(query.title)}</h2><details><summary>the query</summary><pre>{escape(query.sql)}</pre>"
        f"</details>{page.table(query.columns, query.rows)}</section>"
    )
