"""New credentials without a restart: when their files change, the next call is signed with what they have then."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from runtime.settings import SettingsError
from venue_gateways import metrics
from venue_gateways.credentials import Credentials
from venue_gateways.venue import Adapter

#: Between looks at the files; and at files that could not be used, since what they lack may come.
_LOOK_S: Final = 1.0
_RETRY_S: Final = 5.0

log = structlog.get_logger()

#: Of each file: what changes whenever it is written, replaced or given another mode. None: it isn't there.
Stamps = tuple[tuple[int, ...] | None, ...]


class Rotation:
    """*load* reads the credentials of *adapter*'s account, which were *first*, and raises SettingsError.

    What can't be used changes nothing, and is told once: the former key is used on.
    """

    def __init__(self, adapter: Adapter, load: Callable[[], Credentials], first: Credentials) -> None:
        self._adapter = adapter
        self._load = load
        self._files = first.files
        self._stamps = _stamps(first.files)
        self._fault: str | None = None
        metrics.CREDENTIALS_STALE.labels(adapter.name).set(0)

    async def run(self, renewed: Callable[[], None]) -> None:
        """Runs until it is canceled; tells *renewed* of every change."""
        while True:
            await asyncio.sleep(_RETRY_S if self._fault else _LOOK_S)
            if await self.look():
                renewed()

    async def look(self) -> bool:
        """Take new credentials if there are any, and say so."""
        stamps = _stamps(self._files)
        if stamps == self._stamps:
            return False
        try:
            found = await asyncio.to_thread(self._load)
            self._adapter.rekey(found)
        except SettingsError as error:
            self._refused(str(error))
            return False
        self._taken(found, stamps)
        return True

    def _refused(self, fault: str) -> None:
        metrics.CREDENTIALS_STALE.labels(self._adapter.name).set(1)
        if fault != self._fault:
            log.error("credentials_unusable", error=fault, advice="the former key is used on until the file is mended")
        self._fault = fault

    def _taken(self, found: Credentials, stamps: Stamps) -> None:
        """*stamps* are from before *found* was read, so that what was written meanwhile is read at the next look."""
        self._stamps = stamps if found.files == self._files else _stamps(found.files)
        self._files, self._fault = found.files, None
        metrics.CREDENTIALS_STALE.labels(self._adapter.name).set(0)
        log.info("credentials_renewed", files=[str(file) for file in found.files])


def _stamps(files: tuple[Path, ...]) -> Stamps:
    return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
