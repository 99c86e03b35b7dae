"""Coinbase Advanced Trade's dialect: tokens, calls, answers, errors, limits and the user channel.

Rules marked *documented* are in the venue's own documents or its official client (github.com/coinbase/
coinbase-advanced-py, read at commit 54fb8ed3 of June 2026; docs.cdp.coinbase.com); rules marked *told* are in other
clients' code or documents only; rules marked *assumed* are in neither, and the safe reading was taken.
"""

from venue_gateways.coinbase.adapter import LIFETIME_MIN_MS, Coinbase
from venue_gateways.coinbase.signing import private_key

__all__ = ["LIFETIME_MIN_MS", "Coinbase", "private_key"]
