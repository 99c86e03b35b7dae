"""Microseconds to decide one input, by its kind and by the stage that they go to: the agents' own code, without Kafka.

``python -m benchmarks.decide``. Orders are placed, acknowledged and filled by the functions that the agents call, on
real rows, with the real codec. The totals come from rounds that are only timed; the stages from rounds in which the
functions at each stage's border are wrapped in a stopwatch, whose own cost is taken off. CPU time, best of the rounds.
"""

import argparse
import gc
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from agents import desk, orders, reports
from agents.app import takers
from domain import commands, ids, money
from domain import reports as interpreting
from domain.messages import (
    Evidence,
    Liquidity,
    OrderCommand,
    OrderStatus,
    OrderType,
    PlaceOrder,
    ReportKind,
    Side,
    Transfer,
    TransferDirection,
    VenueReport,
    VenueRequest,
)
from domain.state import Balance, FirstAnswer, Order
from runtime import instruments
from schemas import codec, topics
from streaming.chunk import Chunk, Emit
from streaming.table import Fingerprint, Rows
from tables.answers import AnswerRows
from tables.balances import BalanceRows
from tables.orders import OrderRows

ROUNDS: Final = 5
CHUNK_RECORDS: Final = 500
NOW_MS: Final = 1_763_780_000_123
QUANTITY: Final = money.parse("0.01")
PRICE: Final = money.parse("64123.45")
FEE: Final = money.parse("0.00001")
DEPOSIT: Final = money.parse("10000000")
VENUE: Final = "simulated"
SYMBOL: Final = "BTC-USD"
REQUESTS: Final = topics.venue_requests(VENUE).name
KINDS: Final = ("place", "acknowledged", "fill")

OWN: Final = "agents' own"
#: Whose time is whose: the functions at the border of each stage.
BORDERS: Final[tuple[tuple[str, object, str], ...]] = (
    (OWN, orders, "take_commands"),
    (OWN, reports, "take_reports"),
    ("ids", ids, "command_key"),
    ("ids", ids, "order_key"),
    ("ids", ids, "client_order_id"),
    ("ids", ids, "parse_client_order_id"),
    ("ids", orders, "partition_of"),
    ("look up", Rows, "get"),
    ("look up", BalanceRows, "available"),
    ("decide", commands, "refused_outright"),
    ("decide", commands, "place"),
    ("decide", interpreting, "interpret"),
    ("store", OrderRows, "store"),
    ("store", OrderRows, "put"),
    ("store", BalanceRows, "post"),
    ("store", AnswerRows, "put"),
)
#: Those that make the functions of a stage, once a chunk.
MAKERS: Final[tuple[tuple[str, object, str], ...]] = (("decode", codec, "decoder"), ("encode", codec, "encoder"))
STAGES: Final = tuple(dict.fromkeys(stage for stage, _, _ in BORDERS + MAKERS))

Inputs = Sequence[tuple[bytes, bytes]]


class Load(msgspec.Struct, frozen=True):
    """How many orders of how many users, and how many of them at a time: placed, then acknowledged, then filled."""

    orders: int
    users: int
    in_flight: int


class InputRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as the transport hands it over."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class OnePartition:
    """A table of one partition."""

    def __init__(self, rows: Rows[Any]) -> None:
        self._rows = rows

    def partition(self, _number: int) -> Rows[Any]:
        return self._rows


class Worker:
    """One partition's tables, and users with money."""

    def __init__(self, users: int, now_ms: int = NOW_MS) -> None:
        self._now_ms = now_ms
        self.tables: dict[str, Rows[Any]] = {
            "orders": OrderRows(Order, Fingerprint("orders"), {}),
            "balances": BalanceRows(Balance, Fingerprint("balances"), {}),
            "answers": AnswerRows(FirstAnswer, Fingerprint("answers"), {}),
        }
        tables: dict[str, Any] = {name: OnePartition(rows) for name, rows in self.tables.items()}
        self.books = desk.Books(**tables, rules=instruments.load(), policy=desk.policy(16, 3_600, 3_600))
        self._take = takers(self.books, 1)
        self.users = [f"user-{number:06d}" for number in range(users)]
        self._offset = 0
        deposits = (Transfer(user, user, "USD", TransferDirection.CREDIT, DEPOSIT, 0) for user in self.users)
        self.feed(topics.TRANSFERS, [(deposit.user_id.encode(), codec.encode(deposit)) for deposit in deposits])

    def feed(
        self, topic: topics.Topic, inputs: Inputs, watch: "Stopwatch | None" = None, keep: Emit | None = None
    ) -> tuple[list[VenueRequest], float]:
        """Has the agents decide *inputs*, a chunk at a time: what they ask of venues, and the seconds of CPU they took.

        The rows' changes are taken after each chunk, as the lane does, outside of the time. *watch* runs while the
        agents are at work; *keep* is given all that they emit.
        """
        requests: list[bytes] = []

        def emit(topic: str, value: bytes | None, key: bytes | None) -> None:
            if topic == REQUESTS and value is not None:  # the rest has left the process by now, in a worker
                requests.append(value)
            if keep is not None:
                keep(topic, value, key)

        spent_s = 0.0
        for first in range(0, len(inputs), CHUNK_RECORDS):
            chunk = Chunk(topic.name, 0, self._records(inputs[first : first + CHUNK_RECORDS]), emit)
            with watch or nullcontext():
                began = time.process_time()
                self._take[chunk.topic](chunk)
                spent_s += time.process_time() - began
            for rows in self.tables.values():
                rows.changes()
        return [codec.decode(value, VenueRequest) for value in requests], spent_s

    def check(self, orders_placed: int) -> None:
        """Raises RuntimeError unless every order has been filled and the ledger balances."""
        found = Counter(order.status for _, order in self.tables["orders"].items())
        totals_ = self.books.balances.partition(0).totals
        if found != Counter({OrderStatus.FILLED: orders_placed}) or any(totals_.values()):
            raise RuntimeError(f"of {orders_placed} orders, there are {dict(found)}; the ledger is off by {totals_}")

    def _records(self, inputs: Inputs) -> list[InputRecord]:
        records = []
        for key, value in inputs:
            self._offset += 1
            records.append(InputRecord(self._offset, self._now_ms + self._offset // 10, key, value))
        return records


# ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────────


def placements(users: Sequence[str], numbers: Iterable[int]) -> Inputs:
    """Limit buys of *users* in turn, as upstream writes them."""
    inputs = []
    for number in numbers:
        user = users[number % len(users)]
        place = PlaceOrder(f"order-{number:011d}", VENUE, SYMBOL, Side.BUY, OrderType.LIMIT, QUANTITY, PRICE)
        inputs.append((user.encode(), codec.encode(OrderCommand(f"command-{number:011d}", user, 0, place))))
    return inputs


def acknowledged(asked: VenueRequest, number: int) -> VenueReport:
    """What a gateway reports of a placement that the venue took."""
    return VenueReport(
        asked.client_order_id,
        asked.venue,
        asked.symbol,
        ReportKind.ACKNOWLEDGED,
        Evidence.RESPONSE,
        NOW_MS * 1_000,
        request_id=asked.request_id,
        operation=asked.operation,
        venue_order_id=str(number),
        requested_at=asked.requested_at,
        sent_at=NOW_MS * 1_000,
        received_at=NOW_MS * 1_000,
        throttle_wait_us=0,
    )


def filled(asked: VenueRequest, number: int) -> VenueReport:
    """One trade of the whole order, from the venue's stream."""
    return VenueReport(
        asked.client_order_id,
        asked.venue,
        asked.symbol,
        ReportKind.FILL,
        Evidence.STREAM,
        NOW_MS * 1_000,
        venue_order_id=str(number),
        trade_id=str(number),
        fill_quantity=asked.quantity,
        fill_price=asked.price,
        fee=FEE,
        fee_asset="BTC",
        liquidity=Liquidity.TAKER,
        transacted_at=NOW_MS * 1_000,
    )


def inputs_of_reports(told: Iterable[VenueReport]) -> Inputs:
    return [(report.client_order_id.encode(), codec.encode(report)) for report in told]


# ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Stopwatch:
    """Charges CPU time to the stage that is innermost at each moment.

    Crossing a border has a price, paid by both sides. It is measured on a function that does nothing, and taken off.
    """

    def __init__(self) -> None:
        self._spent_ns: Counter[str] = Counter()
        self._entered: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._stages = [""]
        self._since_ns = 0
        self._before: list[tuple[object, str, Any]] = []

    def __enter__(self) -> None:
        """From here on the functions of BORDERS are timed, and those that MAKERS make."""
        for stage, owner, name in BORDERS:
            self._instead(owner, name, self.timed(stage, getattr(owner, name)))
        for stage, owner, name in MAKERS:
            self._instead(owner, name, self._making_timed(stage, getattr(owner, name)))

    def __exit__(self, *_: object) -> None:
        while self._before:
            setattr(*self._before.pop())

    def _instead(self, owner: object, name: str, function: Callable[..., Any]) -> None:
        self._before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, function)

    def _making_timed(self, stage: str, maker: Callable[..., Any]) -> Callable[..., Any]:
        def make(*arguments: Any) -> Any:
            return self.timed(stage, maker(*arguments))

        return make

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """*function*, its time charged to *stage*."""

        def crossed(*arguments: Any, **options: Any) -> Any:
            self._charge()
            self._left[self._stages[-1]] += 1
            self._entered[stage] += 1
            self._stages.append(stage)
            self._since_ns = time.process_time_ns()
            try:
                return function(*arguments, **options)
            finally:
                self._charge()
                self._stages.pop()
                self._since_ns = time.process_time_ns()

        return crossed

    def _charge(self) -> None:
        self._spent_ns[self._stages[-1]] += time.process_time_ns() - self._since_ns

    def spent_us(self, stage: str) -> float:
        inside_ns, outside_ns = _price_ns()
        price_ns = self._entered[stage] * inside_ns + self._left[stage] * outside_ns
        return (self._spent_ns[stage] - price_ns) / 1_000

    def raw_ns(self, stage: str) -> int:
        """What *stage* was charged, the price of crossings included."""
        return self._spent_ns[stage]


@cache
def _price_ns(crossings: int = 20_000) -> tuple[float, float]:
    """What a crossing of a border charges to the stage inside and to the one outside, beyond a plain call."""
    watch = Stopwatch()

    def nothing(*_: Any, **__: Any) -> None:
        return

    within = watch.timed("inside", nothing)

    def outside() -> None:
        for _ in range(crossings):
            within(None)

    watch.timed("outside", outside)()
    began = time.process_time_ns()
    for _ in range(crossings):
        nothing(None)
    plain_ns = time.process_time_ns() - began
    inside_ns, outside_ns = watch.raw_ns("inside"), watch.raw_ns("outside")
    return (inside_ns - plain_ns) / crossings, outside_ns / crossings


def totals(load: Load) -> dict[str, float]:
    """Places, acknowledges and fills the orders of *load*: microseconds an input, by its kind."""
    spent_s: defaultdict[str, float] = defaultdict(float)
    for kind, took_s in _whole_orders(load, {}):
        spent_s[kind] += took_s
    return {kind: spent_s[kind] / load.orders * 1e6 for kind in KINDS}


def stages(load: Load) -> dict[str, dict[str, float]]:
    """The same, by kind and by stage."""
    watches = {kind: Stopwatch() for kind in KINDS}
    for _ in _whole_orders(load, watches):
        pass
    return {kind: {stage: watch.spent_us(stage) / load.orders for stage in STAGES} for kind, watch in watches.items()}


def _whole_orders(load: Load, watches: Mapping[str, Stopwatch]) -> Iterator[tuple[str, float]]:
    """Each kind of input in turn, wave after wave, with the seconds of CPU that deciding it took."""
    worker = Worker(load.users)
    for first in range(0, load.orders, load.in_flight):
        wave = placements(worker.users, range(first, min(first + load.in_flight, load.orders)))
        requests, spent_s = worker.feed(topics.ORDER_COMMANDS, wave, watches.get("place"))
        yield "place", spent_s
        for kind, report in (("acknowledged", acknowledged), ("fill", filled)):
            told = [report(asked, first + number) for number, asked in enumerate(requests)]
            yield kind, worker.feed(topics.VENUE_REPORTS, inputs_of_reports(told), watches.get(kind))[1]
    worker.check(load.orders)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decide")
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--in-flight", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    load = Load(asked.orders, asked.users, asked.in_flight)
    gc.disable()
    timed = [totals(load) for _ in range(asked.rounds)]
    staged = [stages(load) for _ in range(asked.rounds)]
    table = Table(title=f"µs of CPU an input: {load.orders} orders of {load.users} users, {load.in_flight} in flight")
    table.add_column("")
    for column in (*KINDS, "whole order"):
        table.add_column(column, justify="right")
    for stage in STAGES:
        table.add_row(stage, *_cells(min(found[kind][stage] for found in staged) for kind in KINDS))
    table.add_section()
    table.add_row("in all", *_cells(min(found[kind] for found in timed) for kind in KINDS))
    Console().print(table)


def _cells(figures: Iterable[float]) -> list[str]:
    shown = list(figures)
    return [f"{figure:.1f}" for figure in (*shown, sum(shown))]


if __name__ == "__main__":
    main()
