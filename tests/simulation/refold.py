"""Folds a world's inputs again from their first record, one by one, and compares tables, digests and outputs."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from agents.app import takers
from domain.state import Position
from schemas import codec, topics
from streaming.chunk import Chunk
from streaming.restore import digest
from tests.simulation.venue import NAME
from tests.simulation.workers import books, tables
from tests.simulation.world import PARTITIONS, RULES, SETTINGS, World

_OUTPUTS: Final = (*(topic.name for topic in topics.OUTPUTS), topics.venue_requests(NAME).name)


def refold(world: World) -> Iterator[str]:
    """In what the inputs of *world*, folded anew, differ from what the world has: nothing, if all is well."""
    for partition in range(PARTITIONS):
        yield from _refold(world, partition)


def _refold(world: World, partition: int) -> Iterator[str]:
    made = tables()
    rows = [table.load({}) for table in made]
    for table, loaded in zip(made, rows, strict=True):
        table.attach(partition, loaded)
    process = takers(books(made, RULES, SETTINGS["worker-0"]), PARTITIONS)
    emitted: dict[str, list[tuple[bytes | None, bytes | None]]] = defaultdict(list)

    def emit(topic: str, value: bytes | None, key: bytes | None) -> None:
        emitted[topic].append((key, value))

    next_offsets: dict[str, int] = {}
    for topic, offset in world.broker.decided[f"{topics.APPLICATION}-{partition}"]:
        process[topic](Chunk(topic, partition, [world.broker.logs[topic, partition].entries[offset]], emit))
        for each in rows:
            each.changes()
        next_offsets[topic] = offset + 1
    for topic in _OUTPUTS:
        records = emitted[topic]
        there = [(entry.key, entry.value) for entry in world.broker.logs[topic, partition].committed()]
        if records != there:
            yield f"{topic}[{partition}] has {len(there)} records, folded anew {len(records)}, and they differ"
    yield from _compare_tables(world, partition, made, rows, next_offsets)


def _compare_tables(
    world: World, partition: int, made: list[Any], rows: list[Any], next_offsets: dict[str, int]
) -> Iterator[str]:
    for table, folded in zip(made, rows, strict=True):
        changelog = next(topic for topic in topics.CHANGELOGS if topic.name == table.changelog)
        if world.rows(changelog, partition) != folded._stored:
            yield f"{table.changelog}[{partition}] differs from its input folded anew"
    found = world.rows(topics.POSITIONS_CHANGELOG, partition)
    positions = {key.decode(): codec.decode(value, Position) for key, value in found.items()}
    stored = {topic: position.next_offset for topic, position in positions.items()}
    if {topic: offset for topic, offset in stored.items() if offset} != next_offsets:
        yield f"partition {partition} stands at {stored}, its input at {next_offsets}"
    if positions and list(positions.values())[-1].digest != digest(rows, stored):
        yield f"partition {partition} has another digest than its input folded anew"
