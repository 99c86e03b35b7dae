"""What the benchmarks found: one entry for each work and variant, kept in ``var/bench/results.json``."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "var" / "bench"
FILE: Final = FOLDER / "results.json"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one variant doing one work; None where it wasn't measured.

    Figures are medians over *rounds*, and *spread* has the least and the greatest of each that varied. *verified* says
    that every output of every round was read back and compared with a reference. *latency_ms* has the keys p50, p99
    and p99_9. Whatever else is worth knowing is in *detail*.
    """

    work: str
    variant: str
    rate: float | None = None
    cpu_s_per_100k: float | None = None
    rss_mib: float | None = None
    latency_ms: dict[str, float] | None = None
    recovery_s: float | None = None
    rounds: int = 1
    verified: bool = False
    spread: dict[str, tuple[float, float]] = {}
    detail: dict[str, float | str] = {}


def load(file: Path = FILE) -> list[Result]:
    """Every result kept so far; none if there is no file yet."""
    return msgspec.json.decode(file.read_bytes(), type=list[Result]) if file.exists() else []


def write(results: Iterable[Result], file: Path = FILE) -> None:
    """Keep *results*, each in place of the former one of the same work and variant, with today's date in its detail."""
    kept = {(result.work, result.variant): result for result in load(file)}
    today = time.strftime("%Y-%m-%d")
    for result in results:
        detail = result.detail | {"date": today}
        kept[result.work, result.variant] = msgspec.structs.replace(result, detail=detail)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(list(kept.values())), indent=2)
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content + b"\n")
    fresh.replace(file)
