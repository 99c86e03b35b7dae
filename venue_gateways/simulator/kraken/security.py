"""Who may ask Kraken's API for what: keys, signatures and nonces (guides/rest/authentication)."""

import base64
import binascii
import hmac
import os
import secrets
import tomllib
from collections.abc import Mapping
from hashlib import sha256, sha512
from pathlib import Path

import msgspec

from venue_gateways.simulator.dialect import CredentialsError
from venue_gateways.simulator.kraken import errors
from venue_gateways.simulator.kraken.errors import ApiError

_SECRET_BYTES = 64


class Credential(msgspec.Struct, frozen=True):
    """A key of an account, and what it signs with."""

    account: str
    key: str
    secret: bytes

    def sign(self, path: str, nonce: str, body: bytes) -> str:
        """The signature of a request with exactly this *body*."""
        message = path.encode() + sha256(nonce.encode() + body).digest()
        return base64.b64encode(hmac.digest(self.secret, message, sha512)).decode()


class Door:
    """Lets requests in: each signed by a key that is known, with a nonce above all that came with it before."""

    def __init__(self, credentials: Mapping[str, Credential]) -> None:
        self._credentials = credentials
        self._nonces: dict[str, int] = {}

    def enter(self, path: str, key: str, signature: str, nonce: str, body: bytes) -> Credential:
        """Raises ApiError for who may not."""
        credential = self._credentials.get(key)
        if credential is None:
            raise ApiError(errors.INVALID_KEY)
        if not hmac.compare_digest(credential.sign(path, nonce, body).encode(), signature.encode()):
            raise ApiError(errors.INVALID_SIGNATURE)
        if not nonce.isdecimal() or not self._nonces.get(key, -1) < int(nonce) < 1 << 64:
            raise ApiError(errors.INVALID_NONCE)
        self._nonces[key] = int(nonce)
        return credential

    def account(self, key: str) -> str:
        """Whose key it is that was let in."""
        return self._credentials[key].account


def read(path: Path) -> dict[str, Credential]:
    """The credentials in a TOML file, by key: ``key`` and ``secret`` (Base64) of one account, or an ``[[account]]`` for
    each. ``account`` names the account.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{path}: {error}") from error
    rows = content.get("account") if isinstance(content.get("account"), list) else [content]
    found = [_credential(path, row) for row in rows or []]
    return {item.key: item for item in found}


def _credential(path: Path, row: Mapping[str, object]) -> Credential:
    key, secret, account = (str(row.get(name, "")) for name in ("key", "secret", "account"))
    if not key or not secret:
        raise CredentialsError(f"{path}: a credential needs key and secret")
    try:
        return Credential(account or "main", key, base64.b64decode(secret, validate=True))
    except binascii.Error as error:
        raise CredentialsError(f"{path}: secret is not in Base64") from error


def create(path: Path) -> dict[str, Credential]:
    """Write a new credential of the account ``main`` to *path*, readable by its owner alone, and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key, secret = (base64.b64encode(secrets.token_bytes(length)).decode() for length in (42, _SECRET_BYTES))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(f'account = "main"\nkey = "{key}"\nsecret = "{secret}"\n')
    return read(path)
