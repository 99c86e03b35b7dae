"""On a running installation that is broken on purpose, the doctor names the hop; and the probe measures it before.

One installation serves all. Two of the broken set-ups belong to every run of the tests, the others are long.
"""

import contextlib
import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from observation.doctor import command
from runtime import supervisor, topics
from runtime.exits import Exit
from runtime.settings import Settings
from tests.conftest import JAR_CACHE

VENUE = "simulated"
GATEWAY = f"gateway-{VENUE}"
WORKERS = ("worker-0", "worker-1")
WELL_WITHIN_S = 90.0


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """A whole system with a probe, and settings of somebody who only knows its folder."""
    var = tmp_path_factory.mktemp("installation")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(var)  # where there is no file of settings
        settings = Settings(
            var=var,
            jar_cache=JAR_CACHE,
            partitions=2,
            probe_canary_interval_s=1.0,
            probe_lag_interval_s=1.0,
            probe_audit_interval_s=5.0,
        )
        with supervisor.local(settings, probe=True) as running:
            yield SimpleNamespace(
                running=running, settings=Settings(var=var, partitions=2), bootstrap=running.endpoints.bootstrap
            )


@pytest.fixture
def examine(installation, capsys):
    """Asks the doctor as its command does; gives its exit code, its sentence, and the hops that it calls broken."""

    def ask(seconds=0.6):
        code = command.main(installation.settings, seconds=seconds, as_json=True)
        shown = capsys.readouterr().out.splitlines()  # the supervisor's log is there as well
        told = json.loads("\n".join(shown[shown.index("{") : shown.index("}") + 1]))
        broken = [finding["hop"] for finding in told["findings"] if finding["verdict"] == "broken"]
        return code, told["sentence"], broken

    return ask


@pytest.fixture
def well(examine):
    """Waits until the doctor finds nothing."""

    def wait():
        deadline = time.monotonic() + WELL_WITHIN_S
        while (told := examine())[1] != "Records go through: every hop does its work, and nobody is behind.":
            assert time.monotonic() < deadline, told

    return wait


# ── ways to break it; each gives back what mends it ─────────────────────────────────────────────────────────────────


def down(*names):
    @contextlib.contextmanager
    def broken(installation):
        for name in names:
            installation.running.take_down(name, kill=True)
        while set(names) & set(installation.running.pids):
            time.sleep(0.05)
        try:
            yield
        finally:
            for name in names:
                installation.running.bring_up(name)

    return broken


def hanging(*names):
    @contextlib.contextmanager
    def broken(installation):
        pids = [installation.running.pids[name] for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    return broken


@contextlib.contextmanager
def without_a_topic(installation):
    reached = installation.settings.model_copy(update={"bootstrap_servers": installation.bootstrap})
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})  # a name of its own: its requests end with it
    admin.delete_topics(["replays"])["replays"].result(20)
    while "replays" in topics.find(reached, {"replays"}):
        time.sleep(0.05)
    try:
        yield
    finally:
        topics.ensure(reached, [VENUE])


SETUPS = {
    "the gateway is stopped": (down(GATEWAY), "Records stop at the gateway to simulated: gateway-simulated doesn't"),
    "ClickHouse is stopped": (down("clickhouse"), "Records stop at ClickHouse: it doesn't answer at http://127.0.0.1"),
    "the sink is stopped": (down("sink"), "Records stop at the sink: sink doesn't answer"),
    "the workers are stopped": (down(*WORKERS), "Records stop at the workers: worker-0 and worker-1 don't answer"),
    "the broker is stopped": (down("broker"), "Records stop at the broker: Kafka doesn't answer at 127.0.0.1"),
    "the workers hang": (hanging(*WORKERS), "Records stop at the workers: worker-0 and worker-1 don't answer"),
    "the gateway hangs": (hanging(GATEWAY), "Records stop at the gateway to simulated: gateway-simulated doesn't"),
    "ClickHouse hangs": (hanging("clickhouse"), "Records stop at ClickHouse: it doesn't answer at http://127.0.0.1"),
    "the venue doesn't answer": (hanging("simulator"), "Records stop at the venue simulated: it doesn't answer at"),
    "a topic is missing": (
        without_a_topic,
        "Records stop at topic replays: replays is missing; mend it by `fillstream",
    ),
}
IN_EVERY_RUN = ("the gateway is stopped", "ClickHouse is stopped")


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────────


def scrape(installation):
    """The probe's samples: value by name and labels."""
    with urllib.request.urlopen(installation.running.endpoints.metrics["probe"], timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return [sample for family in families for sample in family.samples]


def values(samples, name, **labels):
    return [each.value for each in samples if each.name == name and labels.items() <= each.labels.items()]


def not_yet_seen(samples):
    """What a scrape lacks of all that the probe shows of a healthy system: its first looks may have come too early."""
    shown = {
        "canaries stored": sum(values(samples, "fillstream_canary_stored_seconds_count")) >= 2,
        "canaries answered": sum(values(samples, "fillstream_canary_answer_seconds_count")) >= 2,
        "their ages": len(values(samples, "fillstream_canary_age_seconds")) == 2,
        "audits": values(samples, "fillstream_audit_breaks") != [],
        "the lag of the sink": values(samples, "fillstream_lag_records", topic="order-events") != [],
        "retention": values(samples, "fillstream_topic_retention_seconds", topic="order-commands") == [604_800.0],
        "a look of late": min(values(samples, "fillstream_lag_collected_timestamp_seconds"), default=0)
        > time.time() - 60,
    }
    for group, topic in (("fillstream", "order-commands"), (f"fillstream-{GATEWAY}", f"venue-requests.{VENUE}")):
        at = {"group": group, "topic": topic}
        shown |= {
            f"{group}: seconds behind": len(values(samples, "fillstream_lag_seconds", **at)) == 2,
            f"{group}: its state": sum(values(samples, "fillstream_lag_state", state="OK", **at)) == 2.0,
            f"{group}: seconds to drain": values(samples, "fillstream_drain_seconds", **at) != [],
        }
    return [what for what, seen in shown.items() if not seen]


def test_the_probe_sees_everybody_keep_up_and_its_canaries_come_through(installation, well):
    well()
    deadline = time.monotonic() + WELL_WITHIN_S
    while missing := not_yet_seen(samples := scrape(installation)):
        assert time.monotonic() < deadline, missing
        time.sleep(0.2)
    assert set(values(samples, "fillstream_audit_breaks")) == {0.0}


@pytest.mark.parametrize(
    "setup", [pytest.param(name, marks=[] if name in IN_EVERY_RUN else pytest.mark.long) for name in SETUPS]
)
@pytest.mark.timeout(300)
def test_the_hop_where_records_stop_is_named(installation, examine, well, setup):
    well()
    broken, begins = SETUPS[setup]
    with broken(installation):
        code, sentence, hops = examine()
    assert sentence.startswith(begins)
    assert code == Exit.CHECK_FAILED
    assert len(hops) == 1 or setup == "the broker is stopped", "what only waits for it isn't blamed"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_probe_outlives_broker_and_clickhouse_and_says_so_once(installation, well):
    well()
    log = Path(installation.settings.var) / "log" / "probe.log"
    before = log.read_text().count("probe_interrupted")
    pid = installation.running.pids["probe"]
    with down("broker", "clickhouse")(installation):
        deadline = time.monotonic() + WELL_WITHIN_S
        while values(scrape(installation), "fillstream_lag_records"):
            assert time.monotonic() < deadline, "a lag that nobody can know is still shown"
            time.sleep(0.2)
        assert values(scrape(installation), "fillstream_canary_age_seconds")
    well()
    deadline = time.monotonic() + WELL_WITHIN_S
    while not values(scrape(installation), "fillstream_lag_records"):
        assert time.monotonic() < deadline, "it doesn't look any more"
        time.sleep(0.2)
    assert installation.running.pids["probe"] == pid
    said = [json.loads(line) for line in log.read_text().splitlines() if "probe_interrupted" in line][before:]
    assert sorted({entry["part"] for entry in said}) == sorted(entry["part"] for entry in said)
