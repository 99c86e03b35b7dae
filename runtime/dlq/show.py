"""``fillstream dlq show``: everything about one dead letter, its value decoded or in hexadecimal digits."""

import json
from collections.abc import Iterator
from typing import Any, Final

import typer

from runtime import kafka, plain
from runtime.dlq import letters
from runtime.dlq.letters import Letter
from runtime.dlq.listing import printable, summary
from runtime.dlq.selection import Coordinate, Selection
from runtime.exits import CheckFailed, Exit
from runtime.plain import iso
from runtime.settings import Settings
from schemas import codec

_DUMP_WIDTH: Final = 16
_DUMP_LINES_MAX: Final = 64


def main(settings: Settings, *, record: Coordinate, as_json: bool, value_only: bool) -> int:
    """Prints everything about the letters of one record. Raises CheckFailed if there is none."""
    kafka.take_schema_ids(settings)
    found = letters.find(settings, Selection(coordinate=record))
    if not found:
        raise CheckFailed(f"no dead letter is of {record}: `fillstream dlq list` shows those there are")
    if value_only:
        typer.echo(json.dumps(_value(found[-1]), indent=2, ensure_ascii=False))
    elif as_json:
        typer.echo(json.dumps([_everything(letter) for letter in found], indent=2))
    else:
        for letter in found:
            typer.echo("\n".join(_lines(letter)))
    return Exit.OK


def _value(letter: Letter) -> dict[str, Any]:
    """The record's message, for an operator to correct. Raises CheckFailed if it can't be read."""
    try:
        return plain.of(letter.decoded())
    except codec.Undecodable as error:
        raise CheckFailed(
            f"{letter.coordinate} can't be read ({error}): write the message it should have been"
        ) from error


def _everything(letter: Letter) -> dict[str, Any]:
    """All that is known of *letter*; its value decoded, or in hexadecimal digits with what is wrong with it."""
    dead = letter.dead
    whole = summary(letter) | {
        "source_timestamp": iso(dead.source_timestamp),
        "key_bytes": None if dead.key is None else dead.key.hex(),
        "value_bytes": None if dead.value is None else dead.value.hex(),
    }
    try:
        return whole | {"value": plain.of(letter.decoded())}
    except codec.Undecodable as error:
        return whole | {"undecodable": str(error)}


def _lines(letter: Letter) -> Iterator[str]:
    whole = _everything(letter)
    value, undecodable, replays = whole.pop("value", None), whole.pop("undecodable", None), whole.pop("replays")
    del whole["value_bytes"]
    for name, each in whole.items():
        yield f"{name:<16} {'' if each is None else printable(str(each))}"
    for replay in replays:
        how = "corrected, " if replay["corrected"] else ""
        yield f"{'replayed':<16} {how}{replay['replayed_at']} by {replay['actor']}: command_id {replay['command_id']}"
    if undecodable is None:
        yield json.dumps(value, indent=2)
    else:
        yield f"{'undecodable':<16} {undecodable}"
        yield from _dump(letter.dead.value or b"")


def _dump(data: bytes) -> Iterator[str]:
    """*data* in hexadecimal digits and in ASCII, sixteen bytes a line; the end is left out if it is long."""
    for start in range(0, min(len(data), _DUMP_LINES_MAX * _DUMP_WIDTH), _DUMP_WIDTH):
        part = data[start : start + _DUMP_WIDTH]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):<{3 * _DUMP_WIDTH}} {text}"
    if len(data) > _DUMP_LINES_MAX * _DUMP_WIDTH:
        yield f"… {len(data):,} bytes in all: --json shows them"
