"""Yesterday's bytes: every version's can be read, today's are written, and no schema changes without a new id."""

import copy
import io
import json
import random

import fastavro
import pytest
from fastavro.utils import generate_many

from schemas import catalog, codec, evolution
from tests.schemas import golden_bytes, samples

VERSIONS = [(name, schema_id) for name in samples.NAMES for schema_id in catalog.versions(name)]
HOW_TO_FREEZE = "give the change an id: python -m schemas.evolution && python -m tests.schemas.golden_bytes"


def golden(name, schema_id):
    file = golden_bytes.path(name, schema_id)
    assert file.exists(), f"{file} is missing: python -m tests.schemas.golden_bytes"
    return [(bytes.fromhex(row["bytes"]), row["message"]) for row in json.loads(file.read_text())]


def with_defaults(message, schema):
    """*message* as it reads today: fields that its version did not have hold their defaults."""
    return {field["name"]: field["default"] for field in schema["fields"] if "default" in field} | message


@pytest.mark.parametrize(("name", "schema_id"), VERSIONS)
def test_the_bytes_of_every_version_are_read(name, schema_id):
    for data, message in golden(name, schema_id):
        decoded = codec.decode(data, samples.PLANS[name].holder)
        assert golden_bytes.described(decoded) == with_defaults(message, catalog.latest(name))


@pytest.mark.parametrize("name", samples.NAMES)
def test_today_the_same_bytes_are_written(name):
    for data, _ in golden(name, catalog.ids()[name]):
        assert codec.encode(codec.decode(data, samples.PLANS[name].holder)) == data


@pytest.mark.parametrize("name", samples.NAMES)
def test_a_schema_that_changes_gets_a_new_id(name):
    frozen = catalog.versions(name).get(catalog.ids()[name])
    assert catalog.bare(catalog.latest(name)) == frozen, f"{name}.avsc is not its version: {HOW_TO_FREEZE}"


def test_no_id_is_given_twice():
    given = [schema_id for _, schema_id in VERSIONS]
    assert len(given) == len(set(given))
    assert all(schema_id == max(catalog.versions(name)) for name, schema_id in catalog.ids().items())


def test_no_version_is_left_without_its_bytes():
    files = {(file.parent.name, int(file.stem)) for file in golden_bytes.FOLDER.glob("*/*.json")}
    assert files == set(VERSIONS)


@pytest.mark.parametrize(("name", "schema_id"), VERSIONS)
def test_every_version_can_be_read_with_today_s_schema(name, schema_id):
    writer = catalog.versions(name)[schema_id]
    assert evolution.breaks(writer, catalog.latest(name)) == ()
    parsed = fastavro.parse_schema(samples.physical(writer))
    for record in generate_many(parsed, 20):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, parsed, record)
        data = b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()
        assert isinstance(codec.decode(data, samples.PLANS[name].holder), samples.PLANS[name].holder)


# ── what may change, and what may not ───────────────────────────────────────────────────────────────────────────────


def changed(name, change):
    schema = copy.deepcopy(catalog.latest(name))
    change({field["name"]: field for field in schema["fields"]}, schema)
    return schema


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


HARMLESS = {
    "a new field with a default": lambda _, whole: whole["fields"].append(field("note", "string", default="")),
    "a field less": lambda _, whole: whole["fields"].pop(),
    "another order of fields": lambda _, whole: whole["fields"].append(whole["fields"].pop(0)),
    "a wider number": lambda fields, _: fields["affected"].update(type=["null", "long"]),
    "one symbol more": lambda fields, _: fields["kind"]["type"]["symbols"].append("ORDER_FORGOTTEN"),
    "a field that may be null from now on": lambda fields, _: fields["user_id"].update(type=["null", "string"]),
    "other words": lambda fields, _: fields["user_id"].update(doc="whose order it is"),
}
BREAKING = {
    "is new and has no default": lambda _, whole: whole["fields"].append(field("note", "string")),
    "was string, is bytes": lambda fields, _: fields["user_id"].update(type="bytes"),
    "was null, is string": lambda fields, _: fields["reason"].update(type="string", default=""),
    "was long, is int": lambda fields, _: fields["source_offset"].update(type="int"),
    "has lost the symbols": lambda fields, _: fields["kind"]["type"]["symbols"].pop(0),
    "no branch for logicalType=decimal": lambda fields, _: fields["fee"]["type"][1].update(scale=8),
    "no branch for enum Side": lambda fields, _: fields["side"]["type"].pop(),
    "is new": lambda fields, _: fields["user_id"].update(name="user"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_a_change_that_keeps_old_records_readable_is_allowed(case):
    assert evolution.breaks(catalog.latest("order_event"), changed("order_event", HARMLESS[case])) == ()


@pytest.mark.parametrize("case", BREAKING)
def test_a_change_that_makes_old_records_unreadable_is_found(case):
    (found,) = evolution.breaks(catalog.latest("order_event"), changed("order_event", BREAKING[case]))
    assert case in found
    assert found.startswith("fillstream.OrderEvent.")


def test_a_change_deep_inside_is_found():
    def change(fields, _):
        fields["postings"]["type"]["items"]["fields"].append(field("note", "string"))

    (found,) = evolution.breaks(catalog.latest("journal_entry"), changed("journal_entry", change))
    assert found == "fillstream.JournalEntry.postings.note: is new and has no default"

    def drop_a_command(fields, _):
        fields["command"]["type"].pop()

    (found,) = evolution.breaks(catalog.latest("order_command"), changed("order_command", drop_a_command))
    assert found == "fillstream.OrderCommand.command: no branch for record AmendOrder"


@pytest.mark.parametrize("case", [*HARMLESS, *BREAKING])
def test_the_rules_are_those_of_avro(case):
    """What is called harmless, fastavro resolves; what is called breaking, it refuses for some record."""
    reader = fastavro.parse_schema(samples.physical(changed("order_event", (HARMLESS | BREAKING)[case])))
    writer = fastavro.parse_schema(samples.physical(catalog.latest("order_event")))
    refused = False
    random.seed(case)
    for record in generate_many(writer, 60):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, writer, record)
        body.seek(0)
        try:
            fastavro.schemaless_reader(body, writer, reader)
        except fastavro.read.SchemaResolutionError:
            refused = True
    lenient = case in {"was string, is bytes", "no branch for logicalType=decimal"}  # readable, and wrong
    assert refused is (case in BREAKING and not lenient)


# ── giving an id ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def changed_event(monkeypatch):
    """Makes the catalog answer a changed order event."""

    def install(change):
        latest = catalog.latest
        schema = changed("order_event", change)
        monkeypatch.setattr(catalog, "latest", lambda name: schema if name == "order_event" else latest(name))

    return install


def test_nothing_is_frozen_while_nothing_has_changed(tmp_path):
    assert evolution.changed() == {}
    assert evolution.freeze(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_changed_schema_is_frozen_under_the_next_id(tmp_path, changed_event):
    changed_event(HARMLESS["a new field with a default"])
    following = max(schema_id for _, schema_id in VERSIONS) + 1
    assert evolution.freeze(tmp_path) == {"order_event": following}
    frozen = json.loads((tmp_path / "history" / "order_event" / f"{following}.avsc").read_text())
    assert frozen["fields"][-1] == field("note", "string", default="")
    assert json.loads((tmp_path / "ids.json").read_text()) == {**catalog.ids(), "order_event": following}


def test_words_alone_need_no_id(tmp_path, changed_event):
    changed_event(HARMLESS["other words"])
    assert evolution.freeze(tmp_path) == {}


def test_a_breaking_change_is_not_frozen(tmp_path, changed_event, capsys):
    changed_event(BREAKING["is new and has no default"])
    with pytest.raises(ValueError, match=r"OrderEvent\.note: is new and has no default"):
        evolution.freeze(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert evolution.main() == 1
    assert "not frozen: fillstream.OrderEvent.note" in capsys.readouterr().err


def test_the_command_says_what_it_froze(tmp_path, changed_event, monkeypatch, capsys):
    changed_event(HARMLESS["a new field with a default"])
    monkeypatch.setattr(evolution, "__file__", str(tmp_path / "evolution.py"))
    assert evolution.main() == 0
    assert "order_event is written with id" in capsys.readouterr().out
    assert (tmp_path / "ids.json").exists()
