"""Rows of a table: what is written for what was done to them, and the digest that vouches for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import messages
from domain.state import Balance
from schemas import codec
from schemas.topics import Topic
from streaming.app import application
from streaming.restore import digest
from streaming.table import Fingerprint, Rows, Table


def rows(restored=None, kind=Rows):
    made = kind(Balance, Fingerprint("balances"), restored or {})
    made.loaded()
    return made


def changes(table):
    return [(change["key"], change["value"]) for change in table.changes()]


def balance(amount):
    return Balance("user", "USD", amount, 0)


def test_a_row_changed_often_is_written_once():
    table = rows()
    for amount in range(1, 4):
        table.put(b"a", balance(amount))
    assert changes(table) == [(b"a", codec.encode(balance(3)))]
    assert changes(table) == []


def test_a_row_put_back_as_it_was_is_not_written():
    table = rows({b"a": codec.encode(balance(1))})
    table.put(b"a", balance(2))
    table.put(b"a", balance(1))
    assert changes(table) == []


def test_a_deleted_row_leaves_a_tombstone():
    table = rows({b"a": codec.encode(balance(1))})
    table.delete(b"a")
    assert table.get(b"a") is None
    assert len(table) == 0
    assert changes(table) == [(b"a", None)]
    assert table.digest == rows().digest


def test_a_row_that_came_and_went_within_a_chunk_leaves_nothing():
    table = rows()
    table.put(b"a", balance(1))
    table.delete(b"a")
    table.delete(b"never there")
    assert changes(table) == []


def test_rows_of_long_ago_are_decoded_anew_and_those_of_this_chunk_are_all_written(monkeypatch):
    monkeypatch.setattr("streaming.table.RECENT_MAX", 4)
    table, written = rows(), []
    for number in range(12):
        table.put(bytes([number]), balance(number))
        assert table.get(bytes([number // 2])) == balance(number // 2)
        if number % 3 == 2:
            written += changes(table)
    assert written == [(bytes([number]), codec.encode(balance(number))) for number in range(12)]
    assert len(table._recent) <= 4 + 3
    assert len(table) == 12
    assert dict(table.items()) == {bytes([number]): balance(number) for number in range(12)}


def test_a_row_deleted_in_this_chunk_is_not_there():
    table = rows({b"a": codec.encode(balance(1))})
    table.delete(b"a")
    table.put(b"b", balance(2))
    assert (table.get(b"a"), len(table), dict(table.items())) == (None, 1, {b"b": balance(2)})


def test_as_many_rows_as_may_stay_decoded_and_those_are_the_latest(monkeypatch):
    monkeypatch.setattr("streaming.table.RECENT_MAX", 4)
    table, put = rows(), [balance(amount) for amount in range(12)]
    for number, row in enumerate(put):
        table.put(b"%d" % number, row)
        table.changes()
    assert [number for number, row in enumerate(put) if table.get(b"%d" % number) is row] == [8, 9, 10, 11]


def test_restored_rows_are_decoded_when_read():
    table = rows({b"a": codec.encode(balance(1)), b"b": codec.encode(balance(2))})
    assert table.get(b"a") == balance(1)
    assert dict(table.items()) == {b"a": balance(1), b"b": balance(2)}


def test_loaded_sees_every_restored_row():
    class Indexed(Rows):
        def loaded(self):
            self.total = sum(row.available for _, row in self.items())

    assert rows({bytes([n]): codec.encode(balance(n)) for n in range(1, 5)}, Indexed).total == 10


KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
STEPS = st.lists(st.one_of(st.tuples(KEYS, st.integers(0, 3)), st.tuples(KEYS, st.none()), st.none()), max_size=60)


@given(STEPS)
def test_the_digest_is_that_of_the_changelog_whatever_led_to_it(steps):
    """A step puts a row, deletes one, or ends the chunk."""
    table, changelog = rows(), {}
    for step in [*steps, None]:
        if step is None:
            for key, value in changes(table):
                if value is None:
                    del changelog[key]
                else:
                    changelog[key] = value
        elif step[1] is None:
            table.delete(step[0])
        else:
            table.put(step[0], balance(step[1]))
    assert dict(table.items()) == {key: codec.decode(value, Balance) for key, value in changelog.items()}
    assert table.digest == rows(changelog).digest


def test_the_digest_tells_rows_keys_tables_and_positions_apart():
    row = codec.encode(balance(1))
    digests = {
        digest([rows()], {}),
        digest([rows({b"a": row})], {}),
        digest([rows({b"b": row})], {}),
        digest([rows({b"a": row, b"b": row})], {}),
        digest([rows({b"a": codec.encode(balance(2))})], {}),
        digest([Rows(Balance, Fingerprint("others"), {b"a": row})], {}),
        digest([rows({b"a": row})], {"commands": 1}),
        digest([rows({b"a": row})], {"commands": 2}),
        digest([rows({b"a": row})], {"reports": 1}),
    }
    assert len(digests) == 9


@pytest.fixture
def app(settings_nowhere):
    return application(settings_nowhere, "shop")


@pytest.fixture
def settings_nowhere(tmp_path):
    from runtime.settings import Settings

    return Settings(var=tmp_path)


def changelog(name, **more):
    return Topic(name=name, value=Balance, key="user", **{"compacted": True, **more})


def test_a_table_is_one_of_fausts_but_closed_to_its_way_of_writing(app):
    table = Table(app, changelog("shop-counts-changelog"))
    assert app.tables["counts"] is table
    assert table.changelog_topic_name == "shop-counts-changelog"
    with pytest.raises(TypeError, match="partition"):
        table[b"a"] = balance(1)
    with pytest.raises(TypeError, match="partition"):
        table[b"a"]


@pytest.mark.parametrize("name", ["counts", "other-counts-changelog", "shop-counts"])
def test_a_changelog_has_the_name_that_faust_gives_it(app, name):
    with pytest.raises(ValueError, match="is named"):
        Table(app, changelog(name))


def test_a_changelog_that_forgets_is_refused(app):
    with pytest.raises(ValueError, match="compacted"):
        Table(app, changelog("shop-counts-changelog", compacted=False))


def test_rows_of_a_partition_of_somebody_else_are_not_to_be_had(app):
    table = Table(app, changelog("shop-counts-changelog"))
    rows_ = table.load({})
    table.attach(3, rows_)
    assert table.partition(3) is rows_
    table.detach(3)
    with pytest.raises(KeyError):
        table.partition(3)


def test_messages_are_rows_only_if_they_have_a_schema():
    with pytest.raises(TypeError, match="no schema"):
        Rows(messages.Posting, Fingerprint("postings"), {})
