"""Content encodings."""

import gzip
import zlib

import lz4.frame
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from analytics.embedded import encodings
from analytics.embedded.errors import ClickHouseError

OTHERS = {
    "zstd": (zstd.compress, zstd.decompress),
    "lz4": (lz4.frame.compress, lz4.frame.decompress),
    "gzip": (gzip.compress, gzip.decompress),
}
PLAIN = b"fillstream " * 1_000


@pytest.mark.parametrize("encoding", OTHERS)
@given(body=st.binary(max_size=2_000))
def test_what_others_compress_is_read_and_what_is_compressed_others_read(encoding, body):
    compress, decompress = OTHERS[encoding]
    assert encodings.decompress(compress(body), encoding, 1 << 20) == body
    assert decompress(encodings.compress(body, encoding)) == body


def test_deflate_is_read():
    assert encodings.decompress(zlib.compress(PLAIN), "deflate", 1 << 20) == PLAIN


@pytest.mark.parametrize("encoding", [*OTHERS, "deflate"])
def test_a_bomb_stops_at_the_bound(encoding):
    bomb = zlib.compress(bytes(1 << 20)) if encoding == "deflate" else OTHERS[encoding][0](bytes(1 << 20))
    with pytest.raises(ClickHouseError, match="more than 1000 bytes"):
        encodings.decompress(bomb, encoding, 1_000)


@pytest.mark.parametrize("encoding", [*OTHERS, "deflate"])
def test_broken_bytes_are_named(encoding):
    sound = zlib.compress(PLAIN) if encoding == "deflate" else OTHERS[encoding][0](PLAIN)
    for broken in (b"garbage", sound[:-9]):
        with pytest.raises(ClickHouseError, match=f"not valid {encoding}"):
            encodings.decompress(broken, encoding, 1 << 20)


def test_an_unknown_encoding_is_named():
    with pytest.raises(ClickHouseError, match="'br'"):
        encodings.decompress(b"", "br", 10)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", None),
        ("br, snappy", None),
        ("gzip, deflate", "gzip"),
        ("lz4,zstd,gzip", "zstd"),
        ("gzip;q=0.5, LZ4", "lz4"),
        ("zstd;q=0, gzip", "gzip"),
    ],
)
def test_the_best_encoding_that_both_know_is_chosen(accepted, expected):
    assert encodings.chosen(accepted) == expected
