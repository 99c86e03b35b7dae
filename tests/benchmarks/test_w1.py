"""W1: its reference, its checks, and the lane's step, none of which needs a broker."""

import re
from typing import NamedTuple

import pytest

from benchmarks.w1 import verification, wire
from benchmarks.w1.codec import CODEC
from benchmarks.w1.fillstream_app import W1Rows, cost, step
from benchmarks.w1.messages import Balance, OrderState, Seen
from benchmarks.w1.reference import Expected, expect
from benchmarks.w1.rules import START
from benchmarks.w1.verification import Outputs, Tables, count_faults, faults
from benchmarks.w1.workload import commands
from streaming.chunk import Chunk
from streaming.table import Fingerprint


class Record(NamedTuple):
    """As the transport hands it over."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[()] = ()


TABLES = {"seen": Seen, "balances": Balance, "orders": OrderState}


@pytest.fixture(scope="module")
def expected() -> Expected:
    """Of few users, so that some run out of money, with repeats among the commands."""
    return expect(commands(3_000, users=2))


def command(order_id: str, **changes: str) -> wire.Fields:
    fields = {
        "command_id": f"c-{order_id}",
        "user_id": "u-1",
        "order_id": order_id,
        "symbol": "BTC-USD",
        "side": "BUY",
        "type": "LIMIT",
        "price": "0.10",
        "quantity": "0.2",
        "time_in_force": "GTC",
        "ts": 1,
    }
    return fields | changes


def outputs(expected: Expected, **changes: object) -> Outputs:
    """What a faultless run writes, but for *changes*."""
    tables = Tables(seen=expected.seen, orders=expected.orders, balances=expected.balances)
    written = {"events": list(expected.events), "requests": list(expected.requests), "tables": tables}
    return Outputs(**(written | changes), first_ms=0, last_ms=1)


def with_tables(expected: Expected, **changes: object) -> Outputs:
    kept = {"seen": expected.seen, "orders": expected.orders, "balances": expected.balances}
    return outputs(expected, tables=Tables(**(kept | changes)))


def written_by_step(expected: Expected, chunk_records: int) -> Outputs:
    """All that the lane's step makes of the commands, in chunks of so many records."""
    rows = {name: W1Rows(row, Fingerprint(name), {}) for name, row in TABLES.items()}
    emitted: dict[str, list[tuple[bytes, bytes]]] = {"events": [], "requests": []}
    reserve = step("events", "requests", lambda table, _: rows[table])
    records = [Record(offset, 0, key, value) for offset, (key, value) in enumerate(expected.commands)]
    for start in range(0, len(records), chunk_records):
        taken = records[start : start + chunk_records]
        reserve(Chunk("commands", 0, taken, lambda topic, value, key: emitted[topic].append((key, value))))
        for table in rows.values():
            table.changes()
    tables = Tables(
        seen=frozenset(key for key, _ in rows["seen"].items()),
        orders={key: CODEC.encode(row) for key, row in rows["orders"].items()},
        balances={key: (row.available, row.reserved) for key, row in rows["balances"].items()},
    )
    return outputs(expected, **emitted, tables=tables)


def test_the_reference_reserves_what_an_order_may_cost_to_the_last_digit():
    found = expect([command("o-1"), command("o-2", side="SELL", quantity="3.5")])
    assert found.balances == {b"u-1|USD": (START - 2_000_000, 2_000_000), b"u-1|BTC": (START - 35_000_000, 35_000_000)}


def test_the_reference_rejects_what_is_not_covered_and_leaves_the_balance():
    found = expect([command("o-1", price="300000000", quantity="1"), command("o-2", quantity="0.0000001")])
    [event] = [
        fields for _, value in found.events if (fields := wire.decoder("order_event")(value))["order_id"] == "o-2"
    ]
    assert (event["status"], event["reserved"], event["available"]) == ("REJECTED", 0, 0)
    assert found.balances == {b"u-1|USD": (0, START)}
    assert len(found.requests) == 1


def test_the_reference_drops_an_order_that_was_sent_again():
    found = expect([command("o-1"), command("o-1", command_id="c-2"), command("o-1", user_id="u-2")])
    assert found.seen == {b"u-1|o-1", b"u-2|o-1"}
    assert len(found.commands) == 3
    assert len(found.events) == 2


def test_a_request_goes_to_the_venue_of_its_symbol():
    [(key, value)] = expect([command("o-1", symbol="ETH-GBP")]).requests
    request = wire.decoder("venue_request")(value)
    assert (key, request["venue"], request["request_id"]) == (b"u-1", "KRKN", "r-o-1")


def test_the_workload_is_the_same_each_time_and_a_smaller_one_its_beginning():
    assert list(commands(50)) == list(commands(80))[:50]
    assert list(commands(50)) != list(commands(50, seed=8))


def test_the_workload_has_repeats_and_refusals(expected):
    assert 0 < len(expected.requests) < len(expected.events) < len(expected.commands)


def test_a_faultless_run_has_no_faults(expected):
    assert faults(outputs(expected), expected) == []


def test_an_event_that_came_twice_is_found(expected):
    events = [*expected.events, min(expected.events)]
    assert faults(outputs(expected, events=events), expected) == ["1 events came twice"]


def test_a_missing_event_is_found(expected):
    [fault] = faults(outputs(expected, events=sorted(expected.events)[1:]), expected)
    assert re.match(r"1 of \d+ events are missing", fault)


def test_an_event_of_another_user_is_found(expected):
    (_, value), *others = sorted(expected.events)
    found = faults(outputs(expected, events=[(b"u-x", value), *others]), expected)
    assert [fault.split(" ", 1)[0] for fault in found] == ["1", "1"]
    assert "not as they must be" in found[1]


def test_a_request_too_many_is_found(expected):
    found = faults(outputs(expected, requests=[*expected.requests, (b"u-x", b"")]), expected)
    assert found == ["1 requests are not as they must be, such as (b'u-x', b'')"]


@pytest.mark.parametrize("table", ["seen", "orders", "balances"])
def test_a_row_that_is_missing_is_found(expected, table):
    kept = getattr(expected, table)
    fewer = kept - {min(kept)} if table == "seen" else {key: kept[key] for key in sorted(kept)[1:]}
    [fault] = faults(with_tables(expected, **{table: fewer}), expected)
    assert "missing" in fault


def test_a_wrong_balance_is_found(expected):
    account = min(expected.balances)
    available, reserved = expected.balances[account]
    found = faults(with_tables(expected, balances={**expected.balances, account: (available + 1, reserved)}), expected)
    assert found[1] == f"1 balance rows are not as they must be, such as {(account, (available + 1, reserved))!r}"


def test_of_a_variant_without_logic_the_records_are_counted(expected):
    plenty = [(b"", b"")] * len(expected.commands)
    assert count_faults(outputs(expected, events=plenty, requests=plenty), expected) == []
    assert len(count_faults(outputs(expected, events=plenty, requests=plenty[1:]), expected)) == 1


@pytest.mark.parametrize("chunk_records", [1, 700, 3_000])
def test_the_lanes_step_writes_what_the_reference_says(expected, chunk_records):
    assert faults(written_by_step(expected, chunk_records), expected) == []


def test_the_lanes_step_takes_an_order_for_all_there_is_and_keeps_the_balance_of_who_has_less():
    expected = expect(
        [
            command("o-1", price="300000000", quantity="1"),
            command("o-2", price="300000000.1", quantity="1", user_id="u-2"),
        ]
    )
    assert expected.balances == {b"u-1|USD": (0, START), b"u-2|USD": (START, 0)}
    assert faults(written_by_step(expected, 1), expected) == []


def test_the_lanes_codec_and_the_checks_read_the_same_bytes():
    balance = Balance(3, 4)
    assert wire.decoder("balance")(CODEC.encode(balance)) == {"available": 3, "reserved": 4}


def test_a_cost_that_would_need_rounding_is_refused():
    assert cost("12", "0.5") == 6 * 10**8
    assert cost("0.0001", "0.0001") == 1
    with pytest.raises(IndexError):
        cost("0.00001", "0.0001")


def test_quixs_rows_are_told_apart_by_user_and_kind():
    found = verification._QUIX_KEY.search(b'u-0000007|"order:0c1-2"')
    assert found is not None
    assert (found["user"], found["kind"], found["rest"]) == (b"u-0000007", b"order", b"0c1-2")
