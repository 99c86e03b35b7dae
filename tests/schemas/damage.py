"""Compares the two back-ends on damaged bytes: both read the same value, or refuse with the same words.

``python -m tests.schemas.damage --mutations 300000`` is the long run of a test.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from schemas.codec import Undecodable
from schemas.wire import HEADER_BYTES
from tests.schemas import fastavro_equality, samples

_TELLING = (b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")
_TELLING_LONG = (b"\x80" * 9 + b"\x02", b"\x80" * 10 + b"\x01", b"\x80\x00", b"\x81\x80\x00", b"\xc3\x28", b"\x22" * 40)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """*data* with one to three faults behind its header: bytes cut, changed, put in, taken out or repeated."""
    body = bytearray(data[HEADER_BYTES:])
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(body) + 1)
        size = rng.choice((1, 1, 2, 8))
        match rng.randrange(6):
            case 0:
                del body[at:]
            case 1:
                body[at : at + 1] = bytes([rng.randrange(256)])
            case 2:
                body[at:at] = rng.choice(_TELLING + _TELLING_LONG)
            case 3:
                del body[at : at + size]
            case 4:
                body[at:at] = body[at : at + size]
            case _:
                body[at : at + 1] = rng.choice(_TELLING + _TELLING_LONG)
    return data[:HEADER_BYTES] + bytes(body)


def outcome(decode: Callable[[bytes | None], Any], data: bytes) -> str:
    """What becomes of *data*: the value or the refusal, in full."""
    try:
        return repr(decode(data))
    except Undecodable as error:
        return str(error)


def compare(name: str, seed: int) -> str:
    """The outcome of one damaged record of the schema *name*. Raises AssertionError if the back-ends differ."""
    rng = random.Random(f"{name} {seed}")
    message = samples.message(name, rng.randrange(1000))
    compiled, plain = fastavro_equality.back_ends().values()
    data = damaged(plain.encode(message), rng)
    found = outcome(plain.decoder(type(message)), data)
    assert outcome(compiled.decoder(type(message)), data) == found, data.hex()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=300_000)
    mutations = parser.parse_args().mutations
    for name in samples.NAMES:
        kinds = Counter(compare(name, seed).partition(":")[0] for seed in range(mutations // len(samples.NAMES)))
        told = {kind: count for kind, count in kinds.items() if kind.isupper()}
        sys.stdout.write(f"{name}: {kinds.total()} alike, of them refused {told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
