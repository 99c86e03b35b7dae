"""The lane's codec for the records of W1: generated from ``benchmarks/w1/schemas`` as the product's is from its own."""

from typing import Final

from benchmarks.w1 import messages, wire
from schemas import build
from schemas.catalog import Catalog
from schemas.codec import Codec

CATALOG: Final = Catalog(wire.FOLDER, "w1", (messages,))
CODEC: Final = Codec(CATALOG)


def compile_it() -> str | None:
    """Compiles it where that can be done; else why it stays plain Python."""
    try:
        build.build(CATALOG)
    except build.BuildError as error:
        return str(error)
    return None
