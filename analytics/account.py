"""The account that may write: its name and password, from the settings, or a password that this machine keeps.

Without ``clickhouse_password`` the embedded service makes a random one, and keeps it in ``var/clickhouse.password``
(mode 0400). Processes with the same ``var`` find it there, so that nothing has to be set up on one machine.
"""

import ipaddress
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from runtime import telemetry
from runtime.settings import Settings

_BYTES: Final = 24


class Account(msgspec.Struct, frozen=True):
    name: str
    password: str


def kept(settings: Settings) -> Account:
    """The account as a client knows it; with an empty password if there is none to know."""
    local = is_loopback(urlsplit(settings.clickhouse_url).hostname or "")
    return _account(settings, _file(settings) if local and _file(settings).exists() else None)


def made(settings: Settings) -> Account:
    """The account as the embedded service grants it: a password is made unless there is one."""
    file = _file(settings)
    if settings.clickhouse_password is None and not file.exists():
        telemetry.write_atomically(file, secrets.token_urlsafe(_BYTES).encode() + b"\n", mode=0o400)
    return _account(settings, file)


def _account(settings: Settings, file: Path | None) -> Account:
    if settings.clickhouse_password is not None:
        return Account(settings.clickhouse_username, settings.clickhouse_password.get_secret_value())
    password = file.read_text().strip() if file else ""
    telemetry.hide(password)
    return Account(settings.clickhouse_username, password)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _file(settings: Settings) -> Path:
    return settings.var / "clickhouse.password"
