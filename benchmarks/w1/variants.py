"""Who does W1: every variant, how its processes are started, and what of its outputs can be compared."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

import msgspec

from benchmarks.w1 import codec, peers, wire


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One program that does W1.

    *members* are those of its consumer group once all is up; 0 for one that joins none and says so itself. Of a slow
    one, *share* of the backlog is enough. *makes_tables* says that it makes its changelogs itself, *tables* how their
    rows are written (a name of ``verification.READERS``). *detail* is what else should be known of it, once it has run.
    """

    name: str
    title: str
    guarantee: str = "exactly-once"
    command: Callable[[], list[str]]
    workers: int = 1
    threads: int = 1
    members: int = 1
    share: float = 1.0
    makes_tables: bool = True
    tables: str = "avro"
    latency_rate: int | None = None
    recovers: bool = False
    environment: Mapping[str, str] = {}
    detail: Callable[[], Mapping[str, str]] = dict


def _module(name: str) -> Callable[[], list[str]]:
    return lambda: [sys.executable, "-m", f"benchmarks.w1.{name}"]


_FOR_JAVA: Final = {"W1_SCHEMAS": str(wire.FOLDER)} | {
    f"W1_ID_{name.upper()}": str(number) for name, number in wire.ids().items()
}


@cache
def _fillstream() -> list[str]:
    """With its codec compiled, where a compiler is."""
    codec.compile_it()
    return _module("fillstream_app")()


FILLSTREAM: Final = Variant(
    name="fillstream-1",
    title="fillstream, 1 worker",
    command=_fillstream,
    makes_tables=False,
    latency_rate=2_000,
    recovers=True,
    detail=lambda: {"codec": "compiled" if codec.CODEC.is_compiled() else "plain Python"},
)
KAFKA_STREAMS: Final = Variant(
    name="kafka-streams-1",
    title="Kafka Streams, 1 thread",
    command=peers.kafka_streams,
    latency_rate=2_000,
    recovers=True,
    environment=_FOR_JAVA,
)

RAW_LOOP: Final = Variant(
    name="raw-loop",
    title="raw librdkafka loop, no logic",
    guarantee="transactional",
    command=_module("raw_loop"),
    members=0,
    makes_tables=False,
    tables="none",
)
VARIANTS: Final = (
    FILLSTREAM,
    KAFKA_STREAMS,
    msgspec.structs.replace(
        FILLSTREAM,
        name="fillstream-2",
        title="fillstream, 2 workers",
        workers=2,
        members=2,
        latency_rate=None,
        recovers=False,
    ),
    msgspec.structs.replace(
        KAFKA_STREAMS,
        name="kafka-streams-2",
        title="Kafka Streams, 2 threads",
        threads=2,
        members=2,
        latency_rate=None,
        recovers=False,
    ),
    RAW_LOOP,
    Variant(
        name="quix",
        title="Quix Streams",
        command=lambda: [peers.quix_python(), "-m", "benchmarks.w1.quix_app"],
        share=0.5,
        tables="quix",
        latency_rate=2_000,
        recovers=True,
    ),
    Variant(
        name="faust",
        title="plain Faust",
        guarantee="at-least-once",
        command=_module("faust_app"),
        share=0.06,
        tables="faust",
        latency_rate=300,
    ),
)
