"""How all groups stand on all their partitions, look after look."""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from observation import burrow, drain
from observation.burrow import Sample, State
from observation.groups import Group, groups
from observation.lag import Head, Place, Standing
from observation.offsets import Members, Offsets
from runtime.settings import Settings

#: Burrow's own default of looks that count.
WINDOW: Final = 10


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """A group on a partition. What isn't known is None."""

    place: Place
    committed: int | None
    records: int | None
    seconds: float | None
    state: State
    owner: str | None


class GroupLag(msgspec.Struct, frozen=True, kw_only=True):
    """A group on all its partitions, at *at_s* since the epoch. *drain_s* is by topic, where it is known."""

    group: Group
    at_s: float
    members: tuple[str, ...]
    partitions: tuple[PartitionLag, ...]
    drain_s: Mapping[str, float]


class Lags:
    """Looks at *offsets*, and remembers the last looks.

    *placements_per_s* is how many placements a second each venue takes. A gateway that has done more lately, because
    its venue told it of larger limits, is believed.
    """

    def __init__(
        self, settings: Settings, offsets: Offsets, placements_per_s: Mapping[str, float], window: int = WINDOW
    ) -> None:
        self._settings = settings
        self._offsets = offsets
        self._placements_per_s = placements_per_s
        self._window = window
        self._samples: dict[tuple[str, Place], deque[Sample]] = defaultdict(lambda: deque(maxlen=window))
        self._heads: dict[tuple[str, Place], tuple[int, Head]] = {}

    def look(self) -> tuple[GroupLag, ...]:
        """How each group stands now. Raises KafkaException if the broker doesn't answer, SettingsError."""
        existing = self._offsets.partitions()
        found = groups(self._settings, existing)
        members = self._offsets.members([group.name for group in found])
        return tuple(self._look(group, existing, members[group.name]) for group in found)

    def _look(self, group: Group, existing: Mapping[str, int], members: Members) -> GroupLag:
        places = [Place(topic, number) for topic in group.topics for number in range(existing.get(topic, 0))]
        committed = self._offsets.committed(group.name, places)  # first: a log that grows meanwhile has more, not less
        bounds = self._offsets.bounds(places)
        at_s = time.time()
        heads = self._heads_of(group.name, committed, {place: end for place, (_, end) in bounds.items()})
        standings = [
            Standing(place=place, committed=committed.get(place), first=first, end=end, head=heads.get(place))
            for place, (first, end) in sorted(bounds.items())
        ]
        partitions = tuple(self._noted(group.name, standing, members, at_s) for standing in standings)
        return GroupLag(
            group=group,
            at_s=at_s,
            members=members.names,
            partitions=partitions,
            drain_s=dict(self._drains(group, partitions)),
        )

    def _heads_of(self, group: str, committed: Mapping[Place, int], ends: Mapping[Place, int]) -> Mapping[Place, Head]:
        """What waits at the committed offsets that have something behind them: read once, as long as they don't move.

        That nothing was there is only remembered as long as nothing comes.
        """
        behind = {place: offset for place, offset in committed.items() if offset < ends.get(place, 0)}
        known = {
            place: head
            for place, offset in behind.items()
            if (kept := self._heads.get((group, place))) is not None
            and kept[0] == offset
            and ((head := kept[1]).timestamp_ms is not None or head.end >= ends[place])
        }
        read = self._offsets.heads({place: offset for place, offset in behind.items() if place not in known})
        self._heads |= {(group, place): (behind[place], head) for place, head in read.items()}
        return {**known, **read}

    def _noted(self, group: str, standing: Standing, members: Members, at_s: float) -> PartitionLag:
        place, records = standing.place, standing.lag_records
        samples = self._samples[group, place]
        samples.append(Sample(at_s, standing.committed, records, place in members.owners))
        return PartitionLag(
            place=place,
            committed=standing.committed,
            records=records,
            seconds=standing.lag_s(at_s * 1_000),
            state=burrow.state(tuple(samples), self._window),
            owner=members.owners.get(place),
        )

    def _drains(self, group: Group, partitions: Sequence[PartitionLag]) -> Iterator[tuple[str, float]]:
        by_topic: dict[str, list[PartitionLag]] = defaultdict(list)
        for partition in partitions:
            by_topic[partition.place.topic].append(partition)
        for topic, lags in by_topic.items():
            rate = drain.consumed_per_s(tuple(self._samples[group.name, lag.place]) for lag in lags)
            allowed = self._placements_per_s.get(group.venue or "")
            if allowed is not None:
                rate = max(allowed, rate or 0.0)
            waiting = _total(lags)
            seconds = None if waiting is None else drain.drain_s(waiting, rate)
            if seconds is not None:
                yield topic, seconds


def _total(lags: Iterable[PartitionLag]) -> int | None:
    """None unless it is known of all."""
    known = [lag.records for lag in lags]
    return None if None in known else sum(records for records in known if records is not None)
