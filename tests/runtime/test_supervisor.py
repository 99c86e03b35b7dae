"""What the supervisor starts stays alive while it runs, comes back when killed, and never outlives it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient

from runtime import process, services, status, supervisor, telemetry
from runtime.exits import Unavailable
from runtime.services import Endpoints, Installation, Service, VenueEndpoints
from runtime.settings import Settings, SettingsError
from runtime.supervisor import Cancelled, Supervisor
from tests.processes import runs

ROOT = Path(__file__).parent.parent.parent
ENDPOINTS = Endpoints(
    bootstrap="b",
    clickhouse="c",
    venues={"v": VenueEndpoints(url="http://v", stream_url="ws://v", journal="j")},
    metrics={},
)
SLEEP = "import time; time.sleep(300)"


def fake(name, code=SLEEP, ready=lambda _pid: True):
    return Service(name=name, command=(sys.executable, "-c", code), environment=dict(os.environ), ready=ready)


@pytest.fixture
def run(tmp_path):
    """Starts supervisors of steps, and stops them at the end."""
    running = []

    def start(*steps, **options):
        made = Supervisor(Installation(var=tmp_path, steps=steps, endpoints=ENDPOINTS))
        running.append(made)
        made.start(**options)
        return made

    yield start
    for each in running:
        each.stop()


def eventually(condition, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it didn't come true in time"
        time.sleep(0.02)


def test_a_step_begins_when_all_before_it_are_ready(run, tmp_path):
    mark = tmp_path / "mark"
    late = f"import time, pathlib; time.sleep(0.5); pathlib.Path({str(mark)!r}).touch(); time.sleep(300)"
    seen = []
    running = run(
        (fake("slow", late, lambda _pid: mark.exists()), fake("quick")),
        lambda: seen.append(mark.exists()),
        (fake("last"),),
    )
    assert seen == [True]
    assert list(running.pids) == ["slow", "quick", "last"]
    assert {state.what for state in running.states()} == {"ready"}


def test_a_killed_process_comes_back_as_often_as_it_is_killed(run):
    running = run((fake("victim"), fake("bystander")))
    bystander = running.pids["bystander"]
    for kills in range(1, 4):
        former = running.pids["victim"]
        os.kill(former, signal.SIGKILL)
        eventually(lambda former=former: running.pids.get("victim", former) != former)
        assert running.states()[0].restarts == kills
    assert running.pids["bystander"] == bystander


def test_what_is_taken_down_stays_down_until_it_is_brought_up(run):
    running = run((fake("victim"), fake("bystander")))
    for kill in (False, True):
        former = running.pids["victim"]
        running.take_down("victim", kill=kill)
        eventually(lambda former=former: not runs(former) and "victim" not in running.pids)
        time.sleep(3 * supervisor.backoff_s(1))
        assert list(running.pids) == ["bystander"]
        running.bring_up("victim")
        eventually(lambda: "victim" in running.pids)
    assert running.states()[0].restarts == 0  # it was told to


def test_a_spare_is_started_when_somebody_asks_for_it(run):
    running = run((fake("first"), msgspec.structs.replace(fake("spare"), spare=True)), (fake("last"),))
    assert list(running.pids) == ["first", "last"]
    running.bring_up("spare")
    eventually(lambda: [state.what for state in running.states()] == ["ready"] * 3)


def test_stopping_goes_backwards_and_kills_what_ignores_the_signal(run, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_STOP_WITHIN_S", 1.0)
    diary = tmp_path / "diary"
    diary.touch()
    polite = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(diary)!r}, 'a').write(sys.argv[1] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('on', flush=True); time.sleep(300)"
    )
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(300)"
    )

    def named(name, code):
        log = tmp_path / "log" / f"{name}.log"
        service = fake(name, code, lambda _pid: "on" in log.read_text())
        return msgspec.structs.replace(service, command=(*service.command, name))

    running = run((named("first", polite), named("deaf", stubborn)), (named("second", polite),))
    pids = running.pids
    running.stop()
    assert diary.read_text() == "second first "
    assert not any(runs(pid) for pid in pids.values())
    assert running.pids == {}


def test_children_die_with_a_killed_supervisor(tmp_path):
    script = (
        "import json, os, sys, time; from pathlib import Path; from tests.runtime import test_supervisor as t\n"
        "s = t.Supervisor(t.Installation(var=Path(sys.argv[1]), steps=((t.fake('a'), t.fake('b')),),"
        " endpoints=t.ENDPOINTS))\n"
        "s.start(); print(json.dumps(s.pids), file=sys.stderr, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT) as parent:
        pids = json.loads(parent.stderr.readline())
        assert all(runs(pid) for pid in pids.values())
        parent.kill()
    eventually(lambda: not any(runs(pid) for pid in pids.values()))


def test_endpoints_are_published_while_it_runs(run, tmp_path):
    running = run((fake("a"),))
    published = json.loads((tmp_path / "endpoints.json").read_text())
    assert published == msgspec.to_builtins(ENDPOINTS)
    running.stop()
    assert not (tmp_path / "endpoints.json").exists()


def test_two_supervisors_can_not_share_a_folder(run, tmp_path):
    running = run((fake("a"),))
    with pytest.raises(Unavailable, match="another `fillstream up` or demo runs in"):
        run((fake("b"),))
    assert (tmp_path / "endpoints.json").exists(), "the refused one left the first one's file alone"
    running.stop()
    run((fake("c"),))


def test_a_process_that_keeps_ending_at_the_start_is_reported_and_the_rest_stopped(run):
    survivors = []

    def note(pid):
        survivors.append(pid)
        return True

    with pytest.raises(Unavailable, match=r"(?s)broken keeps ending; .*broken\.log:.*no port for me"):
        run((fake("fine", ready=note),), (fake("broken", "raise SystemExit('no port for me')", lambda _pid: False),))
    assert survivors
    assert not any(runs(pid) for pid in survivors)


def test_a_failing_step_stops_what_was_started(run):
    survivors = []

    def fail():
        raise Unavailable("no topics today")

    with pytest.raises(Unavailable, match="no topics today"):
        run((fake("a", ready=lambda pid: survivors.append(pid) or True),), fail)
    assert not any(runs(pid) for pid in survivors)


def test_a_start_can_be_cancelled(run):
    with pytest.raises(Cancelled):
        run((fake("never", ready=lambda _pid: False),), cancelled=lambda: True)


def test_the_log_of_the_run_before_is_kept_beside_the_new_one(run, tmp_path):
    log = tmp_path / "log" / "talker.log"
    for word in ("one", "two"):
        running = run((fake("talker", f"print('{word}', flush=True);{SLEEP}", lambda _pid: bool(log.read_text())),))
        running.stop()
    assert log.read_text() == "two\n"
    assert (tmp_path / "log" / "talker.log.1").read_text() == "one\n"


def test_the_wait_between_starts_doubles_up_to_a_cap():
    assert [supervisor.backoff_s(deaths) for deaths in (1, 2, 3, 8, 9, 10, 10_000)] == [
        *[0.1, 0.2, 0.4, 12.8, 25.6, 30.0, 30.0]
    ]


def test_a_long_life_forgives_earlier_deaths(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_HEALTHY_AFTER_S", 0.2)
    child = supervisor._Child(fake("brief", "import time; time.sleep(0.3)"), tmp_path / "log" / "brief.log")
    child.deaths = 5
    child.look(time.monotonic())
    eventually(lambda: child.look(time.monotonic()) or child.restarts == 1)
    assert child.deaths == 1


def test_every_process_has_ports_of_its_own_and_knows_the_others(tmp_path):
    settings = Settings(var=tmp_path, partitions=3, clickhouse_password="hunter2")
    installation = services.local(settings, services.Options(simulator={"seed": 7}), {"supervisor": "http://x"})
    by_name = {service.name: service for step in installation.steps if not callable(step) for service in step}
    assert list(by_name) == ["broker", "simulator", "clickhouse", "worker-0", "worker-1", "gateway-simulated", "sink"]
    assert set(installation.endpoints.metrics) == {*by_name, "supervisor"}
    assert len(set(installation.endpoints.metrics.values())) == len(by_name) + 1
    for name, service in by_name.items():
        given = service.environment
        assert given["FILLSTREAM_PROCESS_NAME"] == name
        assert given["FILLSTREAM_BOOTSTRAP_SERVERS"] == installation.endpoints.bootstrap
        assert (given["FILLSTREAM_PARTITIONS"], given["FILLSTREAM_CLICKHOUSE_PASSWORD"]) == ("3", "hunter2")
        own = str(tmp_path / "simulator" / "credentials.toml") if name == "gateway-simulated" else None
        assert given.get("FILLSTREAM_CREDENTIALS") == own
    assert by_name["worker-1"].environment["FILLSTREAM_WORKER_ID"] == "worker-1"
    assert "--seed=7" in by_name["simulator"].command
    assert by_name["gateway-simulated"].command[-2:] == ("gateway", "simulated")


def test_processes_reach_broker_and_venue_through_proxies_where_there_are_some(tmp_path):
    options = services.Options(broker_port=20_001, broker_proxy_port=20_002, venue_proxy_port=20_003, spare_workers=1)
    installation = services.local(Settings(var=tmp_path), options, {})
    by_name = {service.name: service for step in installation.steps if not callable(step) for service in step}
    assert {"--port=20001", "--advertised-port=20002"} < set(by_name["broker"].command)
    assert installation.endpoints.bootstrap == "127.0.0.1:20001"
    given = by_name["gateway-simulated"].environment
    assert given["FILLSTREAM_BOOTSTRAP_SERVERS"] == "127.0.0.1:20002"
    assert given["FILLSTREAM_VENUE_URL"] == "http://127.0.0.1:20003"
    assert given["FILLSTREAM_VENUE_STREAM_URL"].startswith("ws://127.0.0.1:20003/")
    assert [name for name, service in by_name.items() if service.spare] == ["worker-2"]


def test_what_an_earlier_process_wrote_does_not_make_the_present_one_ready(tmp_path):
    installation = services.local(Settings(var=tmp_path), services.Options(), {})
    sink = next(s for step in installation.steps if not callable(step) for s in step if s.name == "sink")
    assert not sink.ready(4711)
    telemetry.write_atomically(
        telemetry.run_file(tmp_path, "sink"),
        json.dumps({"process": "sink", "pid": 4711, "metrics": "http://x", "started_at": "2026-01-01"}).encode(),
    )
    assert sink.ready(4711)
    assert not sink.ready(4712)


def test_each_venue_has_a_simulator_and_gateways_of_its_own(tmp_path):
    options = services.Options(
        venues=("binance", "kraken"), gateways=2, simulator_port=20_004, venue_proxy_port=20_003, simulator={"seed": 7}
    )
    installation = services.local(Settings(var=tmp_path), options, {})
    by_name = {service.name: service for step in installation.steps if not callable(step) for service in step}
    found = installation.endpoints.venues
    assert list(found) == ["binance", "kraken"]
    for name, path in (("binance", "/ws-api/v3"), ("kraken", "/v2")):
        simulator, at = by_name[f"simulator-{name}"], found[name]
        port = at.url.rpartition(":")[2]
        assert simulator.command[3:5] == ("simulator", f"--port={port}")
        assert {f"--venue={name}", f"--journal={at.journal}", "--seed=7"} < set(simulator.command)
        assert at.stream_url == f"ws://127.0.0.1:{port}{path}"
        for gateway in (f"gateway-{name}", f"gateway-{name}-1"):
            assert by_name[gateway].command[-2:] == ("gateway", name)
            given = by_name[gateway].environment
            proxied = [text.replace("20004", "20003") for text in (at.url, at.stream_url)]
            assert [given["FILLSTREAM_VENUE_URL"], given["FILLSTREAM_VENUE_STREAM_URL"]] == proxied
            assert given["FILLSTREAM_CREDENTIALS"] == str(tmp_path / "simulator" / name / "credentials.toml")
    assert found["binance"].url == "http://127.0.0.1:20004" != found["kraken"].url
    assert {service.environment["FILLSTREAM_INSTRUMENTS"] for service in by_name.values()} == {
        str(tmp_path / "instruments.toml")
    }


def test_a_venue_that_nobody_can_simulate_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no simulator of nowhere; there are: simulated, binance"):
        services.local(Settings(var=tmp_path), services.Options(venues=("kraken", "nowhere")), {})


@pytest.mark.broker
def test_the_broker_of_an_installation_comes_back_with_its_topics(tmp_path):
    settings = Settings(var=tmp_path, partitions=1, jar_cache=ROOT / "var" / "kafka")
    whole = services.local(settings, services.Options(), {})
    prepare, (broker, *_), create_topics, _ = whole.steps
    with Supervisor(Installation(var=tmp_path, steps=(prepare, (broker,), create_topics), endpoints=ENDPOINTS)) as made:
        port = int(whole.endpoints.bootstrap.rpartition(":")[2])
        os.kill(made.pids["broker"], signal.SIGKILL)
        eventually(lambda: not process.listening(port))
        eventually(lambda: made.states()[0].restarts == 1 and made.states()[0].what == "ready", 30)
        topics = AdminClient({"bootstrap.servers": whole.endpoints.bootstrap}).list_topics(timeout=30).topics
        assert "order-commands" in topics
    assert not process.listening(port)


def test_the_table_shows_each_process_and_when_it_comes_back(tmp_path):
    from rich.console import Console

    up = status.State(name="sink", what="ready", pid=4711, restarts=2, since=10.0, log_file=tmp_path / "sink.log")
    down = status.State(name="worker-0", what="waiting", pid=None, restarts=1, since=75.5, log_file=tmp_path / "w.log")
    console = Console(width=300)
    with console.capture() as capture:
        console.print(status.table([up, down], tmp_path / "endpoints.json", now=75.0))
    sink, worker = (line.split() for line in capture.get().splitlines() if "sink" in line or "worker" in line)
    assert {"ready", "0:01:05", "4711", "2"} <= set(sink)
    assert {"waiting", "0.5", "1"} <= set(worker)
