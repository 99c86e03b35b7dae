"""How plots look, and how one becomes an ``<svg>`` element inside a page."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl

INK: Final = "#1d2733"
FAINT: Final = "#8a97a6"
GRID: Final = "#e6ebf1"
BLUE: Final = "#2563eb"
COLORS: Final = ("#2563eb", "#0d9488", "#d97706", "#9333ea", "#64748b")
STYLE: Final = {
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",  # text stays text: smaller, and the reader's own font
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
}


@contextmanager
def drawing(width: float, height: float) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Axes to draw on, and what gives the drawing as SVG once the block has ended."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415  # slow to import, needed at the end
    from matplotlib.figure import Figure  # noqa: PLC0415

    out = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure.add_subplot(), lambda: _inline(out.getvalue())
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})


def _inline(svg: str) -> str:
    """The ``<svg>`` element alone, as wide as its place in the page allows."""
    body = svg[svg.index("<svg") :]
    return re.sub(
        r'<svg ([^>]*?)width="[^"]*" height="[^"]*"|<svg height="[^"]*"([^>]*?)width="[^"]*"',
        r"<svg \1\2",
        body,
        count=1,
    )
