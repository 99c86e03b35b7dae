"""``fillstream chaos``: the whole system while its parts are killed, stopped and cut off, judged by the oracle."""

from runtime.chaos.conduct import main

__all__ = ["main"]
