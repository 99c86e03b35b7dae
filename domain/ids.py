"""Identifiers that every owner of a partition computes alike, without a clock and without randomness.

A *client order ID* is a UUID of version 8 (RFC 9562 §5.8): 12 bits of partition, 96 bits that name the order, 14 bits
of attempt. Venues echo it in replies, streams and look-ups, so a report finds its partition and its order's row with no
lookup table anywhere. 36 characters of ``[0-9a-f-]`` satisfy Binance (at most 36 of ``[a-zA-Z0-9-_]``), Kraken
(hyphenated UUID) and Coinbase.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NewType

OrderKey = NewType("OrderKey", bytes)
"""The 12 bytes that name an order: its row's key, and the middle of its client order IDs."""

KEY_BYTES: Final = 12
PARTITION_MAX: Final = (1 << 12) - 1
ATTEMPT_MAX: Final = (1 << 14) - 1
#: A decision asks for the same identifiers several times, and reports of one order come close together: each is
#: computed once.
REMEMBERED_MAX: Final = 8_192

_UUID_8: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-8[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")
_ORDER: Final = blake2b(digest_size=KEY_BYTES, person=b"order")
_COMMAND: Final = blake2b(digest_size=KEY_BYTES, person=b"command")
_TRANSFER: Final = blake2b(digest_size=KEY_BYTES, person=b"transfer")


class NotOurs(ValueError):  # noqa: N818  # it is a finding, not an error
    """The text is no client order ID of fillstream's: somebody else's order on a shared account."""


def _digest(kind: blake2b, user_id: str, name: str) -> bytes:
    first, second = user_id.encode(), name.encode()
    first_length, second_length = len(first).to_bytes(4, "big"), len(second).to_bytes(4, "big")
    hash_ = kind.copy()
    hash_.update(first_length + first + second_length + second)  # with lengths: ("a", "bc") is not ("ab", "c")
    return hash_.digest()


@lru_cache(maxsize=REMEMBERED_MAX)
def order_key(user_id: str, order_id: str) -> OrderKey:
    """The row key of a user's order. Two users may use the same *order_id*."""
    return OrderKey(_digest(_ORDER, user_id, order_id))


def command_key(user_id: str, command_id: str) -> bytes:
    """The key under which the first answer to a command is remembered."""
    return _digest(_COMMAND, user_id, command_id)


def transfer_key(user_id: str, transfer_id: str) -> bytes:
    """The key under which the first answer to a transfer is remembered."""
    return _digest(_TRANSFER, user_id, transfer_id)


@lru_cache(maxsize=REMEMBERED_MAX)
def client_order_id(partition: int, key: OrderKey, attempt: int) -> str:
    """The client order ID of an attempt: ``pppkkkkk-kkkk-8kkk-…``. *partition* and *attempt* are within their MAX."""
    if not 0 <= partition <= PARTITION_MAX or not 0 <= attempt <= ATTEMPT_MAX or len(key) != KEY_BYTES:
        raise ValueError(f"partition {partition}, attempt {attempt} or a key of {len(key)} bytes is out of range")
    payload = (partition << 110) | (int.from_bytes(key, "big") << 14) | attempt
    high, middle, low = payload >> 74, (payload >> 62) & 0xFFF, payload & ((1 << 62) - 1)
    digits = f"{(high << 80) | (0x8 << 76) | (middle << 64) | (0b10 << 62) | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=REMEMBERED_MAX)
def parse_client_order_id(text: str) -> tuple[int, OrderKey, int]:
    """Partition, order key and attempt of a client order ID. Raises NotOurs for any other text.

    Capital digits are read, too (RFC 9562 §4): a venue that echoes them must not cost us a fill.
    """
    if _UUID_8.fullmatch(text) is None:
        raise NotOurs(text)
    number = int(text.replace("-", ""), 16)
    payload = ((number >> 80) << 74) | (((number >> 64) & 0xFFF) << 62) | (number & ((1 << 62) - 1))
    key = OrderKey(((payload >> 14) & ((1 << 96) - 1)).to_bytes(KEY_BYTES, "big"))
    return payload >> 110, key, payload & ATTEMPT_MAX
