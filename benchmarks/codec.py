"""Microseconds to encode and decode one message of each schema: compiled, plain Python, and fastavro side by side.

``python -m benchmarks.codec``. Each figure is CPU time, the best of several rounds: the cost of the code, without what
else the machine does. The codec's functions are called as a loop calls them (``codec.encoder``, ``codec.decoder``).
fastavro makes and takes dicts, with units as bytes and instants as longs, its fastest way.
"""

import io
import time
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import fastavro
import msgspec
from rich.console import Console
from rich.table import Table

from domain import ids, money
from domain.messages import (
    Account,
    Answer,
    DeadLetter,
    EntryKind,
    EventKind,
    Evidence,
    JournalEntry,
    Liquidity,
    Message,
    Operation,
    OrderCommand,
    OrderEvent,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Posting,
    ReportKind,
    Side,
    Tick,
    TimeInForce,
    Transfer,
    TransferDirection,
    VenueReport,
    VenueRequest,
)
from domain.state import AfterCancel, Balance, FirstAnswer, Order, Position
from schemas import catalog
from schemas.codec import Codec

ROUNDS: Final = 7
CALLS: Final = 5_000

NOW: Final = 1_763_780_000_123_456
QUANTITY: Final = money.parse("0.05")
PRICE: Final = money.parse("64123.45")
USER: Final = "user-000123"
ORDER: Final = "order-00000012345"
CLIENT_ORDER: Final = ids.client_order_id(3, ids.order_key(USER, ORDER), 1)
SOURCE: Final = ("order-commands", 3, 1_234_567)


def examples() -> dict[str, Message]:
    """A usual message of each schema."""
    place = PlaceOrder(ORDER, "simulated", "BTC-USD", Side.BUY, OrderType.LIMIT, QUANTITY, price=PRICE)
    command = OrderCommand("command-00000012345", USER, NOW, place)
    reserve = (
        Posting(f"user:{USER}", Account.AVAILABLE, "USD", -money.multiply(PRICE, QUANTITY)),
        Posting(f"user:{USER}", Account.RESERVED, "USD", money.multiply(PRICE, QUANTITY)),
    )
    return {
        "order_command": command,
        "transfer": Transfer("transfer-0000123", USER, "USD", TransferDirection.CREDIT, money.parse("100000"), NOW),
        "tick": Tick(NOW),
        "venue_request": _request(),
        "venue_report": _report(),
        "order_event": _event(),
        "journal_entry": JournalEntry(
            USER, *SOURCE, 0, NOW, EntryKind.RESERVE, command.command_id, reserve, ORDER, "simulated", "BTC-USD"
        ),
        "dead_letter": DeadLetter(*SOURCE, NOW, "orders", "TRUNCATED", "one line", NOW, b"user-1", bytes(100)),
        "order": _order(command, place),
        "balance": Balance(f"user:{USER}", "USD", money.parse("96793.8275"), money.parse("3206.1725")),
        "first_answer": FirstAnswer(Answer.ACCEPTED, None, ORDER, 1_234_567, NOW),
        "position": Position("order-commands", 1_234_568, bytes(16)),
    }


def _request() -> VenueRequest:
    return VenueRequest(
        request_id=f"{CLIENT_ORDER}/1",
        client_order_id=CLIENT_ORDER,
        user_id=USER,
        order_id=ORDER,
        venue="simulated",
        symbol="BTC-USD",
        operation=Operation.PLACE,
        sequence=1,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=QUANTITY,
        requested_at=NOW,
        price=PRICE,
    )


def _report() -> VenueReport:
    return VenueReport(
        client_order_id=CLIENT_ORDER,
        venue="simulated",
        symbol="BTC-USD",
        kind=ReportKind.FILL,
        evidence=Evidence.STREAM,
        reported_at=NOW,
        venue_order_id="28457",
        trade_id="28457-1",
        fill_quantity=QUANTITY,
        fill_price=PRICE,
        fee=money.parse("0.00005"),
        fee_asset="BTC",
        liquidity=Liquidity.TAKER,
        transacted_at=NOW,
    )


def _event() -> OrderEvent:
    return OrderEvent(
        USER,
        *SOURCE,
        index=0,
        occurred_at=NOW,
        kind=EventKind.ORDER_ACCEPTED,
        answer=Answer.ACCEPTED,
        command_id="command-00000012345",
        order_id=ORDER,
        client_order_id=CLIENT_ORDER,
        sequence=1,
        status=OrderStatus.PENDING_SUBMISSION,
        evidence=Evidence.DECISION,
        venue="simulated",
        symbol="BTC-USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=QUANTITY,
        price=PRICE,
        filled_quantity=0,
        leaves_quantity=QUANTITY,
        filled_cost=0,
    )


def _order(command: OrderCommand, place: PlaceOrder) -> Order:
    known = {field: getattr(place, field) for field in place.__struct_fields__}
    unset = dict.fromkeys(Order.__struct_fields__)
    zero = dict.fromkeys(("filled_quantity", "filled_cost", "attempt_filled", "looks", "timer_at"), 0)
    return msgspec.convert(
        unset
        | known
        | zero
        | {
            "user_id": USER,
            "command_id": command.command_id,
            "time_in_force": TimeInForce.GTC,
            "status": OrderStatus.OPEN,
            "after_cancel": AfterCancel.NOTHING,
            "attempt": 1,
            "sequence": 2,
            "request_sequence": 1,
            "reserve_asset": "USD",
            "reserved": money.multiply(PRICE, QUANTITY),
            "trade_ids": (),
            "accepted_offset": 1_234_567,
            "created_at": NOW,
            "updated_at": NOW,
        },
        Order,
    )


def _physical(schema: Any) -> Any:
    """*schema* without logical types."""
    if isinstance(schema, list):
        return [_physical(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return schema["type"] if "logicalType" in schema else {key: _physical(part) for key, part in schema.items()}


class Cost(msgspec.Struct, frozen=True):
    """Microseconds a message; None where no compiled codec is there."""

    compiled: float | None
    plain: float
    fastavro: float


def _best_us(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, timer=time.process_time, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def measure() -> Iterator[tuple[str, int, Cost, Cost]]:
    """Name, bytes, and what it costs to encode and to decode."""
    compiled, plain = Codec(catalog.PRODUCT), Codec(catalog.PRODUCT, pure=True)
    for name, message in examples().items():
        schema = fastavro.parse_schema(_physical(catalog.latest(name)))
        data, holder = plain.encode(message), type(message)
        if plain.decode(data, holder) != message or compiled.decode(compiled.encode(message), holder) != message:
            raise AssertionError(f"{name} does not survive its encoding")
        record = fastavro.schemaless_reader(io.BytesIO(data[5:]), schema, None, return_record_name=True)
        yield (
            name,
            len(data),
            Cost(
                _best_us(partial(compiled.encoder(holder), message)) if compiled.is_compiled() else None,
                _best_us(partial(plain.encoder(holder), message)),
                _best_us(partial(_write, schema, record)),
            ),
            Cost(
                _best_us(partial(compiled.decoder(holder), data)) if compiled.is_compiled() else None,
                _best_us(partial(plain.decoder(holder), data)),
                _best_us(partial(_read, schema, data)),
            ),
        )


def _write(schema: Any, record: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, record)
    return body.getvalue()


def _read(schema: Any, data: bytes) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(data[5:]), schema, None)


def main() -> None:
    table = Table("schema", title="microseconds of CPU a message, best of several rounds")
    for heading in ("bytes", "encode: compiled", "Python", "fastavro", "decode: compiled", "Python", "fastavro"):
        table.add_column(heading, justify="right")
    for name, size, *costs in measure():
        table.add_row(name, str(size), *(_figure(figure) for cost in costs for figure in msgspec.structs.astuple(cost)))
    Console().print(table)


def _figure(microseconds: float | None) -> str:
    return "–" if microseconds is None else f"{microseconds:.2f}"


if __name__ == "__main__":
    main()
