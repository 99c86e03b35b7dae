"""One short round of one benchmark, its figures as JSON on the last line: what a comparison runs on each side.

    python -m benchmarks.one_round decide

The name of each figure has its unit. Every output is checked as in the benchmark itself; a wrong one ends with 1.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

Figures = Mapping[str, float]

_DECISIONS: Final = 3_000
_ORDERS: Final = 15_000
_PLACEMENTS: Final = 5_000


def decide() -> Figures:
    """In this process: the decision core, by kind of input."""
    from benchmarks import decide as benchmark  # noqa: PLC0415  # what one side lacks must not fail the others

    found = benchmark.totals(benchmark.Load(_DECISIONS, 500, 1_000))
    return {f"{kind}, CPU µs": cost for kind, cost in found.items()}


def codec() -> Figures:
    """In this process: the codec that the product would use, by message."""
    from benchmarks import codec as benchmark  # noqa: PLC0415

    return {
        f"{name} {doing}, CPU µs": cost.plain if cost.compiled is None else cost.compiled
        for name, _size, *costs in benchmark.measure()
        for doing, cost in zip(("encode", "decode"), costs, strict=True)
    }


def orders() -> Figures:
    """A worker process: whole orders."""
    from benchmarks.w2 import throughput  # noqa: PLC0415

    played = throughput.play(_ORDERS, throughput.Setting())
    assert not played.faults, played.faults
    return {
        "orders/s": played.rate,
        "worker, CPU µs an order": played.spent.cpu_us_per_order,
        "worker, MiB": played.resident_mib,
    }


def placements() -> Figures:
    """A gateway process: placements."""
    from benchmarks import gateway  # noqa: PLC0415
    from benchmarks.results import ROOT  # noqa: PLC0415
    from runtime.broker import EmbeddedBroker  # noqa: PLC0415

    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedBroker(Path(folder) / "kafka", jar_cache=ROOT / "var" / "kafka") as broker,
    ):
        done = gateway.run_rounds(broker, Path(folder), _PLACEMENTS, 1)[0]
    return {
        "placements/s": done.per_s,
        "gateway, CPU µs a placement": done.cpu_us,
        "gateway, MiB": done.resident_mib,
    }


BENCHMARKS: Final[Mapping[str, Callable[[], Figures]]] = {
    "decide": decide,
    "codec": codec,
    "orders": orders,
    "placements": placements,
}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.one_round", description=__doc__)
    options.add_argument("benchmark", choices=tuple(BENCHMARKS))
    figures = BENCHMARKS[options.parse_args().benchmark]()
    print(json.dumps(figures))  # noqa: T201  # the output is the purpose


if __name__ == "__main__":
    main()
