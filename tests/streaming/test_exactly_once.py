"""Records are answered once each, whatever happens to the workers meanwhile."""

import random
import threading
import time

import pytest

from tests.streaming.fleet import Fleet, until


@pytest.fixture
def fleet(broker, unique, tmp_path):
    with Fleet(broker, unique("count"), tmp_path) as running:
        yield running


@pytest.mark.parametrize("isolated", [True, False])
def test_two_inputs_share_a_table_and_a_clean_stop_loses_nothing(fleet, isolated):
    fleet.produce(2_000)
    worker = fleet.start(isolated=isolated)
    fleet.verify()
    assert worker.stop() == 0
    fleet.produce(500)
    fleet.start(isolated=isolated)
    fleet.verify()


def test_kills_at_random_moments_leave_no_trace(fleet):
    chance = random.Random(7)
    traffic = threading.Thread(target=lambda: [fleet.produce(60) or time.sleep(0.01) for _ in range(150)])
    traffic.start()
    for _ in range(5):
        worker = fleet.start()
        until(lambda started=worker: started.events("partition_restored"))
        time.sleep(chance.uniform(0, 0.8))
        worker.kill()
    traffic.join()
    fleet.start()
    fleet.verify()


def test_two_workers_come_and_go_and_are_killed(fleet):
    chance = random.Random(11)
    traffic = threading.Thread(target=lambda: [fleet.produce(40) or time.sleep(0.02) for _ in range(250)])
    traffic.start()
    workers = {name: fleet.start(name, session_timeout_ms=2_000) for name in ("worker-0", "worker-1")}
    time.sleep(3)
    for round_ in range(5):
        name = chance.choice(list(workers))
        workers[name].kill()
        time.sleep(3.0 if round_ % 2 else chance.uniform(0, 0.5))  # long enough for a rebalance, or too short
        workers[name] = fleet.start(name, session_timeout_ms=2_000)
        time.sleep(chance.uniform(0.5, 2))
    traffic.join()
    fleet.verify()
