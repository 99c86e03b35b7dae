"""``fillstream soak``: the whole system at a steady load for a long while, and whether anything grows."""

from runtime.soak.conduct import main

__all__ = ["main"]
