"""The report of a run: one self-contained HTML page of figures, plots, findings and queries."""

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Final

import msgspec

from runtime.demo import plots
from runtime.demo.plots import Course
from runtime.demo.summary import STAGES, Summary
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


PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>fillstream demo</title><style>
:root { --ink: #1d2733; --faint: #66758a; --line: #e2e8f0; --good: #0d9488; --bad: #dc2626; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f7fa; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -.02em; }
h2 { font-size: 16px; margin: 0 0 4px; }
p { margin: 0 0 10px; color: var(--faint); }
header { display: flex; flex-wrap: wrap; gap: 12px; align-items: center; justify-content: space-between; }
.verdict { padding: 6px 14px; border-radius: 999px; color: #fff; font-weight: 600; background: var(--good); }
.verdict.bad { background: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin: 22px 0; }
.card, section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; }
.card b { display: block; font-size: 23px; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.card span { color: var(--faint); font-size: 13px; }
section { margin: 0 0 16px; overflow-x: auto; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 16px; }
svg { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--faint); font-weight: 500; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.n { text-align: right; }
.ok { color: var(--good); font-weight: 600; } .no { color: var(--bad); font-weight: 600; }
code, pre { font: 12.5px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: #f5f7fa; border-radius: 8px; padding: 10px 12px; overflow-x: auto; margin: 6px 0 10px; }
details summary { cursor: pointer; color: var(--faint); }
</style></head><body><main>
<header><div><h1>fillstream demo</h1><p>$lead</p></div><div class="verdict $tone">$verdict</div></header>
<div class="cards">$cards</div>
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
</main></body></html>
""")


def page(material: Material) -> str:
    """The whole page."""
    summary = material.summary
    failed = [check for check in material.checks if not check.holds]
    stages = " · ".join(f"<b>{name}</b>: {escape(text)}" for name, text in STAGES.items() if name in summary.latency_ms)
    imbalances = sorted({*summary.ledger_imbalance.values()}) or ["0"]
    return PAGE.substitute(
        lead=f"{summary.commands:,} commands, seed {summary.seed}{_killed(summary.kills)}",
        tone="bad" if failed else "",
        verdict=f"{len(failed)} of {len(material.checks)} checks failed"
        if failed
        else f"all {len(material.checks)} checks hold",
        cards=_cards(summary),
        throughput=plots.throughput(material.course),
        stages=stages,
        latency=plots.latency(material.latencies_us),
        percentiles=_percentiles(summary),
        orders=plots.orders(summary.orders),
        rejects=plots.rejects(summary.rejects),
        imbalance=escape(", ".join(imbalances)),
        balances=plots.balances(material.accounts),
        checks=_checks(material.checks),
        queries="".join(_query(query) for query in material.queries),
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; columns whose every cell is a number are set flush right. Cells are escaped."""
    numeric = [bool(rows) and all(_is_number(row[place]) for row in rows) for place in range(len(columns))]
    tones = ["n" if right else "" for right in numeric]
    head = "".join(f'<th class="{tone}">{escape(name)}</th>' for tone, name in zip(tones, columns, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{tone}">{escape(cell)}</td>' for tone, cell in zip(tones, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(",", "").replace(".", "", 1).isdigit()


def _killed(kills: Mapping[str, int]) -> str:
    if not kills:
        return ""
    return ", killed meanwhile: " + ", ".join(f"{escape(process)} × {count}" for process, count in kills.items())


def _cards(summary: Summary) -> str:
    figures = {
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
    return "".join(f'<div class="card"><b>{number}</b><span>{name}</span></div>' for name, number in figures.items())


def _percentiles(summary: Summary) -> str:
    rows = [
        [stage, *(f"{value:,.1f}" for value in (p.p50, p.p90, p.p99, p.max)), f"{p.count:,}"]
        for stage, p in summary.latency_ms.items()
    ]
    return table(["stage, ms", "p50", "p90", "p99", "max", "count"], rows)


def _checks(checks: Sequence[Check]) -> str:
    rows = []
    for check in checks:
        mark = '<td class="ok">✓</td>' if check.holds else '<td class="no">✗</td>'
        faults = "<br>".join(escape(fault) for fault in check.faults[:5])
        name = escape(check.name.replace("_", " "))
        rows.append(f"<tr>{mark}<td>{name}</td><td>{escape(check.looked_at)}</td><td>{faults}</td></tr>")
    return f"<table><tr><th></th><th>check</th><th>looked at</th><th></th></tr>{''.join(rows)}</table>"


def _query(query: Query) -> str:
    return (
        f"<section><h2>{escape(query.title)}</h2><details><summary>the query</summary><pre>{escape(query.sql)}</pre>"
        f"</details>{table(query.columns, query.rows)}</section>"
    )
