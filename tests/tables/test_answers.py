"""First answers of one partition are forgotten when their time is over, the oldest first."""

import pytest

from domain.messages import Answer
from domain.state import FirstAnswer
from streaming.table import Fingerprint
from tables.answers import AnswerRows


@pytest.fixture
def rows() -> AnswerRows:
    return AnswerRows(FirstAnswer, Fingerprint("answers"), {})


def until(forget_at: int) -> FirstAnswer:
    return FirstAnswer(Answer.ACCEPTED, None, "order-1", 7, forget_at)


def kept(rows: AnswerRows) -> set[bytes]:
    return {key for key, _ in rows.items()}


def test_an_answer_is_kept_until_its_time_is_over(rows):
    rows.put(b"a", until(10))
    rows.put(b"b", until(20))
    rows.forget(9, 100)
    assert kept(rows) == {b"a", b"b"}
    rows.forget(10, 100)
    assert kept(rows) == {b"b"}
    rows.forget(20, 100)
    assert kept(rows) == set()


def test_a_flood_of_answers_is_forgotten_bit_by_bit(rows):
    for number in range(5):
        rows.put(b"%d" % number, until(number))
    rows.forget(100, 2)
    assert kept(rows) == {b"2", b"3", b"4"}
    rows.forget(100, 0)
    assert len(rows) == 3
    rows.forget(100, 100)
    assert len(rows) == 0


def test_an_answer_that_is_given_anew_is_kept_for_its_new_time(rows):
    rows.put(b"a", until(10))
    rows.put(b"a", until(20))
    rows.put(b"b", until(20))
    rows.forget(10, 100)
    assert kept(rows) == {b"a", b"b"}
    rows.forget(20, 100)
    assert kept(rows) == set()


def test_restored_answers_are_forgotten_in_the_same_order(rows):
    for key, at in ((b"late", 30), (b"soon", 10), (b"next", 20)):
        rows.put(key, until(at))
    restored = AnswerRows(
        FirstAnswer, Fingerprint("answers"), {change["key"]: change["value"] for change in rows.changes()}
    )
    restored.loaded()
    restored.forget(20, 1)
    assert kept(restored) == {b"late", b"next"}
    restored.forget(20, 100)
    assert kept(restored) == {b"late"}
