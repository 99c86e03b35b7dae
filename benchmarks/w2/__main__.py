"""``python -m benchmarks.w2``."""

import sys

from benchmarks.w2 import suite

if __name__ == "__main__":
    sys.exit(suite.main())
