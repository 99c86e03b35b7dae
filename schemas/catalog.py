"""Schemas as files: the latest version of each, every version there ever was, and the committed table of ids.

``ids.json`` maps a schema's name to the id that it is written with today; ``history/<name>/<id>.avsc`` is the schema
that an id was given to, today's among them. An id never changes its meaning.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from types import ModuleType
from typing import Any, Final, TypeAlias

from domain import messages, observations, state

Json: TypeAlias = Any
"""A parsed .avsc: a string, a list or a dict, as the Avro specification nests them."""

NAMESPACE: Final = "fillstream"


class Catalog:
    """A folder of schemas, all in one namespace, and the modules whose classes hold their values.

    A folder without ``history/`` has had no version but today's. Nothing is read before it is asked for, or twice.
    """

    def __init__(self, folder: Traversable, namespace: str, modules: Sequence[ModuleType]) -> None:
        self.namespace: Final = namespace
        self._folder = folder
        self._modules = modules
        self._latest: dict[str, Json] = {}
        self._versions: dict[str, Mapping[int, Json]] = {}

    def ids(self) -> Mapping[str, int]:
        """The id that each schema is written with, by the schema's name."""
        return self._ids

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        table: dict[str, int] = json.loads(self._folder.joinpath("ids.json").read_text())
        return table

    def latest(self, name: str) -> Json:
        """The schema in ``<name>.avsc``: the one that is written today, with its docs."""
        if name not in self._latest:
            self._latest[name] = json.loads(self._folder.joinpath(f"{name}.avsc").read_text())
        return self._latest[name]

    def versions(self, name: str) -> Mapping[int, Json]:
        """Every version of the schema *name*, by id, oldest first and without docs."""
        if name not in self._versions:
            self._versions[name] = self._read_versions(name)
        return self._versions[name]

    def _read_versions(self, name: str) -> Mapping[int, Json]:
        history = self._folder.joinpath("history")
        if not history.is_dir():
            return {self.ids()[name]: bare(self.latest(name))}
        files = history.joinpath(name).iterdir()
        found = {int(file.name.removesuffix(".avsc")): bare(json.loads(file.read_text())) for file in files}
        return dict(sorted(found.items()))

    def holder(self, name: str) -> type | None:
        """The class that holds values of the record or enum *name*, with or without the namespace; None for none."""
        short = name.removeprefix(f"{self.namespace}.")
        found = next((vars(module)[short] for module in self._modules if short in vars(module)), None)
        return found if isinstance(found, type) else None


PRODUCT: Final = Catalog(resources.files("schemas"), NAMESPACE, (messages, observations, state))
"""The schemas beside this file: every message and every row of the tables."""

ids: Final = PRODUCT.ids
latest: Final = PRODUCT.latest
versions: Final = PRODUCT.versions


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

    def __init__(self, catalog: Catalog = PRODUCT) -> None:
        self._latest = catalog.ids()
        self._writers = {
            schema_id: schema for name in self._latest for schema_id, schema in catalog.versions(name).items()
        }

    def latest(self, name: str) -> int:
        return self._latest[name]

    def writer(self, schema_id: int) -> Json | None:
        """The schema that *schema_id* was given to, or None if nothing has that id."""
        return self._writers.get(schema_id)
