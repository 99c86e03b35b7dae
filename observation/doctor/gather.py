"""The doctor's look around: every part is asked at the same time, and none is waited for without a bound."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
from confluent_kafka import KafkaException
from prometheus_client.parser import text_string_to_metric_families

from observation import budget
from observation.doctor import clickhouse, places, venue, version
from observation.doctor.facts import Broker, Facts, Process, TopicFault
from observation.doctor.places import Places
from observation.lags import GroupLag, Lags
from observation.offsets import Offsets
from observation.outage import PASSING
from runtime import topics
from runtime.settings import Settings
from schemas import topics as catalog

#: Looks at the groups, from which their states follow.
LOOKS: Final = 3
_CLIENT_ID: Final = "fillstream-doctor"
_SCRAPE_WITHIN_S: Final = 3.0


def gather(settings: Settings, seconds: float) -> Facts:
    """All facts, of a stretch of *seconds* and what it takes to ask. Raises SettingsError."""
    found = places.find(settings)
    with ThreadPoolExecutor(len(found.metrics) + len(found.venues) + 2, thread_name_prefix="doctor") as pool:
        before = {name: pool.submit(_scrape, name, url) for name, url in found.metrics.items()}
        venues = [pool.submit(venue.look, name, own) for name, own in found.venues.items()]
        stored = pool.submit(clickhouse.look, found.settings)
        broker, faults, groups = _kafka(found, seconds)
        after = {name: pool.submit(_scrape, name, url) for name, url in found.metrics.items()}
        return Facts(
            broker=broker,
            topics=faults,
            groups=groups,
            processes=tuple(_lately(before[name].result(), scrape.result()) for name, scrape in after.items()),
            venues=tuple(look.result() for look in venues),
            clickhouse=stored.result(),
        )


# ── Kafka ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _kafka(
    reached: Places, seconds: float
) -> tuple[Broker, tuple[TopicFault, ...] | None, tuple[GroupLag, ...] | None]:
    """A broker answers if it tells its topics. What it doesn't tell beyond that is untold, and no other hop's fault."""
    settings, address = reached.settings, reached.settings.bootstrap_servers
    offsets = Offsets(settings, _CLIENT_ID)
    faults: tuple[TopicFault, ...] | None = None
    groups: tuple[GroupLag, ...] | None = None
    missed = ""
    try:
        existing = offsets.partitions()
    except PASSING as error:
        offsets.close()
        return Broker(address=address, answers=False, detail=_short(error)), None, None
    try:
        faults = tuple(_faults(settings, existing, reached.venues))
        groups = _groups(settings, offsets, seconds)
    except PASSING as error:
        missed = _short(error)
    finally:
        offsets.close()
    return Broker(address=address, answers=True, detail=missed, version=version.of(settings)), faults, groups


def _groups(settings: Settings, offsets: Offsets, seconds: float) -> tuple[GroupLag, ...]:
    lags = Lags(settings, offsets, budget.placements_per_s(settings), LOOKS)
    found = lags.look()
    for _ in range(LOOKS - 1):
        time.sleep(seconds / (LOOKS - 1))
        found = lags.look()
    return found


def _faults(settings: Settings, existing: Mapping[str, int], venues: Mapping[str, Settings]) -> Iterator[TopicFault]:
    for each in topics.check(settings, catalog.every(tuple(venues))):
        yield TopicFault(topic=each.topic, missing=each.topic not in existing, what=each.what, mend=each.mend)


def _short(error: Exception) -> str:
    said = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    return said or "nothing in time"


# ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────────

#: What rules ask for: by its name there, the metric, and the outcome that counts (None: all). Parts are added up.
_WANTED: Final[Mapping[str, tuple[str, str | None]]] = {
    "imbalance": ("fillstream_ledger_imbalance", None),
    "breaker": ("fillstream_venue_breaker_open", None),
    "credentials_stale": ("fillstream_venue_credentials_stale", None),
    "stopped": ("fillstream_sink_stopped", None),
    "calls_answered": ("fillstream_venue_calls_total", "ACCEPTED"),
}


def _scrape(name: str, url: str) -> Process:
    try:
        answer = httpx.get(url, timeout=_SCRAPE_WITHIN_S)
        answer.raise_for_status()
    except httpx.HTTPError:
        return Process(name=name, url=url, answers=False)
    return Process(name=name, url=url, answers=True, values=_values(answer.text))


def _values(text: str) -> Mapping[str, float]:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found: dict[str, float] = {}
    for key, (metric, outcome) in _WANTED.items():
        values = [
            each.value for each in samples if each.name == metric and outcome in {None, each.labels.get("outcome")}
        ]
        if values:
            found[key] = sum(map(abs, values))
    return found


def _lately(before: Process, after: Process) -> Process:
    """As it was in the end, but of calls only those that were answered in between."""
    calls = after.values.get("calls_answered", 0.0) - before.values.get("calls_answered", 0.0)
    values = {**after.values, "calls_answered": max(0.0, calls) if before.answers else 0.0}
    return Process(name=after.name, url=after.url, answers=after.answers, values=values)
