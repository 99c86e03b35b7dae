"""The connection to ClickHouse, the embedded one and a server alike."""

import ipaddress
from typing import Any, Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from runtime.settings import Settings, SettingsError

__all__ = ["ClickHouseError", "DatabaseError", "OperationalError", "connect"]

_CONNECT_TIMEOUT_S: Final = 5
_ANSWER_TIMEOUT_S: Final = 10


def connect(settings: Settings, *, database: str | None = None, timeout_s: int = _ANSWER_TIMEOUT_S) -> Any:
    """A client (threads may share it) with the account that may write. Raises ClickHouseError if nobody answers."""
    url = urlsplit(settings.clickhouse_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise SettingsError(f"clickhouse_url must be like http://host:8123, not {settings.clickhouse_url!r}")
    password = settings.clickhouse_password.get_secret_value() if settings.clickhouse_password else ""
    return clickhouse_connect.get_client(
        interface=url.scheme,
        host=url.hostname,
        port=url.port or (8443 if url.scheme == "https" else 8123),
        username=settings.clickhouse_username,
        password=password,
        database=database or "__default__",
        connect_timeout=_CONNECT_TIMEOUT_S,
        send_receive_timeout=timeout_s,
        compress=not _is_loopback(url.hostname),
        autogenerate_session_id=False,  # a session would allow one query at a time
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
