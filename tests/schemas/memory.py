"""What a piece of work takes of memory, though other threads of a test process may be at work, too."""

import tracemalloc
from collections.abc import Callable

_TRIES = 3  # what another thread takes meanwhile doesn't come each time


def fits(limit_bytes: int, work: Callable[[], object]) -> bool:
    """Whether *work* never takes *limit_bytes* at any one time. It may be done more than once."""
    return any(_peak(work) < limit_bytes for _ in range(_TRIES))


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
