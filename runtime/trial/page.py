"""Self-contained HTML pages of one look: headline with a verdict, cards of figures, tables, findings."""

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Final

import msgspec

from runtime.trial.oracle.evidence import Check

#: How many findings of a check are shown.
FAULTS_SHOWN: Final = 5

PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>
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
<header><div><h1>$title</h1><p>$lead</p></div><div class="verdict $tone">$verdict</div></header>
$body
</main></body></html>
""")


class Verdict(msgspec.Struct, frozen=True):
    """The last word on a run, in a few words."""

    good: bool
    text: str


def verdict(checks: Sequence[Check]) -> Verdict:
    """What *checks* come to."""
    failed = sum(not check.holds for check in checks)
    return Verdict(
        not failed, f"{failed} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks hold"
    )


def document(title: str, lead: str, outcome: Verdict, body: str) -> str:
    """The whole page. *lead* and *body* are HTML."""
    return PAGE.substitute(
        title=escape(title), lead=lead, tone="" if outcome.good else "bad", verdict=escape(outcome.text), body=body
    )


def cards(figures: Mapping[str, str]) -> str:
    """A card for each figure, by what it counts."""
    return "".join(f'<div class="card"><b>{number}</b><span>{name}</span></div>' for name, number in figures.items())


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


def findings(checks: Sequence[Check]) -> str:
    rows = []
    for check in checks:
        mark = '<td class="ok">✓</td>' if check.holds else '<td class="no">✗</td>'
        faults = "<br>".join(escape(fault) for fault in check.faults[:FAULTS_SHOWN])
        name = escape(check.name.replace("_", " "))
        rows.append(f"<tr>{mark}<td>{name}</td><td>{escape(check.looked_at)}</td><td>{faults}</td></tr>")
    return f"<table><tr><th></th><th>check</th><th>looked at</th><th></th></tr>{''.join(rows)}</table>"
