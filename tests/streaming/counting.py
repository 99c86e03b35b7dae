"""A worker that counts records per user over two input topics: as small as an application of the lane can be.

Run as a process of its own by the tests: ``python -m tests.streaming.counting '{"name": …}'``.
"""

import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import structlog

from domain import messages
from domain.state import Balance, Position
from runtime import telemetry
from runtime.settings import Settings
from schemas.topics import Topic
from streaming.app import App, application, input_topic, run
from streaming.chunk import Chunk
from streaming.lane import Lane
from streaming.table import Rows, Table

log = structlog.get_logger()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to run one worker, and which fault it should have."""

    name: str
    bootstrap: str
    worker: str
    var: str
    partitions: int = 4
    inputs: tuple[str, ...] = ("first", "second")
    session_timeout_ms: int = 6_000
    chunk_records_max: int = 500
    fail_at: str | None = None
    slow_s: float = 0.0
    isolated: bool = False

    def topic(self, kind: str) -> Topic:
        """An input or the output."""
        return Topic(name=f"{self.name}-{kind}", value=messages.Tick, key="user")

    @property
    def counts(self) -> Topic:
        return Topic(name=f"{self.name}-counts-changelog", value=Balance, key="user", compacted=True)

    @property
    def positions(self) -> Topic:
        return Topic(name=f"{self.name}-positions-changelog", value=Position, key="topic", compacted=True)

    @property
    def topics(self) -> list[Topic]:
        return [self.counts, self.positions, self.topic("out"), *(self.topic(kind) for kind in self.inputs)]


def build(plan: Plan, settings: Settings) -> App:
    app = application(settings, plan.name)
    counts = Table(app, plan.counts, rows=Rows)
    lane = Lane(app, settings, [counts], plan.positions)

    def count(chunk: Chunk) -> None:
        users = counts.partition(chunk.partition)
        for record in chunk.records:
            row = users.get(record.key)
            number = 1 if row is None else row.available + 1
            users.put(record.key, Balance(record.key.decode(), "records", number, 0))
            if record.value == b"fail" or plan.fail_at == f"{chunk.topic}:{record.offset}":
                raise RuntimeError("told to fail")
            answer = f"{chunk.topic}:{record.offset}:{number}:".encode() + record.value
            chunk.emit(plan.topic("out").name, answer, record.key)
        if plan.slow_s:
            log.info("deciding", topic=chunk.topic, partition=chunk.partition)
            time.sleep(plan.slow_s)

    for kind in plan.inputs:

        async def body(stream: Any) -> None:
            await lane.run(stream, count)

        app.agent(input_topic(app, plan.topic(kind)), isolated_partitions=plan.isolated, name=kind)(body)
    return app


def main(argument: str) -> int:
    plan = msgspec.json.decode(argument, type=Plan)
    settings = Settings(
        bootstrap_servers=plan.bootstrap,
        var=Path(plan.var),
        worker_id=plan.worker,
        partitions=plan.partitions,
        session_timeout_ms=plan.session_timeout_ms,
        chunk_records_max=plan.chunk_records_max,
    )
    telemetry.start(settings, plan.worker)
    return run(build(plan, settings), settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
