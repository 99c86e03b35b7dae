"""The report's plots, as inline SVG."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import matplotlib as mpl
import msgspec

from runtime.demo.summary import STAGES, Kill
from runtime.trial.drawing import COLORS, FAINT, INK, drawing
from runtime.trial.oracle.evidence import Balances

STATUS_COLORS: Final[Mapping[str, str]] = {
    "FILLED": "#0d9488",
    "OPEN": "#2563eb",
    "PARTIALLY_FILLED": "#60a5fa",
    "PAUSED": "#9333ea",
    "CANCELED": "#94a3b8",
    "EXPIRED": "#cbd5e1",
    "REJECTED": "#dc2626",
    "UNKNOWN": "#f59e0b",
}
#: A stage that never took so long is in the table only.
WORTH_A_CURVE_MS: Final = 0.2
SECOND_US: Final = 1_000_000


class Course(msgspec.Struct, frozen=True):
    """When things happened, in microseconds since the epoch, by name; and when the commands began."""

    started_us: int
    moments_us: Mapping[str, Sequence[int]]
    kills: Sequence[Kill]


def throughput(course: Course) -> str:
    """Things a second, over the run."""
    with drawing(10.5, 3.4) as (axes, svg):
        for color, (name, moments) in zip(COLORS, course.moments_us.items(), strict=False):
            seconds = Counter((moment - course.started_us) // SECOND_US for moment in moments)
            span = range(max(0, min(seconds, default=0)), max(seconds, default=0) + 1)
            axes.plot(list(span), [seconds[second] for second in span], color=color, label=name, linewidth=1.8)
        for number, kill in enumerate(course.kills):
            at_s = (kill.at_us - course.started_us) / SECOND_US
            axes.axvline(at_s, color="#dc2626", linewidth=1, linestyle=":", label=None if number else "kill −9")
            axes.annotate(
                kill.process,
                (at_s, 1),
                xycoords=("data", "axes fraction"),
                fontsize=7,
                color="#dc2626",
                rotation=90,
                va="top",
                ha="right",
            )
        axes.set_xlabel("seconds since the first command")
        axes.set_ylabel("per second")
        axes.set_ylim(bottom=0)
        axes.legend(ncols=5, loc="upper right", bbox_to_anchor=(1, 1.16), fontsize=9)
    return svg()


def latency(latencies_us: Mapping[str, Sequence[int]]) -> str:
    """The share of each stage's cases that took at most so long, on a logarithmic axis."""
    with drawing(10.5, 3.4) as (axes, svg):
        for color, (stage, values) in zip(COLORS, latencies_us.items(), strict=False):
            ranked = sorted(max(0.05, value / 1_000) for value in values)
            if stage not in STAGES or not ranked or ranked[-1] < WORTH_A_CURVE_MS:
                continue
            step = max(1, len(ranked) // 400)  # a curve needs no more points than it has pixels
            points = [*range(0, len(ranked), step), len(ranked) - 1]
            axes.plot(
                [ranked[n] for n in points],
                [(n + 1) / len(ranked) * 100 for n in points],
                color=color,
                label=stage,
                linewidth=1.8,
            )
            axes.plot(ranked[int(len(ranked) * 0.5)], 50, "o", color=color, markersize=4)
            axes.plot(ranked[int(len(ranked) * 0.99)], 99, "o", color=color, markersize=4)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("milliseconds; dots at p50 and p99")
        axes.set_ylabel("% at most")
        axes.legend(ncols=5, loc="upper right", bbox_to_anchor=(1, 1.16), fontsize=9)
    return svg()


def orders(counts: Mapping[str, int]) -> str:
    return _bars(counts, lambda name: STATUS_COLORS.get(name, FAINT))


def rejects(counts: Mapping[str, int]) -> str:
    return _bars(counts, lambda _: "#dc2626")


def balances(accounts: Balances) -> str:
    """Where each asset is, as a share of what came in: owed by treasury and clearing on the left, held on the right."""
    shares = _shares(accounts)
    with drawing(10.5, 0.42 * len(shares) + 1.0) as (axes, svg):
        axes.grid(axis="y", visible=False)
        for row, held in enumerate(shares.values()):
            left = right = 0.0
            for color, (name, share) in zip(COLORS, held.items(), strict=True):
                start = right if share > 0 else left
                label = None if row else name
                axes.barh(row, share, left=start, color=color, height=0.62, label=label)
                right, left = (right + share, left) if share > 0 else (right, left + share)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(shares)), list(shares))
        axes.invert_yaxis()
        axes.set_xlabel("% of all that is held; both sides are equally long, or the ledger does not balance")
        axes.legend(ncols=5, loc="upper right", bbox_to_anchor=(1, 1.3), fontsize=9)
    return svg()


GROUPS: Final = ("users, available", "users, reserved", "clearing", "fees", "treasury")


def _shares(accounts: Balances) -> dict[str, dict[str, float]]:
    """Per asset and group of accounts, the share in percent of what is held."""
    sums: dict[str, Counter[str]] = {}
    for (owner, asset), (available, reserved) in accounts.items():
        held = sums.setdefault(asset, Counter())
        kind = owner.partition(":")[0]
        held[GROUPS[0] if kind == "user" else kind] += available
        held[GROUPS[1] if kind == "user" else kind] += reserved
    return {
        asset: {group: held[group] / (sum(n for n in held.values() if n > 0) or 1) * 100 for group in GROUPS}
        for asset, held in sorted(sums.items())
    }


def _bars(counts: Mapping[str, int], color: Callable[[str], str]) -> str:
    with drawing(5.1, 0.3 * max(3, len(counts)) + 0.5) as (axes, svg):
        names = list(counts)
        axes.barh(names, list(counts.values()), color=[color(name) for name in names], height=0.66)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, labelsize=8.5)
        most = max(counts.values(), default=1)
        axes.set_xlim(0, most * 1.16)
        for row, number in enumerate(counts.values()):
            axes.text(number + most * 0.012, row, f"{number:,}", va="center", fontsize=8.5)
    return svg()
