"""Loads the code of workers and gateways once, and forks a child for each request on its standard input, a socket.

``python -m runtime.fork_server MODULE …``, started and asked by :class:`runtime.forking.ForkServer`. What it loads must
not start a thread: a child has only the thread that forked it, and what another one had locked would stay locked.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from runtime import tether
from runtime.__main__ import app
from runtime.forking import NUMBER, Job

_REQUEST_BYTES_MAX: Final = 1 << 20


def main(modules: Sequence[str]) -> None:
    """Load *modules*; then fork until the other end of standard input is closed."""
    for module in modules:
        importlib.import_module(module)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        sys.exit(f"loading {', '.join(modules)} started {threads - 1} threads: none of it can be forked")
    gc.collect()
    gc.freeze()  # else a child's first collection would copy every page of it
    job = _serve(os.getpid())
    if job is not None:
        app(job.words, prog_name="fillstream")


def _serve(server: int) -> Job | None:
    """Returns in each child, with what it is to do; and in the server at the end, with nothing."""
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(waking)
    told: dict[int, int] = {}  # where to write how a child ended, by its process ID
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as requests:
        while True:
            ready, _, _ = select.select([requests.fileno(), woken], [], [])
            if woken in ready:
                os.read(woken, 4_096)
                _bury(told)
            if requests.fileno() in ready:
                request, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES_MAX, 2)
                if not request:
                    return None
                output, status = descriptors
                pid = os.fork()
                if not pid:
                    _forget(woken, waking, status, *told.values())
                    return _become(msgspec.json.decode(request, type=Job), output, server)
                told[pid] = status
                os.close(output)
                requests.send(NUMBER.pack(pid))


def _forget(*descriptors: int) -> None:
    """What is the server's, in a child."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in descriptors:
        os.close(descriptor)


def _bury(told: dict[int, int]) -> None:
    """One signal may stand for several children."""
    while told:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with contextlib.suppress(BrokenPipeError), open(told.pop(pid), "wb") as ended:  # noqa: PTH123  # a descriptor
            ended.write(NUMBER.pack(os.waitstatus_to_exitcode(status)))


def _become(job: Job, output: int, server: int) -> Job:
    """Give this child what a new process would have: a session, streams, environment and name of its own."""
    os.setsid()
    if not tether.tie(server):
        sys.exit()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, stream in ((nothing, sys.stdin), (output, sys.stdout), (output, sys.stderr)):
        os.dup2(descriptor, stream.fileno())
    os.close(nothing)
    os.close(output)
    os.environ.clear()
    os.environ.update(job.environment)
    sys.argv = ["fillstream", *job.words]
    tether.rename(job.name)
    return job


if __name__ == "__main__":
    main(sys.argv[1:])
