"""What the doctor finds out before it judges. What couldn't be looked at is None."""

from collections.abc import Mapping

import msgspec

from observation.lags import GroupLag


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process whose metrics' address is known. *values* are those of its metrics that rules ask for."""

    name: str
    url: str
    answers: bool
    values: Mapping[str, float] = msgspec.field(default_factory=dict)


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """*detail* is why it doesn't answer, or what it doesn't tell; *version* is None where it can't be asked."""

    address: str
    answers: bool
    detail: str = ""
    version: str | None = None


class TopicFault(msgspec.Struct, frozen=True, kw_only=True):
    topic: str
    missing: bool
    what: str
    mend: str


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """*clock_offset_s* is the venue's clock minus this machine's. *credentials* is what is wrong with them."""

    name: str
    url: str | None
    answers: bool
    detail: str = ""
    clock_offset_s: float | None = None
    credentials: str | None = None


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Records or orders of one kind that somebody has to look at."""

    what: str
    count: int


class ClickHouse(msgspec.Struct, frozen=True, kw_only=True):
    """*refused* is why it can't be used although it answers. *newest_s* is the age of the newest row, by table."""

    address: str
    answers: bool
    detail: str = ""
    refused: str = ""
    version: str = ""
    migrations_missing: tuple[str, ...] = ()
    newest_s: Mapping[str, float] = msgspec.field(default_factory=dict)
    dead_letters: tuple[Trouble, ...] = ()
    unknown_orders: tuple[Trouble, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. *topics* and *groups* are None if there was no broker to ask."""

    broker: Broker
    clickhouse: ClickHouse
    processes: tuple[Process, ...] = ()
    venues: tuple[Venue, ...] = ()
    topics: tuple[TopicFault, ...] | None = None
    groups: tuple[GroupLag, ...] | None = None

    def of(self, kind: str) -> tuple[Process, ...]:
        """The processes of one *kind*: those of that name, or that begin with it and a hyphen."""
        return tuple(each for each in self.processes if each.name == kind or each.name.startswith(f"{kind}-"))

    def group(self, readers: str, venue: str | None = None) -> GroupLag | None:
        found = (lag for lag in self.groups or () if lag.group.readers == readers and lag.group.venue == venue)
        return next(found, None)
