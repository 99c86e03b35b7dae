"""What the exit codes of every ``fillstream`` command mean."""

from enum import IntEnum


class Exit(IntEnum):
    """BSD's sysexits.h where it has a code."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2  # also: settings that can't be used
    INTERNAL = 70  # a fault of fillstream's own
    TEMPORARY = 75  # something it needs is missing or doesn't answer; the same command may work later


class Unavailable(Exception):  # noqa: N818  # it says what is the matter better than with an Error behind it
    """Something needed from outside is missing or doesn't answer; the message says what, and what to do."""


class CheckFailed(Exception):  # noqa: N818  # the same
    """Something was looked at and isn't as it must be; the message has a line for each finding."""
