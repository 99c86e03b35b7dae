"""The keys of venue accounts, read from a file that nobody else can read, or that is encrypted. They are never shown.

The file is TOML: ``key``, and either ``secret`` (as the venue gave it out, or a private key in PEM) or ``private_key``,
the path of a PEM file, relative to the file itself. ``account`` may say whose it is, for people. That is the account of
the plain venue, such as ``binance``; a table ``[hedge]`` with the same fields is that of ``binance.hedge``. All these
files must have mode 0400 or 0600. The TOML file may be sealed into a keystore instead: see
:mod:`venue_gateways.keystore`.
"""

import base64
import binascii
import stat
import tomllib
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from runtime import telemetry
from runtime.settings import SettingsError
from venue_gateways import keystore

_MODES: Final = (0o400, 0o600)
_FORMS: Final = ({"key", "secret"}, {"key", "private_key"})

PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey


class Credentials(msgspec.Struct, frozen=True):
    """*secret* or *private_key* is there, not both. *files* is what they were read from."""

    key: SecretStr
    secret: SecretStr | None = None
    private_key: PrivateKey | None = None
    files: tuple[Path, ...] = ()

    def secret_bytes(self) -> bytes:
        """The secret of a venue that gives them out in base64. Raises SettingsError."""
        text = "" if self.secret is None else self.secret.get_secret_value()
        try:
            decoded = base64.b64decode(text, validate=True)
        except binascii.Error:
            decoded = b""
        if not decoded:
            raise SettingsError("the secret is not the base64 that the venue gave out") from None
        return decoded


def load(path: Path | None, account: str = "", passphrase: Path | None = None) -> Credentials:
    """The credentials of *account* in the file at *path*; they are kept out of all log lines from then on.

    *passphrase* is the file with a keystore's. Raises SettingsError.
    """
    if path is None:
        raise SettingsError("credentials is not set: name the TOML file with key and secret of the venue account")
    content = _read(path)
    if not keystore.is_sealed(content):
        check_private(path)
        return _account(path, _fields(path, content, account), (path,))
    if passphrase is None:
        raise SettingsError(f"credentials {path} is a keystore: set credentials_passphrase to the file with its own")
    opened = keystore.open_sealed(content, read_private(passphrase), path)
    return _account(path, _fields(path, opened, account), (path, passphrase))


def read_private(path: Path) -> bytes:
    """What is in a file that nobody else may read. Raises SettingsError."""
    content = _read(path)
    check_private(path)
    return content


def check_private(path: Path) -> None:
    """Raises SettingsError if others than its owner may read *path*."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode not in _MODES:
        raise SettingsError(f"{path} has mode {mode:04o}, so others may read it: chmod 0400 {path}")


def _fields(path: Path, content: bytes, account: str) -> dict[str, str]:
    try:
        tables = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"credentials {path} is no TOML: {type(error).__name__}") from None  # no excerpt of it
    table = tables.get(account) if account else {n: v for n, v in tables.items() if not isinstance(v, dict)}
    if not isinstance(table, dict):
        accounts = [name for name, value in tables.items() if isinstance(value, dict)]
        raise SettingsError(f"credentials {path} has no table [{account}]; there are: {', '.join(accounts) or 'none'}")
    named = {name: value for name, value in table.items() if isinstance(value, str) and value}
    if named.keys() - {"account"} not in _FORMS or len(named) != len(table):
        where = f" in [{account}]" if account else ""
        raise SettingsError(f"credentials {path} must have key{where}, and either secret or private_key, as text")
    return named


def _account(path: Path, fields: dict[str, str], files: tuple[Path, ...]) -> Credentials:
    key, secret = SecretStr(fields["key"]), fields.get("secret", "")
    telemetry.hide(fields["key"], secret)
    if "private_key" in fields:
        file = path.parent / fields["private_key"]
        return Credentials(key, private_key=_private_key(file, read_private(file)), files=(*files, file))
    if "-----BEGIN" in secret:
        return Credentials(key, private_key=_private_key(path, secret.encode()), files=files)
    return Credentials(key, secret=SecretStr(secret), files=files)


def _private_key(path: Path, pem: bytes) -> PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise SettingsError(f"{path} has no unencrypted private key in PEM") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    raise SettingsError(f"the private key in {path} is neither an Ed25519 key nor one on the curve P-256")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
