"""``python -m benchmarks.w1 [--quick] [--only VARIANT …]``: W1 alone; prints and keeps its figures."""

import argparse
import sys
from typing import Final

from rich.console import Console

from benchmarks import machine, page, results
from benchmarks.w1 import suite
from benchmarks.w1.variants import VARIANTS

_WIDTH: Final = 140


def main() -> int:
    """1 if a variant failed."""
    names = [variant.name for variant in VARIANTS]
    options = argparse.ArgumentParser(prog="python -m benchmarks.w1", description=__doc__)
    options.add_argument("--quick", action="store_true", help="40,000 commands and one round")
    options.add_argument("--only", nargs="+", choices=names, default=names, help="not all variants")
    chosen = options.parse_args()
    console = Console(width=_WIDTH)
    variants = [variant for variant in VARIANTS if variant.name in chosen.only]
    found = suite.measure(chosen.quick, lambda what: console.print(what, markup=False), variants)
    results.write(found)
    page.Report(results=found, machine=machine.this()).show(console)
    return 0 if all(result.verified for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
