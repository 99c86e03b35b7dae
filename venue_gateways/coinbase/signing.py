"""How Coinbase wants requests signed: a JSON Web Token of its own for each request, and for each message of a stream.

Documented (coinbase-advanced-py, jwt_generator.py): the header names algorithm, key and a random nonce; the claims are
the key's name as subject, the issuer ``cdp``, not-before, expiry, and for REST the method, host and path without the
query. Tokens follow RFC 7515 and 7518: ES256 signs with r and s as 32 bytes each, not with the DER that libraries make.
"""

import base64
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from typing_extensions import override

from runtime.settings import SettingsError
from venue_gateways.credentials import Credentials, PrivateKey

#: Documented: how long a token is good for. Fewer seconds are as good (RFC 7519 §4.1.4).
LIFETIME_S: Final = 120

_ISSUER: Final = "cdp"
_COORDINATE_BYTES: Final = 32

#: Documented: an Ed25519 key is given out as its seed, or as seed and public key.
_SEED_BYTES: Final = 32
_GIVEN_OUT_BYTES: Final = (32, 64)


class Signer(Protocol):
    """Signs bytes as *algorithm* (RFC 7518 §3.1, RFC 8037 §3.1) wants it."""

    algorithm: str

    def sign(self, payload: bytes) -> bytes: ...


class Es256Signer(Signer):
    """The kind of key that the venue makes unless it is asked for another."""

    algorithm = "ES256"

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        if not isinstance(key.curve, SECP256R1):
            raise ValueError(f"a key on curve {key.curve.name} can't sign ES256: make one on P-256")  # noqa: TRY004  # of a wrong value
        self._key = key

    @override
    def sign(self, payload: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(payload, ECDSA(SHA256())))
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


class EdDsaSigner(Signer):
    """An Ed25519 key (documented since version 1.8.3 of the official client)."""

    algorithm = "EdDSA"

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @override
    def sign(self, payload: bytes) -> bytes:
        return self._key.sign(payload)


def private_key(credentials: Credentials) -> PrivateKey:
    """Raises SettingsError for a kind of key that is of no use here."""
    if credentials.private_key is not None:
        return credentials.private_key
    given_out = credentials.secret_bytes()
    if len(given_out) not in _GIVEN_OUT_BYTES:
        raise SettingsError("Coinbase takes an EC key on P-256 in PEM, or an Ed25519 key in PEM or as it is given out")
    return Ed25519PrivateKey.from_private_bytes(given_out[:_SEED_BYTES])


def signer(key: PrivateKey) -> Signer:
    """The signer that *key* is for. Raises ValueError for a curve other than P-256."""
    return EdDsaSigner(key) if isinstance(key, Ed25519PrivateKey) else Es256Signer(key)


class Tokens:
    """Makes the tokens of one key. *key_name* is ``organizations/…/apiKeys/…`` (documented)."""

    __slots__ = ("_head", "_key_name", "_signer")

    def __init__(self, key_name: str, private_key: PrivateKey) -> None:
        self._key_name = key_name
        self._signer = signer(private_key)
        self._head = {"alg": self._signer.algorithm, "typ": "JWT", "kid": key_name}

    def token(self, issued_at_s: int, nonce: str, *, uri: str | None = None, expires_at_s: int | None = None) -> str:
        """A token for one use. *uri* is ``METHOD host/path`` for REST, and None for a stream."""
        claims: dict[str, str | int] = {
            "sub": self._key_name,
            "iss": _ISSUER,
            "nbf": issued_at_s,
            "exp": issued_at_s + LIFETIME_S if expires_at_s is None else expires_at_s,
        }
        if uri is not None:
            claims["uri"] = uri
        signed = f"{_encoded(self._head | {'nonce': nonce})}.{_encoded(claims)}"
        return f"{signed}.{_base64url(self._signer.sign(signed.encode()))}"


def _encoded(fields: Mapping[str, str | int]) -> str:
    return _base64url(msgspec.json.encode(fields))


def _base64url(data: bytes) -> str:
    """Without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
