"""Arrow columns from Python values, exactly or not at all. Pure.

An amount's units are the unscaled value of a ``Decimal(38, 18)``: they are laid out as the sixteen bytes that Arrow and
ClickHouse hold, without a decimal number in between that could round.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from domain.money import AMOUNT_MAX

AMOUNT: Final = pa.decimal128(38, 18)
INSTANT: Final = pa.timestamp("us", "UTC")
MOMENT: Final = pa.timestamp("ms", "UTC")

#: What DateTime64 can hold: 1900-01-01 to 2299-12-31.
INSTANT_MIN: Final = -2_208_988_800_000_000
INSTANT_MAX: Final = 10_413_791_999_999_999

_ZERO: Final = bytes(16)


def amounts(units: Sequence[int | None]) -> pa.Array:
    """A nullable Decimal(38, 18). The units are within ±AMOUNT_MAX: see `amounts_fit`."""
    if None not in units:
        data = b"".join([value.to_bytes(16, "little", signed=True) for value in units])  # type: ignore[union-attr]  # no None here
        return pa.Array.from_buffers(AMOUNT, len(units), [None, pa.py_buffer(data)], null_count=0)
    data = b"".join([_ZERO if value is None else value.to_bytes(16, "little", signed=True) for value in units])
    present = pa.array([value is not None for value in units], pa.bool_())
    return pa.Array.from_buffers(AMOUNT, len(units), [present.buffers()[1], pa.py_buffer(data)])


def texts(values: Sequence[str | None]) -> pa.Array:
    """A String, empty where there is no value."""
    column = pa.array(values, pa.string())
    return pc.fill_null(column, "") if column.null_count else column


def labels(values: Sequence[str | None]) -> pa.Array:
    """A String of few different values, sent as a dictionary and the places in it."""
    places: dict[str, int] = {}
    indices = [places.setdefault(value or "", len(places)) for value in values]
    dictionary = pa.array(map(str, places), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), dictionary)


def label(value: str, rows: int) -> pa.Array:
    """The same text in every row."""
    return pa.DictionaryArray.from_arrays(pa.array(repeat(0, rows), pa.int32(), size=rows), pa.array([value]))


def instants(values: Sequence[int | None]) -> pa.Array:
    """A nullable DateTime64(6) from microseconds since the epoch."""
    return pa.array(values, INSTANT)


def moments(values: Sequence[int]) -> pa.Array:
    """A DateTime64(3) from milliseconds since the epoch."""
    return pa.array(values, MOMENT)


def blobs(values: Sequence[bytes | None]) -> pa.Array:
    """A nullable String of any bytes."""
    return pa.array(values, pa.binary())


def flags(values: Sequence[bool | None]) -> pa.Array:
    """A Bool, false where there is no value."""
    return pa.array([bool(value) for value in values], pa.bool_())


def numbers_32(values: Sequence[int | None]) -> pa.Array:
    return pa.array(values, pa.int32())


def numbers_64(values: Sequence[int | None]) -> pa.Array:
    return pa.array(values, pa.int64())


def lines(values: Sequence[int]) -> pa.Array:
    return pa.array(values, pa.uint32())


def partition(number: int, rows: int) -> pa.Array:
    return pa.array(repeat(number, rows), pa.uint32(), size=rows)


def offsets(values: Sequence[int]) -> pa.Array:
    return pa.array(values, pa.uint64())


def amounts_fit(units: Sequence[int | None]) -> bool:
    """Whether `amounts` can hold them."""
    return _all_within(units, -AMOUNT_MAX, AMOUNT_MAX)


def instants_fit(values: Sequence[int | None]) -> bool:
    """Whether ClickHouse can hold them."""
    return _all_within(values, INSTANT_MIN, INSTANT_MAX)


def _all_within(values: Sequence[int | None], least: int, most: int) -> bool:
    known = [value for value in values if value is not None]
    return not known or (min(known) >= least and max(known) <= most)
