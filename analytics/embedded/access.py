"""Who may do what at the embedded ClickHouse: readers read within their limits, the writer does everything."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from analytics.account import Account
from analytics.embedded.errors import authentication_failed, bad_argument, readonly

#: Who asks without saying who.
READER: Final = "default"


class Role(StrEnum):
    READER = "READER"
    WRITER = "WRITER"


class Limit(msgspec.Struct, frozen=True):
    """What a reader gets unless a query asks for less or more, and the most that it gets, whatever it asks for."""

    default: int
    most: int


_CORES: Final = os.cpu_count() or 1

#: What is asked for beyond the most becomes the most, without an error: drivers ask for as long as they would wait.
#: So does 0, by which ClickHouse means "without bound".
LIMITS: Final[Mapping[str, Limit]] = MappingProxyType(
    {
        "max_execution_time": Limit(10, 60),
        "max_result_rows": Limit(1_000_000, 1_000_000),
        "max_result_bytes": Limit(256 << 20, 256 << 20),
        "max_memory_usage": Limit(2 << 30, 2 << 30),
        "max_query_size": Limit(256 << 10, 256 << 10),
        "max_threads": Limit(_CORES, _CORES),
    }
)

#: Settings that a reader may change: they shape an answer and can't make it dearer than the limits allow.
_FREE: Final = frozenset(
    {
        *("date_time_input_format", "date_time_output_format", "enable_http_compression", "extremes", "final"),
        *("group_by_use_nulls", "http_headers_progress_interval_ms", "join_use_nulls", "limit", "offset"),
        *("max_block_size", "max_bytes_to_read", "max_rows_to_read", "send_progress_in_http_headers"),
        *("cancel_http_readonly_queries_on_client_close", "cast_string_to_dynamic_use_inference", "session_timezone"),
        *("do_not_merge_across_partitions_select_final", "log_comment", "optimize_aggregation_in_order"),
        *("prefer_column_name_to_alias", "use_query_cache", "wait_end_of_query", "readonly"),
    }
)
_FREE_PREFIXES: Final = ("format_", "input_format_", "output_format_")

#: What every reader's session starts from. ``enable_http_compression`` tells clickhouse-connect, which looks it up,
#: that it may ask for compressed answers. Partitions follow from a row's own time: no duplicate crosses two of them.
_READER_BASE: Final = {
    "enable_http_compression": "1",
    "result_overflow_mode": "throw",
    "do_not_merge_across_partitions_select_final": "1",
}


class User(msgspec.Struct, frozen=True):
    """Somebody with a name. *settings* are those that this reader may change besides the harmless ones."""

    name: str
    role: Role = Role.READER
    password_sha256_hex: str = ""
    limits: Mapping[str, Limit] = LIMITS
    settings: frozenset[str] = frozenset()

    def knows(self, password: str) -> bool:
        """Whether this is the user's password; one without any has an empty one."""
        digest = hashlib.sha256(password.encode()).hexdigest() if password else ""
        return hmac.compare_digest(digest, self.password_sha256_hex.lower())


ANYBODY: Final = User(READER)


class Users:
    """All who may come in: *readers*, and the account that may write, if it has a password."""

    def __init__(self, writer: Account, others: Iterable[User] = (ANYBODY,)) -> None:
        self._known: dict[str, list[User]] = {}
        if writer.password:
            digest = hashlib.sha256(writer.password.encode()).hexdigest()
            self._known[writer.name] = [User(writer.name, Role.WRITER, digest)]
        for user in others:  # the writer's name may be a reader's as well: the password tells which of them it is
            self._known.setdefault(user.name, []).append(user)

    def authenticated(self, name: str, password: str) -> User:
        """Who says to be *name*. Raises ClickHouseError if it isn't so."""
        for user in self._known.get(name, ()):
            if user.knows(password):
                return user
        raise authentication_failed(name)


def reader_settings(asked: Mapping[str, str], user: User = ANYBODY) -> dict[str, str]:
    """The settings of a reader's session that asked for these. Raises ClickHouseError for one it may not have."""
    settings = {**_READER_BASE, **{name: str(limit.default) for name, limit in user.limits.items()}}
    for name, value in asked.items():
        if name in user.limits:
            settings[name] = _within(name, value, user.limits[name])
        elif name in _FREE or name in user.settings or name.startswith(_FREE_PREFIXES):
            settings[name] = value
        else:
            raise readonly(f"Cannot modify '{name}' setting in readonly mode.")
    settings.pop("readonly", None)  # a reader is read-only whatever it asks for
    return settings


def _within(name: str, value: str, limit: Limit) -> str:
    try:
        number = float(value)
    except ValueError:
        raise bad_argument(f"Setting {name} must be a number, not {value!r}.") from None
    if not number >= 0:
        raise bad_argument(f"Setting {name} must be a number from 0 on, not {value!r}.")
    return value if 0 < number <= limit.most else str(limit.most)
