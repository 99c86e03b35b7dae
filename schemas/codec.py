"""Between bytes and messages: Confluent's wire format around Avro, for every message and every row of the tables.

``encode`` writes a message with today's schema; ``decode`` reads it back, and what any earlier schema wrote. The code
for a class is generated when the class is first met (``schemas.encoder``, ``schemas.decoder``); where it was compiled
(``schemas.native``), the compiled code does all that is usual and calls the other for the rest.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, Protocol, TypeVar

from domain.messages import Message
from schemas import catalog, native, plan, wire
from schemas.catalog import Catalog
from schemas.decoder import Decoder
from schemas.decoder import decoder as python_decoder
from schemas.encoder import Encoder
from schemas.encoder import encoder as python_encoder
from schemas.resolution import Resolver, Writers
from schemas.wire import Undecodable, UndecodableReason

__all__ = [
    "Codec",
    "Ids",
    "Undecodable",
    "UndecodableReason",
    "decode",
    "decoder",
    "encode",
    "encoder",
    "header",
    "is_compiled",
    "use_ids",
]

T = TypeVar("T", bound=Message)


class Ids(Writers, Protocol):
    """Who says which id a schema is written with, and which schema an id on the wire stands for."""

    def latest(self, name: str) -> int:
        """The id that the schema *name* is written with."""


class Codec:
    """Encodes and decodes the messages of one catalog, with the catalog's own ids until it is told of others.

    A *pure* one is plain Python even where compiled code is there.
    """

    def __init__(self, catalog: Catalog, *, pure: bool = False) -> None:
        self._catalog = catalog
        self._pure = pure
        self._ids: Ids | None = None
        self._encoders: dict[type[Any], Encoder] = {}
        self._decoders: dict[type[Any], Decoder] = {}

    def encode(self, message: Message) -> bytes:
        """*message* on the wire. Raises ValueError for an amount or a number that its type can't hold."""
        try:
            encode = self._encoders[type(message)]
        except KeyError:
            encode = self._make(type(message))[0]
        return encode(message)

    def decode(self, data: bytes | None, expected: type[T]) -> T:
        """The *expected* message in *data*. Raises Undecodable, and nothing else, for any other bytes."""
        try:
            decode = self._decoders[expected]
        except KeyError:
            decode = self._make(expected)[1]
        message: T = decode(data)
        return message

    def encoder(self, holder: type[T]) -> Callable[[T], bytes]:
        """What ``encode`` does to messages of *holder*, for loops; with the ids of now: ask again after ``use_ids``."""
        return self._encoders.get(holder) or self._make(holder)[0]

    def decoder(self, holder: type[T]) -> Callable[[bytes | None], T]:
        """What ``decode`` does for *holder*, for loops; with the ids of now: ask again after ``use_ids``."""
        return self._decoders.get(holder) or self._make(holder)[1]

    def header(self, holder: type[T]) -> bytes:
        """What stands before every value of *holder* that is written now."""
        return wire.header((self._ids or catalog.CommittedIds(self._catalog)).latest(self._names[holder]))

    def use_ids(self, ids: Ids | None) -> None:
        """From now on, ids are those of *ids*; of the committed table if None. Once, at the start of a process."""
        self._ids = ids
        self._encoders.clear()
        self._decoders.clear()
        self.__dict__.pop("_compiled", None)  # so that a test may choose anew

    def is_compiled(self) -> bool:
        """Whether compiled code does the usual."""
        return self._compiled is not None

    @cached_property
    def _compiled(self) -> Any | None:
        return None if self._pure else native.load(self._catalog)

    @cached_property
    def _names(self) -> dict[type[Any], str]:
        """The schema of each class that travels by itself."""
        return {plan.of(name, self._catalog).holder: name for name in self._catalog.ids()}

    def _make(self, holder: type[Any]) -> tuple[Encoder, Decoder]:
        """Generates the code for *holder*. Raises TypeError if it has no schema of its own."""
        name = self._names.get(holder)
        if name is None:
            raise TypeError(
                f"{holder.__name__} has no schema of its own; those that have: {sorted(self._catalog.ids())}"
            )
        ids = self._ids or catalog.CommittedIds(self._catalog)
        schema = self._catalog.latest(name)
        record = plan.of(name, self._catalog)
        header = wire.header(ids.latest(name))
        encode = python_encoder(record, header)
        decode = python_decoder(record, header, Resolver(schema, record, ids))
        if self._compiled is not None:
            both = self._compiled.specialised(name, header, encode, decode)
            encode, decode = both.encode, both.decode
        self._encoders[holder], self._decoders[holder] = encode, decode
        return encode, decode


_PRODUCT: Final = Codec(catalog.PRODUCT)

encode: Final = _PRODUCT.encode
decode: Final = _PRODUCT.decode
encoder: Final = _PRODUCT.encoder
header: Final = _PRODUCT.header
decoder: Final = _PRODUCT.decoder
is_compiled: Final = _PRODUCT.is_compiled
use_ids: Final = _PRODUCT.use_ids
