"""Which Kafka it is, from the one answer that needs no account."""

import struct
from pathlib import Path

import pytest

from observation.doctor import version

POM = Path(__file__).parent.parent.parent.parent / "runtime" / "pom.xml"


def answer(features, *, error=0):
    """ApiVersions 3 as a broker gives it: two APIs, one with a tag that nobody knows, and *features* by name."""
    apis = b"\x03" + struct.pack(">hhh", 18, 0, 4) + b"\x00" + struct.pack(">hhh", 0, 3, 13) + b"\x01\x07\x02ab"
    named = bytes([len(features) + 1]) + b"".join(
        bytes([len(name) + 1]) + name + struct.pack(">hh", level, 1) + b"\x00" for name, level in features.items()
    )
    tags = b"\x02" + b"\x01\x08" + bytes(8) + b"\x02" + bytes([len(named)]) + named
    return struct.pack(">ih", 1, error) + apis + struct.pack(">i", 0) + tags


def test_the_level_that_brokers_agreed_on_is_found_among_other_features():
    assert version.level(answer({b"kraft.version": 1, b"metadata.version": 27})) == 27


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(answer({b"metadata.version": 27})[:-3], id="half an answer"),
        pytest.param(answer({b"metadata.version": 27}, error=35), id="an error"),
        pytest.param(answer({b"kraft.version": 1}), id="no such feature"),
        pytest.param(struct.pack(">ih", 1, 0) + b"\x01" + bytes(4) + b"\x00", id="no features"),
    ],
)
def test_what_tells_no_version_is_refused(said):
    with pytest.raises(ValueError, match=r"ends early|error 35|agreed on|no features"):
        version.level(said)


@pytest.mark.parametrize(
    ("level", "name"), [(7, "3.3"), (19, "3.7"), (21, "3.9"), (25, "4.0"), (27, "4.1"), (99, "4.2 or later")]
)
def test_a_level_is_of_the_release_that_brought_it(level, name):
    assert version.release(level) == name


def test_a_level_before_all_releases_is_none():
    with pytest.raises(ValueError, match="no release"):
        version.release(1)


def test_a_real_broker_tells_the_release_that_it_is(settings):
    found = version.of(settings)
    assert f"<version>{found}." in POM.read_text()


def test_where_nobody_answers_no_version_is_known(settings):
    assert version.of(settings.model_copy(update={"bootstrap_servers": "127.0.0.1:1,nonsense"})) is None
