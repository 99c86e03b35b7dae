"""Compiled codecs: used where they can be made, never when made of other sources, and the same in everything."""

import importlib
import json
import os
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from domain.messages import Account, DeadLetter, OrderCommand, OrderType, PlaceOrder, Posting, Side, Tick
from domain.state import Balance
from runtime.settings import refuse_unknown
from schemas import build, catalog, codec, cython_source, native, wire
from schemas.catalog import Catalog
from schemas.codec import Codec
from tests.schemas import damage, samples
from tests.schemas.fastavro_equality import back_ends

DAMAGED = 400


@pytest.fixture(autouse=True)
def back_end(compiled_codec):
    """These rules are about both at once: none is chosen."""
    codec.use_ids(None)
    yield compiled_codec
    codec.use_ids(None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for what is compiled."""
    monkeypatch.setattr(native, "FOLDER", tmp_path / "native")
    native.FOLDER.mkdir()
    return native.FOLDER


@pytest.fixture(scope="module")
def paints(tmp_path_factory):
    """A catalog with one schema, its class in a module of its own."""
    source = tmp_path_factory.mktemp("paints")
    fields = [{"name": "name", "type": "string"}, {"name": "litres", "type": "long"}]
    schema = {"type": "record", "name": "Paint", "namespace": "paints", "fields": fields}
    (source / "paint.avsc").write_text(json.dumps(schema))
    (source / "ids.json").write_text('{"paint": 7}')
    (source / "paints_messages.py").write_text(
        textwrap.dedent("""
            import msgspec

            class Paint(msgspec.Struct, frozen=True):
                name: str
                litres: int
        """)
    )
    sys.path.insert(0, str(source))
    module = importlib.import_module("paints_messages")
    module.CATALOG = Catalog(source, "paints", (module,))
    yield module.CATALOG
    sys.path.remove(str(source))


def test_compiled_code_is_used_where_there_is_a_compiler():
    assert codec.is_compiled()
    assert not Codec(catalog.PRODUCT, pure=True).is_compiled()


def test_pure_python_can_be_asked_for_by_environment(monkeypatch):
    for value, expected in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv(native.PURE_VARIABLE, value)
        refuse_unknown(os.environ)
        codec.use_ids(None)
        assert codec.is_compiled() is not expected


@pytest.mark.parametrize("name", samples.NAMES)
def test_the_usual_is_done_without_plain_python(name):
    def never(_):
        raise AssertionError("unusual")

    module = native.load(catalog.PRODUCT)
    both = module.specialised(name, wire.header(5), never, never)
    for seed in range(200):
        message = samples.message(name, seed)
        assert both.decode(both.encode(message)) == message


def test_an_array_in_blocks_is_usual():
    entry = samples.message("journal_entry", 1)
    entry = replace(entry, user_id="u", source_topic="t", postings=(Posting("o", Account.AVAILABLE, "BTC", 1),))
    data = plain_bytes(entry)
    position = data.index(b"\x02\x02o\x00\x06BTC")
    item = data[position + 1 : position + 10]
    blocks = data[:position] + b"\x02" + item + b"\x04" + item + item + data[position + 10 :]
    compiled = native.load(catalog.PRODUCT).specialised("journal_entry", blocks[:5], None, None)
    assert compiled.decode(blocks).postings == entry.postings * 3


@pytest.mark.parametrize("name", samples.NAMES)
def test_damaged_bytes_have_the_same_outcome_in_both(name):
    for seed in range(DAMAGED):
        damage.compare(name, seed)


@pytest.mark.parametrize("data", [None, b"", b"\0\0", bytearray(b"\0\0\0\0\x03\x02"), b"\0\0\0\0\x03"])
def test_what_is_no_record_has_the_same_outcome_in_both(data):
    compiled, plain = (back_end.decoder(Tick) for back_end in back_ends().values())
    assert damage.outcome(compiled, data) == damage.outcome(plain, data)


@pytest.mark.parametrize("name", samples.NAMES)
def test_each_byte_of_a_record_means_the_same_in_both(name):
    message = samples.message(name, 3)
    compiled, plain = (back_end.decoder(type(message)) for back_end in back_ends().values())
    data = plain_bytes(message)[:400]
    for at in range(wire.HEADER_BYTES, len(data)):
        for byte in (0, 1, 2, 3, 5, 0x7F, 0x80, 0x81, 0xFF):
            changed = data[:at] + bytes([byte]) + data[at + 1 :]
            assert damage.outcome(compiled, changed) == damage.outcome(plain, changed), (at, byte)


@pytest.mark.parametrize("lead", [b"\x00", b"\x7f", b"\x80", b"\xff"])
@pytest.mark.parametrize("rest", [b"\x00", b"\xff", b"\x81"])
def test_an_amount_of_any_length_is_read_alike(lead, rest):
    compiled, plain = (back_end.decoder(Balance) for back_end in back_ends().values())
    start = plain_bytes(replace(BALANCE, available=0, reserved=0))[:-4]
    for size in range(wire.AMOUNT_BYTES_MAX + 2):
        amount = wire.long_bytes(size) + (lead + rest * size)[:size]
        data = start + amount + amount
        assert damage.outcome(compiled, data) == damage.outcome(plain, data)


@pytest.mark.parametrize("beyond", range(-3, 4))
@pytest.mark.parametrize("bits", [7, 14, 31, 32, 33, 63, 64, 65, 70])
def test_a_number_of_any_length_is_read_alike(bits, beyond):
    zigzag = (1 << bits) + beyond
    written = bytearray()
    while zigzag > 0x7F:
        written.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    written.append(zigzag)
    data = plain_bytes(DEAD)
    assert data[5:9] == b"\x02t\x02\x04"  # topic, partition, offset
    compiled, plain = (back_end.decoder(DeadLetter) for back_end in back_ends().values())
    for changed in (data[:7] + written + data[8:], data[:8] + written + data[9:]):
        assert damage.outcome(compiled, changed) == damage.outcome(plain, changed)


def plain_bytes(message):
    return Codec(catalog.PRODUCT, pure=True).encode(message)


def encoded(encode, message):
    """The bytes of *message*, or the error in full."""
    try:
        return encode(message).hex()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return repr(error)


class Name(str):
    __slots__ = ()


BALANCE = Balance("owner", "BTC", 1, 2)
PLACE = PlaceOrder("o", "v", "s", Side.BUY, OrderType.LIMIT, 1)
DEAD = DeadLetter("t", 1, 2, 3, "stage", "reason", "detail", 4)
ENTRY = samples.message("journal_entry", 1)
ODD = {
    "a symbol as plain text": replace(PLACE, side="SELL"),
    "a symbol that is none": replace(PLACE, side="SIDEWAYS"),
    "a symbol of another enum": replace(PLACE, side=OrderType.LIMIT),
    "no symbol": replace(PLACE, side=None),
    "truth that is no boolean": replace(PLACE, post_only="yes"),
    "an amount as truth": replace(BALANCE, available=True),
    "an amount as float": replace(BALANCE, available=1.5),
    "no amount": replace(BALANCE, available=None),
    "an amount of 39 digits": replace(BALANCE, available=10**38),
    "an amount of 400 bits": replace(BALANCE, reserved=-(1 << 400)),
    "an optional amount of 39 digits": replace(PLACE, price=-(10**38)),
    "an int of 33 bits": replace(DEAD, source_partition=1 << 31),
    "a long of 65 bits": replace(DEAD, source_offset=1 << 63),
    "a number as text": replace(DEAD, source_offset="2"),
    "a number as truth": replace(DEAD, source_partition=True),
    "half a surrogate pair": replace(BALANCE, owner="\ud800"),
    "a text of another class": replace(BALANCE, owner=Name("é")),
    "a symbol as text": replace(DEAD, reason=Side.BUY),
    "no text": replace(BALANCE, owner=None),
    "bytes as text": replace(BALANCE, owner=b"owner"),
    "a shared text that is none": replace(BALANCE, asset=5),
    "bytes of another class": replace(DEAD, key=bytearray(b"key"), value=memoryview(b"value")),
    "a list for a tuple": replace(ENTRY, postings=list(ENTRY.postings)),
    "items that are none": replace(ENTRY, postings=(None,)),
    "an item of another class": replace(ENTRY, postings=(BALANCE,)),
    "a text of a megabyte": replace(BALANCE, owner="é" * (1 << 19)),
    "a thousand items": replace(ENTRY, postings=ENTRY.postings[:1] * 1000),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_values_are_written_or_refused_alike(case):
    message = ODD[case]
    if isinstance(message, PlaceOrder):
        message = OrderCommand("c", "u", 1, message)
    compiled, plain = (back_end.encoder(type(message)) for back_end in back_ends().values())
    assert encoded(compiled, message) == encoded(plain, message)


def test_a_message_of_another_class_is_refused_alike():
    compiled, plain = (back_end.encoder(Tick) for back_end in back_ends().values())
    for other in (BALANCE, None, SimpleNamespace(at=5)):
        assert encoded(compiled, other) == encoded(plain, other)


def test_a_record_cut_anywhere_is_refused_alike():
    compiled, plain = back_ends().values()
    for name in samples.NAMES:
        message = samples.message(name, 3)
        data = plain.encode(message)[:400]
        for end in range(len(data)):
            expected = damage.outcome(plain.decoder(type(message)), data[:end])
            assert damage.outcome(compiled.decoder(type(message)), data[:end]) == expected


def test_a_catalog_of_ones_own_is_compiled_once_in_place_of_an_older_build(paints, folder, capsys):
    stale = folder / native.file_name(paints, "of yesterday", "cython-3.0.0")
    other = folder / stale.name.replace("paints", "inks")
    for old in (stale, other):
        old.write_bytes(b"")
    assert build.main(["paints_messages:CATALOG"]) == 0
    assert "codec of paints compiled in" in capsys.readouterr().out
    file = build.build(paints)
    assert set(folder.iterdir()) == {file, other}
    made_at = file.stat().st_mtime_ns
    assert build.main(["paints_messages:CATALOG"]) == 0
    assert capsys.readouterr().out == ""
    assert file.stat().st_mtime_ns == made_at

    compiled, plain = Codec(paints), Codec(paints, pure=True)
    assert compiled.is_compiled()
    paint = paints.holder("Paint")("blue", 300)
    assert compiled.encode(paint) == plain.encode(paint)
    assert compiled.decode(plain.encode(paint), type(paint)) == paint


@pytest.mark.usefixtures("folder")
def test_threads_that_want_the_same_module_at_once_all_get_it(paints, monkeypatch):
    build.build(paints)
    loads, both_may_begin = [], threading.Barrier(2, timeout=60)

    def slowly(_name, file):
        loads.append(file)
        time.sleep(0.1)  # for as long as a linker may take
        return object()

    def load(_):
        both_may_begin.wait()
        return native.load(paints)

    monkeypatch.setattr(native, "_import", slowly)
    monkeypatch.setattr(native, "_loaded", {})
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(load, range(2))
    assert first is second
    assert len(loads) == 1


def test_what_was_compiled_of_other_sources_is_not_loaded(paints, folder):
    stale = folder / native.file_name(paints, "of yesterday", "cython-3.0.0")
    stale.write_bytes(b"not even a library")
    with capture_logs() as logs:
        assert not Codec(paints).is_compiled()
    assert [(event["event"], event["file"]) for event in logs] == [("compiled_codec_stale", stale.name)]


def test_what_can_not_be_loaded_is_named_and_left_alone(paints, folder):
    broken = folder / native.file_name(paints, cython_source.source(paints), "cython-3.0.0")
    broken.write_bytes(b"no library")
    with capture_logs() as logs:
        assert not Codec(paints).is_compiled()
    assert [(event["event"], event["file"]) for event in logs] == [("compiled_codec_unusable", broken.name)]


def test_without_a_compiler_one_line_says_so(folder, monkeypatch, capsys):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build.main([]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert "plain Python does the same" in line
    assert "no-such-compiler" in line
    assert list(folder.iterdir()) == []


def test_a_compilers_error_is_told_in_a_line(paints, folder):
    with pytest.raises(build.BuildError, match="no-such-header") as caught:
        build.build(paints, ["-include", "no-such-header.h"])
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []
