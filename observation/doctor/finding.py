"""What the doctor says of a hop."""

from enum import IntEnum, StrEnum
from typing import Final

import msgspec


class Hop(StrEnum):
    """The hops, in the order in which one is blamed before another that can't work without it."""

    BROKER = "broker"
    TOPICS = "topics"
    WORKERS = "workers"
    VENUE = "venue"
    GATEWAY = "gateway"
    CLICKHOUSE = "ClickHouse"
    SINK = "sink"
    PROBE = "probe"
    DEAD_LETTERS = "dead letters"
    ORDERS = "orders"


class Verdict(IntEnum):
    """How bad it is. UNTOLD: what would tell is behind something that is broken."""

    OK = 0
    UNTOLD = 1
    WARN = 2
    BROKEN = 3


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """*subject* is which one of the hop's, where there are several. A remedy is what to do, as an imperative."""

    hop: Hop
    verdict: Verdict
    evidence: str
    remedy: str = ""
    subject: str = ""

    @property
    def name(self) -> str:
        return f"{self.hop} {self.subject}".strip()

    @property
    def phrase(self) -> str:
        """The hop, as a sentence has it."""
        return _PHRASES.get(self.hop, f"the {self.hop}").format(self.subject)


_PHRASES: Final = {
    Hop.TOPICS: "topic {}",
    Hop.VENUE: "the venue {}",
    Hop.GATEWAY: "the gateway to {}",
    Hop.CLICKHOUSE: "ClickHouse",
}
