"""Whether a run's outputs are what the reference says, record by record."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from benchmarks.w1 import wire
from benchmarks.w1.cluster import Cluster
from benchmarks.w1.place import Place
from benchmarks.w1.reference import Expected, Record

_QUIX_KEY: Final = re.compile(rb"(?P<user>u-\d+).*?(?P<kind>seen|balance|order):(?P<rest>[^\"]+)", re.DOTALL)


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """The last row of each key, as ``Expected`` has them."""

    seen: frozenset[bytes]
    orders: Mapping[bytes, bytes]
    balances: Mapping[bytes, tuple[int, int]]


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run wrote, read committed; *tables* is None for a variant that keeps none that mean anything.

    *first_ms* and *last_ms* are when the broker appended the first event and the last.
    """

    events: list[Record]
    requests: list[Record]
    tables: Tables | None
    first_ms: int
    last_ms: int


def faults(outputs: Outputs, expected: Expected) -> list[str]:
    """What is wrong with *outputs*, one line each; none if all is as it must be."""
    found = [
        *_records("event", outputs.events, expected.events),
        *_records("request", outputs.requests, expected.requests),
    ]
    if outputs.tables is not None:
        found += _keys("order seen", outputs.tables.seen, expected.seen)
        found += _rows("order", outputs.tables.orders, expected.orders)
        found += _rows("balance", outputs.tables.balances, expected.balances)
    return found


def count_faults(outputs: Outputs, expected: Expected) -> list[str]:
    """The same for a variant without logic, which makes an event and a request of every command."""
    wanted = len(expected.commands)
    counts = {"events": len(outputs.events), "requests": len(outputs.requests)}
    return [f"{count} {name} instead of {wanted}" for name, count in counts.items() if count != wanted]


def read(cluster: Cluster, place: Place, tables: str) -> Outputs:
    """Everything that the application at *place* has written; *tables* is a name of READERS."""
    events, times = [], []
    for message in cluster.read(place.events):
        events.append((message.key(), message.value()))
        times.append(message.timestamp()[1])
    return Outputs(
        events=events,
        requests=[(message.key(), message.value()) for message in cluster.read(place.requests)],
        tables=READERS[tables](cluster, place),
        first_ms=min(times, default=0),
        last_ms=max(times, default=0),
    )


def _records(what: str, found: list[Record], wanted: frozenset[Record]) -> Iterator[str]:
    once = frozenset(found)
    if len(once) != len(found):
        yield f"{len(found) - len(once)} {what}s came twice"
    yield from _keys(what, once, wanted)


def _keys(what: str, found: frozenset[Any], wanted: frozenset[Any]) -> Iterator[str]:
    if missing := wanted - found:
        yield f"{len(missing)} of {len(wanted)} {what}s are missing, such as {min(missing)!r}"
    if wrong := found - wanted:
        yield f"{len(wrong)} {what}s are not as they must be, such as {min(wrong)!r}"


def _rows(what: str, found: Mapping[bytes, Any], wanted: Mapping[bytes, Any]) -> Iterator[str]:
    yield from _keys(f"{what} row", frozenset(found.items()), frozenset(wanted.items()))


def _avro_tables(cluster: Cluster, place: Place) -> Tables:
    """Rows as Kafka Streams and the lane write them: text keys, Avro values."""
    balance = wire.decoder("balance")
    return Tables(
        seen=frozenset(_last(cluster, place.changelog("seen"))),
        orders=_last(cluster, place.changelog("orders")),
        balances={key: _pair(balance(value)) for key, value in _last(cluster, place.changelog("balances")).items()},
    )


def _faust_tables(cluster: Cluster, place: Place) -> Tables:
    """Rows as Faust writes them: keys and values in JSON."""
    order = wire.encoder("order_state")
    seen, orders, balances = (
        _json_rows(_last(cluster, place.changelog(table))) for table in ("seen", "orders", "balances")
    )
    return Tables(
        seen=frozenset(seen),
        orders={key: order(row) for key, row in orders.items()},
        balances={key: _pair(row) for key, row in balances.items()},
    )


def _json_rows(rows: Mapping[bytes, bytes]) -> dict[bytes, Any]:
    return {json.loads(key).encode(): json.loads(value) for key, value in rows.items()}


def _quix_tables(cluster: Cluster, place: Place) -> Tables:
    """Rows as Quix writes them: all in one changelog, keys with the user before ours, values in JSON."""
    order = wire.encoder("order_state")
    seen, orders, balances = set(), {}, {}
    [changelog] = [name for name in cluster.topics(place.application) if name.startswith("changelog__")]
    for key, value in _last(cluster, changelog).items():
        parts = _QUIX_KEY.search(key)
        if parts is None:
            continue  # its own bookkeeping
        user, kind, rest = parts["user"], parts["kind"], parts["rest"]
        if kind == b"seen":
            seen.add(user + b"|" + rest)
        elif kind == b"order":
            orders[rest] = order(json.loads(value))
        else:
            available, reserved = json.loads(value)
            balances[user + b"|" + rest] = (available, reserved)
    return Tables(seen=frozenset(seen), orders=orders, balances=balances)


def _last(cluster: Cluster, topic: str) -> dict[bytes, bytes]:
    """The last row of each key of a changelog, without those that were deleted."""
    rows = {message.key(): message.value() for message in cluster.read(topic)}
    return {key: value for key, value in rows.items() if value is not None}


def _pair(balance: wire.Fields) -> tuple[int, int]:
    return balance["available"], balance["reserved"]


READERS: Final[dict[str, Callable[[Cluster, Place], Tables | None]]] = {
    "avro": _avro_tables,
    "faust": _faust_tables,
    "quix": _quix_tables,
    "none": lambda _cluster, _place: None,
}
