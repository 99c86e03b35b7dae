"""Canaries: one for each partition, told apart from all others, and none counted twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.routing import partition_of
from domain.commands import IDENTIFIER_LENGTH_MAX
from observation import canary
from observation.canary import Flock


@pytest.mark.parametrize("partitions", [1, 2, 8, 64])
def test_each_partition_has_a_canary_that_goes_there(partitions):
    users = [canary.user_of(number, partitions) for number in range(partitions)]
    assert [partition_of(user.encode(), partitions) for user in users] == list(range(partitions))
    assert len(set(users)) == partitions
    assert all(user.startswith("canary:") and len(user) <= IDENTIFIER_LENGTH_MAX for user in users)


@given(st.integers(0, 4_095), st.integers(0, 1 << 43))
def test_the_command_id_tells_when_it_was_written(partition, at_ms):
    identifier = canary.command_id(partition, at_ms)
    assert canary.written_ms(identifier) == at_ms
    assert len(identifier) <= IDENTIFIER_LENGTH_MAX


@pytest.mark.parametrize("identifier", ["", "canary:", "canary:3:soon", "order:3:1700000000000"])
def test_what_is_no_canarys_has_no_time(identifier):
    assert canary.written_ms(identifier) is None


def test_an_answer_counts_once_and_only_if_it_was_waited_for():
    flock = Flock(2)
    flock.sent(0, 1_000)
    assert not flock.answered(1, 1_000)
    assert flock.answered(0, 1_000)
    assert not flock.answered(0, 1_000)


def test_the_newest_that_is_stored_stands_for_all_before_it():
    flock = Flock(1)
    for at_ms in (1_000, 2_000, 3_000):
        flock.sent(0, at_ms)
    assert flock.stored(0, 2_000) == [1_000, 2_000]
    assert flock.waiting
    assert flock.stored(0, 3_000) == [3_000]
    assert not flock.waiting
    assert flock.stored(0, 3_000) == []


def test_the_age_is_that_of_the_newest_stored_and_grows_from_the_first_sent_until_there_is_one():
    flock = Flock(2)
    assert flock.newest_s() == {}
    for at_ms in (5_000, 15_000):
        flock.sent(0, at_ms)
        flock.sent(1, at_ms)
    assert flock.newest_s() == {0: 5.0, 1: 5.0}
    flock.stored(1, 15_000)
    assert flock.newest_s() == {0: 5.0, 1: 15.0}


def test_what_an_earlier_probe_sent_counts_for_the_age_alone():
    flock = Flock(1)
    flock.sent(0, 9_000)
    assert flock.stored(0, 4_000) == []
    assert flock.newest_s() == {0: 4.0}


def test_a_long_outage_keeps_a_bounded_number_waiting():
    flock = Flock(1)
    for at_ms in range(1, 10_000):
        flock.sent(0, at_ms)
    assert len(flock.stored(0, 10_000)) == 60
