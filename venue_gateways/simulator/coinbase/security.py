"""Who may ask Coinbase's API for what: JSON web tokens, one for each request (coinbase/jwt_generator.py)."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from uuid import uuid4

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from venue_gateways.simulator.coinbase.errors import unauthorized

PublicKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey

#: How long a token may be good for, and by how much its beginning may be ahead (the latter is assumed).
LIFETIME_S: Final = 120
_AHEAD_S: Final = 5

_SEED_BYTES: Final = 32
_COORDINATE_BYTES: Final = 32


class Credential(msgspec.Struct, frozen=True):
    """A key of an account, by its name ``organizations/…/apiKeys/…``."""

    account: str
    key: str
    public_key: PublicKey

    @property
    def algorithm(self) -> str:
        return "ES256" if isinstance(self.public_key, EllipticCurvePublicKey) else "EdDSA"

    def verify(self, signed: bytes, signature: bytes) -> bool:
        """Whether *signature* is this key's of *signed*."""
        try:
            if isinstance(self.public_key, Ed25519PublicKey):
                self.public_key.verify(signature, signed)
            else:
                r, s = (
                    int.from_bytes(part, "big")
                    for part in (signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:])
                )
                self.public_key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return len(signature) == 2 * _COORDINATE_BYTES


def authenticate(credentials: Mapping[str, Credential], token: str, uri: str | None, now: int) -> Credential:
    """Whose *token* it is. *uri* is what it must be good for; None: it must be for no request, but for the stream.

    Raises ApiError without saying why, as the venue does.
    """
    try:
        head, body, signature = token.split(".")
        header, claims = (json.loads(_decoded(part)) for part in (head, body))
        credential = credentials[header["kid"]]
        signed = credential.verify(f"{head}.{body}".encode(), _decoded(signature))
        good = signed and header["alg"] == credential.algorithm and _good(claims, credential.key, uri, now)
    except (ValueError, KeyError, TypeError) as error:
        raise unauthorized() from error
    if not good:
        raise unauthorized()
    return credential


def _good(claims: Mapping[str, Any], key: str, uri: str | None, now: int) -> bool:
    at_s = now / 1_000_000
    lifetime = claims["exp"] - claims["nbf"]
    return bool(
        claims["sub"] == key
        and claims["iss"] == "cdp"
        and claims["nbf"] <= at_s + _AHEAD_S
        and at_s < claims["exp"]
        and 0 < lifetime <= LIFETIME_S
        and claims.get("uri") == uri
    )


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def credential(account: str, key: str, secret: str) -> Credential:
    """A *secret* is a P-256 or Ed25519 key in PEM, or Ed25519's in Base64. Raises ValueError."""
    return Credential(account, key, _public_key(secret))


def _public_key(secret: str) -> PublicKey:
    if "-----BEGIN" not in secret:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret, validate=True)[:_SEED_BYTES]).public_key()
    loaded = load_pem_private_key(secret.encode(), None)
    if isinstance(loaded, Ed25519PrivateKey):
        return loaded.public_key()
    if isinstance(loaded, EllipticCurvePrivateKey) and isinstance(loaded.curve, SECP256R1):
        return loaded.public_key()
    raise ValueError("secret is a key of another kind than P-256 and Ed25519")


def new_key() -> tuple[str, str]:
    """A key's name, and the private key on P-256 in PEM."""
    made = generate_private_key(SECP256R1())
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return f"organizations/{uuid4()}/apiKeys/{uuid4()}", pem.decode()
