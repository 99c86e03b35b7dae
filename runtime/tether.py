"""A program that becomes another one, which the kernel kills as soon as its parent is gone.

Run by file path as ``python -I tether.py PARENT_PID COMMAND …``: between fork and exec of a process with threads, no
Python code is safe to run, so this step has an interpreter of its own. Elsewhere than on Linux there is no such request
to the kernel, and children of a killed parent have to be ended by hand.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_PR_SET_NAME: Final = 15


def main(parent: int, command: list[str]) -> None:
    """Replace this process by *command*, unless *parent* has gone already."""
    if tie(parent):
        os.execvp(command[0], command)  # noqa: S606  # no shell is wanted: the command is a list


def tie(parent: int) -> bool:
    """Have the kernel kill this process when *parent* ends. False if it has, and nobody will."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent  # asked after the request: a parent that dies from here on takes this process along


def rename(name: str) -> None:
    """What ``ps -o comm`` and ``top`` call this process from now on: 15 bytes of *name*."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, name.encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
