"""The consumer groups of an installation, and which topics each reads."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from analytics import sink
from runtime import instruments
from runtime.settings import Settings
from schemas import topics

WORKERS: Final = "workers"
SINK: Final = "sink"


class Group(msgspec.Struct, frozen=True):
    """*readers* says whose it is: ``workers``, ``sink``, or ``gateway`` of a *venue*."""

    name: str
    readers: str
    topics: tuple[str, ...]
    venue: str | None = None


def groups(settings: Settings, existing: Iterable[str]) -> tuple[Group, ...]:
    """All of them; the sink reads those of the *existing* topics that its patterns match. Raises SettingsError."""
    venues = sorted(instruments.load(settings.instruments).venues)
    workers = Group(topics.APPLICATION, WORKERS, tuple(topic.name for topic in topics.INPUTS))
    gateways = (
        Group(f"{topics.APPLICATION}-gateway-{venue}", "gateway", (topics.venue_requests(venue).name,), venue)
        for venue in venues
    )
    return (workers, *gateways, Group(sink.group_of(settings), SINK, _matching(sink.subscription(), existing)))


def _matching(subscription: Iterable[str], existing: Iterable[str]) -> tuple[str, ...]:
    """As librdkafka has it: what begins with ``^`` is a pattern, all else a name."""
    named, found = list(subscription), sorted(existing)
    patterns = [re.compile(each) for each in named if each.startswith("^")]
    plain = [each for each in named if not each.startswith("^")]
    return (*plain, *(name for name in found if any(pattern.match(name) for pattern in patterns)))
