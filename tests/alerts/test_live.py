"""With a real Prometheus: who is told, and when it ends."""

import time
from pathlib import Path

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, Gauge

from runtime import process
from tests.alerts import live, prometheus
from tests.alerts.prometheus import job_of


class Process:
    """What of a process Prometheus sees."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.port = process.free_port()

    def start(self):
        self._server, self._thread = prometheus_client.start_http_server(self.port, "127.0.0.1", self.registry)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def processes():
    running = {name: Process() for name in ("worker-0", "sink", "probe")}
    for each in running.values():
        each.start()
    yield running
    for each in running.values():
        each.stop()


def test_who_is_told_is_seen_and_who_should_not_have_been_is_named(processes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(live, "QUIET_FOR_S", 1.0)
    registry = processes["probe"].registry
    Gauge("fillstream_lag_collected_timestamp_seconds", "-", registry=registry).set_function(time.time)
    Gauge("fillstream_canary_age_seconds", "-", registry=registry)
    imbalance = Gauge("fillstream_ledger_imbalance", "-", registry=registry)

    def begin(_running):
        processes["sink"].stop()
        imbalance.set(1)

    def end(_running):
        processes["sink"].start()
        imbalance.set(0)

    must = frozenset({live.page("ServiceDown", "sink"), live.ticket("ProcessDown", "sink")})
    fault = live.Fault("the sink is gone", "sink", begin, end, must=must, may=frozenset())
    urls = {name: f"http://127.0.0.1:{each.port}/metrics" for name, each in processes.items()}

    with prometheus.running(tmp_path, urls, divisor=60) as server:
        # what is looked for before its first scrape is missed, and may be told of for a moment
        quiet = lambda: len(server.query("up == 1")) == len(urls) and not server.firing()  # noqa: E731
        live.wait_for(quiet, "all to be seen and nobody to be told", within_s=60)
        wrong = live.tried(fault, None, server)

    assert "the sink is gone: LedgerImbalance(probe) must not page" in wrong
    # a machine that is busy misses a scrape of the others, in times that are sixty times shorter; of the sink nothing
    # may be wrong: all that had to be told was, was named as what had to be, and ended
    assert not [each for each in wrong if "(sink)" in each or "still firing" in each]
    told = capsys.readouterr().out
    assert "ServiceDown(sink)" in told
    assert "ProcessDown(sink)" in told


@pytest.mark.parametrize(
    ("process_name", "job"),
    [
        ("worker-0", "worker"),
        ("worker-11", "worker"),
        ("gateway-simulated", "gateway-simulated"),
        ("gateway-kraken-1", "gateway-kraken"),
        ("sink", "sink"),
    ],
)
def test_what_can_stand_in_for_each_other_is_one_job(process_name, job):
    assert job_of(process_name) == job


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_a_stopped_sink_a_stopped_gateway_and_a_slow_venue_each_make_the_right_alerts_fire_and_end(tmp_path: Path):
    assert live.main(tmp_path) == 0
