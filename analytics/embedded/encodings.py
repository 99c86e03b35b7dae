"""Content encodings of requests and answers: what ClickHouse's clients use, by Arrow's codecs."""

import zlib
from typing import Final

import pyarrow as pa

from analytics.embedded.errors import ClickHouseError, not_implemented

#: Arrow's names of HTTP's encodings, the one with the most for its time first. "lz4" means LZ4's frame format.
_CODECS: Final = {"zstd": "zstd", "lz4": "lz4", "gzip": "gzip"}
_WORTHWHILE_BYTES: Final = 512


def chosen(accepted: str) -> str | None:
    """The best encoding that an ``Accept-Encoding`` header names, or None."""
    names = {part.split(";")[0].strip() for part in accepted.lower().split(",") if not part.strip().endswith(";q=0")}
    return next((name for name in _CODECS if name in names), None)


class _Pieces:
    """What Arrow takes for a file, and writes its pieces to."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class Compressor:
    """One compressed stream, given out as it grows."""

    def __init__(self, encoding: str) -> None:
        self._out = _Pieces()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._out, mode="w"), _CODECS[encoding])

    def write(self, plain: bytes) -> bytes:
        """What *plain* adds to the stream so far; possibly nothing yet."""
        self._stream.write(plain)
        return self._out.taken()

    def finish(self) -> bytes:
        """The end of the stream."""
        self._stream.close()
        return self._out.taken()


def compress(body: bytes, encoding: str) -> bytes:
    compressor = Compressor(encoding)
    return compressor.write(body) + compressor.finish()


def worth_compressing(body: bytes) -> bool:
    return len(body) >= _WORTHWHILE_BYTES


def decompress(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The plain content of a request. Raises ClickHouseError if it isn't, or has more than *bytes_max* bytes."""
    if encoding in {"", "identity"}:
        return body
    if encoding not in {*_CODECS, "deflate"}:
        raise not_implemented(f"Unknown content encoding {encoding!r}; use one of zstd, lz4, gzip, deflate.")
    try:
        plain = _inflate(body, bytes_max) if encoding == "deflate" else _read(body, _CODECS[encoding], bytes_max)
    except (OSError, zlib.error) as error:
        raise ClickHouseError.of(354, "ZLIB_INFLATE_FAILED", f"The body is not valid {encoding}: {error}") from error
    if len(plain) > bytes_max:
        raise ClickHouseError.of(229, "QUERY_IS_TOO_LARGE", f"The body has more than {bytes_max} bytes.")
    return plain


def _read(body: bytes, codec: str, bytes_max: int) -> bytes:
    with pa.CompressedInputStream(pa.py_buffer(body), codec) as stream:
        plain: bytes = stream.read(bytes_max + 1)
        return plain


def _inflate(body: bytes, bytes_max: int) -> bytes:
    stream = zlib.decompressobj()
    plain = stream.decompress(body, bytes_max + 1)
    if len(plain) <= bytes_max and not stream.eof:
        raise zlib.error("truncated stream")
    return plain
