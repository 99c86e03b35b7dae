"""Gaps in the log that an operator has accepted: records that were deleted before the sink had stored them. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

_FORM: Final = re.compile(r"([A-Za-z0-9._-]+):(\d+):(\d+):(\d+)")


class BadGap(ValueError):  # noqa: N818  # it names the text
    """A text that names no gap."""


class Gap(msgspec.Struct, frozen=True):
    """The offsets from *first* up to, and without, *end* of one partition."""

    topic: str
    partition: int
    first: int
    end: int


def parse(texts: Iterable[str]) -> Mapping[tuple[str, int], Gap]:
    """The gaps in texts like ``order-events:3:1200:1500``, by partition. Raises BadGap."""
    found: dict[tuple[str, int], Gap] = {}
    for text in texts:
        match = _FORM.fullmatch(text)
        if match is None:
            raise BadGap(f"a gap is TOPIC:PARTITION:FROM:TO, like order-events:3:1200:1500, not {text!r}")
        gap = Gap(match[1], int(match[2]), int(match[3]), int(match[4]))
        if gap.first >= gap.end:
            raise BadGap(f"{text!r} ends where it begins, or before: TO is the first offset that is read again")
        if found.setdefault((gap.topic, gap.partition), gap) is not gap:
            raise BadGap(f"{gap.topic}:{gap.partition} has two gaps: accept them one after the other")
    return found
