"""No secret leaves the process it was given to, whatever goes wrong and however much is logged."""

from pathlib import Path

import pytest

from domain.messages import OrderStatus
from tests.security.guarded import MARK
from tests.security.installation import API_KEY, API_SECRET, until


@pytest.fixture(scope="module")
def shaken(installation, trade):
    """The installation after a trade, bad input, a venue that fails, and the loss of ClickHouse."""
    assert trade.filled
    installation.send_raw(b"no record at all")
    installation.send_raw(bytes(1_000_000))
    installation.lie(b'{"error_after": 1.0, "stream_reset": 1.0, "times": {"stream_reset": 2}}')
    installation.place("o-2")
    installation.await_event(lambda event: event.order_id == "o-2" and event.status is OrderStatus.UNKNOWN)
    installation.children["clickhouse"].kill()
    installation.children["clickhouse"].wait()
    until(lambda: "insert_failed" in installation.log("sink"), lambda: installation.log("sink")[-3000:])
    return installation


def test_something_went_wrong_in_each_of_them(shaken):
    assert "venue_call_failed" in shaken.log("gateway")
    assert "insert_failed" in shaken.log("sink")
    dead = [line for line in shaken.metrics("worker").splitlines() if line.startswith("fillstream_dead_letters_total")]
    assert [reason in "".join(dead) for reason in ("NOT_WIRE_FORMAT", "UNKNOWN_SCHEMA_ID")] == [True, True]
    assert '"level":"debug"' in shaken.log("worker")


def test_no_log_line_and_no_metric_holds_a_secret_or_its_first_bytes(shaken):
    for name, child in shaken.children.items():
        assert MARK not in shaken.log(name), name
        if child.poll() is None:
            assert MARK not in shaken.metrics(name), name


def test_no_command_line_holds_a_secret(shaken):
    pids = [child.pid for child in shaken.children.values() if child.poll() is None]
    pids.append(shaken.guarded.broker.pid)
    assert not [pid for pid in pids if MARK.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_file_that_holds_a_secret_is_nobody_elses_to_read(shaken):
    files = [path for path in shaken.var.rglob("*") if path.is_file()]
    files += [path for path in shaken.guarded.folder.iterdir() if path.is_file()]
    telling = [path for path in files if MARK.encode() in path.read_bytes()]
    assert [path.name for path in telling] == ["server.properties"]  # the broker's own
    assert all(path.stat().st_mode & 0o077 == 0 for path in telling)


@pytest.mark.parametrize(("name", "holds"), [("gateway", True), ("worker", False), ("sink", False)])
def test_the_key_of_the_venue_is_in_the_gateways_memory_alone(shaken, name, holds):
    assert found_in_memory(shaken.children[name].pid, API_SECRET) is holds
    assert found_in_memory(shaken.children[name].pid, API_KEY) is holds


def found_in_memory(pid: int, text: str) -> bool:
    """Whether a process has *text* anywhere in the memory that it writes to."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, access, *_ = line.split()
            if access.startswith("rw"):
                start, end = (int(address, 16) for address in area.split("-"))
                memory.seek(start)
                try:
                    if text.encode() in memory.read(end - start):
                        return True
                except OSError:  # an area of the kernel's own
                    continue
    return False
