"""How schemas change: what a new version must not break, and the next id for one that breaks nothing.

After a change to ``schemas/<name>.avsc``, ``python -m schemas.evolution`` gives the new version its id: it writes
``history/<name>/<id>.avsc`` and ``ids.json``. It refuses a change that would leave records of an earlier version
unreadable.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from schemas import catalog
from schemas.catalog import Json

_PROMOTIONS: Final = {("int", "long")}


def breaks(writer: Json, reader: Json) -> tuple[str, ...]:
    """Why values written with *writer* can't all be read with *reader*, a sentence each; empty if they can."""
    return tuple(_breaks(_expanded(writer, {}), _expanded(reader, {}), catalog.full_name(reader)))


def _expanded(schema: Json, named: dict[str, Json]) -> Json:
    """*schema* with each named type spelled out wherever it is meant."""
    if isinstance(schema, list):
        return [_expanded(branch, named) for branch in schema]
    if isinstance(schema, str):
        return named.get(schema.rpartition(".")[2], schema)
    whole = dict(schema)
    if whole["type"] == "record":
        whole["fields"] = [{**field, "type": _expanded(field["type"], named)} for field in whole["fields"]]
    elif whole["type"] == "array":
        whole["items"] = _expanded(whole["items"], named)
    if "name" in whole:
        whole["name"] = whole["name"].rpartition(".")[2]
        named[whole["name"]] = whole
    return whole


def _breaks(writer: Json, reader: Json, path: str) -> Iterator[str]:
    if isinstance(writer, list):
        for branch in writer:
            yield from _breaks(branch, reader, path)
    elif isinstance(reader, list):
        fitting = [branch for branch in reader if _fits(writer, branch)]
        yield from _breaks(writer, fitting[0], path) if fitting else [f"{path}: no branch for {_kind(writer)}"]
    elif not _fits(writer, reader):
        yield f"{path}: was {_kind(writer)}, is {_kind(reader)}"
    elif isinstance(reader, dict):
        yield from _WITHIN.get(reader["type"], _nothing)(writer, reader, path)


def _fits(writer: Json, reader: Json) -> bool:
    return _kind(writer) == _kind(reader) or (_kind(writer), _kind(reader)) in _PROMOTIONS


def _nothing(_writer: Json, _reader: Json, _path: str) -> Iterator[str]:
    yield from ()


def _array_breaks(writer: Json, reader: Json, path: str) -> Iterator[str]:
    yield from _breaks(writer["items"], reader["items"], path)


def _enum_breaks(writer: Json, reader: Json, path: str) -> Iterator[str]:
    lost = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if lost and "default" not in reader:
        yield f"{path}: {_kind(reader)} has lost the symbols {lost}"


def _record_breaks(writer: Json, reader: Json, path: str) -> Iterator[str]:
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        inner = f"{path}.{field['name']}"
        if field["name"] in written:
            yield from _breaks(written[field["name"]]["type"], field["type"], inner)
        elif "default" not in field:
            yield f"{inner}: is new and has no default"


_WITHIN: Final[Mapping[str, Callable[[Json, Json, str], Iterator[str]]]] = {
    "array": _array_breaks,
    "enum": _enum_breaks,
    "record": _record_breaks,
}


def _kind(schema: Json) -> str:
    """What must be equal for two types to be the same: the primitive, the logical type, or the name."""
    if isinstance(schema, str):
        return schema
    if "logicalType" in schema:
        return " ".join(f"{key}={schema[key]}" for key in sorted(schema))
    return " ".join(str(schema[key]) for key in ("type", "name") if key in schema)


def changed() -> Mapping[str, tuple[str, ...]]:
    """The schemas that differ from the version their id stands for, and what the change breaks."""
    found: dict[str, tuple[str, ...]] = {}
    for name, schema_id in catalog.ids().items():
        schema = catalog.latest(name)
        if catalog.bare(schema) != catalog.versions(name).get(schema_id):
            found[name] = tuple(why for version in catalog.versions(name).values() for why in breaks(version, schema))
    return found


def freeze(folder: Path) -> Mapping[str, int]:
    """Gives every changed schema its next id, in the files of *folder*. Raises ValueError for a change that breaks."""
    found = changed()
    broken = [why for reasons in found.values() for why in reasons]
    if broken:
        raise ValueError("; ".join(broken))
    used = {schema_id for name in catalog.ids() for schema_id in catalog.versions(name)}
    given = {name: max(used) + 1 + index for index, name in enumerate(found)}
    for name, schema_id in given.items():
        path = folder / "history" / name / f"{schema_id}.avsc"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(catalog.bare(catalog.latest(name))) + "\n")
    if given:
        (folder / "ids.json").write_text(json.dumps({**catalog.ids(), **given}, indent=2) + "\n")
    return given


def main() -> int:
    """Freezes the schemas next to this file; 1 if one can't be."""
    try:
        given = freeze(Path(__file__).parent)
    except ValueError as error:
        sys.stderr.write(f"not frozen: {error}\n")
        return 1
    for name, schema_id in given.items():
        sys.stdout.write(f"{name} is written with id {schema_id} from now on\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
