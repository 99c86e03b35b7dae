"""The ``fillstream doctor`` command: looks around, and says in a sentence where records stop and what to do."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from observation.doctor import rules
from observation.doctor.finding import Finding, Verdict
from observation.doctor.gather import gather
from observation.outage import quieten
from runtime.exits import Exit
from runtime.settings import Settings

_COLORS: Final = {
    Verdict.OK: "green",
    Verdict.UNTOLD: "dim",
    Verdict.WARN: "yellow",
    Verdict.BROKEN: "bold red",
}


def main(settings: Settings, *, seconds: float = 3.0, as_json: bool = False) -> int:
    """Look for *seconds*, then tell; 1 if something is broken. Raises SettingsError."""
    quieten()
    findings = rules.diagnose(gather(settings, seconds))
    if as_json:
        typer.echo(orjson.dumps(document(findings), option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console()
        console.print(_table(findings))
        console.print(escape(rules.sentence(findings)), style=_COLORS[rules.verdict(findings)], soft_wrap=True)
    return Exit.CHECK_FAILED if rules.verdict(findings) is Verdict.BROKEN else Exit.OK


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """All that is told, for programs."""
    return {
        "verdict": rules.verdict(findings).name.lower(),
        "sentence": rules.sentence(findings),
        "findings": [{**msgspec.to_builtins(finding), "verdict": finding.verdict.name.lower()} for finding in findings],
    }


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(show_lines=False, title_justify="left")
    for column in ("hop", "", "what was seen", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        color = _COLORS[finding.verdict]
        word = f"[{color}]{finding.verdict.name.lower()}[/]"
        remedy = finding.remedy if finding.verdict > Verdict.UNTOLD else ""
        table.add_row(escape(finding.name), word, escape(finding.evidence), escape(remedy))
    return table
