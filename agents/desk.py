"""What the agents share: the tables of a partition, and the way of a decision into tables and topics."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from agents import metrics
from domain import commands, decision, money
from domain.decision import Cause, Decision, Policy
from domain.instruments import Rulebook
from domain.messages import Answer, DeadLetter, JournalEntry, Message, OrderEvent, VenueRequest
from domain.state import FirstAnswer
from schemas import codec, topics
from streaming.chunk import Chunk, Record
from streaming.table import Table
from tables.answers import AnswerRows
from tables.balances import BalanceRows
from tables.orders import OrderRows

MessageT = TypeVar("MessageT", bound=Message)

#: What a dead letter keeps of an explanation: enough to act on, whatever the input tried to smuggle into it.
DETAIL_LENGTH_MAX: Final = 500
STAGE: Final = "agents"
_EVENTS: Final = topics.ORDER_EVENTS.name
_ENTRIES: Final = topics.LEDGER_ENTRIES.name


class Desk:
    """One partition's tables, the rules, and where decisions go. Made anew for each chunk."""

    __slots__ = (
        "_encode_entry",
        "_encode_event",
        "_encode_request",
        "_told",
        "answers",
        "balances",
        "chunk",
        "orders",
        "policy",
        "rules",
    )

    def __init__(self, chunk: Chunk, books: "Books") -> None:
        self.chunk = chunk
        self.policy = books.policy
        self.rules = books.rules
        self.orders: OrderRows = books.orders.partition(chunk.partition)
        self.balances: BalanceRows = books.balances.partition(chunk.partition)
        self.answers: AnswerRows = books.answers.partition(chunk.partition)
        self._told: dict[metrics.Told, int] = {}
        self._encode_event = codec.encoder(OrderEvent)
        self._encode_entry = codec.encoder(JournalEntry)
        self._encode_request = codec.encoder(VenueRequest)

    def decision(self, record: Record) -> Decision:
        """An empty decision on *record*, at the broker's time of it."""
        chunk = self.chunk
        return Decision(
            Cause(chunk.topic, chunk.partition, record.offset, record.timestamp * 1_000), self.policy, self.rules
        )

    def publish(self, decided: Decision) -> None:
        """Stores the rows and emits the messages of a decision."""
        for order in decided.orders:
            self.orders.store(order)
        if decided.entries:
            self.balances.post(decided.entries)
        emit = self.chunk.emit
        for event in decided.events:
            self._tally(event)
            emit(_EVENTS, self._encode_event(event), event.user_id.encode())
        for entry in decided.entries:
            emit(_ENTRIES, self._encode_entry(entry), entry.user_id.encode())
        for request in decided.requests:
            topic = topics.venue_requests(request.venue).name
            emit(topic, self._encode_request(request), request.user_id.encode())

    def _tally(self, event: OrderEvent) -> None:
        answer = event.answer
        told = (event.kind, answer, event.reason if answer is Answer.REJECTED else None)
        self._told[told] = self._told.get(told, 0) + 1

    def close(self) -> None:
        """Counts what the chunk's inputs were told, once all are decided; a ledger that is off shows at once."""
        metrics.count(self._told)
        if any(self.balances.totals.values()):
            self.attest()

    def attest(self) -> None:
        """Shows what the ledger of this partition fails to balance by; nothing, if all is well."""
        for asset, amount in self.balances.totals.items():
            metrics.IMBALANCE.labels(self.chunk.partition, asset).set(amount / money.ONE)
        metrics.ORDERS.labels(self.chunk.partition).set(len(self.orders))

    def read(self, record: Record, decode: Callable[[bytes | None], MessageT]) -> MessageT | None:
        """The message that *decode* finds in *record*, or None after burying what is none."""
        try:
            return decode(record.value or b"")
        except codec.Undecodable as error:
            self.bury(record, error.reason, str(error))
            return None

    def remember(self, key: bytes, decided: Decision) -> None:
        """Keeps the answer that *decided* gives, for a repeat of the same input."""
        forget_at = decided.cause.now + self.policy.answer_retention_us
        for event in decided.events:
            if event.answer is not None:  # one of them, at most
                first = FirstAnswer(event.answer, event.reason, event.order_id, decided.cause.offset, forget_at)
                self.answers.put(key, first)

    def repeat(self, record: Record, user_id: str, command_id: str, first: FirstAnswer) -> None:
        """Answers a repeated input like the first one."""
        decided = self.decision(record)
        commands.repeat(decided, user_id, command_id, first)
        self.publish(decided)

    def bury(self, record: Record, reason: str, detail: str) -> None:
        """Writes *record* whole to the dead letters, with its coordinates."""
        chunk = self.chunk
        metrics.DEAD_LETTERS.labels(chunk.topic, reason).inc()
        letter = DeadLetter(
            chunk.topic,
            chunk.partition,
            record.offset,
            record.timestamp * 1_000,
            STAGE,
            reason,
            detail[:DETAIL_LENGTH_MAX],
            record.timestamp * 1_000,
            record.key,
            record.value,
        )
        self.chunk.emit(topics.DEAD_LETTERS.name, codec.encode(letter), record.key)


class Books:
    """The tables of all partitions, and the rules that decisions follow."""

    __slots__ = ("answers", "balances", "orders", "policy", "rules")

    def __init__(self, orders: Table, balances: Table, answers: Table, rules: Rulebook, policy: Policy) -> None:
        self.orders = orders
        self.balances = balances
        self.answers = answers
        self.rules = rules
        self.policy = policy

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them, in the order in which a chunk writes them."""
        return self.orders, self.balances, self.answers


def policy(
    unknown_bound_s: float,
    order_retention_s: int,
    answer_retention_s: int,
    unknown_bounds_s: Mapping[str, float] | None = None,
) -> Policy:
    """The policy that settings in seconds ask for."""
    second = decision.SECOND_US
    return Policy(
        unknown_bound_us=int(unknown_bound_s * second),
        unknown_bounds_us={venue: int(bound_s * second) for venue, bound_s in (unknown_bounds_s or {}).items()},
        order_retention_us=order_retention_s * second,
        answer_retention_us=answer_retention_s * second,
    )
