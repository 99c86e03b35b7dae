"""``fillstream venue sign``: exactly what signing adds to a request, wherever it comes from."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import typer

from runtime.exits import Exit
from runtime.settings import Settings, SettingsError
from venue_gateways import venues
from venue_gateways.clock import wall_us
from venue_gateways.debugging.dialects import Unsigned, dialect

#: How many digits an instant has in each unit, as long as people live who read this.
_MICROSECONDS: Final = {10: 1_000_000, 13: 1_000, 16: 1}


def main(  # noqa: PLR0913  # as many as the command has options
    settings: Settings,
    *,
    venue: str,
    credentials: Path | None,
    method: str,
    path: str,
    query: str,
    body: str,
    time: str | None,
    nonce: str | None,
) -> int:
    """Print what the venue's signing adds: a line each, where to and the text. Raises SettingsError."""
    url = settings.venue_url or venues.find(venue).url or ""  # only Coinbase signs it, and has one of its own
    settings = with_credentials(settings, credentials)
    request = Unsigned(
        method=method.upper(),
        host=urlsplit(url).netloc,
        path=path,
        query=query,
        body=body,
        time_us=None if time is None else instant_us(time),
        nonce=nonce,
    )
    for where, text in dialect(venue).sign(venues.keys(venue, settings), request, wall_us()):
        typer.echo(f"{where:<8}{text}")
    return Exit.OK


def with_credentials(settings: Settings, credentials: Path | None) -> Settings:
    return settings if credentials is None else settings.model_copy(update={"credentials": credentials})


def instant_us(text: str) -> int:
    """An instant in ISO 8601, or since the epoch in seconds, milli- or microseconds. Raises SettingsError."""
    if text.isdecimal() and len(text) in _MICROSECONDS:
        return int(text) * _MICROSECONDS[len(text)]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{text!r} is no instant: write it as 2026-01-31T12:00:00Z, or since the epoch in s, ms or us"
        ) from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)
