"""Compiled and plain: the same rows and the same dead letters of any records, and the usual ones by the quick way."""

import shutil
from random import Random

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import build, columnar
from analytics.mapping import TABLES, Record, Table, table_of
from analytics.rows import Mapper, Rows
from domain.messages import JournalEntry, OrderEvent, Posting
from schemas import codec, native
from schemas.build import BuildError, build_module
from tests.analytics.story import Story
from tests.analytics.test_mapping import POISON, TOPIC_OF, a_transfer
from tests.builders import NOW
from tests.schemas import samples

TOPICS = sorted(TOPIC_OF.values())


@pytest.fixture(autouse=True, scope="module")
def compiled():
    """The compiled decoder, made now unless it is there."""
    try:
        build_module(columnar.MODULE, columnar.source())
    except BuildError as error:
        if shutil.which("cc") is not None:
            raise
        pytest.skip(f"no C compiler: {error}")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Mapper:
    """A mapper that goes by way of messages."""
    mapper = Mapper()
    with monkeypatch.context() as patch:
        patch.setenv(native.PURE_VARIABLE, "1")
        for topic in TOPICS:
            mapper.rows(topic, 0, [])  # it looks once, and remembers
    return mapper


def records_of(values: list[bytes | None]) -> list[Record]:
    return [Record(3 * number, 1_000 + number, b"key", value) for number, value in enumerate(values)]


def as_set(table: pa.Table | None) -> set[str]:
    """Rows as texts: the two ways may put them in different orders."""
    return set() if table is None else {repr(sorted(row.items())) for row in table.to_pylist()}


def unusual(topic: str, values: list[bytes | None]) -> int:
    """How many are left to the plain way."""
    table = table_of(topic)
    decoder = columnar.decoder(table.message, table.builders)
    assert decoder is not None
    return len(decoder.decode(values).unusual)


def assert_same(quick: Rows, slow: Rows) -> None:
    assert (quick.table, quick.records, quick.dead) == (slow.table, slow.records, slow.dead)
    for one, other in ((quick.stored, slow.stored), (quick.dead_letters, slow.dead_letters)):
        assert as_set(one) == as_set(other)
        if one is not None and other is not None:
            one.validate(full=True)
            assert one.schema.equals(other.schema)
            assert one.num_rows == other.num_rows
            assert {column.num_chunks for column in one.columns} == {1}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_table_has_a_quick_way(table: Table):
    assert columnar.decoder(table.message, table.builders) is not None


@pytest.mark.parametrize("topic", TOPICS)
def test_both_ways_make_the_same_rows(topic, plain):
    name = columnar._schema_of(table_of(topic).message)
    values = [codec.encode(samples.message(name, seed)) for seed in range(120)]
    assert_same(Mapper().rows(topic, 2, records_of(values)), plain.rows(topic, 2, records_of(values)))


def test_what_happens_every_day_goes_the_quick_way():
    for topic, messages in Story(seed=3, orders=60).records().items():
        assert unusual(topic, [codec.encode(message) for message in messages]) == 0


@settings(deadline=None, max_examples=150)
@given(topic=st.sampled_from(TOPICS), seed=st.integers(0, 200), chance=st.randoms(use_true_random=False))
def test_damaged_records_are_the_same_dead_letters(topic, seed, chance):
    name = columnar._schema_of(table_of(topic).message)
    sound = codec.encode(samples.message(name, seed))
    values = [sound, *(damaged(sound, chance) for _ in range(12)), sound]
    mapper, slow = Mapper(), Mapper()
    slow._decoders = dict.fromkeys((table.name for table in TABLES.values()), None)
    assert_same(mapper.rows(topic, 1, records_of(values)), slow.rows(topic, 1, records_of(values)))


def damaged(data: bytes, chance: Random) -> bytes:
    """Some byte behind the header changed, left out or put in, or the end cut off."""
    place = chance.randrange(5, len(data) + 1)
    what = chance.randrange(4)
    if what == 0:
        return data[:place]
    return data[:place] + bytes([chance.randrange(256)] * (what != 3)) + data[place + (what != 2) :]


@pytest.mark.parametrize("what", POISON)
def test_poison_is_left_to_the_plain_way_and_its_neighbours_are_not(what):
    sound = codec.encode(a_transfer())
    assert unusual("transfers", [sound, POISON[what][0], sound]) == 1


def test_text_beyond_ascii_is_usual_and_text_that_is_none_is_not():
    good = codec.encode(a_transfer(user_id="Zoë 🙂", asset="€"))
    bad = good.replace("ë".encode(), b"\xff\xfe")
    assert unusual("transfers", [good, bad]) == 1
    rows = Mapper().rows("transfers", 0, records_of([good, bad]))
    assert rows.stored is not None
    assert (rows.stored["user_id"].to_pylist(), rows.stored["asset"].to_pylist()) == (["Zoë 🙂"], ["€"])
    assert rows.dead == 1


def test_labels_of_any_number_keep_their_texts():
    events = [
        OrderEvent(f"u{n}", "t", 0, n, 0, NOW, "ORDER_OPENED", reason=None if n % 7 else f"reason {n % 999}")
        for n in range(5_000)
    ]
    rows = Mapper().rows(
        "order-events",
        0,
        records_of([codec.encode(msgspec.convert(event, OrderEvent, strict=False)) for event in map(as_event, events)]),
    )
    assert rows.stored is not None
    assert rows.stored["reason"].to_pylist() == [event.reason or "" for event in events]


def as_event(event: OrderEvent) -> dict:
    return msgspec.structs.asdict(event)


def test_an_entry_has_a_row_a_posting_and_its_own_fields_in_each():
    postings = tuple(Posting(f"owner-{n}", "AVAILABLE", "USD", n - 2) for n in range(5))
    entry = msgspec.convert(
        msgspec.structs.asdict(JournalEntry("u", "t", 0, 1, 0, NOW, "CREDIT", "r", ()))
        | {"postings": [msgspec.structs.asdict(posting) for posting in postings]},
        JournalEntry,
    )
    empty = msgspec.structs.replace(entry, postings=())
    values = [codec.encode(message) for message in (entry, empty, entry)]
    assert unusual("ledger-entries", list(values)) == 0
    rows = Mapper().rows("ledger-entries", 0, records_of(list(values)))
    assert rows.stored is not None
    assert rows.stored["_offset"].to_pylist() == [0] * 5 + [6] * 5
    assert rows.stored["line"].to_pylist() == [*range(5), *range(5)]
    assert rows.stored["owner"].to_pylist()[:5] == [f"owner-{n}" for n in range(5)]
    assert set(rows.stored["user_id"].to_pylist()) == {"u"}


def test_an_entry_of_more_postings_than_usual_is_mapped_the_plain_way():
    posting = msgspec.structs.asdict(Posting("o", "AVAILABLE", "USD", 1))
    entry = msgspec.convert(
        msgspec.structs.asdict(JournalEntry("u", "t", 0, 1, 0, NOW, "CREDIT", "r", ()))
        | {"postings": [posting] * 5_000},
        JournalEntry,
    )
    value = codec.encode(entry)
    assert unusual("ledger-entries", [value]) == 1
    rows = Mapper().rows("ledger-entries", 0, records_of([value]))
    assert rows.stored is not None
    assert rows.stored.num_rows == 5_000


def test_without_a_compiler_the_build_says_so_in_a_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(native, "FOLDER", tmp_path / "native")
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build.main() == 1
    assert "plain Python does the same" in capsys.readouterr().err
