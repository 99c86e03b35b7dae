"""``fillstream dlq replay``: writes what dead letters hold to their topic again, once, and keeps who did it.

A command gets a new ID, for its own may have been answered meanwhile. A transfer keeps its own: if the treasury has
sent it again, it is answered as a duplicate instead of being booked twice.
"""

import getpass
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import typer
from confluent_kafka import KafkaError, KafkaException, Producer
from msgspec.structs import replace

from domain.commands import IDENTIFIER_LENGTH_MAX
from domain.messages import OrderCommand, Replay, Transfer
from runtime import kafka, plain
from runtime.dlq import letters
from runtime.dlq.letters import Letter
from runtime.dlq.listing import printable
from runtime.dlq.selection import Coordinate, Selection
from runtime.exits import CheckFailed, Exit
from runtime.settings import Settings
from runtime.topics import unreachable
from schemas import codec, topics

Command: TypeAlias = OrderCommand | Transfer

#: One for all operators: whoever starts to send shuts out an earlier one who hasn't finished.
TRANSACTIONAL_ID: Final = "operator-dlq-replay"
_TIMEOUT_S: Final = 30.0
_OVERTAKEN: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001  # librdkafka's own name
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
_REPLAYABLE: Final[Mapping[str, type[Command]]] = {
    topics.ORDER_COMMANDS.name: OrderCommand,
    topics.TRANSFERS.name: Transfer,
}


class Refusal(StrEnum):
    """Why a dead letter can't be replayed."""

    ALREADY_REPLAYED = "ALREADY_REPLAYED"
    NOT_A_COMMAND = "NOT_A_COMMAND"
    UNDECODABLE = "UNDECODABLE"
    INVALID_USER_ID = "INVALID_USER_ID"


ADVICE: Final = {
    Refusal.ALREADY_REPLAYED: "it was replayed before; --again does it once more",
    Refusal.NOT_A_COMMAND: "only order commands and transfers are replayed: reports, requests and ticks are made anew "
    "by whoever makes them",
    Refusal.UNDECODABLE: "its bytes can't be read; --value FILE.json sends what it should have been",
    Refusal.INVALID_USER_ID: f"a user_id has 1 to {IDENTIFIER_LENGTH_MAX} characters; --value FILE.json corrects it",
}


class Refused(Exception):  # noqa: N818  # an answer, not an error
    """A dead letter that won't be replayed, and why."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(f"{reason}: {ADVICE[reason]}")
        self.reason = reason


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What will be written, and what for. *replays_before* guards against another operator's replay meanwhile."""

    coordinate: Coordinate
    message: Command
    corrected: bool
    replays_before: int

    @property
    def command_id(self) -> str:
        """What the answer will name."""
        return self.message.command_id if isinstance(self.message, OrderCommand) else self.message.transfer_id


def prepare(letter: Letter, corrected: Command | None, new_id: Callable[[], str], *, again: bool) -> Ready:
    """What replaying *letter* would write: its own message, or the *corrected* one. Raises Refused."""
    expected = _REPLAYABLE.get(letter.coordinate.topic)
    if expected is None:
        raise Refused(Refusal.NOT_A_COMMAND)
    if letter.replays and not again:
        raise Refused(Refusal.ALREADY_REPLAYED)
    try:
        message: Command = corrected or codec.decode(letter.dead.value, expected)
    except codec.Undecodable as error:
        raise Refused(Refusal.UNDECODABLE) from error
    if not 0 < len(message.user_id) <= IDENTIFIER_LENGTH_MAX:
        raise Refused(Refusal.INVALID_USER_ID)
    if isinstance(message, OrderCommand):
        message = replace(message, command_id=new_id())
    return Ready(
        coordinate=letter.coordinate,
        message=message,
        corrected=corrected is not None,
        replays_before=len(letter.replays),
    )


def main(
    settings: Settings,
    *,
    selection: Selection,
    value: Path | None,
    again: bool,
    actor: str | None,
    dry_run: bool,
    yes: bool,
) -> int:
    """Shows what would be written, asks, and writes it in one transaction with the record of it, in *actor*'s name or
    that of the operating system's user.

    Raises CheckFailed if nothing can be replayed; refused letters beside others are listed, and make the exit code 1.
    """
    kafka.take_schema_ids(settings)
    found = letters.find(settings, selection)
    if not found:
        raise CheckFailed("no dead letter is like that: `fillstream dlq list` shows those there are")
    corrected = _corrected(value, selection) if value is not None else None
    ready, refused = _sorted_out(found, corrected, again=again)
    for place, reason in refused:
        typer.echo(f"refused {place}: {reason}", err=True)
    if not ready:
        raise CheckFailed("nothing to replay")
    for each in ready:
        typer.echo("\n".join(_lines(each)))
    if dry_run:
        typer.echo(f"dry run: nothing sent, {len(ready):,} would be")
    else:
        who = actor or getpass.getuser()
        if not yes:
            typer.confirm(f"Send {len(ready):,} as {who}?", abort=True)
        send(settings, ready, who)
        typer.echo(f"{len(ready):,} replayed; the answers come to {topics.ORDER_EVENTS.name} under the IDs above")
    return Exit.CHECK_FAILED if refused else Exit.OK


def send(settings: Settings, ready: Sequence[Ready], actor: str) -> None:
    """Writes every one of *ready* and the record of its replay, all or nothing.

    Raises CheckFailed if another operator has replayed one of them meanwhile, Unavailable if the broker doesn't do it.
    """
    producer = Producer(kafka.producer(settings, transactional_id=TRANSACTIONAL_ID) | {"log_level": 0})
    try:
        producer.init_transactions(_TIMEOUT_S)  # from here on, nobody else's replay can be committed before ours
        done = letters.replays(settings)
        overtaken = [
            str(each.coordinate) for each in ready if len(done.get(each.coordinate, ())) != each.replays_before
        ]
        if overtaken:
            raise CheckFailed(f"replayed by somebody else meanwhile, so nothing is sent: {', '.join(overtaken)}")
        producer.begin_transaction()
        for each in ready:
            user_id = each.message.user_id
            producer.produce(each.coordinate.topic, codec.encode(each.message), user_id.encode())
            record = Replay(
                each.coordinate.topic,
                each.coordinate.partition,
                each.coordinate.offset,
                user_id,
                each.command_id,
                actor,
                time.time_ns() // 1_000,
                each.corrected,
            )
            producer.produce(topics.REPLAYS.name, codec.encode(record), str(each.coordinate).encode())
        producer.commit_transaction(_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() in _OVERTAKEN:
            raise CheckFailed("another operator began to replay meanwhile, so nothing is sent: look again") from error
        raise unreachable(settings, error) from error


def _sorted_out(
    found: Sequence[Letter], corrected: Command | None, *, again: bool
) -> tuple[Sequence[Ready], Sequence[tuple[Coordinate, Refused]]]:
    ready, refused = [], []
    for letter in {each.coordinate: each for each in found}.values():  # a record that was buried twice is sent once
        try:
            ready.append(prepare(letter, corrected, lambda: str(uuid.uuid4()), again=again))
        except Refused as reason:
            refused.append((letter.coordinate, reason))
    return ready, refused


def _corrected(file: Path, selection: Selection) -> Command:
    """The message in *file*, for the topic of the selected record. Raises CheckFailed."""
    topic = selection.coordinate.topic if selection.coordinate is not None else ""
    expected = _REPLAYABLE.get(topic, OrderCommand)
    try:
        message: Command = plain.read(json.loads(file.read_text()), expected)
        codec.encode(message)
    except (OSError, ValueError) as error:
        raise CheckFailed(f"{file}: {error}") from error
    return message


def _lines(ready: Ready) -> Iterator[str]:
    how = "the corrected value" if ready.corrected else "its value"
    topic, user = ready.coordinate.topic, printable(ready.message.user_id)
    yield f"{ready.coordinate}: {how} to {topic}, key {user}, as {ready.command_id}"
    yield json.dumps(plain.of(ready.message))
