"""Who sent an event, and when: an HMAC over the timestamp and the raw body, and a window around now.

The form is our own, as docs/webhook.md has it: no venue documents pushed events for spot orders.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

TIMESTAMP_HEADER: Final = "fillstream-timestamp"
SIGNATURE_HEADER: Final = "fillstream-signature"
#: How far the sender's clock and the event's way may be off, in either direction.
WINDOW_US: Final = 300_000_000

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE: Final = re.compile(r"[0-9a-fA-F]{64}")


class Fault(StrEnum):
    """Why an event is not believed."""

    UNSIGNED = "UNSIGNED"  # a header is missing, or is not what it should be
    BAD_SIGNATURE = "BAD_SIGNATURE"
    STALE = "STALE"  # or too early


def sign(secret: bytes, timestamp: str, body: bytes) -> str:
    """The signature of *body*, sent at *timestamp* (Unix seconds), in hex."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def fault(secrets: Iterable[bytes], headers: Mapping[str, str], body: bytes, now_us: int) -> Fault | None:
    """What is wrong with a request; None if one of *secrets* has signed it, lately. Header names are in lower case."""
    timestamp, signature = headers.get(TIMESTAMP_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
    if _TIMESTAMP.fullmatch(timestamp) is None or _SIGNATURE.fullmatch(signature) is None:
        return Fault.UNSIGNED
    matches = [hmac.compare_digest(sign(secret, timestamp, body), signature.lower()) for secret in secrets]
    if not any(matches):  # all were compared: how long that takes says nothing about which
        return Fault.BAD_SIGNATURE
    return Fault.STALE if abs(int(timestamp) * 1_000_000 - now_us) > WINDOW_US else None
