"""Ids from a Schema Registry, where an installation has one: it, and not the committed table, says what an id means.

Subjects are named after the record alone (``fillstream.OrderCommand``; Confluent's RecordNameStrategy): the topics
``venue-requests.<venue>`` share one schema, and a message does not know its topic. Producers may register under any
subject they like, for the wire carries ids and only the record's name is compared.

Schemas are registered without their docs, so that better words are no new version. Looking up comes first: where the
schemas are registered already, read access is enough.
"""

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from schemas import catalog, codec
from schemas.catalog import Json
from schemas.wire import Undecodable, UndecodableReason

TIMEOUT_S: Final = 2.0
RETRIES_MAX: Final = 2
UNKNOWN_FOR_S: Final = 60.0
"""How long an id that the registry does not know is taken for unknown, before it is asked again."""
UNAVAILABLE_FOR_S: Final = 5.0
"""How long a registry that failed is left alone: garbage ids must not cost a timeout each."""
UNKNOWN_MAX: Final = 1024


class RegistryError(Exception):
    """The Schema Registry can't be used; the message says why and what to do."""


def use(url: str) -> None:
    """From now on the codec's ids are those of the registry at *url*. Raises RegistryError."""
    codec.use_ids(RegistryIds(url))


def _parsed(schema: Any) -> Json:
    """The Avro schema that the registry answered; for any other kind of schema, one that is no record."""
    try:
        return json.loads(schema.schema_str)
    except ValueError:
        return "null"


class RegistryIds:
    """The registry's ids of every version of every schema, and whatever other schemas are asked for by id."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._unknown_until: dict[int, float] = {}
        self._unavailable_until = 0.0
        self._latest: dict[str, int] = {}
        self._writers: dict[int, Json] = {}
        try:
            self._client = SchemaRegistryClient(
                {"url": url, "timeout": TIMEOUT_S, "max.retries": RETRIES_MAX, "retries.wait.ms": 100}
            )
            for name in catalog.ids():
                self._enter(name)
        except Exception as error:  # the client lets through whatever its HTTP library raises
            raise RegistryError(
                f"the Schema Registry at {url} can't be used ({error!r}): start it, let it take the schemas of this "
                "release, or leave the setting schema_registry_url out to use the ids of schemas/ids.json"
            ) from error

    def _enter(self, name: str) -> None:
        """Finds the ids of all versions of a schema, oldest first; registers those that the registry has not."""
        subject = catalog.full_name(catalog.latest(name))
        for version in catalog.versions(name).values():
            schema_id = self._id(subject, Schema(json.dumps(version), "AVRO"))
            self._writers[schema_id] = version
            self._latest[name] = schema_id

    def _id(self, subject: str, schema: Any) -> int:
        try:
            found: int = self._client.lookup_schema(subject, schema).schema_id
        except SchemaRegistryError as error:
            if error.http_status_code != HTTPStatus.NOT_FOUND:
                raise
            found = self._client.register_schema(subject, schema)
        return found

    def latest(self, name: str) -> int:
        return self._latest[name]

    def writer(self, schema_id: int) -> Json | None:
        """The schema behind *schema_id*, or None if the registry has none. Raises Undecodable if it can't be asked."""
        known = self._writers.get(schema_id)
        if known is not None:
            return known
        now = self._clock()
        if self._unknown_until.get(schema_id, now) > now:
            return None
        if self._unavailable_until > now:
            raise self._unavailable(schema_id, "it failed a moment ago")
        return self._fetch(schema_id)

    def _fetch(self, schema_id: int) -> Json | None:
        try:
            found = self._client.get_schema(schema_id)
        except Exception as error:
            if isinstance(error, SchemaRegistryError) and error.http_status_code == HTTPStatus.NOT_FOUND:
                self._remember_unknown(schema_id)
                return None
            self._unavailable_until = self._clock() + UNAVAILABLE_FOR_S
            raise self._unavailable(schema_id, " ".join(repr(error).split())[:200]) from error
        self._writers[schema_id] = _parsed(found)
        return self._writers[schema_id]

    def _remember_unknown(self, schema_id: int) -> None:
        if len(self._unknown_until) >= UNKNOWN_MAX:
            self._unknown_until.clear()
        self._unknown_until[schema_id] = self._clock() + UNKNOWN_FOR_S

    def _unavailable(self, schema_id: int, why: str) -> Undecodable:
        detail = f"the Schema Registry does not say what id {schema_id} is: {why}"
        return Undecodable(UndecodableReason.SCHEMA_UNAVAILABLE, detail)
