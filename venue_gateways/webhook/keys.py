"""The secrets that events are signed with: lines of a file, read again when it changes, so that they can be rotated."""

from pathlib import Path
from typing import Final

import structlog

from runtime import telemetry
from runtime.settings import SettingsError
from venue_gateways.credentials import read_private

#: Characters; 32 hex digits have 128 bits.
LENGTH_MIN: Final = 32
SECRETS_MAX: Final = 8

log = structlog.get_logger()


class Secrets:
    """What is in *path* counts: while a secret is rotated, the old one and the new. Raises SettingsError at first.

    Later, a file that can't be used changes nothing, and is told once: events with the former secrets are believed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._secrets = _load(path)

    def current(self) -> tuple[bytes, ...]:
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._renew()
        return self._secrets

    def _renew(self) -> None:
        try:
            self._secrets = _load(self._path)
        except SettingsError as error:
            log.error(  # noqa: TRY400  # what to do is in the message
                "webhook_secrets_unusable", error=str(error), advice="the former ones are used until the file is mended"
            )
        else:
            log.info("webhook_secrets_renewed", count=len(self._secrets))


def _load(path: Path) -> tuple[bytes, ...]:
    try:
        secrets = read_private(path).decode("ascii").split()
    except UnicodeDecodeError:
        raise SettingsError(f"webhook_secrets {path} is no text: write one secret on each line") from None
    if not 1 <= len(secrets) <= SECRETS_MAX or any(len(secret) < LENGTH_MIN for secret in secrets):
        raise SettingsError(
            f"webhook_secrets {path} must have 1 to {SECRETS_MAX} lines, each a secret of {LENGTH_MIN} characters or "
            f"more, as from: openssl rand -hex 32"
        )
    telemetry.hide(*secrets)
    return tuple(secret.encode() for secret in secrets)


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes whenever the file is written, replaced or given another mode; None: it isn't there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode
