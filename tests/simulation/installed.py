"""Puts the world's time, luck and log in the place of the machine's, for as long as worlds are run."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import structlog

import streaming.restore
import streaming.writer
import venue_gateways.gateway
import venue_gateways.handling
import venue_gateways.reporter
import venue_gateways.requests
import venue_gateways.stream
from streaming import failure
from tests.simulation.clients import Consumer, Producer, current
from tests.simulation.gateways import SimulatedReporter, SimulatedRequests, SimulatedStream
from tests.simulation.loop import PROCESS
from venue_gateways import clock

_SILENCE: Final = 50
#: Chunks are small here; some of their records are sent before they are decided to the end nevertheless.
_BATCH_RECORDS: Final = 3


def _wall_us() -> int:
    process = PROCESS.get()
    return 0 if process is None else process.world.true_us + process.clock_error_us


def _steady_us() -> int:
    process = PROCESS.get()
    return 0 if process is None else int(process.world.loop.time() * 1_000_000)


class _Dice:
    """The module random, as far as gateways use it, by the world's dice."""

    def __getattr__(self, name: str) -> Any:
        return getattr(current().world.dice, name)


def _stop(event: str, error: BaseException | None = None, **facts: Any) -> None:
    current().world.stopped(event, error, facts)


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    """Module, name, and what stands there meanwhile."""
    yield streaming.writer, "Producer", Producer
    yield streaming.writer, "_BATCH_RECORDS", _BATCH_RECORDS
    yield streaming.restore, "Consumer", Consumer
    yield failure, "stop", _stop
    yield venue_gateways.reporter, "Producer", Producer
    yield venue_gateways.gateway, "Requests", SimulatedRequests
    yield venue_gateways.gateway, "Reporter", SimulatedReporter
    yield venue_gateways.gateway, "Stream", SimulatedStream
    yield venue_gateways.handling, "random", _Dice()
    yield venue_gateways.stream, "random", _Dice()
    clocks: Mapping[str, tuple[Any, Any]] = {
        "wall_us": (clock.wall_us, _wall_us),
        "steady_us": (clock.steady_us, _steady_us),
    }
    for name, module in list(sys.modules.items()):
        if name.startswith("venue_gateways."):
            for attribute, (real, simulated) in clocks.items():
                if getattr(module, attribute, None) is real:
                    yield module, attribute, simulated


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Within it, the product's processes live in worlds."""
    former_logging = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_SILENCE))
    replaced = [(module, name, getattr(module, name), value) for module, name, value in _replacements()]
    try:
        for module, name, _, value in replaced:
            setattr(module, name, value)
        yield
    finally:
        for module, name, real, _ in replaced:
            setattr(module, name, real)
        structlog.configure(**former_logging)
