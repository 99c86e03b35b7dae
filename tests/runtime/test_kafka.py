"""What clients ask of a partition that has no leader yet."""

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from runtime import kafka

PLACE = TopicPartition("t", 0)


class Reader:
    """Answers what it is told to, one after the other."""

    def __init__(self, *answers: int | tuple[int, int]) -> None:
        self.answers = list(answers)

    def get_watermark_offsets(self, at: TopicPartition, timeout: float) -> tuple[int, int]:
        assert (at, timeout) == (PLACE, 20)
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
