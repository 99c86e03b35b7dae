"""A flame graph as one SVG file: each box a frame, as wide as the time spent in it and below it."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final
from zlib import crc32

import msgspec

_WIDTH: Final = 1_600
_ROW: Final = 18
_MARGIN: Final = 12
_HEAD: Final = 48
_LETTER: Final = 6.4
#: Narrower boxes are left out: nobody could see them.
_NARROWEST: Final = 0.4


class _Box(msgspec.Struct):
    """A frame under its callers, and how many samples it was in."""

    samples: int = 0
    callees: "dict[str, _Box]" = {}


def draw(stacks: Mapping[tuple[str, ...], int], title: str) -> str:
    """The SVG of *stacks* (frames from the outermost on; how often). Hovering over a box tells its figures."""
    root = _Box()
    for stack, count in stacks.items():
        box = root
        box.samples += count
        for frame in stack:
            box = box.callees.setdefault(frame, _Box())
            box.samples += count
    height = _HEAD + _ROW * (1 + max(map(len, stacks), default=0)) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="monospace">',
        f'<text x="{_MARGIN}" y="28" font-size="17">{escape(title)}: {root.samples:,} samples</text>',
        *_boxes("all", root, depth=0, left=_MARGIN, scale=(_WIDTH - 2 * _MARGIN) / max(1, root.samples), whole=root),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _boxes(name: str, box: _Box, *, depth: int, left: float, scale: float, whole: _Box) -> Iterator[str]:
    """The box and, under it, its callees."""
    width, top = box.samples * scale, _HEAD + depth * _ROW
    if width < _NARROWEST:
        return
    told = escape(f"{name}: {box.samples:,} samples, {100 * box.samples / max(1, whole.samples):.1f} %")
    letters = int((width - 4) / _LETTER)
    label = name if len(name) <= letters else name[: letters - 1] + "…"
    yield (
        f'<g><title>{told}</title><rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_ROW - 1}" '
        f'fill="{_colour(name)}"/>'
        + (f'<text x="{left + 3:.1f}" y="{top + 13}">{escape(label)}</text>' if letters > 2 else "")
        + "</g>"
    )
    for callee, inner in sorted(box.callees.items()):
        yield from _boxes(callee, inner, depth=depth + 1, left=left, scale=scale, whole=whole)
        left += inner.samples * scale


def _colour(name: str) -> str:
    """A warm colour, the same for a file wherever it appears."""
    file = name.rpartition("(")[2].partition(":")[0]
    return f"hsl({crc32(file.encode()) % 50 + 5}, 75%, {62 + crc32(file[::-1].encode()) % 16}%)"
