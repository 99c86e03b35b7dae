"""Records are answered once each, whatever happens to the workers meanwhile."""

import random
import threading
import time

import pytest

from runtime import process
from tests.streaming.fleet import Fleet, until

#: Longer than a busy machine keeps a worker from its heartbeat: one that was fenced for that would prove nothing.
SESSION_MS = 6_000


@pytest.fixture
def fleet(broker, unique, tmp_path):
    with Fleet(broker, unique("count"), tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("isolated", "environment"),
    [
        pytest.param(True, {}, id="isolated"),
        pytest.param(False, {"NO_CYTHON": "1"}, id="shared, without compiled parts"),
    ],
)
def test_a_clean_stop_loses_nothing_and_a_start_needs_no_more_than_the_changelogs(fleet, isolated, environment):
    fleet.produce(2_000)  # four chunks and more in each partition of each input
    worker = fleet.start(isolated=isolated, environment=environment)
    fleet.verify()
    fleet.produce(1_000)  # inputs that were held while too much of them waited flow again
    fleet.verify()
    assert not process.listening(6066)  # Faust's web server
    assert worker.stop() == 0
    fleet.produce(500)
    fleet.start(isolated=isolated, environment=environment)
    fleet.verify()


def test_kills_at_random_moments_leave_no_trace(fleet):
    chance = random.Random(7)
    traffic = threading.Thread(target=lambda: [fleet.produce(60) or time.sleep(0.01) for _ in range(150)])
    traffic.start()
    for _ in range(4):
        worker = fleet.start()
        until(lambda started=worker: started.events("partition_restored"))
        time.sleep(chance.uniform(0, 0.8))
        worker.kill()
    traffic.join()
    fleet.start()
    fleet.verify()


def test_two_workers_come_and_go_and_are_killed(fleet):
    """A partition that comes back to a worker that had it before finds what others did meanwhile."""
    chance = random.Random(11)
    traffic = threading.Thread(target=lambda: [fleet.produce(40) or time.sleep(0.02) for _ in range(250)])
    traffic.start()
    workers = {name: fleet.start(name, session_timeout_ms=SESSION_MS) for name in ("worker-0", "worker-1")}
    for killed, survivor, awaited in (
        ("worker-1", "worker-0", True),
        ("worker-1", "worker-0", True),
        ("worker-0", "worker-1", False),
        ("worker-0", "worker-1", True),
    ):
        until(lambda: balanced(workers.values()))
        time.sleep(chance.uniform(0, 1))
        assert workers[killed].running  # nobody was fenced, nobody read a changelog that was still being written
        workers[killed].kill()
        if awaited:
            until(lambda other=survivor: owned(workers[other]) == [0, 1, 2, 3])
        workers[killed] = fleet.start(killed, session_timeout_ms=SESSION_MS)
    traffic.join()
    fleet.verify()
    assert all(worker.running for worker in workers.values())


def test_a_hand_over_waits_for_the_chunk_in_hand_and_fences_nobody(fleet):
    fleet.produce(1_500)  # so much that the first is still at it when the second comes
    slow = {"slow_s": 0.2, "chunk_records_max": 100}
    first = fleet.start("worker-0", **slow)
    fleet.answers(1)
    second = fleet.start("worker-1", **slow)
    until(lambda: balanced([first, second]))
    fleet.verify()
    assert first.running
    assert second.running


def balanced(workers):
    """Each has half of the four partitions, and of all inputs alike, or the lane would have stopped it."""
    return sorted(map(owned, workers)) in ([[0, 1], [2, 3]], [[0, 2], [1, 3]], [[0, 3], [1, 2]])


def owned(worker):
    """The partition numbers it was assigned last."""
    assignments = worker.events("partitions_assigned")
    return sorted(assignments[-1]["live"] + assignments[-1]["opening"]) if assignments else []
