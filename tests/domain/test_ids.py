"""Every owner of a partition computes the same identifiers, and reads back what it put into them."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ids

PARTITIONS = st.integers(0, ids.PARTITION_MAX)
ATTEMPTS = st.integers(0, ids.ATTEMPT_MAX)
KEYS = st.binary(min_size=12, max_size=12).map(ids.OrderKey)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)

KEY = ids.order_key("user-1", "order-1")
OURS = ids.client_order_id(5, KEY, 3)


def test_identifiers_are_the_same_for_ever():
    """They lie in topics and at venues: a change here would orphan every open order."""
    assert KEY.hex() == "4d04600a51c5af0d75442e36"
    assert ids.command_key("user-1", "command-1").hex() == "3a26fff7dc1d051d491a36fd"
    assert ids.transfer_key("user-1", "transfer-1").hex() == "e31b9883f1b5d264f553ac34"
    assert OURS == "0054d046-00a5-81c5-abc3-5d510b8d8003"


@given(PARTITIONS, KEYS, ATTEMPTS)
def test_a_client_order_id_says_what_it_was_made_of(partition, key, attempt):
    text = ids.client_order_id(partition, key, attempt)
    assert ids.parse_client_order_id(text) == (partition, key, attempt)
    assert ids.parse_client_order_id(text.upper()) == (partition, key, attempt)


@given(PARTITIONS, KEYS, ATTEMPTS)
def test_a_client_order_id_is_a_uuid_that_every_venue_takes(partition, key, attempt):
    text = ids.client_order_id(partition, key, attempt)
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert parsed.variant == uuid.RFC_4122
    assert parsed.version == 8
    assert re.fullmatch(r"[a-zA-Z0-9-_]{1,36}", text)


@given(PARTITIONS, KEYS, ATTEMPTS, PARTITIONS, KEYS, ATTEMPTS)
def test_two_attempts_never_share_a_client_order_id(partition, key, attempt, partition_2, key_2, attempt_2):
    same = (partition, key, attempt) == (partition_2, key_2, attempt_2)
    assert (ids.client_order_id(partition, key, attempt) == ids.client_order_id(partition_2, key_2, attempt_2)) is same


@pytest.mark.parametrize(("partition", "attempt"), [(0, 0), (ids.PARTITION_MAX, ids.ATTEMPT_MAX)])
@pytest.mark.parametrize("byte", [0, 255])
def test_the_edges_of_each_part_fit(partition, attempt, byte):
    key = ids.OrderKey(bytes([byte]) * 12)
    assert ids.parse_client_order_id(ids.client_order_id(partition, key, attempt)) == (partition, key, attempt)


@pytest.mark.parametrize(
    ("partition", "key", "attempt"),
    [
        (-1, KEY, 0),
        (ids.PARTITION_MAX + 1, KEY, 0),
        (0, KEY, -1),
        (0, KEY, ids.ATTEMPT_MAX + 1),
        (0, KEY[:11], 0),
        (0, KEY + b"\0", 0),
    ],
)
def test_what_does_not_fit_is_refused_and_never_mixed_up(partition, key, attempt):
    with pytest.raises(ValueError, match="out of range"):
        ids.client_order_id(partition, ids.OrderKey(key), attempt)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "web_4f7a",
        str(uuid.UUID(int=1 << 90, version=4)),
        OURS[:-1],
        OURS + "0",
        OURS + "\n",
        OURS.replace("-", ""),
        OURS.replace("-", "_"),
        OURS[:14] + "4" + OURS[15:],
        OURS[:19] + "0" + OURS[20:],
        OURS[:19] + "f" + OURS[20:],
        OURS[:9] + OURS[10:] + "-",
        "0x" + OURS[2:],
        "+" + OURS[1:],
        " " + OURS[1:],
        OURS[:2] + "_" + OURS[3:],
        "١" + OURS[1:],
        "g" + OURS[1:],
    ],
)
def test_any_other_text_is_not_ours(text):
    with pytest.raises(ids.NotOurs):
        ids.parse_client_order_id(text)


@given(st.text(max_size=40) | st.uuids().map(str) | st.from_regex(r"[0-9a-f_+-]{36}", fullmatch=True))
def test_whatever_is_read_is_written_the_same(text):
    try:
        parts = ids.parse_client_order_id(text)
    except ids.NotOurs:
        return
    assert ids.client_order_id(*parts) == text.lower()


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_different_names_have_different_keys(user, name, user_2, name_2):
    same = (user, name) == (user_2, name_2)
    for key in (ids.order_key, ids.command_key, ids.transfer_key):
        assert len(key(user, name)) == ids.KEY_BYTES
        assert (key(user, name) == key(user_2, name_2)) is same


@given(TEXTS, TEXTS)
def test_an_order_a_command_and_a_transfer_of_one_name_are_apart(user, name):
    assert len({bytes(key(user, name)) for key in (ids.order_key, ids.command_key, ids.transfer_key)}) == 3


def test_where_one_name_ends_and_the_next_begins_makes_a_difference():
    assert ids.order_key("a", "bc") != ids.order_key("ab", "c")
    assert ids.order_key("", "abc") != ids.order_key("abc", "")
