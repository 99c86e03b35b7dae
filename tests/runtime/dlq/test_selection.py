"""What an operator may write for a record and for a time."""

from datetime import UTC, datetime

import pytest

from runtime.dlq.selection import Coordinate, Selection, coordinate, instant_us

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_record_is_topic_partition_offset():
    assert coordinate("venue-requests.simulated:3:1207") == Coordinate("venue-requests.simulated", 3, 1207)
    assert str(coordinate("transfers:0:0")) == "transfers:0:0"


@pytest.mark.parametrize("text", ["transfers", "transfers:0", "transfers:a:1", "a:b:1:2", "transfers:-1:0", ""])
def test_anything_else_is_no_record(text):
    with pytest.raises(ValueError, match="topic:partition:offset"):
        coordinate(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30s", datetime(2026, 1, 2, 11, 59, 30, tzinfo=UTC)),
        ("90m", datetime(2026, 1, 2, 10, 30, tzinfo=UTC)),
        ("2h", datetime(2026, 1, 2, 10, tzinfo=UTC)),
        ("7d", datetime(2025, 12, 26, 12, tzinfo=UTC)),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T02:00:00+02:00", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_so_long_ago_or_iso_8601(text, meant):
    assert instant_us(text, NOW) == meant.timestamp() * 1_000_000


@pytest.mark.parametrize("text", ["tomorrow", "2w", "-1h", ""])
def test_anything_else_is_no_time(text):
    with pytest.raises(ValueError, match="neither an ISO 8601 time"):
        instant_us(text, NOW)


def test_without_a_filter_everything_is_selected():
    assert Selection().everything
    assert not Selection(user="alice").everything
