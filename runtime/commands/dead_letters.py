"""``fillstream dlq``: dead letters."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from runtime.commands import running
from runtime.dlq.selection import Coordinate, Selection, coordinate, instant_us

commands = typer.Typer(help="Look at dead letters, and send again what was in them.", no_args_is_help=True)


def _since(text: str) -> int:
    return instant_us(text, datetime.now(UTC))


ReasonOption = Annotated[str | None, typer.Option(help="Only this reason, such as TRUNCATED.")]
StageOption = Annotated[str | None, typer.Option(help="Only what this process or step could not take: agents, …")]
TopicOption = Annotated[str | None, typer.Option(help="Only records of this topic.")]
SinceOption = Annotated[
    int | None, typer.Option(parser=_since, metavar="TIME", help="Only later ones: ISO 8601, or like 90m, 2h, 7d ago.")
]
UserOption = Annotated[str | None, typer.Option(help="Only records whose key or user_id is this.")]


@commands.command("list")
def dlq_list(
    reason: ReasonOption = None,
    stage: StageOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    user: UserOption = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most: the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of a table.")] = False,
) -> None:
    """List dead letters: records that could not be taken, why, and whether they were replayed."""
    selection = Selection(reason=reason, stage=stage, topic=topic, since_us=since, user=user)
    running.run("dlq list", selection=selection, limit=limit, as_json=as_json)


@commands.command("show")
def dlq_show(
    record: Annotated[Coordinate, typer.Argument(parser=coordinate, metavar="TOPIC:PARTITION:OFFSET")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of lines.")] = False,
    value: Annotated[bool, typer.Option("--value", help="Only the message, as replay --value takes it.")] = False,
) -> None:
    """Show everything about a dead letter, by where its record stood: the message in it, or its bytes and what's wrong.

    Its name in this system is the record's own place, not that of the letter.
    """
    running.run("dlq show", record=record, as_json=as_json, value_only=value)


@commands.command("replay")
def dlq_replay(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    record: Annotated[
        Coordinate | None, typer.Argument(parser=coordinate, metavar="[TOPIC:PARTITION:OFFSET]", show_default=False)
    ] = None,
    reason: ReasonOption = None,
    stage: StageOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    user: UserOption = None,
    value: Annotated[
        Path | None, typer.Option(help="JSON file of the message to send instead; `dlq show --value` shows one.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before.")] = False,
    actor: Annotated[str | None, typer.Option(help="Who does it; the operating system's user unless given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Write the command or transfer of dead letters to its topic again, once, and keep who did it.

    Says which: one record, or filters. A command gets a new ID, a transfer keeps its own.
    """
    selection = Selection(coordinate=record, reason=reason, stage=stage, topic=topic, since_us=since, user=user)
    if selection.everything:
        raise typer.BadParameter("say which: TOPIC:PARTITION:OFFSET, or filters")
    if value is not None and record is None:
        raise typer.BadParameter("--value is one record's: say which, TOPIC:PARTITION:OFFSET")
    running.run("dlq replay", selection=selection, value=value, again=again, actor=actor, dry_run=dry_run, yes=yes)
