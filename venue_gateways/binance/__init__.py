"""Binance Spot's dialect: signing, calls, answers, errors, limits and the user data stream.

Rules marked *documented* are in the venue's own documents (github.com/binance/binance-spot-api-docs, read at commit
a5e0bc3d of July 2026); rules marked *assumed* are not, and the safe reading was taken.
"""

from venue_gateways.binance.adapter import Binance

__all__ = ["Binance"]
