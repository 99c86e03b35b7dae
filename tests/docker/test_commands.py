"""Every command line of the image, run as a process: it starts, and says what it is for."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.docker.images import ROOT, commands


def test_every_command_line_is_one_that_the_program_has():
    def helped(command):
        line = [sys.executable, "-m", "runtime", *command, "--help"]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    every = sorted(commands())
    assert {command[0] for command in every} == {"gateway", "probe", "simulator", "sink", "topics", "worker"}
    with ThreadPoolExecutor(2) as pool:
        for command, done in zip(every, pool.map(helped, every), strict=True):
            assert done.returncode == 0, (command, done.stderr)
            assert f"Usage: runtime {command[0]}" in done.stdout or command[0] in done.stdout
            assert all(option.split("=")[0] in done.stdout for option in command[1:] if option.startswith("-"))
