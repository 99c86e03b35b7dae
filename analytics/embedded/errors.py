"""Refusals and failures as ClickHouse states them: code, name, sentence, and the HTTP status that goes with them."""

import re
from typing import Final, Self

_CODE: Final = re.compile(r"Code: (\d+)\.")

#: As ``exceptionCodeToHTTPStatus`` of ClickHouse's HTTP handler has it; everything else is 500.
_STATUS: Final = {
    **dict.fromkeys((6, 7, 16, 27, 36, 38, 41, 43, 53, 57, 62, 70, 72, 115, 120, 196, 351, 457), 400),
    **dict.fromkeys((46, 47, 50, 60, 81, 107), 404),
    159: 408,
    202: 503,
    48: 501,
    229: 413,
    516: 403,
}


class ClickHouseError(Exception):
    """What a client is told instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def of(cls, code: int, name: str, sentence: str) -> Self:
        """An error of this service's own, in the words of ClickHouse's."""
        return cls(code, f"Code: {code}. DB::Exception: {sentence} ({name})")

    @classmethod
    def from_engine(cls, error: RuntimeError) -> Self:
        """What the engine raised; it states the code in its text."""
        message = str(error)
        found = _CODE.search(message)
        return cls(int(found[1]) if found else 1002, message)

    @property
    def status(self) -> int:
        return _STATUS.get(self.code, 500)


def readonly(sentence: str) -> ClickHouseError:
    return ClickHouseError.of(164, "READONLY", sentence)


def authentication_failed(user: str) -> ClickHouseError:
    return ClickHouseError.of(
        516,
        "AUTHENTICATION_FAILED",
        f"{user}: Authentication failed: password is incorrect, or there is no user with such name.",
    )


def not_implemented(sentence: str) -> ClickHouseError:
    return ClickHouseError.of(48, "NOT_IMPLEMENTED", sentence)


def too_large(sentence: str) -> ClickHouseError:
    return ClickHouseError.of(229, "QUERY_IS_TOO_LARGE", sentence)


def too_many() -> ClickHouseError:
    return ClickHouseError.of(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many simultaneous queries; try again.")


def canceled() -> ClickHouseError:
    return ClickHouseError.of(394, "QUERY_WAS_CANCELLED", "Query was cancelled.")


def timed_out(sentence: str) -> ClickHouseError:
    return ClickHouseError.of(159, "TIMEOUT_EXCEEDED", sentence)


def bad_argument(sentence: str) -> ClickHouseError:
    return ClickHouseError.of(36, "BAD_ARGUMENTS", sentence)
