"""A codec serves any folder of schemas with classes of its own."""

import json
import types
from enum import StrEnum

import msgspec
import pytest

from domain.messages import Tick
from schemas.catalog import Catalog
from schemas.codec import Codec, Undecodable, UndecodableReason


class Shade(StrEnum):
    LIGHT = "LIGHT"
    DARK = "DARK"


class Paint(msgspec.Struct, frozen=True):
    name: str
    shade: Shade
    litres: int
    mixed_at: int


SHADE = {"type": "enum", "name": "Shade", "symbols": ["LIGHT", "DARK"]}
FIELDS = {
    "name": "string",
    "shade": SHADE,
    "litres": "long",
    "mixed_at": {"type": "long", "logicalType": "timestamp-micros"},
}
PAINT = Paint("blue", Shade.DARK, 300, 3_600_000_000)


@pytest.fixture
def catalog(tmp_path):
    """One schema in a folder without a history, in a namespace of its own."""
    fields = [{"name": name, "type": kind} for name, kind in FIELDS.items()]
    schema = {"type": "record", "name": "Paint", "namespace": "workshop", "fields": fields}
    (tmp_path / "paint.avsc").write_text(json.dumps(schema))
    (tmp_path / "ids.json").write_text('{"paint": 7}')
    module = types.ModuleType("workshop_messages")
    module.Paint, module.Shade = Paint, Shade
    return Catalog(tmp_path, "workshop", (module,))


def test_a_folder_of_schemas_has_a_codec_of_its_own(catalog):
    codec = Codec(catalog)
    data = codec.encode(PAINT)
    assert data == b"\0\0\0\0\x07" + b"\x08blue" + b"\x02" + b"\xd8\x04" + b"\x80\x90\x9d\xe9\x1a"
    assert codec.decode(data, Paint) == PAINT


def test_a_loop_may_hold_the_function_of_a_class(catalog):
    codec = Codec(catalog)
    encode, decode = codec.encoder(Paint), codec.decoder(Paint)
    assert encode is codec.encoder(Paint)
    assert decode is codec.decoder(Paint)
    assert decode(encode(PAINT)) == PAINT
    with pytest.raises(Undecodable) as caught:
        decode(None)
    assert caught.value.reason is UndecodableReason.EMPTY


def test_a_message_of_another_catalog_is_named(catalog):
    with pytest.raises(TypeError, match="Tick has no schema of its own; those that have: "):
        Codec(catalog).encode(Tick(1))
