"""Axes: every value is within them, and their ticks are round."""

from hypothesis import example, given
from hypothesis import strategies as st

from analytics.report import scales

DAY = 86_400


@given(st.floats(1e-9, 1e15))
@example(1.0)
@example(300.0)
def test_the_largest_value_is_within_the_axis_and_not_far_below_its_end(most):
    ticks = scales.levels(most)
    assert ticks[0] == 0
    assert most <= ticks[-1] * (1 + 1e-9)
    assert ticks[-1] <= most * 2
    assert 2 <= len(ticks) <= 6


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
@example(0.0, 5e-324)
def test_nothing_is_outside_an_axis_and_0_is_a_tick(one, other):
    low, high = min(one, other, 0.0), max(one, other, 0.0)
    ticks = scales.levels(max(one, other), min(one, other))
    hair = 1e-6 * (high - low) + 1e-99
    assert 0 in ticks
    assert ticks == sorted(ticks)
    assert ticks[0] <= low + hair
    assert ticks[-1] >= high - hair
    assert 2 <= len(ticks) <= 7


def test_where_there_is_nothing_to_show_the_axis_still_has_ends():
    assert scales.levels(0) == scales.levels(float("inf")) == [0.0, 1.0]


def test_long_durations_are_counted_in_minutes_and_hours():
    assert scales.durations_s(5 * 3_600) == [0, 2 * 3_600, 4 * 3_600, 6 * 3_600]
    assert scales.durations_s(150) == [0, 60, 120, 180]
    assert scales.durations_s(0.9) == [0, 0.25, 0.5, 0.75, 1.0]


@given(st.integers(1, 400 * DAY))
def test_a_plot_has_room_for_every_interval(duration_s):
    width = scales.interval_s(duration_s)
    assert duration_s / width <= 120 or width == 30 * DAY
    assert width == 1 or duration_s / width > 10


@given(st.integers(1_600_000_000, 1_900_000_000), st.integers(1, 60 * DAY))
def test_the_times_below_a_plot_are_within_it_and_few(from_s, duration_s):
    found = scales.times(from_s, from_s + duration_s)
    assert len(found) <= 9
    assert all(from_s <= at_s <= from_s + duration_s for at_s in found)


def test_a_time_says_as_much_as_is_not_plain():
    noon = 1_767_268_800 + 5  # 2026-01-01 12:00:05 UTC
    assert scales.time_label(noon, 300) == "12:00:05"
    assert scales.time_label(noon, DAY) == "12:00"
    assert scales.time_label(noon, 10 * DAY) == "1 Jan"
    assert scales.time_label(noon - 12 * 3_600 - 5, DAY) == "1 Jan"
