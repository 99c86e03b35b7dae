"""How Kraken wants requests signed, and numbered (documented: guides, "Spot REST Authentication").

A private call is a form, or JSON, with a ``nonce`` in it: an unsigned 64-bit integer that rises from call to call of
one key. ``API-Sign`` is base64 of HMAC-SHA-512 over the path and the SHA-256 of nonce and body, under the secret, which
is base64 itself.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from venue_gateways.credentials import Credentials

#: What needs no percent-encoding (RFC 3986 §2.3).
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]*")


class KrakenSigner:
    """Signs with the secret of one key, in bytes."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, path: str, nonce: int, body: bytes) -> str:
        """``API-Sign`` of *body*, which has *nonce* in it, for *path*."""
        digest = hashlib.sha256(str(nonce).encode() + body).digest()
        return base64.b64encode(hmac.new(self._secret, path.encode() + digest, hashlib.sha512).digest()).decode()


def signer(credentials: Credentials) -> KrakenSigner:
    """Raises SettingsError for a kind of key that is of no use here."""
    return KrakenSigner(credentials.secret_bytes())


class Nonces:
    """The nonces of one key: microseconds by the venue's clock, and always more than the one before.

    They rise through restarts because time does, and the venue's does so whatever becomes of this machine's clock. A
    key that somebody uses with longer numbers (nanoseconds) is spoilt for this.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def take(self, now_us: int) -> int:
        self._last = max(self._last + 1, now_us)
        return self._last


def form(fields: Iterable[tuple[str, str]]) -> bytes:
    """*fields* as a form, in their order."""
    return "&".join([f"{name}={_quoted(value)}" for name, value in fields]).encode("ascii")


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quote(value, safe="")
