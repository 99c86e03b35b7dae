"""With a real Prometheus: who is told, and when it ends."""

from pathlib import Path

import prometheus_client
import pytest

from runtime import process
from tests.alerts import live, prometheus
from tests.alerts.prometheus import job_of, wait_for


def test_an_alert_fires_for_a_process_that_is_gone_and_ends_when_it_is_back(tmp_path):
    port = process.free_port()
    with prometheus.running(tmp_path, {"sink": f"http://127.0.0.1:{port}/metrics"}, divisor=60) as server:
        wait_for(lambda: "ServiceDown" in names(server), "ServiceDown to fire", within_s=30)
        httpd, thread = prometheus_client.start_http_server(port, "127.0.0.1", prometheus_client.CollectorRegistry())
        wait_for(lambda: "ServiceDown" not in names(server), "ServiceDown to end", within_s=30)
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def names(server):
    return {alert["labels"]["alertname"] for alert in server.firing()}


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
