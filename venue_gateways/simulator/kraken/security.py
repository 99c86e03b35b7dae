"""Who may ask Kraken's API for what: keys, signatures and nonces (guides/rest/authentication)."""

import base64
import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256, sha512

import msgspec

from venue_gateways.simulator.kraken import errors
from venue_gateways.simulator.kraken.errors import ApiError


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


def credential(account: str, key: str, secret: str) -> Credential:
    """A *secret* is in Base64. Raises ValueError."""
    return Credential(account, key, base64.b64decode(secret, validate=True))


def new_key() -> tuple[str, str]:
    """A key and its secret, as long as the venue makes them."""
    return _text(42), _text(64)


def _text(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).decode()
