"""What an operator may write to accept a gap."""

import pytest

from analytics.gaps import BadGap, Gap, parse


def test_a_gap_has_a_topic_a_partition_and_two_offsets():
    found = parse(["order-events:3:1200:1500", "venue-requests.binance:0:0:1"])
    assert found["order-events", 3] == Gap("order-events", 3, 1200, 1500)
    assert found["venue-requests.binance", 0].end == 1


@pytest.mark.parametrize(
    "text", ["", "order-events", "order-events:3:1200", "a:b:1:2", "a:0:5:5", "a:0:6:5", "a:0:-1:5"]
)
def test_anything_else_is_refused_with_what_to_write(text):
    with pytest.raises(BadGap, match=r"TOPIC:PARTITION:FROM:TO|TO is the first offset"):
        parse([text])


def test_one_gap_of_a_partition_at_a_time():
    with pytest.raises(BadGap, match="one after the other"):
        parse(["a:0:1:2", "a:0:5:6"])
