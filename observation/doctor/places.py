"""Where the parts of the installation to look at are: as ``fillstream up`` has it here, or as the settings say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from runtime import instruments
from runtime.services import Endpoints
from runtime.settings import Settings, SettingsError
from venue_gateways import venues


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """*settings* reach Kafka and ClickHouse. *metrics* are addresses by the name of a process.

    *venues* are settings by the venue's name, which reach it as its gateway does.
    """

    settings: Settings
    metrics: Mapping[str, str]
    venues: Mapping[str, Settings]


def find(settings: Settings) -> Places:
    """An installation that runs here is meant, unless the settings name another. Raises SettingsError."""
    here = _running_here(settings)
    update: dict[str, Any] = {}
    if here is not None:
        update = {"bootstrap_servers": here.bootstrap, "clickhouse_url": here.clickhouse}
        made = settings.var / "instruments.toml"
        if settings.instruments is None and made.exists() and set(here.venues) - {instruments.SIMULATED}:
            update["instruments"] = made.absolute()
    reached = settings.model_copy(update=update)
    traded = sorted(instruments.load(reached.instruments).venues)
    return Places(
        settings=reached,
        metrics={**(here.metrics if here is not None else {}), **settings.metrics_endpoints},
        venues={venue: reached.model_copy(update=_venue(here, venue)) for venue in traded},
    )


def url_of(venue: str, settings: Settings) -> str | None:
    """The venue's address, or None if nobody knows it."""
    try:
        return venues.addresses(venue, settings)[0]
    except SettingsError:
        return None


def _running_here(settings: Settings) -> Endpoints | None:
    """What runs under ``var``, unless somebody has set another broker than its own."""
    file = settings.var / "endpoints.json"
    if not file.exists():
        return None
    try:
        here = msgspec.json.decode(file.read_bytes(), type=Endpoints)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{file} can't be read ({error}): is it of another version?") from error
    another = "bootstrap_servers" in settings.model_fields_set and settings.bootstrap_servers != here.bootstrap
    return None if another else here


def _venue(here: Endpoints | None, venue: str) -> dict[str, Any]:
    """A simulated venue keeps the credentials that it gives out beside its journal."""
    if here is None or venue not in here.venues:
        return {}
    found = here.venues[venue]
    credentials = Path(found.journal).with_name("credentials.toml")
    return {"venue_url": found.url, "venue_stream_url": found.stream_url, "credentials": credentials}
