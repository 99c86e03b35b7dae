"""Which Kafka a broker is, by its answer to ApiVersions: the one request that it takes before it knows who asks.

librdkafka makes that request for itself and tells nobody. The layout is that of Kafka's protocol guide (ApiVersions 3;
KIP-482 for its tagged fields, KIP-584 for features).
"""

import socket
import struct
from bisect import bisect_right
from typing import Final

from runtime import kafka
from runtime.settings import Settings

_WITHIN_S: Final = 3.0
_ANSWER_BYTES_MAX: Final = 1 << 20
_API_VERSIONS, _VERSION, _CORRELATION = 18, 3, 1
_FINALIZED_FEATURES: Final = 2
_FEATURE: Final = b"metadata.version"
#: The first level of ``metadata.version`` (MetadataVersion.java) that each release has.
_RELEASES: Final = (
    *((7, "3.3"), (8, "3.4"), (9, "3.5"), (12, "3.6"), (15, "3.7"), (20, "3.8"), (21, "3.9")),
    *((22, "4.0"), (26, "4.1"), (28, "4.2")),
)


def of(settings: Settings) -> str | None:
    """The release whose metadata the brokers have agreed on; None if none of them tells."""
    for address in settings.bootstrap_servers.split(","):
        try:
            return release(level(_ask(address.strip(), settings)))
        except (OSError, ValueError, IndexError, struct.error):
            continue
    return None


def release(feature_level: int) -> str:
    index = bisect_right(_RELEASES, feature_level, key=lambda known: known[0]) - 1
    if index < 0:
        raise ValueError(f"no release has metadata.version {feature_level}")
    return _RELEASES[index][1] + (" or later" if index == len(_RELEASES) - 1 else "")


def request() -> bytes:
    """ApiVersions 3, with its length before it."""
    header = struct.pack(">hhih", _API_VERSIONS, _VERSION, _CORRELATION, -1) + b"\0"
    body = _compact(b"fillstream-doctor") + _compact(b"1") + b"\0"
    return struct.pack(">i", len(header) + len(body)) + header + body


def level(answer: bytes) -> int:
    """The level of ``metadata.version`` in the answer, without its length. Raises ValueError, IndexError."""
    reader = _Reader(answer)
    correlation, error = reader.number(4), reader.number(2)
    if correlation != _CORRELATION or error:
        raise ValueError(f"the broker answered with error {error}")
    for _ in range(reader.varint() - 1):
        reader.take(6)  # an API, its oldest version and its newest
        reader.skip_tags()
    reader.take(4)  # throttled for so long
    for _ in range(reader.varint()):
        tag, content = reader.varint(), _Reader(reader.take(reader.varint()))
        if tag == _FINALIZED_FEATURES:
            return _feature_level(content)
    raise ValueError("the broker names no features")


def _feature_level(features: "_Reader") -> int:
    for _ in range(features.varint() - 1):
        name = features.take(features.varint() - 1)
        newest = features.number(2)
        features.take(2)  # the oldest that all can do
        features.skip_tags()
        if name == _FEATURE:
            return newest
    raise ValueError("the brokers haven't agreed on metadata")


class _Reader:
    """Bytes from their beginning on."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise ValueError("the answer ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), signed=True)

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def skip_tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.take(self.varint())


def _compact(text: bytes) -> bytes:
    """A short string as tagged versions have it: its length plus one, then itself."""
    return bytes([len(text) + 1]) + text


def _ask(address: str, settings: Settings) -> bytes:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_WITHIN_S) as plain:
        context = kafka.ssl_context(settings)
        if context is None:
            return _exchange(plain)
        with context.wrap_socket(plain, server_hostname=host) as guarded:
            return _exchange(guarded)


def _exchange(connection: socket.socket) -> bytes:
    connection.sendall(request())
    with connection.makefile("rb") as answer:
        (size,) = struct.unpack(">i", answer.read(4))
        if not 0 < size <= _ANSWER_BYTES_MAX:
            raise ValueError(f"an answer of {size} bytes")
        return answer.read(size)
