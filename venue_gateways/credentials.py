"""The key of a venue account, read from a file that nobody else can read. Its secret is never shown or logged.

The file is TOML: ``key``, and either ``secret`` (of HMAC, or an Ed25519 key in PEM) or ``private_key``, the path of a
PEM file with an Ed25519 key, relative to the file itself. ``account`` may name the account, for people. All these files
must have mode 0400 or 0600.
"""

import stat
import tomllib
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from runtime import telemetry
from runtime.settings import SettingsError

_MODES: Final = (0o400, 0o600)


class Credentials(msgspec.Struct, frozen=True):
    """*secret* or *private_key* is there, not both."""

    key: SecretStr
    secret: SecretStr | None = None
    private_key: Ed25519PrivateKey | None = None


def load(path: Path | None) -> Credentials:
    """The credentials in the file at *path*; they are kept out of all log lines from then on. Raises SettingsError."""
    if path is None:
        raise SettingsError("credentials is not set: name the TOML file with key and secret of the venue account")
    try:
        fields = tomllib.loads(_read(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"credentials {path} is no TOML: {type(error).__name__}") from None  # no excerpt of it
    named = {name: value for name, value in fields.items() if isinstance(value, str) and value}
    if named.keys() - {"account"} not in ({"key", "secret"}, {"key", "private_key"}) or len(named) != len(fields):
        raise SettingsError(f"credentials {path} must have key, and either secret or private_key, as text")
    key, secret = SecretStr(named["key"]), named.get("secret", "")
    telemetry.hide(named["key"], secret)
    if "private_key" in named:
        file = path.parent / named["private_key"]
        return Credentials(key, private_key=_private_key(file, _read(file)))
    if "-----BEGIN" in secret:
        return Credentials(key, private_key=_private_key(path, secret.encode()))
    return Credentials(key, secret=SecretStr(secret))


def _private_key(path: Path, pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise SettingsError(f"{path} has no unencrypted private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"the private key in {path} is not an Ed25519 key")
    return key


def _read(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode not in _MODES:
            raise SettingsError(f"{path} has mode {mode:04o}, so others may read it: chmod 0400 {path}")
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
