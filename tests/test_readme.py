"""What README shows a stranger, run as it stands against `fillstream up`."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

ROOT = Path(__file__).parent.parent
READY_WITHIN_S = 90
STOPPED_WITHIN_S = 30
ENDED = ("[('FILLED', 1)]", "[('EXPIRED', 1)]")


def blocks() -> list[str]:
    """The Python programs in README, in order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder that looks like a checkout to README's programs, with everything running in it."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "schemas").symlink_to(ROOT / "schemas")
    environment = os.environ | {
        "FILLSTREAM_VAR": str(folder / "var"),
        "FILLSTREAM_JAR_CACHE": str(ROOT / "var" / "kafka"),
        "FILLSTREAM_SETTINGS": os.devnull,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "runtime", "up"]
    with (folder / "up.log").open("wb") as log:
        up = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not (folder / "var" / "endpoints.json").exists():
            assert up.poll() is None, (folder / "up.log").read_text()
            assert time.monotonic() < deadline, (folder / "up.log").read_text()
            time.sleep(0.2)
        yield folder
    finally:
        up.send_signal(signal.SIGINT)
        code = up.wait(STOPPED_WITHIN_S)
    assert code == 0, (folder / "up.log").read_text()


def run(program: str, folder: Path) -> str:
    """What *program* prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_strangers_command_is_answered_and_counted_in_clickhouse(place):
    command, query = blocks()

    answers = run(command, place).splitlines()
    assert answers[0].startswith("TRANSFER_BOOKED ACCEPTED")
    assert answers[1].startswith("ORDER_ACCEPTED ACCEPTED PENDING_SUBMISSION")
    assert answers[-1].split()[2] in ("FILLED", "EXPIRED"), answers

    deadline = time.monotonic() + 60
    while (counted := run(query, place).strip()) not in ENDED and time.monotonic() < deadline:
        time.sleep(1)
    assert counted in ENDED


def test_a_record_as_large_as_its_topic_allows_is_buried_whole(place):
    bootstrap = json.loads((place / "var" / "endpoints.json").read_text())["bootstrap"]
    garbage = b"x" * 1_000_000
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 1_048_000})
    producer.produce("order-commands", garbage, b"somebody")
    assert producer.flush(10) == 0

    group = {"group.id": "largest", "auto.offset.reset": "earliest", "isolation.level": "read_committed"}
    reader = Consumer({"bootstrap.servers": bootstrap, **group})
    reader.subscribe(["dead-letters"])
    deadline, buried = time.monotonic() + 60, None
    while buried is None and time.monotonic() < deadline:
        buried = reader.poll(1)
    reader.close()

    assert garbage in buried.value()
