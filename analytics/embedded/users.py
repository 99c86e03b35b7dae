"""The file of the embedded ClickHouse's users: a TOML table each, with a password's hash, limits and settings."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec

from analytics.embedded.access import LIMITS, Limit, Role, User
from runtime.settings import SettingsError

_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")
_WRITABLE_BY_OTHERS: Final = 0o022

Positive = Annotated[int, msgspec.Meta(gt=0)]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    password_sha256_hex: str = ""
    readonly: bool = True
    limits: dict[str, Positive] = {}
    settings: list[str] = []


def read(file: Path) -> tuple[User, ...]:
    """The users in *file*. Raises SettingsError, which says what is wrong with which of them."""
    try:
        if file.stat().st_mode & _WRITABLE_BY_OTHERS:
            raise SettingsError(f"clickhouse_users: {file} may be written by others: chmod 0600 {file}")
        tables = tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingsError(f"clickhouse_users: {file} can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"clickhouse_users: {file} is no TOML: {error}") from error
    try:
        entries = msgspec.convert(tables, dict[str, _Entry])
    except msgspec.ValidationError as error:
        raise SettingsError(f"clickhouse_users: {file}: {error}") from error
    return tuple(_user(file, name, entry) for name, entry in entries.items())


def _user(file: Path, name: str, entry: _Entry) -> User:
    where = f"clickhouse_users: {file}: [{name}]"
    if entry.password_sha256_hex and not _DIGEST.fullmatch(entry.password_sha256_hex):
        raise SettingsError(f"{where}: password_sha256_hex has 64 hexadecimal digits: printf %s PASSWORD | sha256sum")
    unknown = entry.limits.keys() - LIMITS.keys()
    if unknown:
        raise SettingsError(f"{where}: no such limit: {', '.join(sorted(unknown))}; there are {', '.join(LIMITS)}")
    bounded = LIMITS.keys() & set(entry.settings)
    if bounded:
        raise SettingsError(f"{where}: {', '.join(sorted(bounded))} has a limit: give it under [{name}.limits]")
    if not entry.readonly and (not entry.password_sha256_hex or entry.limits):
        raise SettingsError(f"{where}: who may write needs a password, and has no limits")
    limits = {limit: Limit(most, most) for limit, most in entry.limits.items()}
    return User(
        name,
        Role.READER if entry.readonly else Role.WRITER,
        entry.password_sha256_hex,
        {**LIMITS, **limits},
        frozenset(entry.settings),
    )
