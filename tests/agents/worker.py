"""A worker's tables without a worker: one partition, real rows, real codec, no Kafka."""

from dataclasses import dataclass, field

from agents import desk
from agents.app import takers
from domain.messages import (
    DeadLetter,
    JournalEntry,
    Message,
    OrderCommand,
    OrderEvent,
    OrderType,
    PlaceOrder,
    Side,
    Tick,
    Transfer,
    TransferDirection,
    VenueReport,
    VenueRequest,
)
from domain.money import parse
from domain.state import Balance, FirstAnswer, Order
from runtime import instruments
from schemas import codec, topics
from streaming.chunk import Chunk
from streaming.table import Fingerprint
from tables.answers import AnswerRows
from tables.balances import BalanceRows
from tables.orders import OrderRows

NOW_MS = 1_800_000_000_000
_VALUES = {
    topics.ORDER_EVENTS.name: OrderEvent,
    topics.LEDGER_ENTRIES.name: JournalEntry,
    topics.DEAD_LETTERS.name: DeadLetter,
    topics.venue_requests("simulated").name: VenueRequest,
}


@dataclass
class InputRecord:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple = ()


class OnePartition:
    def __init__(self, rows):
        self.rows = rows

    def partition(self, _number):
        return self.rows


@dataclass
class Worker:
    """Feeds records to the agents' functions and collects what they emit."""

    partitions: int = 1
    offset: int = 0
    now_ms: int = NOW_MS
    events: list[OrderEvent] = field(default_factory=list)
    entries: list[JournalEntry] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    requests: list[VenueRequest] = field(default_factory=list)

    def __post_init__(self):
        self.orders = OrderRows(Order, Fingerprint("orders"), {})
        self.balances = BalanceRows(Balance, Fingerprint("balances"), {})
        self.answers = AnswerRows(FirstAnswer, Fingerprint("answers"), {})
        tables = (OnePartition(rows) for rows in (self.orders, self.balances, self.answers))
        self.books = desk.Books(*tables, instruments.load(), desk.policy(16, 60, 120))

    def feed(self, topic: topics.Topic, *records: tuple[bytes | None, bytes | None]) -> None:
        """Gives *records* (key and value) to the agent of *topic*, as one chunk."""
        chunk_records = []
        for key, value in records:
            chunk_records.append(InputRecord(self.offset, self.now_ms, key, value))
            self.offset += 1
        outgoing: list[tuple[str, bytes | None]] = []
        chunk = Chunk(topic.name, 0, chunk_records, lambda topic, value, _key: outgoing.append((topic, value)))
        takers(self.books, self.partitions)[topic.name](chunk)
        kept = {OrderEvent: self.events, JournalEntry: self.entries, DeadLetter: self.letters}
        for name, value in outgoing:
            message = codec.decode(value, _VALUES[name])
            kept.get(type(message), self.requests).append(message)

    def send(self, topic: topics.Topic, *messages: Message) -> None:
        """Feeds well-made *messages*, keyed as they should be."""
        self.feed(topic, *((_key(message), codec.encode(message)) for message in messages))

    def tick(self, seconds: int = 0) -> None:
        """Lets time pass, then ticks."""
        self.now_ms += seconds * 1_000
        self.send(topics.TICKS, Tick(self.now_ms * 1_000))

    def credit(self, user: str = "alice", asset: str = "USD", amount: str = "100000") -> None:
        transfer = Transfer(f"{user}-{asset}-{self.offset}", user, asset, TransferDirection.CREDIT, parse(amount), 0)
        self.send(topics.TRANSFERS, transfer)


def _key(message: Message) -> bytes | None:
    match message:
        case OrderCommand() | Transfer():
            return message.user_id.encode()
        case VenueReport():
            return message.client_order_id.encode()
    return None


def a_place(order_id: str = "o1", user: str = "alice", command_id: str | None = None, **changes) -> OrderCommand:
    fields = {
        "order_id": order_id,
        "venue": "simulated",
        "symbol": "BTC-USD",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": parse("0.5"),
        "price": parse("50000"),
    }
    return OrderCommand(command_id or f"place {order_id}", user, 0, PlaceOrder(**(fields | changes)))
