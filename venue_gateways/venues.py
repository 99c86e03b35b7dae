"""Which venues there are, how to reach them, and the adapter of each."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from runtime.settings import Settings, SettingsError
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import Ed25519Signer, HmacSigner, Signer
from venue_gateways.credentials import Credentials
from venue_gateways.venue import Adapter


class Venue(msgspec.Struct, frozen=True):
    """*url* and *stream_url* are the venue's own addresses; None: the settings must name them."""

    make: Callable[[str, Credentials, Settings], Adapter]
    url: str | None = None
    stream_url: str | None = None


def _binance(name: str, credentials: Credentials, settings: Settings) -> Adapter:
    signer: Signer
    if credentials.private_key is not None:
        signer = Ed25519Signer(credentials.private_key)
    else:
        signer = HmacSigner(credentials.secret.get_secret_value() if credentials.secret else "")
    key = credentials.key.get_secret_value()
    return Binance(name, key, signer, receive_window_ms=settings.receive_window_ms)


VENUES: Final[Mapping[str, Venue]] = {
    "simulated": Venue(_binance),
    "binance": Venue(_binance, "https://api.binance.com", "wss://ws-api.binance.com:443/ws-api/v3"),
}


def find(name: str) -> Venue:
    """Raises SettingsError for a venue that isn't there."""
    try:
        return VENUES[name]
    except KeyError:
        raise SettingsError(f"venue {name!r} is unknown; there are: {', '.join(sorted(VENUES))}") from None


def addresses(name: str, settings: Settings) -> tuple[str, str]:
    """Where *name*'s REST API and its private stream are. Raises SettingsError if nobody knows."""
    venue = find(name)
    url, stream_url = settings.venue_url or venue.url, settings.venue_stream_url or venue.stream_url
    if url is None or stream_url is None:
        raise SettingsError(f"venue {name!r} has no address of its own: set venue_url and venue_stream_url")
    return url, stream_url
