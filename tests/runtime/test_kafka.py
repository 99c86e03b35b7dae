"""What clients ask of a partition that has no leader yet, and of a group that has no coordinator."""

from typing import Any, NamedTuple

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from runtime import kafka

PLACE = TopicPartition("t", 0)


class Reader:
    """Answers what it is told to, one after the other."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def get_watermark_offsets(self, at: TopicPartition, timeout: float) -> tuple[int, int]:
        assert (at, timeout) == (PLACE, 20)
        return self._next()

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert (places, timeout) == ([PLACE], 20)
        return self._next()

    def _next(self) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return answer


@pytest.fixture
def moment(monkeypatch):
    """Time passes only while somebody sleeps. What it holds is how long that was."""
    slept: list[float] = []
    monkeypatch.setattr(kafka.time, "sleep", slept.append)
    monkeypatch.setattr(kafka.time, "monotonic", lambda: sum(slept))
    return slept


def test_a_partition_that_waits_for_its_leader_is_asked_again(moment):
    answers = KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION
    assert kafka.watermarks(Reader(*answers, (3, 9)), PLACE) == (3, 9)
    assert len(moment) == 3


def test_a_partition_that_gets_no_leader_is_given_up(moment):
    with pytest.raises(KafkaException):
        kafka.watermarks(Reader(KafkaError.LEADER_NOT_AVAILABLE), PLACE)
    assert 20 < sum(moment) < 21


def test_what_does_not_pass_by_itself_is_told_at_once(moment):
    with pytest.raises(KafkaException):
        kafka.watermarks(Reader(KafkaError.TOPIC_AUTHORIZATION_FAILED, (3, 9)), PLACE)
    assert moment == []


def test_a_group_that_waits_for_its_coordinator_is_asked_again(moment):
    found = [TopicPartition("t", 0, 7)]
    answers = KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS
    assert kafka.committed(Reader(*answers, found), [PLACE], 20) is found
    assert len(moment) == 3


def test_a_group_that_gets_no_coordinator_is_given_up(moment):
    with pytest.raises(KafkaException):
        kafka.committed(Reader(KafkaError.NOT_COORDINATOR), [PLACE], 20)
    assert 20 < sum(moment) < 21


def test_what_is_refused_of_one_place_is_told(moment):
    class Refused(NamedTuple):
        error: KafkaError

    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        kafka.committed(Reader([PLACE, Refused(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))]), [PLACE], 20)
    assert moment == []
