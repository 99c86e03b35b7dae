"""Random messages of every class, and the same messages as a program that only has fastavro would hold them."""

import random
import string
from decimal import Context, Decimal
from typing import Any

from hypothesis import strategies as st

from domain.money import AMOUNT_MAX
from schemas import catalog, plan
from schemas.plan import Amount, Boolean, Bytes, Choice, Instant, Many, Maybe, Number, OneOf, Record, Text

NAMES = tuple(catalog.ids())
PLANS = {name: plan.of(name) for name in NAMES}
EXACT = Context(prec=100)
LETTERS = string.ascii_letters + string.digits + "-_:/ äß€😀\x00"


def _length(rng: random.Random) -> int:
    return rng.choice((0, 1, 8, 20, 36, 63, 64, 65, rng.randrange(200), rng.choice((1, 1, 1, 1023, 1024, 9000))))


def _number(rng: random.Random, most: int) -> int:
    """A number of random size, often next to a power of two, of either sign."""
    bits = rng.randrange(most.bit_length() + 1)
    near = (1 << bits) + rng.randrange(-2, 3) if rng.random() < 0.3 else rng.getrandbits(bits)
    return rng.choice((1, 1, 1, -1)) * min(near, most)


_RANDOM: dict[type, Any] = {
    Record: lambda node, rng: node.holder(*[value(field.node, rng) for field in node.fields]),
    Maybe: lambda node, rng: value(node.inner, rng) if rng.random() < 0.6 else None,
    OneOf: lambda node, rng: value(rng.choice(node.records), rng),
    Many: lambda node, rng: tuple(value(node.item, rng) for _ in range(rng.choice((0, 1, 2, 5, 70)))),
    Choice: lambda node, rng: rng.choice(node.members),
    Boolean: lambda _, rng: rng.random() < 0.5,
    Text: lambda _, rng: "".join(rng.choices(LETTERS, k=_length(rng))),
    Bytes: lambda _, rng: rng.randbytes(_length(rng)),
    Amount: lambda _, rng: _number(rng, AMOUNT_MAX),
    Instant: lambda _, rng: rng.choice((rng.randrange(1 << 49, 1 << 52), _number(rng, (1 << 63) - 1))),
    Number: lambda node, rng: _number(rng, (1 << (node.bits - 1)) - 1),
}


def value(node: Any, rng: random.Random) -> Any:
    """A random value of *node*, with the edges of its type more often than chance would have them."""
    return _RANDOM[type(node)](node, rng)


def message(name: str, seed: int) -> Any:
    return value(PLANS[name], random.Random(f"{name} {seed}"))


def _integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


_STRATEGIES: dict[type, Any] = {
    Record: lambda node: st.builds(node.holder, *[strategy(field.node) for field in node.fields]),
    Maybe: lambda node: st.none() | strategy(node.inner),
    OneOf: lambda node: st.one_of([strategy(record) for record in node.records]),
    Many: lambda node: st.lists(strategy(node.item), max_size=5).map(tuple),
    Choice: lambda node: st.sampled_from(node.members),
    Boolean: lambda _: st.booleans(),
    Text: lambda _: st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    Bytes: lambda _: st.binary(max_size=80),
    Amount: lambda _: st.integers(-AMOUNT_MAX, AMOUNT_MAX),
    Instant: lambda _: _integers(64),
    Number: lambda node: _integers(node.bits),
}


def strategy(node: Any) -> st.SearchStrategy[Any]:
    """Every value of *node*, for Hypothesis."""
    return _STRATEGIES[type(node)](node)


def plain(node: Any, held: Any) -> Any:
    """*held* as fastavro writes it without help: dicts, Decimals, strings, and a name beside a record in a union."""
    if isinstance(node, Maybe):
        return None if held is None else plain(node.inner, held)
    if isinstance(node, OneOf):
        record = next(record for record in node.records if record.holder is type(held))
        return f"{catalog.NAMESPACE}.{record.holder.__name__}", plain(record, held)
    if isinstance(node, Record):
        return {field.name: plain(field.node, getattr(held, field.name)) for field in node.fields}
    if isinstance(node, Many):
        return [plain(node.item, item) for item in held]
    return Decimal(held).scaleb(-18, EXACT) if isinstance(node, Amount) else held


def physical(schema: Any) -> Any:
    """*schema* with timestamps as plain longs: fastavro would hand out datetimes, whose range ends in the year 9999."""
    if isinstance(schema, list):
        return [physical(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("logicalType") == "timestamp-micros":
        return "long"
    return {key: physical(part) for key, part in schema.items()}
