"""Dead letters as they are on the broker, each with what was replayed of it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
import structlog
from confluent_kafka import Message as Record

from domain.messages import DeadLetter, Message, Replay, VenueRequest
from runtime import reading
from runtime.dlq.selection import Coordinate, Selection
from runtime.settings import Settings
from schemas import codec, topics

MessageT = TypeVar("MessageT", bound=Message)

log = structlog.get_logger()

_VALUES: Final = {topic.name: topic.value for topic in topics.INPUTS}
_REQUESTS_PREFIX: Final = topics.venue_requests("").name


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter, and its replays, oldest first."""

    coordinate: Coordinate
    dead: DeadLetter
    replays: Sequence[Replay] = ()

    @property
    def key(self) -> str:
        """The record's key as text; what is no text is escaped."""
        return (self.dead.key or b"").decode(errors="backslashreplace")

    def decoded(self) -> Message:
        """The message in the record. Raises Undecodable if it can't be read, or if no message is known to be there."""
        expected = message_of(self.coordinate.topic)
        if expected is None:
            topic = self.coordinate.topic
            raise codec.Undecodable(codec.UndecodableReason.WRONG_SCHEMA, f"nothing is known of topic {topic!r}")
        return codec.decode(self.dead.value, expected)

    def user(self) -> str | None:
        """The user that the record names, if it can be read."""
        try:
            return getattr(self.decoded(), "user_id", None)
        except codec.Undecodable:
            return None


def message_of(topic: str) -> type[Message] | None:
    """What the records of *topic* should hold."""
    return VenueRequest if topic.startswith(_REQUESTS_PREFIX) else _VALUES.get(topic)


def find(settings: Settings, selection: Selection) -> list[Letter]:
    """The dead letters that pass *selection*, oldest first. Raises Unavailable."""
    done = replays(settings)
    passing = _passing(selection)
    found = []
    for dead in _messages(settings, topics.DEAD_LETTERS, DeadLetter):
        place = Coordinate(dead.source_topic, dead.source_partition, dead.source_offset)
        letter = Letter(coordinate=place, dead=dead, replays=done.get(place, ()))
        if all(passes(letter) for passes in passing):
            found.append(letter)
    return sorted(found, key=lambda letter: (letter.dead.occurred_at, letter.coordinate))


def replays(settings: Settings) -> Mapping[Coordinate, Sequence[Replay]]:
    """What was replayed, by the dead record's coordinates. Raises Unavailable."""
    found: dict[Coordinate, list[Replay]] = defaultdict(list)
    for replay in _messages(settings, topics.REPLAYS, Replay):
        found[Coordinate(replay.source_topic, replay.source_partition, replay.source_offset)].append(replay)
    return found


def _passing(selection: Selection) -> list[Callable[[Letter], bool]]:
    """The tests that *selection* asks for, the dearest last."""
    place, since_us, user = selection.coordinate, selection.since_us, selection.user
    tests: Mapping[str, tuple[object, Callable[[Letter], bool]]] = {
        "coordinate": (place, lambda letter: letter.coordinate == place),
        "reason": (selection.reason, lambda letter: letter.dead.reason == selection.reason),
        "stage": (selection.stage, lambda letter: letter.dead.stage == selection.stage),
        "topic": (selection.topic, lambda letter: letter.coordinate.topic == selection.topic),
        "since": (since_us, lambda letter: letter.dead.occurred_at >= (since_us or 0)),
        "user": (user, lambda letter: user in (letter.key, letter.user())),
    }
    return [passes for wanted, passes in tests.values() if wanted is not None]


def _messages(settings: Settings, topic: topics.Topic, expected: type[MessageT]) -> Iterator[MessageT]:
    """What *topic* holds; what isn't a message of it is logged and left out."""
    record: Record
    for record in reading.read(settings, *reading.spans(settings, topic.name)):
        try:
            yield codec.decode(record.value(), expected)
        except codec.Undecodable as error:
            place = str(Coordinate(topic.name, record.partition(), record.offset()))
            log.warning("foreign_record", record=place, reason=str(error), meaning="another program writes there")
