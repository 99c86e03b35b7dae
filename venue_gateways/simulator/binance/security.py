"""Who may ask Binance's API for what: keys, signatures and the age of requests (rest-api.md, Request Security)."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.parameters import Parameters

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


def credential(account: str, key: str, secret: str) -> Credential:
    """A *secret* in PEM is an Ed25519 key, private or public; any other is HMAC's. Raises ValueError."""
    if "-----BEGIN" not in secret:
        return Credential(account, key, secret.encode())
    return Credential(account, key, public_key=_public_key(secret.encode()))


def new_key() -> tuple[str, str]:
    """A key for HMAC, and its secret."""
    return secrets.token_hex(32), secrets.token_hex(32)


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


def _public_key(pem: bytes) -> Ed25519PublicKey:
    loaded = load_pem_private_key(pem, None) if b"PRIVATE" in pem else load_pem_public_key(pem)
    if isinstance(loaded, Ed25519PrivateKey):
        return loaded.public_key()
    if isinstance(loaded, Ed25519PublicKey):
        return loaded
    raise ValueError("secret is a key of another kind than Ed25519")
