"""Messages as JSON that people read and write, field by field as their schema has them.

Amounts are numerals in strings, instants are microseconds since the epoch, a record of a union stands under its name:
``{"PlaceOrder": {...}}``. What is null may be left out.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeVar

from domain import money
from domain.messages import Message
from schemas import catalog, plan
from schemas.plan import Amount, Boolean, Bytes, Choice, Field, Instant, Many, Maybe, Node, Number, OneOf, Record, Text

MessageT = TypeVar("MessageT", bound=Message)


class Unfit(ValueError):  # noqa: N818  # it names the value, as a refusal does
    """JSON that is no message of the wanted kind; the message says where and what was expected."""


def of(message: Message) -> dict[str, Any]:
    """*message* as values that any JSON writer takes."""
    shown: dict[str, Any] = _shown(_plan(type(message)), message)
    return shown


def read(value: Any, wanted: type[MessageT]) -> MessageT:
    """The *wanted* message that the parsed JSON *value* is. Raises Unfit."""
    message: MessageT = _read(_plan(wanted), value, wanted.__name__)
    return message


def iso(instant_us: int) -> str:
    """An instant as people read it, in UTC, to the millisecond; the number itself if it is no time of our calendar."""
    try:
        at = datetime.fromtimestamp(instant_us / 1_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(instant_us)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _plan(holder: type[Message]) -> Record:
    return next(found for name in catalog.ids() if (found := plan.of(name)).holder is holder)


def _shown(node: Node, value: Any) -> Any:
    show = _SHOW.get(type(node))
    return value if show is None else show(node, value)


def _shown_record(node: Record, value: Any) -> dict[str, Any]:
    inner = ((field, getattr(value, field.name)) for field in node.fields)
    return {field.name: _shown(field.node, each) for field, each in inner if each is not None}


_SHOW: Final[Mapping[type, Callable[[Any, Any], Any]]] = {
    Record: _shown_record,
    OneOf: lambda node, value: {type(value).__name__: _shown_record(_branch(node, type(value).__name__), value)},
    Maybe: lambda node, value: _shown(node.inner, value),
    Many: lambda node, value: [_shown(node.item, each) for each in value],
    Amount: lambda _, value: money.text(value),
    Bytes: lambda _, value: value.hex(),
    Choice: lambda _, value: value.value,
}


def _branch(node: OneOf, name: str) -> Record:
    return next(record for record in node.records if record.holder.__name__ == name)


def _read(node: Node, value: Any, path: str) -> Any:
    return _READ[type(node)](node, value, path)


def _read_record(node: Record, value: Any, path: str) -> Message:
    _expect(value, dict, path)
    unknown = value.keys() - {field.name for field in node.fields}
    if unknown:
        raise Unfit(f"{path} has no field {', '.join(sorted(unknown))}; it has {_names(node.fields)}")
    missing = [field for field in node.fields if field.name not in value and not isinstance(field.node, Maybe)]
    if missing:
        raise Unfit(f"{path} lacks {_names(missing)}")
    return node.holder(*(_read(field.node, value.get(field.name), f"{path}.{field.name}") for field in node.fields))


def _read_branch(node: OneOf, value: Any, path: str) -> Message:
    _expect(value, dict, path)
    names = [record.holder.__name__ for record in node.records]
    if len(value) != 1 or next(iter(value)) not in names:
        raise Unfit(f'{path}: {{"name": {{...}}}} with one name of {", ".join(names)}')
    name, inner = next(iter(value.items()))
    return _read_record(_branch(node, name), inner, f"{path}.{name}")


def _read_many(node: Many, value: Any, path: str) -> tuple[Any, ...]:
    return tuple(_read(node.item, each, f"{path}[{index}]") for index, each in enumerate(_expect(value, list, path)))


def _read_choice(node: Choice, value: Any, path: str) -> StrEnum:
    for member in node.members:
        if member.value == value:
            return member
    raise Unfit(f"{path}: one of {', '.join(node.members)}, not {value!r}")


def _read_whole(bits: int, value: Any, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise Unfit(f"{path}: a whole number of {bits} bits, not {value!r}")
    return value


def _names(fields: Iterable[Field]) -> str:
    return ", ".join(field.name for field in fields)


def _expect(value: Any, kind: type, path: str) -> Any:
    if not isinstance(value, kind):
        raise Unfit(f"{path}: {kind.__name__}, not {value!r}")
    return value


def _converted(convert: Callable[[Any], Any], value: Any, path: str) -> Any:
    try:
        return convert(value)
    except ValueError as error:
        raise Unfit(f"{path}: {error}") from error


_READ: Final[Mapping[type, Callable[[Any, Any, str], Any]]] = {
    Record: _read_record,
    OneOf: _read_branch,
    Maybe: lambda node, value, path: None if value is None else _read(node.inner, value, path),
    Many: _read_many,
    Choice: _read_choice,
    Amount: lambda _, value, path: _converted(money.parse, value, path),
    Bytes: lambda _, value, path: _converted(bytes.fromhex, _expect(value, str, path), path),
    Text: lambda _, value, path: _expect(value, str, path),
    Boolean: lambda _, value, path: _expect(value, bool, path),
    Number: lambda node, value, path: _read_whole(node.bits, value, path),
    Instant: lambda _, value, path: _read_whole(64, value, path),
}
