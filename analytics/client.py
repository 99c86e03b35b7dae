"""The connection to ClickHouse, the embedded one and a server alike."""

from typing import Any, Final
from urllib.parse import urlsplit

import clickhouse_connect
import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from analytics import account
from runtime.settings import Settings, SettingsError

__all__ = ["ClickHouseError", "DatabaseError", "OperationalError", "connect", "reaching"]

_CONNECT_TIMEOUT_S: Final = 5
_ANSWER_TIMEOUT_S: Final = 10


class _Here(msgspec.Struct, frozen=True):
    """What is of use of ``var/endpoints.json``, which tells where the installation under ``var`` answers."""

    clickhouse: str


def reaching(settings: Settings) -> Settings:
    """Settings that reach the ClickHouse that runs here, unless they name another. Raises SettingsError."""
    file = settings.var / "endpoints.json"
    if "clickhouse_url" in settings.model_fields_set or not file.exists():
        return settings
    try:
        here = msgspec.json.decode(file.read_bytes(), type=_Here)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{file} can't be read ({error}): is it of another version?") from error
    return settings.model_copy(update={"clickhouse_url": here.clickhouse})


def connect(settings: Settings, *, database: str | None = None, timeout_s: int = _ANSWER_TIMEOUT_S) -> Any:
    """A client (threads may share it) with the account that may write. Raises ClickHouseError if nobody answers."""
    url = urlsplit(settings.clickhouse_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise SettingsError(f"clickhouse_url must be like http://host:8123, not {settings.clickhouse_url!r}")
    writer = account.kept(settings)
    return clickhouse_connect.get_client(
        interface=url.scheme,
        host=url.hostname,
        port=url.port or (8443 if url.scheme == "https" else 8123),
        username=writer.name,
        password=writer.password,
        database=database or "__default__",
        connect_timeout=_CONNECT_TIMEOUT_S,
        send_receive_timeout=timeout_s,
        compress=not account.is_loopback(url.hostname),
        autogenerate_session_id=False,  # a session would allow one query at a time
    )
