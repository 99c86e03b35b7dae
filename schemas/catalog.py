"""The schemas as files: the latest version of each, every version there ever was, and the committed table of ids.

``ids.json`` maps a schema's name to the id that it is written with today; ``history/<name>/<id>.avsc`` is the schema
that an id was given to, today's among them. An id never changes its meaning.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""A parsed .avsc: a string, a list or a dict, as the Avro specification nests them."""

NAMESPACE: Final = "fillstream"


@cache
def ids() -> Mapping[str, int]:
    """The id that each schema is written with, by the schema's name."""
    table: dict[str, int] = json.loads(resources.files("schemas").joinpath("ids.json").read_text())
    return table


@cache
def versions(name: str) -> Mapping[int, Json]:
    """Every version of the schema *name*, by id, oldest first and without docs."""
    folder = resources.files("schemas").joinpath("history", name)
    found = {int(file.name.removesuffix(".avsc")): bare(json.loads(file.read_text())) for file in folder.iterdir()}
    return dict(sorted(found.items()))


@cache
def latest(name: str) -> Json:
    """The schema in ``schemas/<name>.avsc``: the one that is written today, with its docs."""
    return json.loads(resources.files("schemas").joinpath(f"{name}.avsc").read_text())


def full_name(schema: Json) -> str:
    """The record's name with its namespace, such as ``fillstream.OrderCommand``; ``""`` for what is no named type."""
    if not isinstance(schema, dict) or "name" not in schema:
        return ""
    name = str(schema["name"])
    namespace = schema.get("namespace", "")
    return f"{namespace}.{name}" if namespace and "." not in name else name


def bare(schema: Json) -> Json:
    """*schema* without its docs. Two schemas that are equal bare read and write the same."""
    if isinstance(schema, dict):
        return {key: bare(value) for key, value in schema.items() if key != "doc"}
    return [bare(part) for part in schema] if isinstance(schema, list) else schema


class CommittedIds:
    """The ids of ``ids.json`` and ``history/``: what counts where no Schema Registry is configured."""

    def __init__(self) -> None:
        self._writers = {schema_id: schema for name in ids() for schema_id, schema in versions(name).items()}

    def latest(self, name: str) -> int:
        return ids()[name]

    def writer(self, schema_id: int) -> Json | None:
        """The schema that *schema_id* was given to, or None if nothing has that id."""
        return self._writers.get(schema_id)
