"""Compares the codec with fastavro on random records of every schema, both ways: the long run of a test.

``python -m tests.schemas.fastavro_equality --records 100000 --back-end compiled`` (or ``plain``, or both if left out).
"""

import argparse
import io
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import fastavro

from schemas import build, catalog
from schemas.codec import Codec
from tests.schemas import samples

SCHEMAS = {name: fastavro.parse_schema(samples.physical(catalog.latest(name))) for name in samples.NAMES}


def check(name: str, message: Any, codecs: Sequence[Any]) -> None:
    """Raises AssertionError unless fastavro and each of *codecs* agree on the bytes and on the values in them."""
    plain = samples.plain(samples.PLANS[name], message)
    data = _written(name, plain)
    assert _read(name, data) == plain
    for codec in codecs:
        assert codec.encode(message) == data
        assert codec.decode(data, type(message)) == message


def _written(name: str, plain: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, SCHEMAS[name], plain)
    return b"\0" + catalog.ids()[name].to_bytes(4, "big") + body.getvalue()


def _read(name: str, data: bytes) -> dict[str, Any]:
    body = io.BytesIO(data[5:])
    record = fastavro.schemaless_reader(body, SCHEMAS[name], None, return_record_name=True)
    assert not body.read()
    return {field: _without_enum_name(held) for field, held in record.items()}


def _without_enum_name(held: Any) -> Any:
    """The reader names records in unions and, where a schema only refers to them, enums as well: drop those names."""
    return held[1] if isinstance(held, tuple) and isinstance(held[1], str) else held


@cache
def back_ends() -> Mapping[str, Codec]:
    """A codec of each back-end. Raises BuildError without a compiler."""
    build.build(catalog.PRODUCT)
    return {"compiled": Codec(catalog.PRODUCT), "plain": Codec(catalog.PRODUCT, pure=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--back-end", choices=["compiled", "plain"])
    wanted = parser.parse_args()
    codecs = {name: codec for name, codec in back_ends().items() if wanted.back_end in {None, name}}
    start = time.process_time()
    for name in samples.NAMES:
        for seed in range(wanted.records):
            check(name, samples.message(name, seed), list(codecs.values()))
        spent_s = time.process_time() - start
        sys.stdout.write(f"{name}: {wanted.records} records alike ({', '.join(codecs)}; {spent_s:.0f} CPU s so far)\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
