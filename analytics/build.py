"""Compiles the sink's decoder of columns: ``python -m analytics.build``. Without it the sink is slower, not wrong."""

import sys

from analytics import columnar
from schemas.build import BuildError, build_module


def main() -> int:
    """1 if it could not be compiled."""
    try:
        build_module(columnar.MODULE, columnar.source())
    except BuildError as error:
        sys.stderr.write(f"decoder of columns not compiled, plain Python does the same: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
