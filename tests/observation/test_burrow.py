"""Burrow's states: what a window of looks says about a consumer, without a threshold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observation.burrow import Sample, State, state

WINDOW = 4


def seen(*looks, owned=True):
    """Samples of (committed, lag), five seconds apart."""
    return [Sample(5.0 * number, committed, lag, owned) for number, (committed, lag) in enumerate(looks)]


@pytest.mark.parametrize(
    ("looks", "owned", "expected"),
    [
        pytest.param([(5, 3), (6, 4), (7, 5), (8, 0)], True, State.OK, id="no lag now"),
        pytest.param([(5, 3), (8, 0), (8, 4), (8, 9)], True, State.OK, id="no lag lately"),
        pytest.param([(5, 9), (6, 8), (7, 9), (8, 9)], True, State.OK, id="lag that fell once"),
        pytest.param([(5, 3), (6, 3), (7, 4), (8, 6)], True, State.WARN, id="lag that never falls"),
        pytest.param([(5, 3), (5, 3), (5, 3), (5, 3)], True, State.STALL, id="an owner that doesn't move"),
        pytest.param([(5, 3), (5, 3), (5, 3), (5, 9)], False, State.STOP, id="nobody there"),
        pytest.param([(5, 3), (6, 3), (4, 5), (8, 3)], True, State.REWIND, id="back and forth"),
        pytest.param([(9, 3), (4, 8)], True, State.REWIND, id="a rewind needs no full window"),
        pytest.param([(5, 3), (5, 3), (5, 3)], True, State.UNKNOWN, id="too few looks to blame anybody"),
        pytest.param([(5, 0)], True, State.OK, id="one look is enough to see that nothing waits"),
        pytest.param([(5, 3), (5, 3), (5, 3), (None, None)], True, State.UNKNOWN, id="not known any more"),
        pytest.param([], True, State.UNKNOWN, id="never looked at"),
    ],
)
def test_the_state_follows_from_the_looks(looks, owned, expected):
    assert state(seen(*looks, owned=owned), WINDOW) is expected


def test_what_was_longer_ago_than_the_window_no_longer_counts():
    looks = seen((5, 0), (5, 3), (5, 3), (5, 3), (5, 3))
    assert state(looks, WINDOW) is State.STALL
    assert state(looks, WINDOW + 1) is State.OK


def test_a_partition_that_somebody_took_over_meanwhile_is_stalled_not_stopped():
    looks = [*seen((5, 3), (5, 3), (5, 3), owned=False), Sample(15.0, 5, 3, owned=True)]
    assert state(looks, WINDOW) is State.STALL


samples = st.lists(
    st.builds(Sample, st.just(0.0), st.integers(0, 9), st.integers(0, 9), st.booleans()), min_size=1, max_size=9
)


@given(samples)
def test_a_consumer_that_was_never_behind_in_the_window_is_never_blamed(looks):
    if any(look.lag == 0 for look in looks[-WINDOW:]):
        assert state(looks, WINDOW) is State.OK


@given(samples)
def test_only_who_had_the_partition_can_stall_and_only_who_had_it_not_has_stopped(looks):
    found = state(looks, WINDOW)
    if found is State.STALL:
        assert any(look.owned for look in looks[-WINDOW:])
    if found is State.STOP:
        assert not any(look.owned for look in looks[-WINDOW:])
    if found in {State.STALL, State.STOP}:
        assert looks[-1].committed == looks[-WINDOW].committed
