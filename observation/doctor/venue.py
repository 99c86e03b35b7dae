"""A look at one venue: is it there, what time has it, and would it take our credentials for some."""

import asyncio
import time
from typing import Final

from observation.doctor import places
from observation.doctor.facts import Venue
from runtime.settings import Settings, SettingsError
from venue_gateways import venues
from venue_gateways.debugging.dialects import dialect
from venue_gateways.transport import Lost, NotSent, Transport
from venue_gateways.venue import Outcome, ReadClock

_ASK_WITHIN_S: Final = 4.0


def look(name: str, settings: Settings) -> Venue:
    """One public call, for the time. Raises SettingsError for a venue that there isn't."""
    url, credentials = places.url_of(name, settings), _credentials_fault(name, settings)
    if url is None:
        return Venue(name=name, url=None, answers=False, credentials=credentials)
    try:
        offset_s = asyncio.run(_clock_offset_s(name, settings, url))
    except TimeoutError:
        return Venue(
            name=name, url=url, answers=False, detail=f"nothing for {_ASK_WITHIN_S:g} s", credentials=credentials
        )
    except (NotSent, Lost, ValueError) as error:
        return Venue(name=name, url=url, answers=False, detail=str(error), credentials=credentials)
    return Venue(name=name, url=url, answers=True, clock_offset_s=offset_s, credentials=credentials)


async def _clock_offset_s(name: str, settings: Settings, url: str) -> float:
    """The venue's clock minus ours. Raises NotSent, Lost, TimeoutError; ValueError if the answer is no time."""
    adapter = venues.find(name).make(name, dialect(name).example(), settings)  # nothing private is asked
    async with Transport(url, 1) as transport, asyncio.timeout(_ASK_WITHIN_S):
        sent_us = time.time_ns() // 1_000
        response = await transport.send(adapter.build(ReadClock(), sent_us))
        received_us = time.time_ns() // 1_000
    answer = adapter.parse(ReadClock(), response)
    if answer.outcome is not Outcome.ACCEPTED:
        raise ValueError(f"HTTP status {response.status}")
    return (answer.venue_time_us - (sent_us + received_us) / 2) / 1_000_000


def _credentials_fault(name: str, settings: Settings) -> str | None:
    """What a gateway would say of its credentials; None if nothing, or if they aren't on this machine."""
    if settings.credentials is None:
        return None
    try:
        venues.adapter(name, settings)
    except SettingsError as error:
        return str(error)
    return None
