"""Kraken Spot's dialect: signing, calls, answers, errors, limits and the executions channel.

Rules marked *documented* are in the venue's own documents (docs.kraken.com as stored in the summer of 2026, and the
guides of the venue's own SDK, github.com/krakenfx/kraken-api-sdk at commit 0f713979); rules marked *recorded* are in
messages that others have published; rules marked *assumed* are in neither, and the safe reading was taken.
"""

from venue_gateways.kraken.adapter import Kraken
from venue_gateways.kraken.limits import Tier
from venue_gateways.kraken.signing import signer

__all__ = ["Kraken", "Tier", "signer"]
