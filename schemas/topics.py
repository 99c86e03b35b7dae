"""Every topic: its schema, its key, and how the broker must keep it. The one place that knows."""

from collections.abc import Iterator
from typing import Final

import msgspec

from domain import messages, observations, state

APPLICATION: Final = "fillstream"
DAY_MS: Final = 86_400_000
#: What our producers send at most: twice what a broker takes from others.
MESSAGE_BYTES_MAX: Final = 2 * 1_048_588
#: An order's row has the IDs of all its trades. A row that the broker refused would stop its partition for good; this
#: is room for two hundred thousand of the longest.
ROW_BYTES_MAX: Final = 8_000_000
#: Only full segments are ever compacted, so a restart reads the newest one whole: with Kafka's own size, a gibibyte of
#: each changelog and partition. This is the size that Kafka gives its own compacted topic (``__consumer_offsets``).
COMPACTED_SEGMENT_BYTES: Final = 100 * 1_048_576


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it must be on the broker.

    *stamped_by_broker* makes the broker write each record's timestamp (``message.timestamp.type=LogAppendTime``):
    decisions take their time from it, and a producer's clock must not decide about money. *message_bytes_max* is the
    broker's own limit (1 MiB) unless set.
    """

    name: str
    value: type[messages.Message]
    key: str
    compacted: bool = False
    stamped_by_broker: bool = False
    retention_ms: int = 7 * DAY_MS
    message_bytes_max: int | None = None

    def config(self) -> dict[str, str]:
        """The topic's settings, by their Kafka names."""
        config = {"message.timestamp.type": "LogAppendTime" if self.stamped_by_broker else "CreateTime"}
        if self.message_bytes_max is not None:
            config["max.message.bytes"] = str(self.message_bytes_max)
        if self.compacted:  # compact only: a changelog that also deletes would forget rows that never change
            return config | {"cleanup.policy": "compact", "segment.bytes": str(COMPACTED_SEGMENT_BYTES)}
        return config | {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


ORDER_COMMANDS = Topic(name="order-commands", value=messages.OrderCommand, key="user_id", stamped_by_broker=True)
TRANSFERS = Topic(name="transfers", value=messages.Transfer, key="user_id", stamped_by_broker=True)
TICKS = Topic(name="ticks", value=messages.Tick, key="none", stamped_by_broker=True)  # kept, too: an audit needs them
VENUE_REPORTS = Topic(name="venue-reports", value=messages.VenueReport, key="client_order_id", stamped_by_broker=True)
ORDER_EVENTS = Topic(name="order-events", value=messages.OrderEvent, key="user_id")
LEDGER_ENTRIES = Topic(name="ledger-entries", value=messages.JournalEntry, key="user_id")
DEAD_LETTERS = Topic(
    name="dead-letters",
    value=messages.DeadLetter,
    key="the source's",
    retention_ms=30 * DAY_MS,
    message_bytes_max=MESSAGE_BYTES_MAX,  # a letter holds a whole record, which may be as large as its topic allows
)
#: Kept longer than the letters are: it says who had what done again.
REPLAYS = Topic(name="replays", value=messages.Replay, key="the dead record's coordinates", retention_ms=365 * DAY_MS)
QUOTES = Topic(name="quotes", value=observations.Quote, key="symbol")
VENUE_BALANCES = Topic(
    name="venue-balances", value=observations.VenueBalance, key="venue", retention_ms=30 * DAY_MS
)  # evidence of differences, which take people a while to look into

ORDERS_CHANGELOG = Topic(
    name=f"{APPLICATION}-orders-changelog",
    value=state.Order,
    key="order key, 12 bytes",
    compacted=True,
    message_bytes_max=ROW_BYTES_MAX,
)
BALANCES_CHANGELOG = Topic(
    name=f"{APPLICATION}-balances-changelog", value=state.Balance, key="owner, 0x1f, asset", compacted=True
)
ANSWERS_CHANGELOG = Topic(
    name=f"{APPLICATION}-answers-changelog", value=state.FirstAnswer, key="command or order key", compacted=True
)
POSITIONS_CHANGELOG = Topic(
    name=f"{APPLICATION}-positions-changelog", value=state.Position, key="topic name", compacted=True
)

INPUTS: Final = (ORDER_COMMANDS, TRANSFERS, VENUE_REPORTS, TICKS)
OUTPUTS: Final = (ORDER_EVENTS, LEDGER_ENTRIES, DEAD_LETTERS)
#: What gateways see of venues besides orders. No decision reads it.
OBSERVATIONS: Final = (QUOTES, VENUE_BALANCES)
#: What operators do. `fillstream dlq` writes and reads it; the sink leaves it alone.
OPERATIONS: Final = (REPLAYS,)
CHANGELOGS: Final = (ORDERS_CHANGELOG, BALANCES_CHANGELOG, ANSWERS_CHANGELOG, POSITIONS_CHANGELOG)


def venue_requests(venue: str) -> Topic:
    """The topic of requests to *venue*'s gateways."""
    return Topic(name=f"venue-requests.{venue}", value=messages.VenueRequest, key="user_id")


def every(venues: tuple[str, ...]) -> Iterator[Topic]:
    """All topics of an installation that trades on *venues*."""
    yield from INPUTS
    yield from OUTPUTS
    yield from OBSERVATIONS
    yield from OPERATIONS
    yield from CHANGELOGS
    yield from (venue_requests(venue) for venue in venues)
