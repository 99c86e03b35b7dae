"""Between bytes and messages: Confluent's wire format around Avro, for every message and every row of the tables.

``encode`` writes a message with today's schema; ``decode`` reads it back, and what any earlier schema wrote. The code
for a class is generated when the class is first met (``schemas.encoder``, ``schemas.decoder``).
"""

from functools import cache
from typing import Final, Protocol, TypeVar

from domain.messages import Message
from schemas import catalog, plan, wire
from schemas.decoder import Decoder, decoder
from schemas.encoder import Encoder, encoder
from schemas.resolution import Resolver, Writers
from schemas.wire import Undecodable, UndecodableReason

__all__ = ["Ids", "Undecodable", "UndecodableReason", "decode", "encode", "use_ids"]

T = TypeVar("T", bound=Message)


class Ids(Writers, Protocol):
    """Who says which id a schema is written with, and which schema an id on the wire stands for."""

    def latest(self, name: str) -> int:
        """The id that the schema *name* is written with."""


_encoders: Final[dict[type[Message], Encoder]] = {}
_decoders: Final[dict[type[Message], Decoder]] = {}


def encode(message: Message) -> bytes:
    """*message* on the wire. Raises ValueError for an amount or a number that its type can't hold."""
    try:
        encoder_ = _encoders[type(message)]
    except KeyError:
        encoder_ = _make(type(message))[0]
    return encoder_(message)


def decode(data: bytes | None, expected: type[T]) -> T:
    """The *expected* message in *data*. Raises Undecodable, and nothing else, for any other bytes."""
    try:
        decoder_ = _decoders[expected]
    except KeyError:
        decoder_ = _make(expected)[1]
    message: T = decoder_(data)
    return message


def use_ids(ids: Ids | None) -> None:
    """From now on, ids are those of *ids*; of the committed table if None. Once, at the start of a process."""
    _source[0] = ids
    _encoders.clear()
    _decoders.clear()


_source: Final[list[Ids | None]] = [None]


@cache
def _names() -> dict[type[Message], str]:
    """The schema of each class that travels by itself."""
    return {plan.of(name).holder: name for name in catalog.ids()}


def _make(holder: type[Message]) -> tuple[Encoder, Decoder]:
    """Generates the code for *holder*. Raises TypeError if it has no schema of its own."""
    name = _names().get(holder)
    if name is None:
        raise TypeError(f"{holder.__name__} has no schema of its own; those that have: {sorted(catalog.ids())}")
    ids = _source[0] or catalog.CommittedIds()
    schema = catalog.latest(name)
    record = plan.of_schema(schema)
    header = wire.header(ids.latest(name))
    _encoders[holder] = encoder(record, header)
    _decoders[holder] = decoder(record, header, Resolver(schema, record, ids))
    return _encoders[holder], _decoders[holder]
