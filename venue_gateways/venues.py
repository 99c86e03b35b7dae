"""Which venues there are, how to reach them, and the adapter of each.

A venue has as many names as it has accounts here: ``binance``, and ``binance.hedge`` for the account in the table
``[hedge]`` of the credentials. To the rest of the system these are different venues.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import msgspec

from runtime.settings import Settings, SettingsError
from venue_gateways import coinbase, credentials, kraken
from venue_gateways.binance import Binance
from venue_gateways.binance import signing as binance_signing
from venue_gateways.credentials import Credentials
from venue_gateways.venue import Adapter


class Venue(msgspec.Struct, frozen=True):
    """*url* and *stream_url* are the venue's own addresses; None: the settings must name them."""

    make: Callable[[str, Credentials, Settings], Adapter]
    url: str | None = None
    stream_url: str | None = None


def _binance(name: str, keys: Credentials, settings: Settings) -> Adapter:
    key, signer = keys.key.get_secret_value(), binance_signing.signer(keys)
    return Binance(name, key, signer, receive_window_ms=settings.receive_window_ms)


def _coinbase(name: str, keys: Credentials, settings: Settings) -> Adapter:
    """Tokens name the host that is called. Orders of one account carry one ID, so that none trades with another."""
    if settings.receive_window_ms < coinbase.LIFETIME_MIN_MS:
        raise SettingsError(f"receive_window_ms must be {coinbase.LIFETIME_MIN_MS} or more: tokens count whole seconds")
    return coinbase.Coinbase(
        name,
        keys.key.get_secret_value(),
        coinbase.private_key(keys),
        host=urlsplit(addresses(name, settings)[0]).netloc,
        lifetime_ms=settings.receive_window_ms,
        requests_per_s=settings.coinbase_requests_per_s,
        self_trade_prevention_id=str(uuid5(NAMESPACE_URL, f"fillstream:{name}")),
    )


def _kraken(name: str, keys: Credentials, settings: Settings) -> Adapter:
    key, signer = keys.key.get_secret_value(), kraken.signer(keys)
    tier = kraken.Tier(settings.kraken_tier)
    return kraken.Kraken(name, key, signer, receive_window_ms=settings.receive_window_ms, tier=tier)


VENUES: Final[Mapping[str, Venue]] = {
    "simulated": Venue(_binance),
    "coinbase": Venue(_coinbase, "https://api.coinbase.com", "wss://advanced-trade-ws-user.coinbase.com"),
    "binance": Venue(_binance, "https://api.binance.com", "wss://ws-api.binance.com:443/ws-api/v3"),
    "kraken": Venue(_kraken, "https://api.kraken.com", "wss://ws-auth.kraken.com/v2"),
}


def find(name: str) -> Venue:
    """Raises SettingsError for a venue that isn't there."""
    try:
        return VENUES[name.partition(".")[0]]
    except KeyError:
        raise SettingsError(f"venue {name!r} is unknown; there are: {', '.join(sorted(VENUES))}") from None


def keys(name: str, settings: Settings) -> Credentials:
    """The credentials of *name*'s account, as they are now. Raises SettingsError."""
    return credentials.load(settings.credentials, name.partition(".")[2], settings.credentials_passphrase)


def adapter(name: str, settings: Settings, found: Credentials | None = None) -> Adapter:
    """That of *name*'s account, whose credentials were *found* or are read now. Raises SettingsError."""
    made = find(name).make(name, found or keys(name, settings), settings)
    late_s = made.traits.late_us / 1_000_000
    venue = name.partition(".")[0]
    if settings.unknown_bounds_s.get(venue, settings.unknown_bound_s) < late_s:
        raise SettingsError(
            f"{name} may execute an order up to {late_s:g} s after it was signed: set unknown_bounds_s of {venue} to "
            "that or more, for workers and gateways alike"
        )
    return made


def addresses(name: str, settings: Settings) -> tuple[str, str]:
    """Where *name*'s REST API and its private stream are. Raises SettingsError if nobody knows."""
    venue = find(name)
    url, stream_url = settings.venue_url or venue.url, settings.venue_stream_url or venue.stream_url
    if url is None or stream_url is None:
        raise SettingsError(f"venue {name!r} has no address of its own: set venue_url and venue_stream_url")
    return url, stream_url
