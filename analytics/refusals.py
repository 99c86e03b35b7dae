"""Finds the records of a batch that ClickHouse refuses for their values, without storing any of them.

The mapping keeps out what a column's type can't hold. What is left are rules that only the server has: a constraint
that somebody added, a column made narrower. A copy of the table that keeps nothing (``ENGINE = Null``) has the same
columns and constraints and no views: a part of the batch that it takes, the table takes. So nothing is stored before
it is known what is refused, and what is refused follows from the records and the table alone.
"""

import re
import uuid
from collections.abc import Sequence
from typing import Any, Final

import structlog

from analytics.client import ClickHouseError
from analytics.lanes import Batch
from analytics.mapping import Record
from analytics.rows import Fault, Mapper

REFUSED: Final = "REFUSED_BY_CLICKHOUSE"

#: So many in one batch are no bad records but a table that has changed: that waits for somebody to look at it.
REFUSED_MAX: Final = 1_000

_CODE: Final = re.compile(r"\bcode:? (\d+)", re.IGNORECASE)
_DETAIL_MAX: Final = 300

#: What ClickHouse says of a value (src/Common/ErrorCodes.cpp), in contrast to what it says of itself or of a table.
_OF_VALUES: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)

log = structlog.get_logger()


def is_of_values(error: Exception) -> bool:
    """Whether the server refused what it was given; otherwise the same insert may work another time."""
    found = _CODE.search(str(error))
    return found is not None and int(found[1]) in _OF_VALUES


class Refusals:
    """Asks the server about parts of a batch, half by half."""

    def __init__(self, client: Any, database: str, mapper: Mapper) -> None:
        self._client = client
        self._database = database
        self._mapper = mapper

    def find(self, batch: Batch) -> dict[int, Fault]:
        """What is wrong with the records that the table refuses, by offset; none if it takes them all.

        Raises ClickHouseError if the server fails otherwise, or refuses more than REFUSED_MAX.
        """
        table = self._mapper.rows(batch.topic, batch.partition, batch.records).table
        copy = f"refusals_{uuid.uuid4().hex}"
        settings = {"database": self._database}
        self._client.command(f"CREATE TABLE {copy} AS {table} ENGINE = Null", settings=settings)
        try:
            return self._refused(copy, batch)
        finally:
            self._client.command(f"DROP TABLE IF EXISTS {copy} SYNC", settings=settings)

    def _refused(self, copy: str, batch: Batch) -> dict[int, Fault]:
        found: dict[int, Fault] = {}
        parts: list[Sequence[Record]] = [batch.records]
        while parts:
            part = parts.pop()
            error = self._refusal(copy, batch, part)
            if error is None:
                continue
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            found[part[0].offset] = Fault(REFUSED, " ".join(str(error).split())[:_DETAIL_MAX])
            if len(found) > REFUSED_MAX:
                raise ClickHouseError(
                    f"more than {REFUSED_MAX} records are refused, the last one so: {error}"
                ) from error
        log.warning("records_refused", topic=batch.topic, partition=batch.partition, count=len(found))
        return found

    def _refusal(self, copy: str, batch: Batch, records: Sequence[Record]) -> ClickHouseError | None:
        """What the copy says against these records. Raises what it says of anything else."""
        rows = self._mapper.rows(batch.topic, batch.partition, records).stored
        try:
            if rows is not None:
                self._client.insert_arrow(copy, rows, database=self._database, settings={"async_insert": 0})
        except ClickHouseError as error:
            if is_of_values(error):
                return error
            raise
        return None
