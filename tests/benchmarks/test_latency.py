"""What latencies are measured from, and what becomes of a rate that isn't held. And the load-test venue."""

import subprocess
import sys

import httpx
import msgspec
import pytest
import websockets.sync.client
from matplotlib.figure import Figure

from benchmarks import latency
from benchmarks.latency import ANSWER, Sample, curve, result, sample
from benchmarks.load_venue import Arrival


def test_a_latency_counts_from_when_its_command_was_due():
    found = sample([10.0, 10.5, 11.0], {0: 10.1, 1: 10.52, 2: 11.03}, 2, 20.0)
    assert found.latencies_ms == pytest.approx((20, 30, 100))
    assert (found.late, found.lost) == (0, 0)
    assert found.behind == 1  # the last had only just become due


def test_what_came_late_or_never_has_the_age_at_which_it_was_given_up_and_is_counted():
    found = sample([10.0, 11.0, 12.0], {0: 10.1, 2: 15.5}, 1, 15.0)
    assert found.latencies_ms == pytest.approx((100, 3_000, 4_000))
    assert (found.behind, found.late, found.lost) == (2, 2, 1)
    published = result(ANSWER, found)
    assert (published.work, published.variant, published.verified) == ("latency", "1/s answer", False)
    assert published.detail["held"] == "no"
    assert (published.detail["late"], published.detail["lost"]) == (2, 1)


def test_what_is_only_late_makes_no_output_wrong():
    published = result(ANSWER, sample([10.0, 11.0], {0: 10.1, 1: 20.0}, 1, 15.0))
    assert (published.verified, published.detail["held"]) == (True, "no")


def test_percentiles_are_of_all_commands():
    found = Sample(rate=500, latencies_ms=tuple(float(number) for number in range(1_000)), behind=0, late=0, lost=0)
    assert result(ANSWER, found).latency_ms == {"p50": 500, "p99": 990, "p99_9": 999}
    assert result(ANSWER, found).detail["held"] == "yes"
    points = dict(curve("500/s answer", found).points)
    assert points[0.5] == 500
    assert points[0.999] == 999


def test_a_curve_can_be_drawn_and_read_back(tmp_path):
    found = curve("500/s answer", sample([1.0, 2.0], {0: 1.5, 1: 2.25}, 1, 9.0))
    latency._keep([found], tmp_path / "deep" / "latency.json")
    assert latency.load(tmp_path / "deep" / "latency.json") == [found]
    assert latency.load(tmp_path / "none.json") == []
    axis = Figure().add_subplot()
    latency.plot(axis, [found])
    (line,) = axis.lines
    assert list(line.get_xdata()) == [ms for _, ms in found.points]


@pytest.fixture(scope="module")
def venue():
    """Where the load-test venue answers, and its stream."""
    command = [sys.executable, "-m", "benchmarks.load_venue", "--answer-after-ms", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield running.stdout.readline().split()
        running.terminate()


def test_the_load_test_venue_acknowledges_what_it_is_sent_and_says_when_that_came(venue):
    url, stream_url = venue
    with websockets.sync.client.connect(stream_url) as stream, httpx.Client(base_url=url) as client:
        stream.send('{"id": "7"}')
        assert msgspec.json.decode(stream.recv(5))["status"] == 200
        placed = client.post("/api/v3/order?symbol=BTCUSD&newClientOrderId=mine&signature=x")
        assert placed.json()["clientOrderId"] == "mine"
        assert placed.json()["status"] == "NEW"
        assert msgspec.json.decode(stream.recv(5))["event"]["c"] == "mine"
        (arrival,) = msgspec.json.decode(client.get("/arrivals").content, type=list[Arrival])
        assert arrival.client_order_id == "mine"
        assert client.get("/arrivals").json() == []
        assert client.get("/api/v3/order?origClientOrderId=mine").json() == placed.json()
        unknown = client.get("/api/v3/order?origClientOrderId=other")
        assert (unknown.status_code, unknown.json()["code"]) == (400, -2013)
        assert client.get("/api/v3/myTrades?symbol=BTCUSD").json() == []
