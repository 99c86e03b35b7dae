"""``make profile``: where a worker's time goes under W2, as a flame graph and as a table of microseconds by stage.

While whole orders go through, py-spy samples from outside which code has the interpreter's lock. How much CPU there is
to share out is measured before, without the sampler, and so is what librdkafka's own threads take of it. Writes
``var/bench/profile.svg`` and ``var/bench/profile.json`` and prints the table.

    python -m benchmarks.profile [--orders 60000]
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.results import FOLDER
from benchmarks.w2 import flames
from benchmarks.w2.installation import installed
from runtime import process

Stack = tuple[str, ...]
"""Frames from the outermost to the innermost, each ``function (file:line)``."""

_SAMPLES_PER_S: Final = 200
_WARM_UP_ORDERS: Final = 4_000
_USERS: Final = 1_000
_PROFILER_ENDS_WITHIN_S: Final = 30.0

#: The one place that says which code belongs to which stage: the first stage has a stack that names one of its frames.
#: Compiled code has no frames of its own, so that it counts for the Python function that calls it.
STAGES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("fetch", ("aiokafka/", "streaming/transport.py", "faust/transport/")),
    ("produce and commit", ("streaming/writer.py",)),
    ("rows: encode and digest", ("changes (streaming/table.py", "_emit_rows (", "_emit_positions (")),
    ("decode", ("decode (schemas/", "<decoder of", "Desk.read (")),
    ("metrics", ("prometheus_client/", "/metrics.py", "_tally (", "_measure (")),
    ("names and keys", ("domain/ids.py", "agents/routing.py", "balance_key (")),
    ("store rows", ("store (tables/", "post (tables/", "put (tables/", "put (streaming/table.py", "remember (")),
    ("look up", ("tables/", "streaming/table.py", "_first_placement (")),
    ("encode messages", ("encode (schemas/", "<encoder of", "Desk.publish (")),
    ("decide", ("domain/",)),
    ("agents", ("agents/orders.py", "agents/reports.py", "agents/desk.py", "streaming/chunk.py")),
    ("lane", ("streaming/",)),
    ("Faust and asyncio", ("faust/", "mode/", "asyncio/")),
)
OTHER: Final = "other Python"
NETWORK: Final = "librdkafka's threads"
_MAIN: Final = "main"
_LIBRDKAFKA: Final = "rdk:"


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage takes, of one worker's CPU."""

    stage: str
    us_per_order: float
    percent: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """CPU of one worker under W2; an order is three inputs."""

    orders: int
    cpu_us_per_order: float
    main_thread_us_per_order: float
    shares: list[Share]


def stage(stack: Stack) -> str:
    """The stage that *stack* belongs to."""
    for name, needles in STAGES:
        if any(needle in frame for frame in stack for needle in needles):
            return name
    return OTHER


def read(collapsed: str) -> Counter[Stack]:
    """py-spy's raw format: frames from the outermost on, apart by semicolons, then how often."""
    stacks: Counter[Stack] = Counter()
    for line in collapsed.splitlines():
        frames, _, count = line.rpartition(" ")
        stacks[tuple(frames.split(";"))] += int(count)
    return stacks


def share_out(stacks: Mapping[Stack, int], orders: int, threads_cpu_s: Mapping[str, float]) -> list[Share]:
    """Distributes the CPU of Python's threads over the stages as the samples are; librdkafka's is known."""
    network_s = sum(seconds for name, seconds in threads_cpu_s.items() if name.startswith(_LIBRDKAFKA))
    whole_s = sum(threads_cpu_s.values())
    samples: Counter[str] = Counter()
    for stack, count in stacks.items():
        samples[stage(stack)] += count
    each_s = (whole_s - network_s) / max(1, samples.total())
    spent_s = {name: count * each_s for name, count in samples.items()} | {NETWORK: network_s}
    return [
        Share(stage=name, us_per_order=seconds / orders * 1e6, percent=100 * seconds / whole_s)
        for name, seconds in sorted(spent_s.items(), key=lambda item: -item[1])
    ]


def measure(orders: int) -> tuple[Profile, Counter[Stack]]:
    """Profiles one worker while it takes so many orders twice: to see what they cost, and on what it is spent."""
    with installed(_USERS) as installation:
        worker = installation.start_worker()
        installation.await_read()
        installation.play(installation.following(_WARM_UP_ORDERS))
        before = _threads(worker.pid)
        installation.play(installation.following(orders))
        after = _threads(worker.pid)
        with _sampled(worker.pid) as sampled:
            installation.play(installation.following(orders))
        installation.stop_workers()
    stacks = read(sampled.collapsed)
    took = {name: after[name] - before.get(name, 0.0) for name in after}
    profile = Profile(
        orders=orders,
        cpu_us_per_order=sum(took.values()) / orders * 1e6,
        main_thread_us_per_order=took[_MAIN] / orders * 1e6,
        shares=share_out(stacks, orders, took),
    )
    return profile, stacks


class _Sampled:
    """What the profiler found, once it has ended."""

    collapsed = ""


@contextlib.contextmanager
def _sampled(pid: int) -> Iterator[_Sampled]:
    """Samples the process until the context ends."""
    command = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if command is None:
        raise FileNotFoundError("py-spy isn't installed beside this Python: make setup")
    found = _Sampled()
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder, "stacks"), Path(folder, "log")
        options = ["--gil", "--nonblocking", "--rate", str(_SAMPLES_PER_S), "--format", "raw", "--output", str(file)]
        with log.open("wb") as output:
            profiler = process.spawn([command, "record", *options, "--pid", str(pid)], output=output)
        try:
            yield found
        finally:
            profiler.send_signal(signal.SIGINT)  # it writes its file then
            process.finish(profiler, within_s=_PROFILER_ENDS_WITHIN_S)
        if not file.exists():
            raise RuntimeError(f"py-spy sampled nothing. Is ptrace allowed here? It said:\n{log.read_text()}")
        found.collapsed = file.read_text()


def _threads(pid: int) -> dict[str, float]:
    """CPU seconds of the process by thread name; the first thread is called ``main``."""
    seconds: dict[str, float] = defaultdict(float)
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name, _, fields = (task / "stat").read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        user, system = fields.split()[11:13]
        called = _MAIN if task.name == str(pid) else name
        seconds[called] += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return seconds


def show(profile: Profile, console: Console) -> None:
    title = f"{profile.cpu_us_per_order:.0f} µs of CPU an order ({profile.main_thread_us_per_order:.0f} in one thread)"
    table = Table("stage", title=title)
    table.add_column("µs an order", justify="right")
    table.add_column("%", justify="right")
    for share in profile.shares:
        table.add_row(share.stage, f"{share.us_per_order:.1f}", f"{share.percent:.1f}")
    console.print(table)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--orders", type=int, default=60_000)
    chosen = options.parse_args()
    profile, stacks = measure(chosen.orders)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "profile.svg").write_text(flames.draw(stacks, "fillstream worker under W2"))
    (FOLDER / "profile.json").write_bytes(msgspec.json.format(msgspec.json.encode(profile), indent=2) + b"\n")
    show(profile, Console())


if __name__ == "__main__":
    main()
