"""What is measured of a run: how fast it takes a backlog, how soon it answers, how soon it is back after a kill."""

import statistics
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from benchmarks import processes
from benchmarks.w1 import verification, wire, workload
from benchmarks.w1.cluster import Cluster, Gate, produce
from benchmarks.w1.reference import Expected, expect
from benchmarks.w1.run import Run
from benchmarks.w1.variants import Variant

WARM_UP_S: Final = 5

_LOOK_EVERY_S: Final = 0.05
_QUIET_S: Final = 1.5
_STALLED_S: Final = 30.0
_RECOVERED_WITHIN_S: Final = 90.0


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """One round: commands a second; CPU and memory of all processes of the variant."""

    rate: float
    cpu_s_per_100k: float
    cpu_s_per_100k_with_start: float
    broker_cpu_s_per_100k: float
    rss_mib: float


class _Look(msgspec.Struct, frozen=True):
    """What could be seen at one moment."""

    at_s: float
    end: int
    cpu_s: float
    broker_cpu_s: float


def throughput(cluster: Cluster, variant: Variant, expected: Expected, broker_pid: int) -> Throughput:
    """Has *variant* take a backlog that becomes readable all at once, and checks all that it wrote. Raises RunFailed.

    The rate counts from the first event's append to the last one's, by the broker's clock; CPU time from when the
    backlog became readable to when the last output had been committed.
    """
    with Run(cluster, variant) as run:
        gate = Gate(cluster, run.place.commands, expected.commands)
        run.start()
        run.await_ready()
        before = _look(run, broker_pid)
        gate.open()
        after = _watch(run, len(expected.events), broker_pid)
        rss_mib = run.resident_mib_max()
        run.kill()
        outputs = _verified(run, expected)
        commands = len(expected.commands)
        per_100k = 100_000 / commands
        return Throughput(
            rate=commands / max(0.001, (outputs.last_ms - outputs.first_ms) / 1_000),
            cpu_s_per_100k=(after.cpu_s - before.cpu_s) * per_100k,
            cpu_s_per_100k_with_start=after.cpu_s * per_100k,
            broker_cpu_s_per_100k=(after.broker_cpu_s - before.broker_cpu_s) * per_100k,
            rss_mib=rss_mib,
        )


def latency(cluster: Cluster, variant: Variant, rate: int, seconds: int) -> dict[str, float]:
    """Milliseconds from when a command was due to when its event could be read, at *rate* a second. Raises RunFailed.

    Commands are due at even intervals, whether the system keeps up or not, so that a stall counts for all it delays.
    The first seconds warm up and don't count.
    """
    expected = expect(workload.commands(rate * (WARM_UP_S + seconds)))
    with Run(cluster, variant) as run:
        run.start()
        run.await_ready()
        spent_ms = sorted(_paced(run, expected, rate))
        run.kill()
        _verified(run, expected)
    cuts = statistics.quantiles(spent_ms, n=1_000)
    return {"p50": cuts[499], "p99": cuts[989], "p99_9": cuts[998]}


class Recovery(msgspec.Struct, frozen=True):
    """Seconds from a SIGKILL, and a start at once, to the first new committed event, and to the last of the backlog."""

    first_s: float
    last_s: float


def recovery(cluster: Cluster, variant: Variant, expected: Expected) -> Recovery:
    """Kills *variant* half-way through a backlog and has it finish. Raises RunFailed."""
    with Run(cluster, variant) as run:
        gate = Gate(cluster, run.place.commands, expected.commands)
        run.start()
        run.await_ready()
        gate.open()
        _await_end(run, len(expected.events) // 2)
        killed_s = time.time()
        run.kill()
        run.start()
        first_s = _first_event_after(run, killed_s) - killed_s
        _watch(run, len(expected.events), None, stalled_s=_RECOVERED_WITHIN_S)
        last_s = time.time() - _QUIET_S - killed_s
        run.kill()
        _verified(run, expected)
        return Recovery(first_s, last_s)


def _look(run: Run, broker_pid: int | None) -> _Look:
    broker_cpu_s = 0.0 if broker_pid is None else processes.cpu_s(broker_pid)
    return _Look(time.monotonic(), sum(run.cluster.ends(run.place.events)), run.cpu_s(), broker_cpu_s)


def _watch(run: Run, events: int, broker_pid: int | None, stalled_s: float = _STALLED_S) -> _Look:
    """Waits until at least so many *events* are committed and no more come; the look that saw the last of them."""
    last = _look(run, broker_pid)
    while True:
        time.sleep(_LOOK_EVERY_S)
        run.check()
        look = _look(run, broker_pid)
        if look.end > last.end:
            last = look
        quiet_s = look.at_s - last.at_s
        if last.end >= events and quiet_s > _QUIET_S:
            return last
        if quiet_s > stalled_s:
            raise run.failed(f"stalled after {last.end} of {events} events")


def _await_end(run: Run, events: int) -> None:
    deadline = time.monotonic() + _RECOVERED_WITHIN_S
    while sum(run.cluster.ends(run.place.events)) < events:
        run.check()
        if time.monotonic() > deadline:
            raise run.failed(f"not half-way within {_RECOVERED_WITHIN_S:.0f} s")
        time.sleep(_LOOK_EVERY_S)


def _first_event_after(run: Run, killed_s: float) -> float:
    """When the first committed event could be read that was appended after the kill, in seconds since the epoch.

    What had been appended before may become readable later, if its commit was on its way: that is no recovery.
    """
    starts = run.cluster.ends(run.place.events)
    reader = run.cluster.reader(run.place.events, starts)
    deadline = time.monotonic() + _RECOVERED_WITHIN_S
    try:
        while time.monotonic() < deadline:
            run.check()
            for message in reader.consume(1_000, 0.02):
                if message.error() is None and message.timestamp()[1] > killed_s * 1_000:
                    return time.time()
    finally:
        reader.close()
    raise run.failed(f"no new event within {_RECOVERED_WITHIN_S:.0f} s of the kill")


def _paced(run: Run, expected: Expected, rate: int) -> Iterator[float]:
    """Produces the commands, each when it is due, and yields the latencies in milliseconds as the events arrive."""
    order_of, event_of = wire.decoder("place_order"), wire.decoder("order_event")
    due_s: dict[str, float] = {}
    for number, (_, command) in enumerate(expected.commands):
        due_s.setdefault(order_of(command)["order_id"], number / rate)
    producer = run.cluster.producer(linger_ms=1)
    reader = run.cluster.reader(run.place.events)
    start_s, produced, answered = time.monotonic(), 0, 0
    end_s = start_s + len(expected.commands) / rate
    while answered < len(expected.events):
        due = min(len(expected.commands), int((time.monotonic() - start_s) * rate) + 1)
        for key, value in expected.commands[produced:due]:
            produce(producer, run.place.commands, key, value)
        produced = due
        producer.poll(0)
        for message in reader.consume(1_000, 0.001):
            if message.error() is None:
                answered += 1
                due_after_s = due_s[event_of(message.value())["order_id"]]
                if due_after_s >= WARM_UP_S:
                    yield (time.monotonic() - start_s - due_after_s) * 1_000
        if time.monotonic() > end_s + _STALLED_S:
            raise run.failed(
                f"{answered} of {len(expected.events)} events within {_STALLED_S:.0f} s of the last command"
            )
    reader.close()


def _verified(run: Run, expected: Expected) -> verification.Outputs:
    """What the run wrote. Raises RunFailed unless all of it is as it must be."""
    outputs = verification.read(run.cluster, run.place, run.variant.tables)
    check = verification.count_faults if outputs.tables is None else verification.faults
    if faults := check(outputs, expected):
        raise run.failed("; ".join(faults))
    return outputs
