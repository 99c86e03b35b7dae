"""A file of credentials that is encrypted with a passphrase: scrypt makes the key, Fernet does the rest."""

import base64
import os
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from runtime.settings import SettingsError

_FIRST_LINE: Final = b"fillstream keystore 1\n"
_SALT_BYTES: Final = 16
#: 64 MiB and a few tenths of a second for each guess (RFC 7914 explains the parameters).
_COST: Final = 1 << 16
_BLOCK: Final = 8
PASSPHRASE_LENGTH_MIN: Final = 12


def is_sealed(content: bytes) -> bool:
    return content.startswith(_FIRST_LINE)


def seal(content: bytes, passphrase: bytes) -> bytes:
    """*content* as the bytes of a keystore. Raises SettingsError for a passphrase that is too short."""
    if len(passphrase.strip()) < PASSPHRASE_LENGTH_MIN:
        raise SettingsError(f"the passphrase must have {PASSPHRASE_LENGTH_MIN} characters or more")
    salt = os.urandom(_SALT_BYTES)
    return _FIRST_LINE + base64.b64encode(salt) + b"\n" + _fernet(passphrase, salt).encrypt(content) + b"\n"


def open_sealed(sealed: bytes, passphrase: bytes, path: Path) -> bytes:
    """What was sealed. Raises SettingsError, which names *path*."""
    salt, _, token = sealed.removeprefix(_FIRST_LINE).partition(b"\n")
    try:
        return _fernet(passphrase, base64.b64decode(salt, validate=True)).decrypt(token.strip())
    except (InvalidToken, ValueError):
        raise SettingsError(f"keystore {path} doesn't open: the passphrase is another one, or it is damaged") from None


def _fernet(passphrase: bytes, salt: bytes) -> Fernet:
    """Line ends around a passphrase don't count: editors add them."""
    key = Scrypt(salt=salt, length=32, n=_COST, r=_BLOCK, p=1).derive(passphrase.strip())
    return Fernet(base64.urlsafe_b64encode(key))
