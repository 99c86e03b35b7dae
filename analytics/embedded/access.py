"""Who may do what at the embedded ClickHouse: ``default`` reads within limits, the writer does everything."""

import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from analytics.account import Account
from analytics.embedded.errors import authentication_failed, bad_argument, readonly

READER: Final = "default"


class Role(StrEnum):
    READER = "READER"
    WRITER = "WRITER"


class Limit(msgspec.Struct, frozen=True):
    """What a reader gets unless a query asks for less or more, and the most that it may ask for."""

    default: int
    most: int


#: Zero would mean "without bound" to ClickHouse, so a reader can't ask for it.
LIMITS: Final[Mapping[str, Limit]] = {
    "max_execution_time": Limit(10, 60),
    "max_result_rows": Limit(1_000_000, 1_000_000),
    "max_result_bytes": Limit(256 << 20, 256 << 20),
    "max_memory_usage": Limit(2 << 30, 2 << 30),
    "max_query_size": Limit(256 << 10, 256 << 10),
}

#: Settings that a reader may change: they shape an answer and can't make it dearer than the limits allow.
_FREE: Final = frozenset(
    {
        *("date_time_input_format", "date_time_output_format", "enable_http_compression", "extremes", "final"),
        *("group_by_use_nulls", "http_headers_progress_interval_ms", "join_use_nulls", "limit", "offset"),
        *("max_block_size", "max_bytes_to_read", "max_rows_to_read", "max_threads", "send_progress_in_http_headers"),
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
    **{name: str(limit.default) for name, limit in LIMITS.items()},
}


def role_of(user: str, password: str, writer: Account) -> Role:
    """The role of whoever says to be *user*. Raises ClickHouseError if it isn't so."""
    if writer.password and hmac.compare_digest(
        f"{user}\0{password}".encode(), f"{writer.name}\0{writer.password}".encode()
    ):
        return Role.WRITER
    if user == READER and not password:
        return Role.READER
    raise authentication_failed(user)


def reader_settings(asked: Mapping[str, str]) -> dict[str, str]:
    """The settings of a reader's session that asked for these. Raises ClickHouseError for one it may not have."""
    settings = dict(_READER_BASE)
    for name, value in asked.items():
        if name in LIMITS:
            settings[name] = _within(name, value, LIMITS[name])
        elif name in _FREE or name.startswith(_FREE_PREFIXES):
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
    if not 0 < number <= limit.most:
        raise readonly(f"Setting {name} should be between 1 and {limit.most} for a reader, not {value}.")
    return value
