"""Who may ask Binance's API for what: keys, signatures and the age of requests (rest-api.md, Request Security)."""

import base64
import binascii
import hmac
import os
import secrets
import tomllib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.parameters import Parameters
from venue_gateways.simulator.dialect import CredentialsError

RECEIVE_WINDOW_MS: Final = 5_000
_RECEIVE_WINDOW_MAX_MS: Final = 60_000
_AHEAD_MAX_US: Final = 1_000_000


class Credential(msgspec.Struct, frozen=True):
    """A key of an account: with a secret for HMAC, or a public key for Ed25519."""

    account: str
    key: str
    secret: bytes | None = None
    public_key: Ed25519PublicKey | None = None

    def verify(self, payload: bytes, signature: str) -> bool:
        """Whether *signature* is this key's of *payload*: hexadecimal for HMAC, Base64 for Ed25519."""
        if self.public_key is None:
            expected = hmac.digest(self.secret or b"", payload, sha256).hex()
            return hmac.compare_digest(expected.encode(), signature.lower().encode())
        try:
            self.public_key.verify(base64.b64decode(signature, validate=True), payload)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def read(path: Path) -> dict[str, Credential]:
    """The credentials in a TOML file, by key: ``key`` and ``secret`` of one account, or an ``[[account]]`` for each.

    A *secret* in PEM is an Ed25519 key, private or public; any other is HMAC's. ``account`` names the account.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{path}: {error}") from error
    rows = content.get("account") if isinstance(content.get("account"), list) else [content]
    found = [credential(path, row) for row in rows or []]
    return {item.key: item for item in found}


def credential(path: Path, row: Mapping[str, object]) -> Credential:
    key, secret, account = (str(row.get(name, "")) for name in ("key", "secret", "account"))
    if not key or not secret:
        raise CredentialsError(f"{path}: a credential needs key and secret")
    if "-----BEGIN" not in secret:
        return Credential(account or "main", key, secret.encode())
    return Credential(account or "main", key, public_key=_public_key(path, secret.encode()))


def create(path: Path) -> dict[str, Credential]:
    """Write a new HMAC credential of the account ``main`` to *path*, readable by its owner alone, and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key, secret = secrets.token_hex(32), secrets.token_hex(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(f'account = "main"\nkey = "{key}"\nsecret = "{secret}"\n')
    return read(path)


def authenticate(credentials: Mapping[str, Credential], key: str | None, signed: bytes, signature: str) -> Credential:
    """The credential that *key* names and that signed. Raises ApiError as Binance would."""
    if not key:
        raise ApiError(-2014, "API-key format invalid.", 401)
    found = credentials.get(key)
    if found is None:
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    if not found.verify(signed, signature):
        raise ApiError(-1022, "Signature for this request is not valid.")
    return found


def check_age(parameters: Parameters, arrived: int, now: int) -> None:
    """Refuse a request from the future, or one older than its window, when it *arrived* or just before the engine."""
    timestamp = parameters.instant("timestamp")
    window_us = _receive_window_us(parameters)
    if timestamp >= arrived + _AHEAD_MAX_US:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if max(arrived, now) - timestamp > window_us:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _receive_window_us(parameters: Parameters) -> int:
    """``recvWindow`` is in milliseconds with up to three decimals."""
    if not parameters.has("recvWindow"):
        return RECEIVE_WINDOW_MS * 1_000
    window_us = parameters.amount("recvWindow") // 10**15
    if window_us > _RECEIVE_WINDOW_MAX_MS * 1_000:
        raise ApiError(-1102, "'recvWindow' contains unexpected value. Cannot be greater than 60000.")
    return window_us


def _public_key(path: Path, pem: bytes) -> Ed25519PublicKey:
    try:
        loaded = load_pem_private_key(pem, None) if b"PRIVATE" in pem else load_pem_public_key(pem)
    except ValueError as error:
        raise CredentialsError(f"{path}: secret is no key in PEM: {error}") from error
    if isinstance(loaded, Ed25519PrivateKey):
        return loaded.public_key()
    if isinstance(loaded, Ed25519PublicKey):
        return loaded
    raise CredentialsError(f"{path}: secret is a key of another kind than Ed25519")
