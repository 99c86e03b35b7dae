"""``fillstream demo``: twenty thousand commands on the real parts, judged by an oracle of its own."""

from runtime.demo.conduct import main

__all__ = ["main"]
