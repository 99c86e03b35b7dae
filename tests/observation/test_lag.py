"""Lag in records and seconds: 0 only where somebody has seen that nothing waits, and never below."""

from hypothesis import given
from hypothesis import strategies as st

from observation.lag import Head, Place, Standing

PLACE = Place("order-commands", 3)
offsets = st.integers(0, 1 << 40)
heads = st.none() | st.builds(Head, st.none() | st.integers(0, 1 << 42), offsets)


def standing(committed, end, head=None, first=0):
    return Standing(place=PLACE, committed=committed, first=first, end=end, head=head)


def test_lag_is_from_the_committed_offset_to_the_high_watermark():
    assert standing(7, 10).lag_records == 3


def test_a_watermark_that_trails_the_committed_offset_is_no_negative_lag():
    assert standing(12, 10).lag_records == 0
    assert standing(12, 10).lag_s(1e12) == 0.0


def test_a_group_without_an_offset_has_no_lag_that_anybody_knows():
    assert standing(None, 10).lag_records is None
    assert standing(None, 10).lag_s(1e12) is None


def test_nobody_is_behind_on_a_partition_without_a_record():
    assert standing(None, end=4, first=4).lag_records == 0
    assert standing(None, end=4, first=4).lag_s(1e12) == 0.0


def test_the_time_lag_is_the_age_of_the_record_at_the_committed_offset():
    assert standing(7, 10, Head(1_000, 7)).lag_s(3_500.0) == 2.5


def test_the_time_lag_is_unknown_where_nobody_has_read_that_record():
    assert standing(7, 10).lag_s(3_500.0) is None


def test_marks_of_transactions_are_nothing_to_wait_for():
    after_marks = standing(9, 10, Head(None, 10))
    assert after_marks.lag_records == 0
    assert after_marks.lag_s(3_500.0) == 0.0


def test_an_open_transaction_is_a_lag_of_records_but_of_no_time():
    open_transaction = standing(9, 15, Head(None, 10))
    assert open_transaction.lag_records == 6
    assert open_transaction.lag_s(3_500.0) == 0.0


def test_a_record_from_a_clock_that_is_ahead_is_not_older_than_now():
    assert standing(7, 10, Head(5_000, 7)).lag_s(3_500.0) == 0.0


@given(st.none() | offsets, offsets, offsets, heads, st.floats(0, 1e13))
def test_what_is_known_is_never_negative_and_no_records_is_no_time(committed, first, length, head, now_ms):
    seen = Standing(place=PLACE, committed=committed, first=first, end=first + length, head=head)
    records, seconds = seen.lag_records, seen.lag_s(now_ms)
    assert records is None or records >= 0
    assert seconds is None or seconds >= 0.0
    assert (records == 0) <= (seconds == 0.0)
    assert (records is None) <= (seconds is None)
    assert committed is not None or records is None or length == 0


@given(offsets, offsets, offsets)
def test_what_is_consumed_and_what_is_written_move_the_lag_by_as_much(committed, waiting, more):
    before = standing(committed, committed + waiting)
    assert standing(committed + min(more, waiting), before.end).lag_records == waiting - min(more, waiting)
    assert standing(committed, before.end + more).lag_records == waiting + more
