"""Removes fillstream's own guards, one at a time, and shows which test notices: ``python -m tests.mutants``.

A guard whose removal no test notices is not known to work. Exits with 1 if there is one.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.mutants.table import MUTANTS, Mutant
from tests.mutants.trial import Outcome, Verdict, judge, rehearse

_AT_ONCE_MAX = 2
_STYLES = {Verdict.CAUGHT: "green", Verdict.SURVIVED: "bold red", Verdict.BROKEN: "bold yellow"}


def main(
    only: Annotated[list[str] | None, typer.Option(help="Only the mutant of this name; may be repeated.")] = None,
    show: Annotated[bool, typer.Option("--list", help="List the mutants, and run nothing.")] = False,
    at_once: Annotated[int, typer.Option(min=1, max=_AT_ONCE_MAX, help="How many trials run at once.")] = _AT_ONCE_MAX,
) -> None:
    """Remove the product's own guards one at a time, each in a copy of the tree, and see that a test notices."""
    known = {mutant.name: mutant for mutant in MUTANTS}
    if unknown := set(only or ()) - known.keys():
        raise typer.BadParameter(f"no mutant is called {', '.join(sorted(unknown))}; --list shows all")
    chosen = [known[name] for name in only] if only else list(MUTANTS)
    console = Console()
    if show:
        console.print(_listed(chosen))
        return
    try:
        sys.exit(asyncio.run(_all(chosen, at_once, console)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; the copies are removed")
        sys.exit(130)


async def _all(mutants: Sequence[Mutant], at_once: int, console: Console) -> int:
    """Runs every trial and shows the outcomes; the exit code."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # copies are removed then, too
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        shown = progress.add_task("their tests, with every guard in its place", total=None)
        failed = await rehearse(mutants)
        if failed is not None:
            console.print(f"The tests fail even before a guard is removed:\n{escape(failed)}")
            return 1
        progress.update(shown, description=f"{len(mutants)} mutants")
        turns = asyncio.Semaphore(at_once)

        async def one(mutant: Mutant) -> Outcome:
            async with turns:
                progress.update(shown, description=mutant.name)
                return await judge(mutant)

        outcomes = await asyncio.gather(*map(one, mutants))
    console.print(_judged(outcomes))
    escaped = [outcome for outcome in outcomes if outcome.verdict is not Verdict.CAUGHT]
    for outcome in escaped:
        console.print(f"[bold]{outcome.mutant.name}[/bold]: {outcome.verdict}\n{escape(outcome.detail)}")
    console.print(f"{len(outcomes) - len(escaped)} of {len(outcomes)} mutants caught")
    return 1 if escaped else 0


def _listed(mutants: Sequence[Mutant]) -> Table:
    table = _table("mutant", "guard", "file", "test")
    for mutant in mutants:
        table.add_row(mutant.name, mutant.guards, mutant.file, f"{mutant.suite}::{mutant.test}")
    return table


def _judged(outcomes: Sequence[Outcome]) -> Table:
    table = _table("mutant", "guard that was removed", "verdict", "caught by", "seconds")
    for outcome in outcomes:
        caught = outcome.detail if outcome.verdict is Verdict.CAUGHT else ""
        verdict = f"[{_STYLES[outcome.verdict]}]{outcome.verdict}"
        table.add_row(outcome.mutant.name, outcome.mutant.guards, verdict, escape(caught), f"{outcome.seconds:.1f}")
    return table


def _table(*columns: str) -> Table:
    table = Table(show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column == "seconds" else "left")
    return table


if __name__ == "__main__":
    typer.run(main)
