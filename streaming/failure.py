"""Fail-stop: what ends the process at once, because what it has in memory can no longer be believed."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import structlog

from runtime.exits import Exit

log = structlog.get_logger()

_ADVICE: Final = "the process ends here; started again, it restores its tables from the changelogs"


def stop(event: str, error: BaseException | None = None, **facts: Any) -> NoReturn:
    """Log *event* and end the process with Exit.INTERNAL, without a last commit and without anybody's clean-up.

    A chunk that failed half-way has changed rows in memory that no transaction holds. Leaving by an exception would let
    other chunks of the partition, or Faust's restart of an agent, go on with them.
    """
    log.critical(event, advice=_ADVICE, exc_info=error, **facts)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(Exit.INTERNAL)


@contextlib.contextmanager
def stops(event: str) -> Iterator[None]:
    """Fail-stop on any exception: for callbacks whose caller would log it and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whatever it was
        stop(event, error)
