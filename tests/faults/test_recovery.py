"""A partition is back with the first event written after the fault; a fault is over with its last partition."""

from runtime.chaos.recovery import Percentiles, Recoveries, Recovery, percentiles

SECOND = 1_000_000


def test_the_slowest_partition_counts():
    recoveries = Recoveries()
    recoveries.expect("worker killed", "worker-0", 10 * SECOND, [1, 2])
    recoveries.hear(1, 11 * SECOND, 12 * SECOND)
    assert recoveries.done == []
    assert recoveries.pending == ["worker killed of worker-0: nothing from [2]"]
    recoveries.hear(2, 12 * SECOND, 14 * SECOND)
    recoveries.hear(1, 15 * SECOND, 16 * SECOND)
    assert recoveries.done == [Recovery("worker killed", "worker-0", 10 * SECOND, 4.0)]
    assert recoveries.pending == []


def test_what_was_written_before_and_read_afterwards_is_no_recovery():
    recoveries = Recoveries()
    recoveries.expect("worker killed", "worker-0", 10 * SECOND, [1])
    recoveries.hear(1, 10 * SECOND, 11 * SECOND)
    recoveries.hear(3, 12 * SECOND, 12 * SECOND)
    assert recoveries.done == []
    recoveries.hear(1, 10 * SECOND + 1_000, 13 * SECOND)
    assert [one.seconds for one in recoveries.done] == [3.0]


def test_one_event_may_end_two_faults():
    recoveries = Recoveries()
    recoveries.expect("worker killed", "worker-0", 1 * SECOND, [1])
    recoveries.expect("worker killed in recovery", "worker-0", 3 * SECOND, [1])
    recoveries.hear(1, 5 * SECOND, 6 * SECOND)
    assert [one.seconds for one in recoveries.done] == [5.0, 3.0]


def test_who_owned_nothing_has_nothing_to_come_back():
    recoveries = Recoveries()
    recoveries.expect("worker killed", "worker-2", 1, [])
    assert recoveries.pending == []


def test_percentiles_are_of_the_nearest_rank():
    assert percentiles([]) == Percentiles(0.0, 0.0, 0.0, 0)
    found = percentiles([Recovery("f", "p", 0, float(n)) for n in range(100, 0, -1)])
    assert found == Percentiles(p50=51.0, p99=100.0, max=100.0, count=100)
